package generic_test

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// A shared is what the maps for many goroutines have in common.
type shared[K comparable, V any] interface {
	Put(k K, v V) error
	FetchPut(k K, v V) (V, bool, error)
	GetOrPut(k K, v V) (V, bool, error)
	Update(k K, f func(v *V, found bool) bool) error
	Get(k K) (V, bool)
	View(k K, f func(v *V)) bool
	Contains(k K) bool
	Remove(k K) bool
	FetchRemove(k K) (V, bool)
	DeleteFunc(del func(K, V) bool)
	Len() int
	All() iter.Seq2[K, V]
	Keys() iter.Seq[K]
	Values() iter.Seq[V]
	Drain() iter.Seq2[K, V]
	Clear()
	Close() error
}

// sharedModel returns a program that runs on the map that make returns and on a
// Go map. clone returns a clone of it, and keep a key that outlives its entry.
func sharedModel[K comparable, V comparable](make func(a mem.Allocator) shared[K, V], clone func(shared[K, V]) (shared[K, V], error), key func(byte) K, keep func(K) K, value func(byte) V) modelProgram {
	return func(t *testing.T, a *checked, p *tape) {
		m, model := make(a), map[K]V{}
		defer func() { m.Close() }()
		for p.more() {
			op, k, v := p.next()%16, key(p.next()), value(p.next())
			want, ok := model[k]
			var err error
			switch op {
			case 0, 1, 2, 3:
				if err = m.Put(k, v); err == nil {
					model[k] = v
				}
			case 4:
				var old V
				var had bool
				if old, had, err = m.FetchPut(k, v); err == nil {
					if old != want || had != ok {
						t.Fatalf("FetchPut(%v): %v, %v; want %v, %v", k, old, had, want, ok)
					}
					model[k] = v
				}
			case 5, 6:
				var got V
				var found bool
				if got, found, err = m.GetOrPut(k, v); err == nil {
					if !ok {
						want = v
					}
					if got != want || found != ok {
						t.Fatalf("GetOrPut(%v): %v, %v; want %v, %v", k, got, found, want, ok)
					}
					model[k] = got
				} else if ok {
					t.Fatalf("GetOrPut of a key that is there: %v", err)
				}
			case 7, 8:
				stays := p.next()%4 > 0
				err = m.Update(k, func(at *V, found bool) bool {
					if *at != want || found != ok {
						t.Fatalf("Update(%v): %v, %v; want %v, %v", k, *at, found, want, ok)
					}
					*at = v
					return stays
				})
				if err == nil {
					if model[k] = v; !stays {
						delete(model, k)
					}
				}
			case 9, 10:
				if got := m.Remove(k); got != ok {
					t.Fatalf("Remove(%v): %v, want %v", k, got, ok)
				}
				delete(model, k)
			case 11:
				if got, had := m.FetchRemove(k); got != want || had != ok {
					t.Fatalf("FetchRemove(%v): %v, %v; want %v, %v", k, got, had, want, ok)
				}
				delete(model, k)
			case 12:
				var c shared[K, V]
				if c, err = clone(m); err == nil {
					m.Close()
					m = c
				}
			case 13:
				n := int(p.next()) % 8
				for k, v := range m.Drain() {
					if want, ok := model[k]; !ok || want != v {
						t.Fatalf("Drain: %v, %v; want %v, %v", k, v, want, ok)
					}
					delete(model, keep(k))
					if n--; n < 0 {
						break
					}
				}
			case 14:
				b := p.next()
				m.DeleteFunc(func(k K, v V) bool {
					if b += 7; b%3 == 0 {
						delete(model, keep(k))
					}
					return b%3 == 0
				})
			case 15:
				if p.next()%4 == 0 {
					m.Clear()
					clear(model)
				}
			}
			mustSucceed(t, a, op, err)
			want, ok = model[k]
			seen := false
			if got, had := m.Get(k); got != want || had != ok || m.Contains(k) != ok || m.View(k, func(v *V) { seen = *v == want }) != ok || seen != ok || m.Len() != len(model) {
				t.Fatalf("operation %d: Get(%v): %v, %v; want %v, %v; %d entries, want %d", op, k, got, had, want, ok, m.Len(), len(model))
			}
		}
		entries, n := map[K]V{}, 0
		for k, v := range m.All() {
			entries[keep(k)] = v
		}
		for k := range m.Keys() {
			if _, ok := model[k]; ok {
				n++
			}
		}
		if !maps.Equal(entries, model) || n != len(model) || len(slices.Collect(m.Values())) != n {
			t.Fatalf("%v, want %v", entries, model)
		}
	}
}

