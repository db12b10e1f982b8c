package generic_test

import (
	"cmp"
	"math/rand/v2"
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

// A zigQueue is what the tests of both queues do with one.
type zigQueue interface {
	Push(uint32) error
	PushSlice([]uint32) error
	FromOwnedSlice([]uint32)
	Items() []uint32
	Set(int, uint32) uint32
	RemoveAt(int) uint32
	Len() int
	Cap() int
	EnsureTotalCapacity(int) error
	ShrinkAndFree()
	Close() error
}

func push(t *testing.T, q zigQueue, v ...uint32) {
	t.Helper()
	t.Cleanup(func() { q.Close() })
	for _, v := range v {
		noError(t, q.Push(v))
	}
}

// update is Zig's: it changes an element that is given by what it is.
func update(t *testing.T, q zigQueue, from, to uint32) {
	t.Helper()
	i := slices.Index(q.Items(), from)
	if i < 0 {
		t.Fatalf("there is no %d", from)
	}
	mustEqual(t, "Set", q.Set(i, to), from)
}

func zigOwned(t *testing.T, a mem.Allocator, q zigQueue, v ...uint32) {
	t.Helper()
	t.Cleanup(func() { q.Close() })
	s, err := mem.Dupe(a, v)
	noError(t, err)
	q.FromOwnedSlice(s)
	mustEqual(t, "length", q.Len(), len(v))
}

// zigShrink is the same for both.
func zigShrink(t *testing.T, q zigQueue) {
	t.Helper()
	noError(t, q.EnsureTotalCapacity(4))
	push(t, q, 1, 2, 3)
	mustEqual(t, "capacity", q.Cap() >= 4, true)
	q.ShrinkAndFree()
	mustEqual(t, "length, capacity", []int{q.Len(), q.Cap()}, []int{3, 3})
}

// zigByIndex orders numbers by what a slice has at them.
type zigByIndex struct{ of *[7]uint32 }

func (o zigByIndex) Compare(a, b int) int { return cmp.Compare(o.of[a], o.of[b]) }

func TestZigPriorityQueue(t *testing.T) {
	low := func(a mem.Allocator) *generic.PriorityQueue[uint32, generic.Ascending[uint32]] {
		return generic.NewPriorityQueue[uint32](a)
	}
	high := func(a mem.Allocator) *generic.PriorityQueue[uint32, generic.Descending[uint32]] {
		return generic.NewPriorityQueueOrder(a, generic.Descending[uint32]{})
	}
	runZig(t, []zigTest{
		{"add and remove min heap", func(t *testing.T, a mem.Allocator) {
			q := low(a)
			push(t, q, 54, 12, 7, 23, 25, 13)
			pops(t, q.Pop, 7, 12, 13, 23, 25, 54)
		}},
		{"add and remove same min heap", func(t *testing.T, a mem.Allocator) {
			q := low(a)
			push(t, q, 1, 1, 2, 2, 1, 1)
			pops(t, q.Pop, 1, 1, 1, 1, 2, 2)
		}},
		{"removeOrNull on empty", func(t *testing.T, a mem.Allocator) { pops(t, low(a).Pop) }},
		{"edge case 3 elements", func(t *testing.T, a mem.Allocator) {
			q := low(a)
			push(t, q, 9, 3, 2)
			pops(t, q.Pop, 2, 3, 9)
		}},
		{"peek", func(t *testing.T, a mem.Allocator) {
			q := low(a)
			_, ok := q.Peek()
			mustEqual(t, "Peek", ok, false)
			push(t, q, 9, 3, 2)
			for range 2 {
				v, ok := q.Peek()
				mustEqual(t, "Peek", v, 2)
				mustEqual(t, "Peek", ok, true)
			}
		}},
		{"sift up with odd indices", func(t *testing.T, a mem.Allocator) {
			q := low(a)
			push(t, q, zigMixed...)
			pops(t, q.Pop, zigSorted...)
		}},
		{"addSlice", func(t *testing.T, a mem.Allocator) {
			q := low(a)
			push(t, q)
			noError(t, q.PushSlice(zigMixed))
			pops(t, q.Pop, zigSorted...)
		}},
		{"fromOwnedSlice trivial case 0", func(t *testing.T, a mem.Allocator) {
			q := low(a)
			zigOwned(t, a, q)
			pops(t, q.Pop)
		}},
		{"fromOwnedSlice trivial case 1", func(t *testing.T, a mem.Allocator) {
			q := low(a)
			zigOwned(t, a, q, 1)
			pops(t, q.Pop, 1)
		}},
		{"fromOwnedSlice", func(t *testing.T, a mem.Allocator) {
			q := low(a)
			zigOwned(t, a, q, zigMixed...)
			pops(t, q.Pop, zigSorted...)
		}},
		{"add and remove max heap", func(t *testing.T, a mem.Allocator) {
			q := high(a)
			push(t, q, 54, 12, 7, 23, 25, 13)
			pops(t, q.Pop, 54, 25, 23, 13, 12, 7)
		}},
		{"add and remove same max heap", func(t *testing.T, a mem.Allocator) {
			q := high(a)
			push(t, q, 1, 1, 2, 2, 1, 1)
			pops(t, q.Pop, 2, 2, 1, 1, 1, 1)
		}},
		{"iterator", func(t *testing.T, a mem.Allocator) {
			q := low(a)
			push(t, q, 54, 12, 7, 23, 25, 13)
			mustEqual(t, "Values", slices.Sorted(q.Values()), []uint32{7, 12, 13, 23, 25, 54})
		}},
		{"remove at index", func(t *testing.T, a mem.Allocator) {
			q := low(a)
			push(t, q, 2, 1, 8, 9, 3, 4, 5)
			mustEqual(t, "RemoveAt", q.RemoveAt(slices.Index(q.Items(), 2)), 2)
			pops(t, q.Pop, 1, 3, 4, 5, 8, 9)
		}},
		{"iterator while empty", func(t *testing.T, a mem.Allocator) {
			mustEqual(t, "Values", slices.Collect(low(a).Values()), nil)
		}},
		{"shrinkAndFree", func(t *testing.T, a mem.Allocator) {
			q := low(a)
			zigShrink(t, q)
			pops(t, q.Pop, 1, 2, 3)
		}},
		{"update min heap", func(t *testing.T, a mem.Allocator) {
			q := low(a)
			push(t, q, 55, 44, 11)
			update(t, q, 55, 5)
			update(t, q, 44, 4)
			update(t, q, 11, 1)
			pops(t, q.Pop, 1, 4, 5)
		}},
		{"update same min heap", func(t *testing.T, a mem.Allocator) {
			q := low(a)
			push(t, q, 1, 1, 2, 2)
			update(t, q, 1, 5)
			update(t, q, 2, 4)
			pops(t, q.Pop, 1, 2, 4, 5)
		}},
		{"update max heap", func(t *testing.T, a mem.Allocator) {
			q := high(a)
			push(t, q, 55, 44, 11)
			update(t, q, 55, 5)
			update(t, q, 44, 1)
			update(t, q, 11, 4)
			pops(t, q.Pop, 5, 4, 1)
		}},
		{"update same max heap", func(t *testing.T, a mem.Allocator) {
			q := high(a)
			push(t, q, 1, 1, 2, 2)
			update(t, q, 1, 5)
			update(t, q, 2, 4)
			pops(t, q.Pop, 5, 4, 2, 1)
		}},
		{"update after remove", func(t *testing.T, a mem.Allocator) {
			q := low(a)
			push(t, q, 1)
			pops(t, q.Pop, 1)
			mustEqual(t, "index of 1", slices.Index(q.Items(), 1), -1)
			mustPanic(t, "Set", func() { q.Set(0, 1) }, "index out of range")
		}},
		{"siftUp in remove", func(t *testing.T, a mem.Allocator) {
			q := low(a)
			push(t, q)
			noError(t, q.PushSlice([]uint32{0, 1, 100, 2, 3, 101, 102, 4, 5, 6, 7, 103, 104, 105, 106, 8}))
			q.RemoveAt(slices.Index(q.Items(), 102))
			pops(t, q.Pop, 0, 1, 2, 3, 4, 5, 6, 7, 8, 100, 101, 103, 104, 105, 106)
		}},
		{"add and remove min heap with context comparator", func(t *testing.T, a mem.Allocator) {
			q := generic.NewPriorityQueueOrder(a, zigByIndex{&[7]uint32{5, 3, 4, 2, 2, 8, 0}})
			defer q.Close()
			noError(t, q.PushSlice([]int{0, 1, 2}), q.Push(3), q.Push(4), q.Push(5), q.Push(6))
			first, _ := q.Pop()
			second, _ := q.Pop()
			third, _ := q.Pop()
			mustEqual(t, "first", first, 6)
			mustEqual(t, "equals, in no order of their own", min(second, third)*10+max(second, third), 34)
			pops(t, q.Pop, 1, 2, 0, 5)
		}},
	})
}

// zigUnique minds if a value is compared to itself.
type zigUnique struct{ t *testing.T }

func (o zigUnique) Compare(a, b uint32) int {
	if a == b {
		o.t.Errorf("%d is compared to a copy of itself", a)
	}
	return cmp.Compare(a, b)
}

func TestZigPriorityDequeue(t *testing.T) {
	queue := func(a mem.Allocator) *generic.PriorityDequeue[uint32, generic.Ascending[uint32]] {
		return generic.NewPriorityDequeue[uint32](a)
	}
	filled := func(t *testing.T, a mem.Allocator, v ...uint32) *generic.PriorityDequeue[uint32, generic.Ascending[uint32]] {
		q := queue(a)
		push(t, q, v...)
		return q
	}
	updated := func(t *testing.T, a mem.Allocator, second uint32) *generic.PriorityDequeue[uint32, generic.Ascending[uint32]] {
		q := filled(t, a, 55, 44, 11)
		update(t, q, 55, 5)
		update(t, q, 44, second)
		update(t, q, 11, 5-second)
		return q
	}
	updatedSame := func(t *testing.T, a mem.Allocator) *generic.PriorityDequeue[uint32, generic.Ascending[uint32]] {
		q := filled(t, a, 1, 1, 2, 2)
		update(t, q, 1, 5)
		update(t, q, 2, 4)
		return q
	}
	random := func(t *testing.T, a mem.Allocator, check func(q *generic.PriorityDequeue[uint32, generic.Ascending[uint32]])) {
		r := rand.New(rand.NewPCG(3, 4))
		for range generic.Rounds(100) {
			q := queue(a)
			v := make([]uint32, 1000)
			for i := range v {
				v[i] = r.Uint32()
			}
			zigOwned(t, a, q, v...)
			check(q)
			mustEqual(t, "length", q.Len(), 0)
		}
	}
	runZig(t, []zigTest{
		{"push and pop min in min heap", func(t *testing.T, a mem.Allocator) {
			pops(t, filled(t, a, 54, 12, 7, 23, 25, 13).PopMin, 7, 12, 13, 23, 25, 54)
		}},
		{"push and pop min structs", func(t *testing.T, a mem.Allocator) {
			type sized struct{ size uint32 }
			q := generic.NewPriorityDequeueOrder(a, generic.OrderFunc[sized](func(a, b sized) int { return cmp.Compare(a.size, b.size) }))
			defer q.Close()
			noError(t, q.PushSlice([]sized{{54}, {12}, {7}}), q.PushSlice([]sized{{23}, {25}, {13}}))
			pops(t, q.PopMin, sized{7}, sized{12}, sized{13}, sized{23}, sized{25}, sized{54})
		}},
		{"push and pop max in min heap", func(t *testing.T, a mem.Allocator) {
			pops(t, filled(t, a, 54, 12, 7, 23, 25, 13).PopMax, 54, 25, 23, 13, 12, 7)
		}},
		{"push and pop same min in min heap", func(t *testing.T, a mem.Allocator) {
			pops(t, filled(t, a, 1, 1, 2, 2, 1, 1).PopMin, 1, 1, 1, 1, 2, 2)
		}},
		{"push and pop same max in min heap", func(t *testing.T, a mem.Allocator) {
			pops(t, filled(t, a, 1, 1, 2, 2, 1, 1).PopMax, 2, 2, 1, 1, 1, 1)
		}},
		{"pop empty in min heap", func(t *testing.T, a mem.Allocator) {
			pops(t, queue(a).PopMin)
			pops(t, queue(a).PopMax)
		}},
		{"edge case 3 elements popMin in min heap", func(t *testing.T, a mem.Allocator) {
			pops(t, filled(t, a, 9, 3, 2).PopMin, 2, 3, 9)
		}},
		{"edge case 3 elements popmax in min heap", func(t *testing.T, a mem.Allocator) {
			pops(t, filled(t, a, 9, 3, 2).PopMax, 9, 3, 2)
		}},
		{"peekMin in min heap", func(t *testing.T, a mem.Allocator) {
			_, ok := queue(a).PeekMin()
			mustEqual(t, "PeekMin", ok, false)
			q := filled(t, a, 9, 3, 2)
			for range 2 {
				v, ok := q.PeekMin()
				mustEqual(t, "PeekMin", v, 2)
				mustEqual(t, "PeekMin", ok, true)
			}
		}},
		{"peekMax in min heap", func(t *testing.T, a mem.Allocator) {
			_, ok := queue(a).PeekMax()
			mustEqual(t, "PeekMax", ok, false)
			q := filled(t, a, 9, 3, 2)
			for range 2 {
				v, ok := q.PeekMax()
				mustEqual(t, "PeekMax", v, 9)
				mustEqual(t, "PeekMax", ok, true)
			}
		}},
		{"sift up with odd indices and popMin in min heap", func(t *testing.T, a mem.Allocator) {
			pops(t, filled(t, a, zigMixed...).PopMin, zigSorted...)
		}},
		{"sift up with odd indices and popMax in min heap", func(t *testing.T, a mem.Allocator) {
			pops(t, filled(t, a, zigMixed...).PopMax, backwards(zigSorted...)...)
		}},
		{"pushSlice in min heap and popMin", func(t *testing.T, a mem.Allocator) {
			q := filled(t, a)
			noError(t, q.PushSlice(zigMixed))
			pops(t, q.PopMin, zigSorted...)
		}},
		{"pushSlice in min heap and popMax", func(t *testing.T, a mem.Allocator) {
			q := filled(t, a)
			noError(t, q.PushSlice(zigMixed))
			pops(t, q.PopMax, backwards(zigSorted...)...)
		}},
		{"fromOwnedSlice trivial case 0 min heap", func(t *testing.T, a mem.Allocator) {
			q := queue(a)
			zigOwned(t, a, q)
			pops(t, q.PopMin)
		}},
		{"fromOwnedSlice trivial case 1 min heap", func(t *testing.T, a mem.Allocator) {
			q := queue(a)
			zigOwned(t, a, q, 1)
			pops(t, q.PopMin, 1)
		}},
		{"fromOwnedSlice min heap", func(t *testing.T, a mem.Allocator) {
			q := queue(a)
			zigOwned(t, a, q, zigMixed...)
			pops(t, q.PopMin, zigSorted...)
		}},
		{"update and popMin in min heap", func(t *testing.T, a mem.Allocator) {
			pops(t, updated(t, a, 4).PopMin, 1, 4, 5)
		}},
		{"update same element and popMin in min heap", func(t *testing.T, a mem.Allocator) {
			pops(t, updatedSame(t, a).PopMin, 1, 2, 4, 5)
		}},
		{"update and popMax in min heap", func(t *testing.T, a mem.Allocator) {
			pops(t, updated(t, a, 1).PopMax, 5, 4, 1)
		}},
		{"update same element and popMax in min heap", func(t *testing.T, a mem.Allocator) {
			pops(t, updatedSame(t, a).PopMax, 5, 4, 2, 1)
		}},
		{"update after pop in min heap", func(t *testing.T, a mem.Allocator) {
			q := filled(t, a, 1)
			pops(t, q.PopMin, 1)
			mustEqual(t, "index of 1", slices.Index(q.Items(), 1), -1)
			mustPanic(t, "Set", func() { q.Set(0, 1) }, "index out of range")
		}},
		{"min heap iterator", func(t *testing.T, a mem.Allocator) {
			mustEqual(t, "Values", slices.Sorted(filled(t, a, 54, 12, 7, 23, 25, 13).Values()), []uint32{7, 12, 13, 23, 25, 54})
		}},
		{"pop at index in min heap", func(t *testing.T, a mem.Allocator) {
			q := filled(t, a, 3, 2, 1)
			mustEqual(t, "RemoveAt", q.RemoveAt(slices.Index(q.Items(), 2)), 2)
			pops(t, q.PopMin, 1, 3)
		}},
		{"min heap iterator while empty", func(t *testing.T, a mem.Allocator) {
			mustEqual(t, "Values", slices.Collect(queue(a).Values()), nil)
		}},
		{"min heap shrinkAndFree", func(t *testing.T, a mem.Allocator) {
			q := queue(a)
			zigShrink(t, q)
			pops(t, q.PopMax, 3, 2, 1)
		}},
		{"fuzz testing min", func(t *testing.T, a mem.Allocator) {
			random(t, a, func(q *generic.PriorityDequeue[uint32, generic.Ascending[uint32]]) {
				pops(t, q.PopMin, slices.Sorted(q.Values())...)
			})
		}},
		{"fuzz testing max", func(t *testing.T, a mem.Allocator) {
			random(t, a, func(q *generic.PriorityDequeue[uint32, generic.Ascending[uint32]]) {
				pops(t, q.PopMax, backwards(slices.Sorted(q.Values())...)...)
			})
		}},
		{"fuzz testing min and max", func(t *testing.T, a mem.Allocator) {
			random(t, a, func(q *generic.PriorityDequeue[uint32, generic.Ascending[uint32]]) {
				sorted := slices.Sorted(q.Values())
				for i := range len(sorted) / 2 {
					first, _ := q.PopMin()
					last, _ := q.PopMax()
					mustEqual(t, "first", first, sorted[i])
					mustEqual(t, "last", last, sorted[len(sorted)-1-i])
				}
			})
		}},
		{"push and pop", func(t *testing.T, a mem.Allocator) {
			q := generic.NewPriorityDequeueOrder(a, zigByIndex{&[7]uint32{5, 3, 4, 2, 2, 8, 0}})
			defer q.Close()
			noError(t, q.PushSlice([]int{0, 1, 2}), q.Push(3), q.Push(4), q.Push(5), q.Push(6))
			var got []int // of two that are equal, either
			for i := range 7 {
				pop := q.PopMin
				if i%2 == 1 {
					pop = q.PopMax
				}
				v, _ := pop()
				if v == 4 {
					v = 3
				}
				got = append(got, v)
			}
			mustEqual(t, "elements", got, []int{6, 5, 3, 0, 3, 2, 1})
		}},
		{"don't compare a value to a copy of itself", func(t *testing.T, a mem.Allocator) {
			for n := range uint32(40) {
				for i := range int(n) {
					q := generic.NewPriorityDequeueOrder(a, zigUnique{t})
					push(t, q)
					for v := range n {
						noError(t, q.Push(v+1))
					}
					q.RemoveAt(i)
					q.Close()
				}
			}
		}},
	})
}

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

type zigNode struct {
	generic.DoublyLinks[zigNode]
	data int
}

type zigSingle struct {
	generic.SinglyLinks[zigSingle]
	data int
}

func TestZigLinkedLists(t *testing.T) {
	doubly := func(t *testing.T, l *generic.IntrusiveDoublyLinkedList[zigNode, *zigNode], want ...int) {
		t.Helper()
		var got []int
		for n := range l.All() {
			got = append(got, n.data)
		}
		mustEqual(t, "forwards", got, want)
		got = nil
		for n := range l.Backward() {
			got = append(got, n.data)
		}
		mustEqual(t, "backwards", got, backwards(want...))
		mustEqual(t, "length", l.Len(), len(want))
	}
	t.Run("DoublyLinkedList basics", func(t *testing.T) {
		var l generic.IntrusiveDoublyLinkedList[zigNode, *zigNode]
		var n [6]zigNode
		for i := range n {
			n[i].data = i
		}
		l.PushBack(&n[2])
		l.PushBack(&n[5])
		l.PushFront(&n[1])
		l.InsertBefore(&n[5], &n[4])
		l.InsertAfter(&n[2], &n[3])
		doubly(t, &l, 1, 2, 3, 4, 5)
		mustEqual(t, "first", l.PopFront().data, 1)
		mustEqual(t, "last", l.PopBack().data, 5)
		l.Remove(&n[3])
		doubly(t, &l, 2, 4)
	})
	t.Run("DoublyLinkedList concatenation", func(t *testing.T) {
		var one, two generic.IntrusiveDoublyLinkedList[zigNode, *zigNode]
		n := make([]zigNode, 6)
		for i := range n {
			n[i].data = i
		}
		for i := 1; i <= 5; i++ {
			if i < 3 {
				one.PushBack(&n[i])
			} else {
				two.PushBack(&n[i])
			}
		}
		one.Concat(&two)
		doubly(t, &one, 1, 2, 3, 4, 5)
		doubly(t, &two)
		mustEqual(t, "ends", two.First() == nil && two.Last() == nil && one.Last() == &n[5], true)
		two.Concat(&one) // and back: what is moved leaves nothing behind
		doubly(t, &two, 1, 2, 3, 4, 5)
		doubly(t, &one)
	})
	t.Run("SinglyLinkedList basics", func(t *testing.T) {
		var l generic.IntrusiveSinglyLinkedList[zigSingle, *zigSingle]
		data := func() (got []int) {
			for n := range l.All() {
				got = append(got, n.data)
			}
			mustEqual(t, "length", l.Len(), len(got))
			return got
		}
		var n [6]zigSingle
		for i := range n {
			n[i].data = i
		}
		mustEqual(t, "nodes", data(), nil)
		l.PushFront(&n[2])
		l.InsertAfter(&n[2], &n[5])
		l.PushFront(&n[1])
		l.InsertAfter(&n[2], &n[3])
		l.InsertAfter(&n[3], &n[4])
		mustEqual(t, "nodes", data(), []int{1, 2, 3, 4, 5})
		l.PopFront()
		mustEqual(t, "Remove", l.Remove(&n[5]), true)
		mustEqual(t, "RemoveAfter", l.RemoveAfter(&n[2]), &n[3])
		mustEqual(t, "nodes", data(), []int{2, 4})
		l.Reverse()
		mustEqual(t, "nodes", data(), []int{4, 2})
	})
}
