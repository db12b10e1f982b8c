package generic_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
)

// Zig's Treap is a BTreeMap here.
func TestZigTreap(t *testing.T) {
	open := func(t *testing.T, a mem.Allocator) *generic.BTreeMap[uint64, int, generic.Ascending[uint64]] {
		m := generic.NewBTreeMap[uint64, int](a)
		t.Cleanup(func() { m.Close() })
		return m
	}
	r := rand.New(rand.NewPCG(0xdead, 0xbeef))
	ends := func(t *testing.T, m *generic.BTreeMap[uint64, int, generic.Ascending[uint64]], low, high uint64) {
		t.Helper()
		min, _, ok := m.Min()
		max, _, also := m.Max()
		mustEqual(t, "Min, Max", []uint64{min, max}, []uint64{low, high})
		mustEqual(t, "Min, Max", ok && also, true)
	}
	neighbours := func(t *testing.T, m *generic.BTreeMap[uint64, int, generic.Ascending[uint64]], k uint64) (around []uint64) {
		t.Helper()
		for key := range m.BackwardFrom(k - 1) {
			around = append(around, key)
			break
		}
		for key := range m.From(k + 1) {
			around = append(around, key)
			break
		}
		return around
	}
	runZig(t, []zigTest{
		{"insert, find, replace, remove", func(t *testing.T, a mem.Allocator) {
			m := open(t, a)
			var keys []uint64
			for i := range 10 {
				k := r.Uint64()
				mustEqual(t, "Contains", m.Contains(k), false)
				v, found, err := m.GetOrPut(k)
				noError(t, err)
				mustEqual(t, "found", found, false)
				*v = i
				keys = append(keys, k)
			}
			for i, k := range keys {
				v, found, err := m.GetOrPut(k)
				noError(t, err)
				mustEqual(t, "found", found, true)
				mustEqual(t, "value", *v, i)
				old, had, err := m.FetchPut(k, -1)
				noError(t, err)
				mustEqual(t, "FetchPut", old, i)
				mustEqual(t, "FetchPut", had, true)
				noError(t, m.Put(k, i))
			}
			mustEqual(t, "Keys", slices.Collect(m.Keys()), slices.Sorted(slices.Values(keys)))
			for i, k := range keys {
				mustEqual(t, "Remove", m.Remove(k), true)
				mustEqual(t, "Contains", m.Contains(k), false)
				noError(t, m.Put(k, i))
				mustEqual(t, "Contains", m.Contains(k), true)
				mustEqual(t, "Remove", m.Remove(k), true)
				mustEqual(t, "Contains", m.Contains(k), false)
			}
		}},
		{"inorderIterator", func(t *testing.T, a mem.Allocator) {
			m := open(t, a)
			for k := range uint64(10) {
				noError(t, m.Put(k, int(k)))
			}
			mustEqual(t, "Keys", slices.Collect(m.Keys()), []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
		}},
		{"getMin, getMax, simple", func(t *testing.T, a mem.Allocator) {
			m := open(t, a)
			_, _, ok := m.Min()
			_, _, also := m.Max()
			mustEqual(t, "Min, Max", ok || also, false)
			noError(t, m.Put(1, 1))
			ends(t, m, 1, 1)
			noError(t, m.Put(0, 0))
			ends(t, m, 0, 1)
			noError(t, m.Put(2, 2))
			ends(t, m, 0, 2)
		}},
		{"getMin, getMax, random", func(t *testing.T, a mem.Allocator) {
			m := open(t, a)
			low, high := ^uint64(0), uint64(0)
			for range 100 {
				k := r.Uint64()
				noError(t, m.Put(k, 0))
				low, high = min(low, k), max(high, k)
				ends(t, m, low, high)
			}
		}},
		{"node.{prev(),next()} with sequential insertion and deletion", func(t *testing.T, a mem.Allocator) {
			m := open(t, a)
			noError(t, m.Put(50, 50))
			mustEqual(t, "around 50", neighbours(t, m, 50), nil)
			for k := range uint64(50) {
				noError(t, m.Put(k, 0))
				mustEqual(t, "around 50", neighbours(t, m, 50), []uint64{k})
			}
			for k := uint64(51); k < 100; k++ {
				noError(t, m.Put(k, 0))
				mustEqual(t, "around 50", neighbours(t, m, 50), []uint64{49, 51})
			}
			for k := range uint64(49) {
				m.Remove(k)
				mustEqual(t, "around 50", neighbours(t, m, 50), []uint64{49, 51})
			}
			m.Remove(49)
			mustEqual(t, "around 50", neighbours(t, m, 50), []uint64{51})
			for k := uint64(51); k < 99; k++ {
				m.Remove(k)
				mustEqual(t, "around 50", neighbours(t, m, 50), []uint64{k + 1})
			}
			m.Remove(99)
			mustEqual(t, "around 50", neighbours(t, m, 50), nil)
		}},
		{"node.{prev(),next()} with random data", func(t *testing.T, a mem.Allocator) {
			m := open(t, a)
			var keys []uint64
			around := func() {
				t.Helper()
				for i, k := range keys {
					var want []uint64
					if i > 0 {
						want = append(want, keys[i-1])
					}
					if i < len(keys)-1 {
						want = append(want, keys[i+1])
					}
					mustEqual(t, "around", neighbours(t, m, k), want)
				}
			}
			for range 100 {
				k := 1 + r.Uint64N(1<<32)
				if i, found := slices.BinarySearch(keys, k); !found {
					keys = slices.Insert(keys, i, k)
				}
				noError(t, m.Put(k, 0))
				around()
			}
			for len(keys) > 0 {
				i := r.IntN(len(keys))
				m.Remove(keys[i])
				keys = slices.Delete(keys, i, i+1)
				around()
			}
		}},
	})
}
