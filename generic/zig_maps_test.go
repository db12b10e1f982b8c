package generic_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
)

func zigMap[V any](t *testing.T, a mem.Allocator) *generic.HashMap[uint32, V] {
	m := generic.NewHashMap[uint32, V](a)
	t.Cleanup(func() { m.Close() })
	return m
}

// has wants m to hold the keys below n for which want has a value, and no other.
func has[K ~uint32 | ~int32, V comparable](t *testing.T, m interface {
	Get(K) (V, bool)
	Contains(K) bool
}, n int, want func(k K) (V, bool)) {
	t.Helper()
	for k := K(0); k < K(n); k++ {
		v, ok := m.Get(k)
		w, there := want(k)
		if ok != there || ok && v != w || m.Contains(k) != there {
			t.Fatalf("key %v: %v, %v; want %v, %v", k, v, ok, w, there)
		}
	}
}

func asKey(k uint32) (uint32, bool) { return k, true }

func TestZigHashMap(t *testing.T) {
	fill := func(t *testing.T, m *generic.HashMap[uint32, uint32], n uint32) {
		t.Helper()
		for k := range n {
			noError(t, m.Put(k, k))
		}
	}
	runZig(t, []zigTest{
		{"basic usage", func(t *testing.T, a mem.Allocator) {
			m := zigMap[uint32](t, a)
			fill(t, m, 5)
			mustEqual(t, "keys", slices.Sorted(m.Keys()), []uint32{0, 1, 2, 3, 4})
			has(t, m, 5, asKey)
		}},
		{"ensureTotalCapacity", func(t *testing.T, a mem.Allocator) {
			m := zigMap[uint32](t, a)
			noError(t, m.EnsureTotalCapacity(20))
			n := m.Cap()
			mustEqual(t, "capacity", n >= 20, true)
			for k := range uint32(20) {
				mustEqual(t, "Found", m.GetOrPutAssumeCapacity(k).Found, false)
			}
			mustEqual(t, "capacity", m.Cap(), n)
		}},
		{"ensureUnusedCapacity with tombstones", func(t *testing.T, a mem.Allocator) {
			m := zigMap[uint32](t, a)
			for k := range uint32(100) {
				noError(t, m.EnsureUnusedCapacity(1))
				m.PutAssumeCapacity(k, k)
				m.Remove(k)
			}
		}},
		{"clearRetainingCapacity", func(t *testing.T, a mem.Allocator) {
			m := zigMap[uint32](t, a)
			m.Clear()
			noError(t, m.Put(1, 1))
			has(t, m, 2, func(k uint32) (uint32, bool) { return 1, k == 1 })
			m.Clear()
			m.PutAssumeCapacity(1, 1)
			mustEqual(t, "length", m.Len(), 1)
			n := m.Cap()
			m.Clear()
			m.Clear()
			mustEqual(t, "length, capacity", []int{m.Len(), m.Cap()}, []int{0, n})
			mustEqual(t, "Contains", m.Contains(1), false)
		}},
		{"grow", func(t *testing.T, a mem.Allocator) {
			const n = 12456
			m := zigMap[uint32](t, a)
			fill(t, m, n)
			mustEqual(t, "length", m.Len(), n)
			i := 0
			for k, v := range m.All() {
				mustEqual(t, "value", v, k)
				i++
			}
			mustEqual(t, "entries", i, n)
			has(t, m, n, asKey)
		}},
		{"clone", func(t *testing.T, a mem.Allocator) {
			m := zigMap[uint32](t, a)
			b, err := m.Clone()
			noError(t, err)
			defer b.Close()
			mustEqual(t, "length", b.Len(), 0)
			fill(t, b, 10)
			c, err := b.Clone()
			noError(t, err)
			defer c.Close()
			mustEqual(t, "length", c.Len(), 10)
			has(t, c, 10, asKey)
		}},
		{"ensureTotalCapacity with existing elements", func(t *testing.T, a mem.Allocator) {
			m := zigMap[uint32](t, a)
			fill(t, m, 1)
			noError(t, m.EnsureTotalCapacity(65))
			mustEqual(t, "length", m.Len(), 1)
			mustEqual(t, "capacity", m.Cap() >= 65, true)
		}},
		{"ensureTotalCapacity satisfies max load factor", func(t *testing.T, a mem.Allocator) {
			m := zigMap[uint32](t, a)
			noError(t, m.EnsureTotalCapacity(127))
			for k := range uint32(127) {
				m.PutAssumeCapacity(k, k)
			}
			has(t, m, 127, asKey)
		}},
		{"remove", func(t *testing.T, a mem.Allocator) {
			m := zigMap[uint32](t, a)
			fill(t, m, 16)
			for k := uint32(0); k < 16; k += 3 {
				mustEqual(t, "Remove", m.Remove(k), true)
			}
			mustEqual(t, "keys", slices.Sorted(m.Keys()), []uint32{1, 2, 4, 5, 7, 8, 10, 11, 13, 14})
			has(t, m, 16, func(k uint32) (uint32, bool) { return k, k%3 != 0 })
		}},
		{"reverse removes", func(t *testing.T, a mem.Allocator) {
			m := zigMap[uint32](t, a)
			fill(t, m, 16)
			for n := uint32(16); n > 0; n-- {
				m.Remove(n - 1)
				has(t, m, 16, func(k uint32) (uint32, bool) { return k, k < n-1 })
			}
			mustEqual(t, "length", m.Len(), 0)
		}},
		{"multiple removes on same metadata", func(t *testing.T, a mem.Allocator) {
			m := zigMap[uint32](t, a)
			fill(t, m, 16)
			for _, k := range []uint32{7, 15, 14, 13} {
				m.Remove(k)
			}
			has(t, m, 16, func(k uint32) (uint32, bool) { return k, k < 13 && k != 7 })
			for _, k := range []uint32{15, 13, 14, 7} {
				noError(t, m.Put(k, k))
			}
			has(t, m, 16, asKey)
		}},
		{"put and remove loop in random order", func(t *testing.T, a mem.Allocator) {
			m := zigMap[uint32](t, a)
			r := rand.New(rand.NewPCG(1, 1))
			for range 100 {
				for _, k := range r.Perm(32) {
					noError(t, m.Put(uint32(k), uint32(k)))
				}
				mustEqual(t, "length", m.Len(), 32)
				for _, k := range r.Perm(32) {
					m.Remove(uint32(k))
				}
				mustEqual(t, "length", m.Len(), 0)
			}
		}},
		{"remove many elements in random order", func(t *testing.T, a mem.Allocator) {
			m := zigMap[uint32](t, a)
			r := rand.New(rand.NewPCG(1, 2))
			n := generic.Rounds(30_000)
			for _, k := range r.Perm(n) {
				noError(t, m.Put(uint32(k), uint32(k)))
			}
			for _, k := range r.Perm(n) {
				mustEqual(t, "Remove", m.Remove(uint32(k)), true)
			}
			mustEqual(t, "length", m.Len(), 0)
		}},
		{"put", func(t *testing.T, a mem.Allocator) {
			m := zigMap[uint32](t, a)
			fill(t, m, 16)
			has(t, m, 16, asKey)
			for k := range uint32(16) {
				noError(t, m.Put(k, k*16+1))
			}
			has(t, m, 16, func(k uint32) (uint32, bool) { return k*16 + 1, true })
		}},
		{"putAssumeCapacity", func(t *testing.T, a mem.Allocator) {
			m := zigMap[uint32](t, a)
			noError(t, m.EnsureTotalCapacity(20))
			for k := range uint32(20) {
				m.PutAssumeCapacity(k, k)
				mustEqual(t, "GetPtr", *m.GetPtr(k), k)
			}
			for k := range uint32(20) {
				m.PutAssumeCapacity(k, 1)
			}
			has(t, m, 20, func(uint32) (uint32, bool) { return 1, true })
		}},
		{"repeat putAssumeCapacity/remove", func(t *testing.T, a mem.Allocator) {
			m := zigMap[uint32](t, a)
			noError(t, m.EnsureTotalCapacity(20))
			limit := uint32(m.Cap())
			for k := range limit {
				m.PutAssumeCapacity(k, k)
			}
			for i := range 10 * limit {
				mustEqual(t, "Remove", m.Remove(i), true)
				m.PutAssumeCapacity(limit+i, i)
			}
			for i := 9 * limit; i < 10*limit; i++ {
				v, ok := m.Get(limit + i)
				mustEqual(t, "Get", v, i)
				mustEqual(t, "Get", ok, true)
			}
			mustEqual(t, "length, capacity", []int{m.Len(), m.Cap()}, []int{int(limit), int(limit)})
		}},
		{"getOrPut", func(t *testing.T, a mem.Allocator) {
			m := zigMap[uint32](t, a)
			for k := range uint32(10) {
				noError(t, m.Put(2*k, 2))
			}
			for k := range uint32(20) {
				_, err := m.GetOrPutValue(k, 1)
				noError(t, err)
			}
			has(t, m, 20, func(k uint32) (uint32, bool) { return 2 - k%2, true })
		}},
		{"basic hash map usage", func(t *testing.T, a mem.Allocator) {
			m := zigMap[int32](t, a)
			for k := range uint32(5) {
				_, had, err := m.FetchPut(k+1, int32(11*k+11))
				noError(t, err)
				mustEqual(t, "FetchPut", had, false)
			}
			for _, v := range []int32{55, 66} {
				old, had, err := m.FetchPut(5, 121-v)
				noError(t, err)
				mustEqual(t, "FetchPut", old, v)
				mustEqual(t, "FetchPut", had, true)
			}
			s, err := m.GetOrPut(5)
			noError(t, err)
			mustEqual(t, "Found", s.Found, true)
			mustEqual(t, "Value", *s.Value, 55)
			*s.Value = 77
			s, err = m.GetOrPut(99)
			noError(t, err)
			mustEqual(t, "Found", s.Found, false)
			*s.Value = 42
			s, err = m.GetOrPutValue(5, 5)
			noError(t, err)
			mustEqual(t, "Value", *s.Value, 77)
			s, err = m.GetOrPutValue(100, 41)
			noError(t, err)
			mustEqual(t, "Value", *s.Value, 41)
			v, ok := m.FetchRemove(2)
			mustEqual(t, "FetchRemove", v, 22)
			mustEqual(t, "FetchRemove", ok, true)
			_, ok = m.FetchRemove(2)
			mustEqual(t, "again", ok || m.Remove(2) || m.Contains(2), false)
			mustEqual(t, "Remove", m.Remove(3), true)
			has(t, m, 101, func(k uint32) (int32, bool) {
				v := map[uint32]int32{1: 11, 4: 44, 5: 77, 99: 42, 100: 41}[k]
				return v, v != 0
			})
		}},
		{"getOrPutAdapted", func(t *testing.T, a mem.Allocator) {
			c := &generic.Context[uint64]{
				Hash:  func(k uint64) uint64 { return k * 0x9e3779b97f4a7c15 },
				Equal: func(x, y uint64) bool { return x == y },
			}
			m := generic.NewHashMap[uint64, int](a)
			defer m.Close()
			m.SetContext(c)
			for round := range 2 {
				for i, text := range []string{"1231", "4564", "7894", "1132", "65235", "95462", "0112305", "00658", "0", "2"} {
					k, _ := strconv.ParseUint(text, 10, 64)
					equal := func(x uint64) bool { return x == k }
					s, err := m.GetOrPutAdapted(c.Hash(k), equal, func() (uint64, error) { return k, nil })
					noError(t, err)
					mustEqual(t, "Found", s.Found, round == 1)
					mustEqual(t, "Key", s.Key, k)
					if round == 0 {
						*s.Value = 2 * i
						continue
					}
					mustEqual(t, "Value", *s.Value, 2*i)
					key, ok := m.GetKeyAdapted(c.Hash(k), equal)
					mustEqual(t, "GetKeyAdapted", key, k)
					mustEqual(t, "GetKeyAdapted", ok, true)
				}
				mustEqual(t, "length", m.Len(), 10)
			}
		}},
		{"ensureUnusedCapacity", func(t *testing.T, a mem.Allocator) {
			m := zigMap[uint32](t, a)
			noError(t, m.EnsureUnusedCapacity(32))
			n := m.Cap()
			noError(t, m.EnsureUnusedCapacity(32))
			mustEqual(t, "capacity", m.Cap(), n)
		}},
		{"removeByPtr", func(t *testing.T, a mem.Allocator) {
			m := zigMap[uint32](t, a)
			fill(t, m, 10)
			for k := range m.AllPtr() { // what is looked at is removed
				mustEqual(t, "Remove", m.Remove(k), true)
			}
			mustEqual(t, "length", m.Len(), 0)
		}},
		{"removeByPtr 0 sized key", func(t *testing.T, a mem.Allocator) {
			m := generic.NewHashMap[struct{}, uint64](a)
			defer m.Close()
			noError(t, m.Put(struct{}{}, 7))
			v, ok := m.Get(struct{}{})
			mustEqual(t, "Get", v, 7)
			mustEqual(t, "Get, Remove", ok && m.Remove(struct{}{}), true)
			mustEqual(t, "length", m.Len(), 0)
		}},
		{"repeat fetchRemove", func(t *testing.T, a mem.Allocator) {
			var m generic.HashMapUnmanaged[uint64, struct{}]
			defer m.Close(a)
			noError(t, m.EnsureTotalCapacity(a, 4))
			for k := range uint64(4) {
				m.PutAssumeCapacity(k, struct{}{})
			}
			for range 10 {
				_, ok := m.FetchRemove(3)
				mustEqual(t, "FetchRemove", ok, true)
				m.PutAssumeCapacity(3, struct{}{})
			}
			for k := range uint64(4) {
				mustEqual(t, "Contains", m.Contains(k), true)
			}
		}},
		{"getOrPut allocation failure", func(t *testing.T, _ mem.Allocator) {
			var m generic.StringHashMapUnmanaged[struct{}]
			_, err := m.GetOrPut(&refuser{}, "hello")
			noRoom(t, "GetOrPut", err)
		}},
		{"rehash", func(t *testing.T, a mem.Allocator) {
			m := zigMap[uint32](t, a)
			n := uint32(3 * generic.Rounds(20_000))
			for k := range n {
				noError(t, m.Put(k, k))
				if k%3 == 0 {
					mustEqual(t, "Remove", m.Remove(k), true)
				}
			}
			m.Rehash()
			mustEqual(t, "length", m.Len(), int(n/3*2))
			has(t, m, int(n), func(k uint32) (uint32, bool) { return k, k%3 != 0 })
			m.Clear()
			m.Rehash() // an empty one
			mustEqual(t, "length", m.Len(), 0)
		}},
	})
}