func clonedMap[K comparable, V any](m shared[K, V]) (shared[K, V], error) {
	c, err := m.(*generic.ConcurrentMap[K, V]).Clone()
	return c, err
}

func clonedStrings[V any](m shared[string, V]) (shared[string, V], error) {
	c, err := m.(*generic.StringConcurrentMap[V]).Clone()
	return c, err
}

var sharedPrograms = []modelProgram{
	sharedModel(func(a mem.Allocator) shared[uint64, uint32] { return generic.NewConcurrentMap[uint64, uint32](a) },
		clonedMap, func(b byte) uint64 { return uint64(b) << 20 }, func(k uint64) uint64 { return k }, func(b byte) uint32 { return uint32(b) }),
	sharedModel(func(a mem.Allocator) shared[string, byte] { return generic.NewStringConcurrentMap[byte](a) },
		clonedStrings, words, strings.Clone, id),
	sharedModel(func(a mem.Allocator) shared[string, struct{}] { return generic.NewStringConcurrentMap[struct{}](a) },
		clonedStrings, words, strings.Clone, func(byte) struct{} { return struct{}{} }),
	func(t *testing.T, a *checked, p *tape) {
		if a.answer != mem.PlainOnly {
			sharedModel(func(a mem.Allocator) shared[string, link] {
				m := generic.NewStringConcurrentMap[link](a)
				m.SetContext(&hashed)
				return m
			}, clonedStrings, words, strings.Clone, func(b byte) link { return links[b] })(t, a, p)
		}
	},
	sharedBufProgram,
}

// sharedBufProgram runs a tape on a map of byte strings and on a Go map.
func sharedBufProgram(t *testing.T, a *checked, p *tape) {
	m, model := generic.NewConcurrentBufMap(a), map[string]string{}
	defer func() { m.Close() }()
	for p.more() {
		op, k, v := p.next()%10, words(p.next()), words(p.next())
		var err error
		switch op {
		case 0, 1, 2, 3:
			if err = m.Put(k, []byte(v)); err == nil {
				model[k] = v
			}
		case 4, 5:
			_, ok := model[k]
			if m.Remove(k) != ok {
				t.Fatalf("Remove(%q), want %v", k, ok)
			}
			delete(model, k)
		case 6:
			b := p.next()
			m.DeleteFunc(func(k string, v []byte) bool {
				if want, ok := model[k]; !ok || want != string(v) {
					t.Fatalf("DeleteFunc: %q, %q, want %q", k, v, want)
				}
				if b += 7; b%3 == 0 {
					delete(model, strings.Clone(k))
				}
				return b%3 == 0
			})
		case 7:
			var c *generic.ConcurrentBufMap
			if c, err = m.Clone(); err == nil {
				m.Close()
				m = c
			}
		case 8:
			n := int(p.next()) % 8
			for k, v := range m.Drain() {
				if want, ok := model[k]; !ok || want != string(v) {
					t.Fatalf("Drain: %q, %q, want %q", k, v, want)
				}
				delete(model, strings.Clone(k))
				if n--; n < 0 {
					break
				}
			}
		case 9:
			if p.next()%4 == 0 {
				m.Clear()
				clear(model)
			}
		}
		mustSucceed(t, a, op, err)
		want, ok := model[k]
		got, had := m.AppendGet([]byte("dst "), k)
		seen := false
		if string(got) != "dst "+want || had != ok || m.Contains(k) != ok || m.Len() != len(model) ||
			m.View(k, func(v []byte) { seen = string(v) == want && cap(v) == len(v) }) != ok || seen != ok {
			t.Fatalf("operation %d: %q: %q, %v; want %q, %v; %d entries, want %d", op, k, got, had, want, ok, m.Len(), len(model))
		}
	}
	entries, n := map[string]string{}, 0
	for k, v := range m.All() {
		entries[strings.Clone(k)] = string(v)
	}
	for range m.Keys() {
		n++
	}
	for range m.Values() {
		n++
	}
	if !maps.Equal(entries, model) || n != 2*len(model) {
		t.Fatalf("%v, want %v", entries, model)
	}
}

