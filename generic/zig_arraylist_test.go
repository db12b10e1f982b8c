package generic_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
)

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
