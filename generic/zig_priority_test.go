package generic_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
)

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