func TestConcurrentMapsModel(t *testing.T) { testModel(t, sharedPrograms...) }
func FuzzConcurrentMaps(f *testing.F)      { fuzzModel(f, sharedPrograms...) }

func TestConcurrentMap(t *testing.T) {
	a := heap.NewThreadSafe(allocatortest.New(t))
	m := generic.NewConcurrentMap[int, int](a)
	defer m.Close()
	if m.Allocator() != mem.Allocator(a) {
		t.Error("Allocator")
	}
	const n = 1000
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range n {
				if err := m.Update(i, func(v *int, found bool) bool { *v += g + 1; return true }); err != nil {
					t.Error(err)
				}
				m.View(i, func(v *int) {
					if *v < g+1 || *v > 10 {
						t.Error(i, *v)
					}
				})
				if i%100 == 0 {
					m.Len()
					for k, v := range m.All() {
						if v < 1 || v > 10 || k < 0 {
							t.Error(k, v)
						}
					}
				}
			}
		})
	}
	wg.Wait()
	if v, ok := m.Get(n / 2); !ok || v != 10 || m.Len() != n || m.Contains(n) || m.View(n, nil) {
		t.Error(v, ok, m.Len())
	}
	m.DeleteFunc(func(k, _ int) bool { return k%2 == 0 })
	if err := m.Update(1, func(_ *int, found bool) bool { return !found }); err != nil || m.Contains(1) {
		t.Error(err)
	}
	mustPanic(t, "in Update", func() { m.Update(2, func(*int, bool) bool { panic("oops") }) }, "oops")
	if m.Contains(2) || m.Remove(2) || !m.Remove(3) || m.Len() != n/2-2 {
		t.Error(m.Len())
	}
	if v, found, err := m.GetOrPut(2, 7); v != 7 || found || err != nil {
		t.Error(v, found, err)
	}
	if v, found, err := m.GetOrPut(2, 8); v != 7 || !found || err != nil {
		t.Error(v, found, err)
	}
	if v, had, err := m.FetchPut(2, 9); v != 7 || !had || err != nil {
		t.Error(v, had, err)
	}
	if v, ok := m.FetchRemove(2); v != 9 || !ok {
		t.Error(v, ok)
	}
	for range m.All() {
		break
	}
	if err := m.Put(0, 1); err != nil {
		t.Error(err)
	}
	m.Clear()
	if m.Len() != 0 {
		t.Error(m.Len())
	}
	mustPanic(t, "nil", func() { generic.NewConcurrentMap[int, int](nil) }, "generic: NewConcurrentMap: nil Allocator")
	mustPanic(t, "zero", func() { new(generic.ConcurrentMap[int, int]).Put(1, 1) }, "call NewConcurrentMap")

	f := generic.NewConcurrentMap[string, int](heap.GC{})
	f.SetContext(&folded)
	if err := f.Put("Key", 1); err != nil || !f.Contains("KEY") {
		t.Error(err)
	}
}

// A Context comes too late for a map with memory, of which it changes no shard.
func TestConcurrentSetContextInUse(t *testing.T) {
	const n = 100
	for first := range n { // whose shard has memory, and no other
		m := generic.NewConcurrentMap[string, int](heap.GC{})
		s := generic.NewStringConcurrentMap[int](heap.GC{})
		put := func(k int) {
			err := m.Put("Key "+strconv.Itoa(k), k)
			noError(t, err, s.Put("Key "+strconv.Itoa(k), k))
		}
		put(first)
		mustPanic(t, "in use", func() { m.SetContext(&folded) }, "generic: ConcurrentMap.SetContext: the container has memory")
		mustPanic(t, "in use", func() { s.SetContext(&folded) }, "generic: StringConcurrentMap.SetContext: the container has memory")
		for k := range n {
			put(k)
		}
		for k := range n {
			if m.Contains("KEY "+strconv.Itoa(k)) || s.Contains("KEY "+strconv.Itoa(k)) {
				t.Fatalf("key %d is found by the Context that was refused", k)
			}
		}
		noError(t, m.Close(), s.Close())
	}
}