func TestZigArrayHashMap(t *testing.T) {
	open := func(t *testing.T, a mem.Allocator) *generic.ArrayHashMap[int32, int32] {
		m := generic.NewArrayHashMap[int32, int32](a)
		t.Cleanup(func() { m.Close() })
		return m
	}
	fill := func(t *testing.T, m *generic.ArrayHashMap[int32, int32], n, times int32) {
		t.Helper()
		for k := range n {
			_, had, err := m.FetchPut(k, times*k)
			noError(t, err)
			mustEqual(t, "FetchPut", had, false)
		}
	}
	setKey := func(t *testing.T, m *generic.ArrayHashMap[int32, int32]) {
		noError(t, m.Put(12, 34), m.Put(56, 78))
		m.SetKey(0, 42)
		has(t, m, 100, func(k int32) (int32, bool) {
			v := map[int32]int32{42: 34, 56: 78}[k]
			return v, v != 0
		})
		mustEqual(t, "keys", m.Keys(), []int32{42, 56})
	}
	runZig(t, []zigTest{
		{"basic hash map usage", func(t *testing.T, a mem.Allocator) {
			m := open(t, a)
			for k := range int32(5) {
				_, had, err := m.FetchPut(k+1, 11*k+11)
				noError(t, err)
				mustEqual(t, "FetchPut", had, false)
			}
			for _, v := range []int32{55, 66} {
				old, had, err := m.FetchPut(5, 121-v)
				noError(t, err)
				mustEqual(t, "FetchPut", old, v)
				mustEqual(t, "FetchPut", had, true)
			}
			slot := func(k int32, found bool, at int) *int32 {
				t.Helper()
				s, err := m.GetOrPut(k)
				noError(t, err)
				mustEqual(t, "Found", s.Found, found)
				mustEqual(t, "Index", m.Index(k), at)
				return s.Value
			}
			mustEqual(t, "Value", *slot(5, true, 4), 55)
			*slot(5, true, 4) = 77
			*slot(99, false, 5) = 42
			s, err := m.GetOrPutValue(5, 5)
			noError(t, err)
			mustEqual(t, "Value", *s.Value, 77)
			s, err = m.GetOrPutValue(100, 41)
			noError(t, err)
			mustEqual(t, "Value", *s.Value, 41)
			v, ok := m.FetchSwapRemove(2)
			mustEqual(t, "FetchSwapRemove", v, 22)
			mustEqual(t, "FetchSwapRemove", ok, true)
			_, ok = m.FetchSwapRemove(2)
			mustEqual(t, "again", ok || m.SwapRemove(2) || m.Contains(2), false)
			mustEqual(t, "Index", m.Index(100), 1) // the last one is in the gap
			slot(5, true, 4)
			v, ok = m.FetchOrderedRemove(100)
			mustEqual(t, "FetchOrderedRemove", v, 41)
			mustEqual(t, "FetchOrderedRemove", ok, true)
			_, ok = m.FetchOrderedRemove(100)
			mustEqual(t, "again", ok || m.OrderedRemove(100) || m.Contains(100), false)
			mustEqual(t, "Value", *slot(5, true, 3), 77) // all have moved up
			mustEqual(t, "SwapRemove", m.SwapRemove(3), true)
		}},
		{"iterator hash map", func(t *testing.T, a mem.Allocator) {
			m := open(t, a)
			noError(t, m.EnsureTotalCapacity(0), m.Put(0, 11), m.Put(1, 22), m.Put(2, 33))
			for n := range 4 { // an iteration may end, and begin again
				var got []int32
				for k, v := range m.All() {
					if len(got) == n {
						break
					}
					mustEqual(t, "key", k, int32(len(got)))
					got = append(got, v)
				}
				mustEqual(t, "values", got, append([]int32(nil), []int32{11, 22, 33}[:n]...))
			}
		}},
		{"ensure capacity", func(t *testing.T, a mem.Allocator) {
			m := open(t, a)
			noError(t, m.EnsureTotalCapacity(20))
			n := m.Cap()
			mustEqual(t, "capacity", n >= 20, true)
			for k := range int32(20) {
				mustEqual(t, "Found", m.GetOrPutAssumeCapacity(k).Found, false)
			}
			mustEqual(t, "capacity", m.Cap(), n)
		}},
		{"ensure capacity leak", nil}, // TestInjectedPoints
		{"big map", func(t *testing.T, a mem.Allocator) {
			m := open(t, a)
			for k := range int32(8) {
				noError(t, m.Put(k, k+10))
			}
			has(t, m, 16, func(k int32) (int32, bool) { return k + 10, k < 8 })
			for k := int32(4); k < 12; k++ {
				noError(t, m.Put(k, k+12))
			}
			has(t, m, 16, func(k int32) (int32, bool) {
				if k < 4 {
					return k + 10, true
				}
				return k + 12, k < 12
			})
			for k := range int32(8) {
				remove := m.OrderedRemove
				if k >= 4 {
					remove = m.SwapRemove
				}
				mustEqual(t, "removed", remove(k), true)
			}
			has(t, m, 16, func(k int32) (int32, bool) { return k + 12, k >= 8 && k < 12 })
		}},
		{"clone", func(t *testing.T, a mem.Allocator) {
			m := open(t, a)
			fill(t, m, 10, 10)
			c, err := m.Clone()
			noError(t, err)
			defer c.Close()
			for _, m := range []*generic.ArrayHashMap[int32, int32]{m, c} {
				has(t, m, 20, func(k int32) (int32, bool) { return 10 * k, k < 10 })
			}
			mustEqual(t, "shared", m.GetPtr(1) == c.GetPtr(1), false)
		}},
		{"shrink", func(t *testing.T, a mem.Allocator) {
			const n = 200
			m := open(t, a)
			fill(t, m, n, 10)
			again := func(kept int32) {
				t.Helper()
				mustEqual(t, "length", m.Len(), int(kept))
				for k := range int32(n) {
					s, err := m.GetOrPut(k)
					noError(t, err)
					mustEqual(t, "Found", s.Found, k < kept)
					if s.Found {
						mustEqual(t, "Value", *s.Value, 10*k)
					}
				}
			}
			m.ShrinkRetainingCapacity(17)
			mustEqual(t, "capacity", m.Cap() >= n, true)
			again(17)
			m.ShrinkRetainingCapacity(15)
			m.ShrinkAndFree()
			mustEqual(t, "capacity", m.Cap() < n/2, true)
			again(15)
		}},
		{"pop()", func(t *testing.T, a mem.Allocator) {
			m := open(t, a)
			fill(t, m, 9, 1)
			for i := int32(8); i >= 0; i-- {
				k, v, ok := m.Pop()
				mustEqual(t, "Pop", []int32{k, v}, []int32{i, i})
				mustEqual(t, "Pop", ok, true)
			}
			_, _, ok := m.Pop()
			mustEqual(t, "Pop", ok, false)
		}},
		{"reIndex", func(t *testing.T, a mem.Allocator) {
			m := open(t, a)
			fill(t, m, 220, 10)
			for i := range 220 { // now write to the slices themselves
				m.Keys()[i], m.Values()[i] = int32(i+1000), int32(i)
			}
			m.Reindex()
			for i := range 220 {
				s, err := m.GetOrPut(int32(i + 1000))
				noError(t, err)
				mustEqual(t, "Found", s.Found, true)
				mustEqual(t, "Value", *s.Value, int32(i))
				mustEqual(t, "Index", m.Index(int32(i+1000)), i)
			}
			has(t, m, 220, func(int32) (int32, bool) { return 0, false })
		}},
		{"auto store_hash", nil}, // types
		{"sort", func(t *testing.T, a mem.Allocator) {
			m := open(t, a)
			for _, k := range []int32{8, 3, 12, 10, 2, 4, 9, 5, 6, 13, 14, 15, 16, 1, 11, 17, 7} {
				noError(t, m.Put(k, 3*k))
			}
			m.SortStableFunc(func(i, j int) int { return cmp.Compare(m.Keys()[i], m.Keys()[j]) })
			for i, k := range m.Keys() {
				mustEqual(t, "key, value, index", []int32{k, m.Values()[i], int32(m.Index(k))}, []int32{int32(i + 1), 3 * k, int32(i)})
			}
		}},
		{"0 sized key", func(t *testing.T, a mem.Allocator) {
			m := generic.NewArrayHashMap[struct{}, int32](a)
			defer m.Close()
			none := struct{}{}
			mustEqual(t, "Contains", m.Contains(none), false)
			for _, v := range []int32{5, 10} {
				noError(t, m.Put(none, v))
				got, ok := m.Get(none)
				mustEqual(t, "Get", got, v)
				mustEqual(t, "Get", ok, true)
			}
			mustEqual(t, "SwapRemove", m.SwapRemove(none), true)
			mustEqual(t, "Contains", m.Contains(none), false)
		}},
		{"0 sized key and 0 sized value", func(t *testing.T, a mem.Allocator) {
			m := generic.NewArrayHashMap[struct{}, struct{}](a)
			defer m.Close()
			none := struct{}{}
			mustEqual(t, "Contains", m.Contains(none), false)
			noError(t, m.Put(none, none))
			mustEqual(t, "Contains", m.Contains(none), true)
			mustEqual(t, "SwapRemove", m.SwapRemove(none), true)
			mustEqual(t, "Contains", m.Contains(none), false)
		}},
		{"setKey storehash true", func(t *testing.T, a mem.Allocator) {
			m := open(t, a)
			m.SetContext(&generic.Context[int32]{Hash: func(k int32) uint64 { return uint64(k) }, Equal: func(x, y int32) bool { return x == y }})
			setKey(t, m)
		}},
		{"setKey storehash false", func(t *testing.T, a mem.Allocator) { setKey(t, open(t, a)) }},
		{"orderedRemoveAtMany", func(t *testing.T, a mem.Allocator) {
			m := generic.NewArrayHashMap[int, struct{}](a)
			defer m.Close()
			for k := range 10 {
				noError(t, m.Put(k, struct{}{}))
			}
			zigRemoveMany(t, m.OrderedRemoveAtMany, func() []int { return append([]int(nil), m.Keys()...) })
		}},
	})
}

