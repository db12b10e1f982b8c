package generic_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// What the tests of Zig's containers ask for is the least that ours do. Here and in
// the file beside this each of the tests of its release 0.16 stands again, by its
// name, with the same numbers, or fewer where they are many, save those that are of what
// Go has not: values of the language, or a way to build the container that is a detail
// there. Ours are managed and unmanaged as it comes: that the two agree is tested
// elsewhere.

// A zigTest is what one test of Zig's asks for.
type zigTest struct {
	name string
	test func(t *testing.T, a mem.Allocator)
}

func runZig(t *testing.T, tests []zigTest) {
	for _, z := range tests {
		if z.test == nil { // what it is of is not here
			continue
		}
		t.Run(z.name, func(t *testing.T) { z.test(t, allocatortest.New(t)) })
	}
}

func mustEqual[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
}

func noError(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func noRoom(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, mem.ErrOutOfMemory) {
		t.Fatalf("%s: %v, want no memory", what, err)
	}
}

// pops takes as many elements as are wanted, and none after the last one.
func pops[T comparable](t *testing.T, pop func() (T, bool), want ...T) {
	t.Helper()
	for i, w := range want {
		if v, ok := pop(); !ok || v != w {
			t.Fatalf("element %d: %v, %v, want %v", i, v, ok, w)
		}
	}
	if v, ok := pop(); ok {
		t.Fatalf("%v is left", v)
	}
}

func zigList(t *testing.T, a mem.Allocator, v ...int32) *generic.ArrayList[int32] {
	l := generic.NewArrayList[int32](a)
	t.Cleanup(func() { l.Close() })
	noError(t, l.AppendSlice(v))
	return l
}

// noResize fails to resize and to remap, and, from the given request on, to
// allocate.
func noResize(a mem.Allocator, failing int) mem.Allocator {
	o := heap.FailingOptions{Resize: heap.FailRule{From: 1}, Remap: heap.FailRule{From: 1}}
	if failing > 0 {
		o.Alloc = heap.FailRule{From: failing}
	}
	return heap.NewFailing(a, o)
}

