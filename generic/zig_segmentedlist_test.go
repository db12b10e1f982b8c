package generic_test

import (
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
)

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
