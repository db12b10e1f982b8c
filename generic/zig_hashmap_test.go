package generic_test

import (
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