// testDeleteFuncs deletes every other of so many entries that all shards have
// some, and looks at all that is left.
func testDeleteFuncs(t *testing.T) {
	t.Helper()
	a := allocatortest.New(t)
	m, b := generic.NewStringConcurrentMap[int](a), generic.NewConcurrentBufMap(a)
	defer m.Close()
	defer b.Close()
	const n = 3000
	for i := range n {
		key := fmt.Sprint("key ", i)
		if err := errors.Join(m.Put(key, i), b.Put(key, []byte(fmt.Sprint("value ", i)))); err != nil {
			t.Fatal(err)
		}
	}
	odd := func(s string) bool { return strings.ContainsAny(s[len(s)-1:], "13579") }
	m.DeleteFunc(func(k string, v int) bool { return odd(k) })
	b.DeleteFunc(func(k string, v []byte) bool { return odd(k) && odd(string(v)) })
	keys, values := 0, 0
	for k := range b.Keys() {
		if odd(k) || !m.Contains(k) || !strings.HasPrefix(k, "key ") {
			t.Error(k)
		}
		keys++
	}
	for v := range b.Values() {
		if odd(string(v)) || !strings.HasPrefix(string(v), "value ") {
			t.Errorf("%q", v)
		}
		values++
	}
	if m.Len() != n/2 || b.Len() != n/2 || keys != n/2 || values != n/2 {
		t.Error(m.Len(), b.Len(), keys, values)
	}
}

// Many goroutines add, read, iterate and remove, while keys and values are freed
// by one another.
func TestStringConcurrentMaps(t *testing.T) {
	a := heap.NewThreadSafe(allocatortest.New(t))
	m := generic.NewStringConcurrentMap[int](a)
	defer m.Close()
	b := generic.NewConcurrentBufMap(a)
	defer b.Close()
	if m.Allocator() != mem.Allocator(a) || b.Allocator() != mem.Allocator(a) {
		t.Error("Allocator")
	}
	const n = 200
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			var buf []byte
			for i := range n {
				key := fmt.Sprint("key ", i)
				if err := m.Update(key, func(v *int, found bool) bool { *v += g + 1; return true }); err != nil {
					t.Error(err)
				}
				m.View(key, func(v *int) {
					if *v < g+1 || *v > 10 {
						t.Error(i, *v)
					}
				})
				if err := b.Put(key, []byte(strings.Repeat(key, 1+(i+g)%7))); err != nil {
					t.Error(err)
				}
				if i%5 == g {
					b.Remove(fmt.Sprint("key ", i/2))
				}
				var ok bool
				if buf, ok = b.AppendGet(buf[:0], key); ok && !strings.HasPrefix(string(buf), key) {
					t.Errorf("%s: %q", key, buf)
				}
				if i%50 == 0 {
					m.Len()
					for k, v := range m.All() {
						if !strings.HasPrefix(k, "key ") || v < 1 || v > 10 {
							t.Error(k, v)
						}
					}
					for k, v := range b.All() {
						if !strings.HasPrefix(string(v), k) {
							t.Errorf("%s: %q", k, v)
						}
					}
				}
			}
		})
	}
	wg.Wait()
	if v, ok := m.GetBytes([]byte("key 7")); !ok || v != 10 || m.Len() != n || m.Contains("key") || m.View("key", nil) || b.View("key", nil) {
		t.Error(v, ok, m.Len())
	}
	mustPanic(t, "in Update", func() { m.Update("x", func(*int, bool) bool { panic("oops") }) }, "oops")
	if m.Contains("x") || m.Remove("x") || !m.Remove("key 3") || m.PutBytes([]byte("key 3"), 1) != nil {
		t.Error(m.Len())
	}
	for range m.Keys() { // iterations end, and let go of the lock
		break
	}
	for range m.Values() {
		break
	}
	for range m.Drain() {
		break
	}
	for range b.Keys() {
		break
	}
	for range b.Values() {
		break
	}
	if m.Len() != n-1 {
		t.Error(m.Len())
	}
	testDeleteFuncs(t)
	folding := generic.NewStringConcurrentMap[int](heap.GC{})
	folding.SetContext(&folded)
	if err := folding.Put("Key", 1); err != nil || !folding.Contains("KEY") {
		t.Error(err)
	}
	clone, err := folding.Clone()
	if err != nil || !clone.Contains("kEY") {
		t.Error(err)
	}
	mustPanic(t, "nil", func() { generic.NewStringConcurrentMap[int](nil) }, "generic: NewStringConcurrentMap: nil Allocator")
	mustPanic(t, "nil", func() { generic.NewConcurrentBufMap(nil) }, "generic: NewConcurrentBufMap: nil Allocator")
	mustPanic(t, "zero", func() { new(generic.StringConcurrentMap[int]).Put("", 1) }, "call NewStringConcurrentMap")
	mustPanic(t, "zero", func() { new(generic.ConcurrentBufMap).Put("", nil) }, "call NewConcurrentBufMap")
}

