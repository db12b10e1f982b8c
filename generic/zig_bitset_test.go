package generic_test

import (
	"slices"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
)

func TestZigBitSet(t *testing.T) {
	set := func(t *testing.T, a mem.Allocator, n int, value func(i int) bool) *generic.DynamicBitSet {
		s := generic.NewDynamicBitSet(a)
		t.Cleanup(func() { s.Close() })
		noError(t, s.Resize(n, false))
		for i := range n {
			s.SetValue(i, value(i))
		}
		return s
	}
	yes := func(int) bool { return true }
	no := func(int) bool { return false }
	even := func(i int) bool { return i%2 == 0 }
	odd := func(i int) bool { return i%2 == 1 }
	with := func(t *testing.T, s, o *generic.DynamicBitSet, op func(s, o *generic.DynamicBitSet)) *generic.DynamicBitSet {
		c, err := s.Clone()
		noError(t, err)
		t.Cleanup(func() { c.Close() })
		op(c, o)
		return c
	}
	// What Zig's tests do with sets of a length that cannot change, which stand in
	// a buffer here, and with two of any.
	static := func(sizes ...int) func(t *testing.T, a mem.Allocator) {
		return func(t *testing.T, a mem.Allocator) {
			for _, n := range sizes {
				var buffers [2]generic.DynamicBitSet
				for i := range buffers {
					buffers[i].FromBuffer(make([]uint, (n+31)/32))
					noError(t, buffers[i].Resize(n, i == 1))
				}
				zigBits(t, &buffers[0], &buffers[1], n)

				empty, full, even, odd := set(t, a, n, no), set(t, a, n, yes), set(t, a, n, even), set(t, a, n, odd)
				mustEqual(t, "empty = full", empty.Equal(full), n == 0)
				mustEqual(t, "full = empty", full.Equal(empty), n == 0)
				mustEqual(t, "empty in full", empty.SubsetOf(full) && full.SupersetOf(empty) && empty.SubsetOf(empty) && full.SupersetOf(full), true)
				mustEqual(t, "even in odd", []bool{even.SubsetOf(odd), odd.SupersetOf(even)}, []bool{n == 0, n == 0})
				mustEqual(t, "odd in even", []bool{odd.SubsetOf(even), even.SupersetOf(odd)}, []bool{n <= 1, n <= 1})
				not := func(s, _ *generic.DynamicBitSet) { s.ToggleAll() }
				or, and := (*generic.DynamicBitSet).Union, (*generic.DynamicBitSet).Intersection
				xor, but := (*generic.DynamicBitSet).ToggleSet, (*generic.DynamicBitSet).Difference
				for i, c := range []struct {
					s    *generic.DynamicBitSet
					op   func(s, o *generic.DynamicBitSet)
					o    *generic.DynamicBitSet
					want *generic.DynamicBitSet
				}{
					{empty, not, nil, full}, {full, not, nil, empty}, {even, not, nil, odd}, {odd, not, nil, even},
					{empty, or, empty, empty}, {empty, or, full, full}, {full, or, full, full}, {full, or, empty, full}, {even, or, odd, full}, {odd, or, even, full},
					{empty, and, empty, empty}, {empty, and, full, empty}, {full, and, full, full}, {full, and, empty, empty}, {even, and, odd, empty}, {odd, and, even, empty},
					{empty, xor, empty, empty}, {empty, xor, full, full}, {full, xor, full, empty}, {full, xor, empty, full}, {even, xor, odd, full}, {odd, xor, even, full},
					{empty, but, empty, empty}, {empty, but, full, empty}, {full, but, full, empty}, {full, but, empty, full}, {full, but, odd, even}, {full, but, even, odd},
				} {
					if got := with(t, c.s, c.o, c.op); !got.Equal(c.want) {
						t.Fatalf("%d bits, case %d: %v, want %v", n, i, slices.Collect(got.All()), slices.Collect(c.want.All()))
					}
				}
			}
		}
	}
	dynamic := func(t *testing.T, a mem.Allocator) {
		s := set(t, a, 0, no)
		for _, n := range []int{1, 2, 31, 32, 33, 0, 65, 64, 63, 500, 254, 3000} {
			old := s.Len()
			zeros := with(t, s, s, (*generic.DynamicBitSet).ToggleSet)
			s.ToggleSet(s)
			mustEqual(t, "length", zeros.Len(), old)
			noError(t, s.Resize(n, true), zeros.Resize(n, false))
			mustEqual(t, "bits", []int{s.Count(), zeros.Count()}, []int{max(0, n-old), 0})
			full := set(t, a, n, yes)
			mustEqual(t, "bits", full.Count(), n)
			mustEqual(t, "zeros = full", zeros.Equal(full), n == 0)
			zigBits(t, s, full, n)
		}
	}
	runZig(t, []zigTest{
		{"IntegerBitSet", static(0, 1, 2, 5, 8, 32, 64, 127)},
		{"ArrayBitSet", static(0, 1, 2, 31, 32, 33, 63, 64, 65, 254, 500, 3000)},
		{"DynamicBitSetUnmanaged", dynamic},
		{"DynamicBitSet", dynamic},
		{"StaticBitSet", nil}, // types
	})
	t.Run("BitStack", func(t *testing.T) {
		s := generic.NewBitStack(newChecked(t, mem.PlainOnly))
		defer s.Close()
		noError(t, s.Push(true), s.Push(false), s.Push(false), s.Push(true))
		bit, ok := s.Peek()
		mustEqual(t, "Peek", bit && ok, true)
		pops(t, s.Pop, true, false, false, true)
	})
}

