package generic_test

import (
	"slices"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
)

func TestZigDeque(t *testing.T) {
	runZig(t, []zigTest{
		{"basic", func(t *testing.T, a mem.Allocator) {
			var q generic.DequeUnmanaged[uint32]
			defer q.Close(a)
			pops(t, q.PopFront)
			pops(t, q.PopBack)
			noError(t, q.PushBack(a, 1), q.PushBack(a, 2), q.PushBack(a, 3), q.PushFront(a, 0))
			zigEnds(t, &q)
		}},
		{"buffer", func(t *testing.T, _ mem.Allocator) {
			var q generic.DequeUnmanaged[uint32]
			q.FromBuffer(make([]uint32, 4))
			pops(t, q.PopFront)
			pops(t, q.PopBack)
			noError(t, q.PushBackBounded(1), q.PushBackBounded(2), q.PushBackBounded(3), q.PushFrontBounded(0))
			noRoom(t, "PushBackBounded", q.PushBackBounded(4))
			zigEnds(t, &q)
		}},
		{"slow growth", func(t *testing.T, a mem.Allocator) {
			var q generic.DequeUnmanaged[int32]
			defer q.Close(a)
			noError(t, q.EnsureTotalCapacityPrecise(a, 1))
			q.PushBackAssumeCapacity(1)
			noError(t, q.EnsureTotalCapacityPrecise(a, 2))
			q.PushFrontAssumeCapacity(0)
			noError(t, q.EnsureTotalCapacityPrecise(a, 3))
			q.PushBackAssumeCapacity(2)
			noError(t, q.EnsureTotalCapacityPrecise(a, 5))
			q.PushBackAssumeCapacity(3)
			q.PushFrontAssumeCapacity(-1)
			noError(t, q.EnsureTotalCapacityPrecise(a, 6))
			q.PushFrontAssumeCapacity(-2)
			zigPops(t, &q, "ffbfbb", -2, -1, 3, 0, 2, 1)
		}},
		{"slice", func(t *testing.T, a mem.Allocator) {
			var q generic.DequeUnmanaged[int32]
			defer q.Close(a)
			noError(t, q.PushBackSlice(a, []int32{3, 4, 5}), q.PushBackSlice(a, []int32{6, 7}), q.PushFrontSlice(a, []int32{2}),
				q.PushBackSlice(a, nil), q.PushFrontSlice(a, []int32{0, 1}), q.PushFrontSlice(a, nil))
			for i, want := range []int32{0, 1, 7, 6} {
				pop := q.PopFront
				if i > 1 {
					pop = q.PopBack
				}
				v, ok := pop()
				mustEqual(t, "element", v, want)
				mustEqual(t, "element", ok, true)
			}
			noError(t, q.PushFrontSlice(a, []int32{0, 1}), q.PushBackSlice(a, []int32{6, 7}))
			zigPops(t, &q, "fffbbffb", 0, 1, 2, 7, 6, 3, 4, 5)
		}},
		{"iterator", func(t *testing.T, a mem.Allocator) {
			var q generic.DequeUnmanaged[int32]
			defer q.Close(a)
			items := []int32{0, 1, 2, 3, 4, 5}
			noError(t, q.PushFrontSlice(a, items))
			mustEqual(t, "Values", slices.Collect(q.Values()), items)
			for i, v := range q.All() {
				mustEqual(t, "Ptr", *q.Ptr(i), v)
			}
		}},
		{"fuzz against ArrayList oracle", nil}, // TestDequeModel
	})
}

func zigEnds(t *testing.T, q *generic.DequeUnmanaged[uint32]) {
	t.Helper()
	zigPops(t, q, "ffbf", 0, 1, 3, 2)
}

// zigPops takes elements from the front and the back, until there are none.
func zigPops[T comparable](t *testing.T, q *generic.DequeUnmanaged[T], ends string, want ...T) {
	t.Helper()
	for i, w := range want {
		pop := q.PopFront
		if ends[i] == 'b' {
			pop = q.PopBack
		}
		if v, ok := pop(); !ok || v != w {
			t.Fatalf("element %d: %v, %v, want %v", i, v, ok, w)
		}
	}
	pops(t, q.PopFront)
	pops(t, q.PopBack)
}

var (
	zigMixed  = []uint32{15, 7, 21, 14, 13, 22, 12, 6, 7, 25, 5, 24, 11, 16, 15, 24, 2, 1}
	zigSorted = []uint32{1, 2, 5, 6, 7, 7, 11, 12, 13, 14, 15, 15, 16, 21, 22, 24, 24, 25}
)

func backwards[T any](v ...T) []T {
	v = slices.Clone(v)
	slices.Reverse(v)
	return v
}
