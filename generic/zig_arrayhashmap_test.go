package generic_test

import (
	"cmp"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
)

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