// zigBits is what Zig asks of two sets of n bits.
func zigBits(t *testing.T, a, b *generic.DynamicBitSet, n int) {
	t.Helper()
	bits := func(s *generic.DynamicBitSet, is func(i int) bool) {
		t.Helper()
		var set, unset []int
		for i := range n {
			if is(i) {
				set = append(set, i)
			} else {
				unset = append(unset, i)
			}
			mustEqual(t, "IsSet", s.IsSet(i), is(i))
		}
		mustEqual(t, "Count", s.Count(), len(set))
		mustEqual(t, "All", slices.Collect(s.All()), set)
		mustEqual(t, "AllUnset", slices.Collect(s.AllUnset()), unset)
		slices.Reverse(set)
		slices.Reverse(unset)
		mustEqual(t, "Backward", slices.Collect(s.Backward()), set)
		mustEqual(t, "BackwardUnset", slices.Collect(s.BackwardUnset()), unset)
	}
	low := func(i int) bool { return i&2 == 0 }
	mustEqual(t, "lengths", []int{a.Len(), b.Len()}, []int{n, n})
	for i := range n {
		a.SetValue(i, i&1 == 0)
		b.SetValue(i, low(i))
	}
	bits(a, func(i int) bool { return i&1 == 0 })
	a.ToggleAll()
	bits(a, func(i int) bool { return i&1 != 0 })
	bits(b, low)
	a.Union(b)
	bits(a, func(i int) bool { return i&1 != 0 || low(i) })
	a.ToggleSet(b)
	bits(a, func(i int) bool { return i&1 != 0 && !low(i) })
	for i := range n {
		if i&1 == 0 {
			a.Set(i)
		} else {
			a.Unset(i)
		}
	}
	a.Intersection(b)
	bits(a, func(i int) bool { return i&1 == 0 && low(i) })
	bits(b, low)
	a.ToggleSet(a)
	bits(a, func(int) bool { return false })
	var some []int
	for _, i := range []int{0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 22, 31, 32, 63, 64, 66, 95, 127, 160, 192, 1000} {
		if i < n {
			a.Set(i)
			some = append(some, i)
		}
	}
	for _, i := range some {
		mustEqual(t, "First", a.First(), i)
		mustEqual(t, "Last", a.Last(), some[len(some)-1])
		mustEqual(t, "TakeFirst", a.TakeFirst(), i)
	}
	for range 2 {
		mustEqual(t, "First, Last, TakeFirst", []int{a.First(), a.Last(), a.TakeFirst()}, []int{-1, -1, -1})
	}
	for _, r := range [][2]int{{0, n}, {0, 0}, {n, n}, {0, 1}, {0, n - 1}, {1, n}, {n - 1, n}, {1, n - 2}} {
		if r[0] > r[1] || r[0] < 0 || r[1] > n {
			continue
		}
		a.SetRange(0, n, false)
		a.SetRange(r[0], r[1], true)
		bits(a, func(i int) bool { return i >= r[0] && i < r[1] })
	}
}