func TestZigBufMap(t *testing.T) {
	set := func(t *testing.T, a mem.Allocator, v ...string) *generic.BufSet {
		s := generic.NewBufSet(a)
		t.Cleanup(func() { s.Close() })
		for _, v := range v {
			noError(t, s.Insert(v))
		}
		return s
	}
	runZig(t, []zigTest{
		{"BufMap", func(t *testing.T, a mem.Allocator) {
			m := generic.NewBufMap(a)
			defer m.Close()
			for _, v := range []string{"1", "2", "3"} {
				noError(t, m.Put("x", v))
				got, ok := m.Get("x")
				mustEqual(t, "Get", got, v)
				mustEqual(t, "Get", ok, true)
				mustEqual(t, "length", m.Len(), 1)
			}
			mustEqual(t, "Remove", m.Remove("x"), true)
			mustEqual(t, "length", m.Len(), 0)
			for _, v := range []string{"v1", "v2"} {
				noError(t, m.PutMove(mem.Must(mem.DupeString(a, "k")), mem.Must(mem.DupeString(a, v))))
				got, _ := m.Get("k")
				mustEqual(t, "Get", got, v)
			}
		}},
		{"BufSet", func(t *testing.T, a mem.Allocator) {
			s := set(t, a, "x")
			mustEqual(t, "length", s.Len(), 1)
			mustEqual(t, "Remove", s.Remove("x"), true)
			mustEqual(t, "length", s.Len(), 0)
			noError(t, s.Insert("x"), s.Insert("y"), s.Insert("z"))
			mustEqual(t, "strings", slices.Collect(s.All()), []string{"x", "y", "z"})
		}},
		{"clone", func(t *testing.T, a mem.Allocator) {
			s := set(t, a, "x")
			c, err := s.Clone()
			noError(t, err)
			defer c.Close()
			c.Remove("x")
			mustEqual(t, "lengths", []int{s.Len(), c.Len()}, []int{1, 0})
			u := set(t, a, "x").ToUnmanaged()
			defer u.Close(a)
			_, err = u.Clone(&refuser{})
			noRoom(t, "Clone", err)
		}},
		{"clone with arena", func(t *testing.T, a mem.Allocator) {
			u := set(t, a, "member1", "member2").ToUnmanaged()
			defer u.Close(a)
			arena := &bump{buf: make([]uint64, 1<<10)}
			c, err := u.Clone(arena) // and it is not closed
			noError(t, err)
			mustEqual(t, "strings", slices.Collect(c.All()), []string{"member1", "member2"})
		}},
	})
}

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