func TestZigArrayList(t *testing.T) {
	ranges := [][]int32{{1, 0, 0, 0, 2, 3, 4, 5}, {1, 0, 0, 0, 3, 4, 5}, {1, 0, 0, 0, 4, 5}, {1, 0, 0, 0, 5}, {1, 0, 0, 0}}
	runZig(t, []zigTest{
		{"init", func(t *testing.T, a mem.Allocator) {
			l := zigList(t, a)
			mustEqual(t, "length, capacity", []int{l.Len(), l.Cap()}, []int{0, 0})
			var u generic.ArrayListUnmanaged[int32]
			mustEqual(t, "length, capacity", []int{u.Len(), u.Cap()}, []int{0, 0})
		}},
		{"initCapacity", func(t *testing.T, a mem.Allocator) {
			var l generic.ArrayListUnmanaged[int8]
			defer l.Close(a)
			noError(t, l.EnsureTotalCapacityPrecise(a, 200))
			mustEqual(t, "length", l.Len(), 0)
			mustEqual(t, "capacity", l.Cap() >= 200, true)
		}},
		{"clone", func(t *testing.T, a mem.Allocator) {
			l := zigList(t, a, -1, 3, 5)
			c, err := l.Clone()
			noError(t, err)
			defer c.Close()
			mustEqual(t, "items", c.Items(), l.Items())
			mustEqual(t, "allocator", c.Allocator(), l.Allocator())
			l.Close()
			mustEqual(t, "items", c.Items(), []int32{-1, 3, 5})
		}},
		{"basic", func(t *testing.T, a mem.Allocator) {
			l := zigList(t, a)
			for i := range int32(10) {
				noError(t, l.Append(i+1))
			}
			for i, v := range l.All() {
				mustEqual(t, "item", v, int32(i+1))
			}
			last := func(want int32) {
				t.Helper()
				v, ok := l.Pop()
				mustEqual(t, "Pop", v, want)
				mustEqual(t, "Pop", ok, true)
			}
			last(10)
			noError(t, l.AppendSlice([]int32{1, 2, 3}))
			mustEqual(t, "length", l.Len(), 12)
			last(3)
			last(2)
			last(1)
			noError(t, l.AppendSlice(nil))
			mustEqual(t, "length", l.Len(), 9)
			l.Items()[7], l.Items()[8] = 33, 42
			last(42)
			last(33)
		}},
		{"appendNTimes", func(t *testing.T, a mem.Allocator) {
			l := zigList(t, a)
			noError(t, l.AppendN(2, 10))
			mustEqual(t, "items", l.Items(), slices.Repeat([]int32{2}, 10))
		}},
		{"appendNTimes with failing allocator", func(t *testing.T, a mem.Allocator) {
			noRoom(t, "AppendN", zigList(t, &refuser{}).AppendN(2, 10))
		}},
		{"orderedRemove", func(t *testing.T, a mem.Allocator) {
			l := zigList(t, a, 1, 2, 3, 4, 5, 6, 7)
			mustEqual(t, "middle", l.OrderedRemove(3), 4)
			mustEqual(t, "items", l.Items(), []int32{1, 2, 3, 5, 6, 7})
			mustEqual(t, "end", l.OrderedRemove(5), 7)
			mustEqual(t, "front", l.OrderedRemove(0), 1)
			mustEqual(t, "items", l.Items(), []int32{2, 3, 5, 6})
			one := zigList(t, a, 1)
			mustEqual(t, "last", one.OrderedRemove(0), 1)
			mustEqual(t, "length", one.Len(), 0)
		}},
		{"swapRemove", func(t *testing.T, a mem.Allocator) {
			l := zigList(t, a, 1, 2, 3, 4, 5, 6, 7)
			mustEqual(t, "middle", l.SwapRemove(3), 4)
			mustEqual(t, "end", l.SwapRemove(5), 6)
			mustEqual(t, "front", l.SwapRemove(0), 1)
			mustEqual(t, "items", l.Items(), []int32{5, 2, 3, 7})
		}},
		{"insert", func(t *testing.T, a mem.Allocator) {
			l := zigList(t, a)
			noError(t, l.Insert(0, 1), l.Append(2), l.Insert(2, 3), l.Insert(0, 5))
			mustEqual(t, "items", l.Items(), []int32{5, 1, 2, 3})
			e := generic.NewArrayList[struct{}](a)
			noError(t, e.Insert(0, struct{}{}), e.Append(struct{}{}))
			mustEqual(t, "length", e.Len(), 2)
		}},
		{"insertSlice", func(t *testing.T, a mem.Allocator) {
			l := zigList(t, a, 1, 2, 3, 4)
			noError(t, l.InsertSlice(1, []int32{9, 8}), l.InsertSlice(0, nil))
			mustEqual(t, "items", l.Items(), []int32{1, 9, 8, 2, 3, 4})
		}},
		{"Managed.replaceRange", func(t *testing.T, a mem.Allocator) {
			for n, want := range ranges {
				l := zigList(t, a, 1, 2, 3, 4, 5)
				noError(t, l.ReplaceRange(1, 1+n, []int32{0, 0, 0}))
				mustEqual(t, "items", l.Items(), want)
			}
		}},
		{"Managed.replaceRangeAssumeCapacity", func(t *testing.T, a mem.Allocator) {
			for n, want := range ranges {
				l := zigList(t, a, 1, 2, 3, 4, 5)
				noError(t, l.EnsureUnusedCapacity(3))
				l.ReplaceRangeAssumeCapacity(1, 1+n, []int32{0, 0, 0})
				mustEqual(t, "items", l.Items(), want)
			}
		}},
		{"ArrayList.replaceRange", func(t *testing.T, a mem.Allocator) {
			for n, want := range ranges {
				u := zigList(t, a, 1, 2, 3, 4, 5).ToUnmanaged()
				noError(t, u.ReplaceRange(a, 1, 1+n, []int32{0, 0, 0}))
				mustEqual(t, "items", u.Items(), want)
				u.Close(a)
			}
		}},
		{"ArrayList.replaceRangeAssumeCapacity", func(t *testing.T, a mem.Allocator) {
			for n, want := range ranges {
				var u generic.ArrayListUnmanaged[int32]
				noError(t, u.EnsureTotalCapacityPrecise(a, 8), u.AppendSlice(a, []int32{1, 2, 3, 4, 5}))
				u.ReplaceRangeAssumeCapacity(1, 1+n, []int32{0, 0, 0})
				mustEqual(t, "items", u.Items(), want)
				u.Close(a)
			}
		}},
		{"Managed(T) of struct T", func(t *testing.T, _ mem.Allocator) {
			type item struct {
				integer int32
				sub     generic.ArrayListUnmanaged[item]
			}
			a := mem.NoGoPointers(newChecked(t, mem.PlainOnly))
			root := item{integer: 1}
			defer root.sub.Close(a)
			noError(t, root.sub.Append(a, item{integer: 42}))
			mustEqual(t, "item", root.sub.At(0).integer, 42)
		}},
		{"shrink still sets length when resizing is disabled", func(t *testing.T, a mem.Allocator) {
			l := zigList(t, noResize(a, 0), 1, 2, 3)
			l.ShrinkAndFree(1)
			mustEqual(t, "items", l.Items(), []int32{1})
		}},
		{"shrinkAndFree with a copy", func(t *testing.T, a mem.Allocator) {
			l := zigList(t, noResize(a, 0))
			noError(t, l.AppendN(3, 16))
			l.ShrinkAndFree(4)
			mustEqual(t, "items", l.Items(), []int32{3, 3, 3, 3})
		}},
		{"shrinkAndFreePrecise without resize succeeds", func(t *testing.T, a mem.Allocator) {
			f := noResize(a, 0)
			l := zigList(t, f)
			noError(t, l.AppendN(3, 16))
			l.ShrinkRetainingCapacity(4)
			s, err := l.ToOwnedSlice()
			noError(t, err)
			l.FromOwnedSlice(s)
			mustEqual(t, "items", l.Items(), []int32{3, 3, 3, 3})
			mustEqual(t, "capacity", l.Cap(), 4)
		}},
		{"shrinkAndFreePrecise without resize and no copy failes", func(t *testing.T, a mem.Allocator) {
			l := zigList(t, noResize(a, 2))
			noError(t, l.AppendN(3, 16))
			l.ShrinkRetainingCapacity(4)
			_, err := l.ToOwnedSlice()
			noRoom(t, "ToOwnedSlice", err)
			mustEqual(t, "items", l.Items(), []int32{3, 3, 3, 3})
		}},
		{"addManyAsArray", func(t *testing.T, a mem.Allocator) {
			l := generic.NewArrayList[byte](a)
			defer l.Close()
			s, err := l.AddMany(4)
			noError(t, err)
			copy(s, "aoeu")
			noError(t, l.EnsureTotalCapacity(8))
			copy(l.AddManyAssumeCapacity(4), "asdf")
			mustEqual(t, "items", string(l.Items()), "aoeuasdf")
		}},
		{"growing memory preserves contents", func(t *testing.T, a mem.Allocator) {
			l := generic.NewArrayList[byte](a)
			defer l.Close()
			noError(t, l.AppendSlice([]byte("abcd")))
			l.ShrinkAndFree(4)
			noError(t, l.AppendSlice([]byte("efgh")))
			mustEqual(t, "items", string(l.Items()), "abcdefgh")
			l.ShrinkAndFree(8)
			noError(t, l.InsertSlice(4, []byte("ijkl")))
			mustEqual(t, "items", string(l.Items()), "abcdijklefgh")
		}},
		{"fromOwnedSlice", func(t *testing.T, a mem.Allocator) {
			l := generic.NewArrayList[byte](a)
			noError(t, l.AppendSlice([]byte("foobar")))
			s, err := l.ToOwnedSlice()
			noError(t, err)
			var u generic.ArrayListUnmanaged[byte]
			u.FromOwnedSlice(a, s)
			defer u.Close(a)
			mustEqual(t, "items", string(u.Items()), "foobar")
		}},
		{"fromOwnedSliceSentinel", nil}, // strings end without one
		{"toOwnedSliceSentinel", nil},
		{"toOwnedSliceAssert", func(t *testing.T, a mem.Allocator) {
			l := generic.NewArrayList[byte](a)
			noError(t, l.EnsureTotalCapacityPrecise(6))
			l.AppendSliceAssumeCapacity([]byte{1, 2, 3})
			s, err := l.ToOwnedSlice()
			noError(t, err)
			l.FromOwnedSlice(s)
			s, err = l.ToOwnedSlice() // of exactly that size: nothing is asked for
			noError(t, err)
			mustEqual(t, "slice", s, []byte{1, 2, 3})
			mustEqual(t, "length, capacity", []int{l.Len(), l.Cap()}, []int{0, 0})
			mem.Free(a, s)
		}},
		{"toOwnedSliceSentinelAssert", nil},
		{"accepts unaligned slices", nil}, // Go has none
		{"Managed(u0)", func(t *testing.T, _ mem.Allocator) {
			l := generic.NewArrayList[struct{}](&refuser{})
			noError(t, l.Append(struct{}{}), l.Append(struct{}{}), l.Append(struct{}{}))
			n := 0
			for range l.Values() {
				n++
			}
			mustEqual(t, "length, iterations", []int{l.Len(), n}, []int{3, 3})
		}},
		{"Managed(?u32).pop()", func(t *testing.T, a mem.Allocator) {
			type optional struct {
				v  uint32
				ok bool
			}
			l := generic.NewArrayList[optional](a)
			defer l.Close()
			noError(t, l.Append(optional{}), l.Append(optional{1, true}), l.Append(optional{2, true}))
			pops(t, l.Pop, optional{2, true}, optional{1, true}, optional{})
		}},
		{"Managed(u32).getLast()", func(t *testing.T, a mem.Allocator) {
			v, ok := zigList(t, a, 2).Last()
			mustEqual(t, "Last", v, 2)
			mustEqual(t, "Last", ok, true)
		}},
		{"Managed(u32).getLastOrNull()", func(t *testing.T, a mem.Allocator) {
			_, ok := zigList(t, a).Last()
			mustEqual(t, "Last", ok, false)
		}},
		{"return OutOfMemory when capacity would exceed maximum usize integer value", func(t *testing.T, _ mem.Allocator) {
			// As long as a list can be, without memory: one more has no number.
			r := &refuser{}
			l := generic.NewArrayList[struct{}](r)
			noError(t, l.Resize(1<<(reflect.TypeFor[int]().Bits()-1)-2))
			two := make([]struct{}, 2)
			noRoom(t, "AppendSlice", l.AppendSlice(two))
			noRoom(t, "AppendN", l.AppendN(struct{}{}, 2))
			_, err := l.InsertMany(0, 2)
			noRoom(t, "InsertMany", err)
			_, err = l.AddMany(2)
			noRoom(t, "AddMany", err)
			noRoom(t, "InsertSlice", l.InsertSlice(0, two))
			noRoom(t, "EnsureUnusedCapacity", l.EnsureUnusedCapacity(2))
			noError(t, l.Append(struct{}{}))
			noRoom(t, "Append", l.Append(struct{}{}))
		}},
		{"orderedRemoveMany", func(t *testing.T, a mem.Allocator) {
			l := zigList(t, a, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
			zigRemoveMany(t, l.OrderedRemoveMany, func() (got []int) {
				for _, v := range l.All() {
					got = append(got, int(v))
				}
				return got
			})
		}},
		{"insertSlice*", func(t *testing.T, _ mem.Allocator) {
			var l generic.ArrayListUnmanaged[byte]
			l.FromBuffer(make([]byte, 10))
			l.AppendSliceAssumeCapacity([]byte("abcd"))
			l.InsertSliceAssumeCapacity(2, []byte("ef"))
			mustEqual(t, "items", string(l.Items()), "abefcd")
			noError(t, l.InsertSliceBounded(4, []byte("gh")))
			mustEqual(t, "items", string(l.Items()), "abefghcd")
			noRoom(t, "InsertSliceBounded", l.InsertSliceBounded(6, []byte("ijkl")))
			mustEqual(t, "items", string(l.Items()), "abefghcd")
			l.InsertSliceAssumeCapacity(6, []byte("ij"))
			mustEqual(t, "items", string(l.Items()), "abefghijcd")
		}},
	})
}

// zigRemoveMany removes from the numbers below 10 what Zig's tests of three
// containers do.
func zigRemoveMany(t *testing.T, remove func([]int), items func() []int) {
	for _, step := range []struct{ remove, want []int }{
		{[]int{1, 5, 5, 7, 9}, []int{0, 2, 3, 4, 6, 8}},
		{[]int{0}, []int{2, 3, 4, 6, 8}},
		{nil, []int{2, 3, 4, 6, 8}},
		{[]int{1, 2, 3, 4}, []int{2}},
		{[]int{0}, nil},
	} {
		remove(step.remove)
		mustEqual(t, "items", items(), step.want)
	}
}

func TestZigMultiArrayList(t *testing.T) {
	type foo struct {
		a uint32
		B mem.String // a string is for memory that is scanned
		c byte
	}
	var (
		colA = generic.ColumnOf(func(v *foo) *uint32 { return &v.a })
		colC = generic.ColumnOf(func(v *foo) *byte { return &v.c })
	)
	type pair struct {
		a uint8
		b uint32
	}
	pairA, pairB := generic.ColumnOf(func(v *pair) *uint8 { return &v.a }), generic.ColumnOf(func(v *pair) *uint32 { return &v.b })
	runZig(t, []zigTest{
		{"basic usage", func(t *testing.T, a mem.Allocator) {
			l := generic.NewMultiArrayList[foo](a)
			defer l.Close()
			mustEqual(t, "items", len(colA.Items(l)), 0)
			noError(t, l.EnsureTotalCapacity(2))
			l.AppendAssumeCapacity(foo{a: 1, c: 'a'})
			noError(t, l.AppendBounded(foo{a: 2, c: 'b'}), l.Append(foo{a: 3, c: 'c'}))
			for i := range 6 {
				noError(t, l.Append(foo{a: uint32(4 + i), c: byte('d' + i)}))
			}
			mustEqual(t, "a", colA.Items(l), []uint32{1, 2, 3, 4, 5, 6, 7, 8, 9})
			mustEqual(t, "c", string(colC.Items(l)), "abcdefghi")
			l.ShrinkAndFree(3)
			mustEqual(t, "a", colA.Items(l), []uint32{1, 2, 3})
			mustEqual(t, "c", string(colC.Items(l)), "abc")
			noRoom(t, "AppendBounded", l.AppendBounded(foo{}))
			noError(t, l.Resize(4))
			l.Set(3, foo{a: 4, c: 'd'})
			pops(t, l.Pop, foo{a: 4, c: 'd'}, foo{a: 3, c: 'c'}, foo{a: 2, c: 'b'}, foo{a: 1, c: 'a'})
			l.Clear()
			mustEqual(t, "capacity", l.Cap() > 0, true)
			l.ClearAndFree()
			mustEqual(t, "length, capacity", []int{l.Len(), l.Cap()}, []int{0, 0})
		}},
		{"regression test for @reduce bug", func(t *testing.T, a mem.Allocator) {
			l := generic.NewMultiArrayList[pair](a)
			defer l.Close()
			noError(t, l.EnsureTotalCapacity(20))
			for i := range 32 {
				noError(t, l.Append(pair{uint8(i), uint32(4 * i)}))
			}
			for i := range 32 {
				mustEqual(t, "row", pair{pairA.Items(l)[i], pairB.Items(l)[i]}, pair{uint8(i), uint32(4 * i)})
			}
		}},
		{"ensure capacity on empty list", func(t *testing.T, a mem.Allocator) {
			l := generic.NewMultiArrayList[pair](a)
			defer l.Close()
			for n, rows := range [][]pair{{{1, 2}, {3, 4}}, {{5, 6}, {7, 8}}, {{9, 10}, {11, 12}}} {
				l.Clear()
				noError(t, l.EnsureTotalCapacity([]int{2, 0, 16}[n]))
				l.AppendAssumeCapacity(rows[0])
				l.AppendAssumeCapacity(rows[1])
				mustEqual(t, "a", pairA.Items(l), []uint8{rows[0].a, rows[1].a})
				mustEqual(t, "b", pairB.Items(l), []uint32{rows[0].b, rows[1].b})
			}
		}},
		{"insert elements", func(t *testing.T, a mem.Allocator) {
			l := generic.NewMultiArrayList[pair](a)
			defer l.Close()
			noError(t, l.EnsureTotalCapacityPrecise(2), l.InsertBounded(0, pair{1, 2}))
			l.InsertAssumeCapacity(1, pair{2, 3})
			noError(t, l.Insert(0, pair{3, 4}))
			mustEqual(t, "a", pairA.Items(l), []uint8{3, 1, 2})
			mustEqual(t, "b", pairB.Items(l), []uint32{4, 2, 3})
		}},
		{"initCapacity", func(t *testing.T, a mem.Allocator) {
			l := generic.NewMultiArrayList[pair](a)
			defer l.Close()
			noError(t, l.EnsureTotalCapacityPrecise(404))
			mustEqual(t, "length, capacity", []int{l.Len(), l.Cap()}, []int{0, 404})
		}},
		{"union", nil}, // Go has none
		{"sorting a span", func(t *testing.T, a mem.Allocator) {
			l := generic.NewMultiArrayList[pair](a)
			defer l.Close()
			var next [256]uint32
			for _, c := range []byte("bacabcbcbababcbaaccacbacabbccbababcbaaccac") {
				next[c]++
				noError(t, l.Append(pair{c, next[c]}))
			}
			before := slices.Collect(l.Values())
			l.SortRangeStableFunc(6, 21, func(i, j int) int { return int(pairA.Items(l)[i]) - int(pairA.Items(l)[j]) })
			got := slices.Collect(l.Values())
			mustEqual(t, "before", got[:6], before[:6])
			mustEqual(t, "behind", got[21:], before[21:])
			for k := 6; k < 21; k++ {
				want := pair{"abc"[(k-6)/5], uint32(3 + (k-6)%5)}
				mustEqual(t, "row", got[k], want)
			}
		}},
		{"0 sized struct field", func(t *testing.T, a mem.Allocator) {
			type empty struct {
				a struct{}
				b float32
			}
			colA, colB := generic.ColumnOf(func(v *empty) *struct{} { return &v.a }), generic.ColumnOf(func(v *empty) *float32 { return &v.b })
			l := generic.NewMultiArrayList[empty](a)
			defer l.Close()
			mustEqual(t, "items", []int{len(colA.Items(l)), len(colB.Items(l))}, []int{0, 0})
			noError(t, l.Append(empty{b: 42}), l.Insert(0, empty{b: -1}))
			mustEqual(t, "a", len(colA.Items(l)), 2)
			mustEqual(t, "b", colB.Items(l), []float32{-1, 42})
			l.SwapRemove(l.Len() - 1)
			mustEqual(t, "a", len(colA.Items(l)), 1)
			mustEqual(t, "b", colB.Items(l), []float32{-1})
		}},
		{"0 sized struct", func(t *testing.T, _ mem.Allocator) {
			type empty struct{ a struct{} }
			col := generic.ColumnOf(func(v *empty) *struct{} { return &v.a })
			l := generic.NewMultiArrayList[empty](&refuser{})
			mustEqual(t, "items", len(col.Items(l)), 0)
			noError(t, l.Append(empty{}), l.Insert(0, empty{}))
			mustEqual(t, "items", len(col.Items(l)), 2)
			l.SwapRemove(1)
			mustEqual(t, "items", len(col.Items(l)), 1)
		}},
		{"struct with many fields", func(t *testing.T, a mem.Allocator) {
			l := generic.NewMultiArrayList[manyFields](a)
			defer l.Close()
			noError(t, l.Resize(1))
			generic.ColumnOf(func(v *manyFields) *uint32 { return &v.A0 }).Items(l)[0] = 42
			generic.ColumnOf(func(v *manyFields) *uint32 { return &v.T9 }).Items(l)[0] = 43
			v := l.Get(0)
			mustEqual(t, "fields", []uint32{v.A0, v.A1, v.T8, v.T9}, []uint32{42, 0, 0, 43})
		}},
		{"orderedRemoveMany", func(t *testing.T, a mem.Allocator) {
			l := generic.NewMultiArrayList[pair](a)
			defer l.Close()
			for i := range 10 {
				noError(t, l.Append(pair{b: uint32(i)}))
			}
			zigRemoveMany(t, l.OrderedRemoveMany, func() (got []int) {
				for _, v := range pairB.Items(l) {
					got = append(got, int(v))
				}
				return got
			})
		}},
	})
}

// manyFields has two hundred of them.
type manyFields struct {
	A0, A1, A2, A3, A4, A5, A6, A7, A8, A9 uint32
	B0, B1, B2, B3, B4, B5, B6, B7, B8, B9 uint32
	C0, C1, C2, C3, C4, C5, C6, C7, C8, C9 uint32
	D0, D1, D2, D3, D4, D5, D6, D7, D8, D9 uint32
	E0, E1, E2, E3, E4, E5, E6, E7, E8, E9 uint32
	F0, F1, F2, F3, F4, F5, F6, F7, F8, F9 uint32
	G0, G1, G2, G3, G4, G5, G6, G7, G8, G9 uint32
	H0, H1, H2, H3, H4, H5, H6, H7, H8, H9 uint32
	I0, I1, I2, I3, I4, I5, I6, I7, I8, I9 uint32
	J0, J1, J2, J3, J4, J5, J6, J7, J8, J9 uint32
	K0, K1, K2, K3, K4, K5, K6, K7, K8, K9 uint32
	L0, L1, L2, L3, L4, L5, L6, L7, L8, L9 uint32
	M0, M1, M2, M3, M4, M5, M6, M7, M8, M9 uint32
	N0, N1, N2, N3, N4, N5, N6, N7, N8, N9 uint32
	O0, O1, O2, O3, O4, O5, O6, O7, O8, O9 uint32
	P0, P1, P2, P3, P4, P5, P6, P7, P8, P9 uint32
	Q0, Q1, Q2, Q3, Q4, Q5, Q6, Q7, Q8, Q9 uint32
	R0, R1, R2, R3, R4, R5, R6, R7, R8, R9 uint32
	S0, S1, S2, S3, S4, S5, S6, S7, S8, S9 uint32
	T0, T1, T2, T3, T4, T5, T6, T7, T8, T9 uint32
}

// Zig has no SegmentedList any more: this is the test of its release 0.14, which has
// the first few elements in the list itself, where that asks for it.
func TestZigSegmentedList(t *testing.T) {
	runZig(t, []zigTest{
		{"basic usage", func(t *testing.T, a mem.Allocator) {
			l := generic.NewSegmentedList[int](a)
			defer l.Close()
			for i := range 100 {
				noError(t, l.Append(i+1))
				mustEqual(t, "length", l.Len(), i+1)
			}
			n := 0
			for i, v := range l.All() {
				n++
				mustEqual(t, "element", []int{v, *l.Ptr(i), l.At(i)}, []int{n, n, n})
			}
			mustEqual(t, "elements", n, 100)
			for _, v := range l.Backward() {
				mustEqual(t, "element", v, n)
				n--
			}
			mustEqual(t, "elements", n, 0)
			pop := func(want int) {
				t.Helper()
				v, ok := l.Pop()
				mustEqual(t, "Pop", v, want)
				mustEqual(t, "Pop", ok, true)
			}
			pop(100)
			noError(t, l.AppendSlice([]int{1, 2, 3}))
			mustEqual(t, "length", l.Len(), 102)
			pop(3)
			pop(2)
			pop(1)
			noError(t, l.AppendSlice(nil))
			for i := 99; i > 0; i-- {
				mustEqual(t, "length", l.Len(), i)
				pop(i)
				l.ShrinkAndFree(l.Len())
			}
			mustEqual(t, "length, capacity", []int{l.Len(), l.Cap()}, []int{0, 0})
			var control, dest [100]int
			for i := range control {
				control[i] = i + 1
			}
			noError(t, l.AppendSlice(control[:]))
			mustEqual(t, "CopyTo", l.CopyTo(dest[:], 0), 100)
			mustEqual(t, "copies", dest, control)
			clear(dest[:])
			mustEqual(t, "CopyTo", l.CopyTo(dest[50:], 50), 50)
			mustEqual(t, "copies", dest[50:], control[50:])
			l.ClearAndFree()
			mustEqual(t, "length, capacity", []int{l.Len(), l.Cap()}, []int{0, 0})
		}},
		{"clearRetainingCapacity", func(t *testing.T, a mem.Allocator) {
			l := generic.NewSegmentedList[int](a)
			defer l.Close()
			noError(t, l.AppendSlice([]int{4, 5}))
			n := l.Cap()
			l.Clear()
			noError(t, l.AppendBounded(6))
			mustEqual(t, "element, length", []int{l.At(0), l.Len()}, []int{6, 1})
			l.Clear()
			mustEqual(t, "length, capacity", []int{l.Len(), l.Cap()}, []int{0, n})
		}},
	})
}