// Cache lends what it iterates over, in order of age, and gives up what it
// drains.
func TestCacheIterators(t *testing.T) {
	c := generic.NewCache(allocatortest.New(t), 1<<16) // of one shard
	defer c.Close()
	for i := range 10 {
		if err := c.Put(fmt.Sprint(i), []byte(fmt.Sprint("value ", i))); err != nil {
			t.Fatal(err)
		}
	}
	i := 0
	for k, v := range c.All() {
		if k != fmt.Sprint(i) || string(v) != "value "+k {
			t.Errorf("%d: %q, %q", i, k, v)
		}
		i++
	}
	n := 0
	for k := range c.Keys() {
		n += len(k)
		if k == "4" {
			break
		}
	}
	for v := range c.Values() {
		n += len(v)
		if string(v) == "value 4" {
			break
		}
	}
	if i != 10 || n != 5+5*7 || c.Stats().Hits+c.Stats().Misses != 0 {
		t.Error(i, n, c.Stats())
	}
	for k, v := range c.Drain() {
		if string(v) != "value "+k {
			t.Errorf("%q, %q", k, v)
		}
		if k == "6" {
			break
		}
	}
	if c.Len() != 3 || c.Contains("6") || !c.Contains("7") || c.Stats().Evictions != 0 {
		t.Error(c.Len())
	}
	mustPanic(t, "in Drain", func() {
		for range c.Drain() {
			panic("oops")
		}
	}, "oops")
	if err := c.Put("new", nil); err != nil || c.Len() != 3 { // nobody holds the lock
		t.Error(err, c.Len())
	}
	for range c.Drain() {
	}
	if s := c.Stats(); s.Entries != 0 || s.Bytes != 0 {
		t.Errorf("%+v", s)
	}
}

// Iterations end when the loop does, and let go of the lock.
func TestConcurrentMapIterationsEnd(t *testing.T) {
	m := generic.NewConcurrentMap[int, int](heap.GC{})
	if err := m.Put(math.MaxInt, 1); err != nil {
		t.Fatal(err)
	}
	for range m.Keys() {
		break
	}
	for range m.Values() {
		break
	}
	for range m.Drain() {
		break
	}
	if m.Len() != 0 {
		t.Error(m.Len())
	}
}

// Update leaves nothing behind of a key that is not found, since it is a NaN.
func TestConcurrentMapUpdateNaN(t *testing.T) {
	m := generic.NewConcurrentMap[float64, int](newChecked(t, mem.PlainOnly))
	defer m.Close()
	for range 20 { // in the shard of whatever hash it has
		for _, keep := range []bool{false, true} {
			before := m.Len()
			err := m.Update(math.NaN(), func(v *int, found bool) bool {
				if found || *v != 0 {
					t.Errorf("found: %v, %d", found, *v)
				}
				*v = 1
				return keep
			})
			if want := before + map[bool]int{true: 1}[keep]; err != nil || m.Len() != want {
				t.Errorf("%v; %d entries, want %d", err, m.Len(), want)
			}
		}
	}
}
