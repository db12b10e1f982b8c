package generic_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// Nodes of every fill, of keys that are searched in strides and of others.
func TestBTreeMapSearch(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	testSearch(t, func(i int) uint64 { return uint64(i) << 56 })
	testSearch(t, func(i int) int { return i - 100 })
	testSearch(t, func(i int) int32 { return int32(i - 100) })
	testSearch(t, func(i int) float64 { return float64(i)/4 - 20 })
	testSearch(t, func(i int) string { return string([]byte{byte(i), byte(r.Uint32())}) })
}

func testSearch[K cmp.Ordered](t *testing.T, key func(i int) K) {
	t.Helper()
	var all []K
	for i := range 200 {
		all = append(all, key(i))
	}
	for n := 0; n <= 140; n += 1 + n/8 {
		m := generic.NewBTreeMap[K, int](allocatortest.New(t))
		var keys []K
		for i := range n {
			keys = append(keys, all[2*i%200])
		}
		slices.Sort(keys)
		keys = slices.Compact(keys)
		for i, k := range keys {
			if err := m.Put(k, i); err != nil {
				t.Fatal(err)
			}
		}
		for _, k := range all {
			at, found := slices.BinarySearch(keys, k)
			if v, ok := m.Get(k); ok != found || ok && v != at {
				t.Fatalf("%d keys: Get(%v): %d, %t; want %d, %t", n, k, v, ok, at, found)
			}
			if got, _, ok := m.Ceiling(k); ok != (at < len(keys)) || ok && got != keys[at] {
				t.Fatalf("%d keys: Ceiling(%v): %v, %t", n, k, got, ok)
			}
		}
		m.Close()
	}
}

type linkedElsewhere struct {
	*generic.DoublyLinks[linkedElsewhere]
}

// A value with a pointer to its links has none that a list could find.
func TestLinksElsewhere(t *testing.T) {
	var l generic.IntrusiveDoublyLinkedList[linkedElsewhere, *linkedElsewhere]
	defer func() {
		const want = "generic: *generic_test.linkedElsewhere does not embed its links, but a pointer to them"
		if got := recover(); got != want {
			t.Errorf("panic %v, want %q", got, want)
		}
	}()
	l.PushBack(&linkedElsewhere{new(generic.DoublyLinks[linkedElsewhere])})
}

// A method that is inlined says which index is out of range, too.
func TestIndexOutOfRange(t *testing.T) {
	d := generic.NewDeque[int](allocatortest.New(t))
	b := generic.NewDynamicBitSet(allocatortest.New(t))
	for want, f := range map[string]func(){
		"generic: Deque.At: index 2 out of range with length 0":           func() { d.At(2) },
		"generic: Deque.Ptr: index -1 out of range with length 0":         func() { d.Ptr(-1) },
		"generic: DynamicBitSet: index 0 out of range with length 0":      func() { b.Set(0) },
		"generic: DynamicBitSet.Next: index 1 out of range with length 0": func() { b.Next(1) },
	} {
		func() {
			defer func() {
				if err, ok := recover().(error); !ok || err.Error() != want {
					t.Errorf("panic %v, want %q", err, want)
				}
			}()
			f()
		}()
	}
}
