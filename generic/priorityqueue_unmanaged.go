package generic

import (
	"iter"
	"reflect"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// A PriorityQueueUnmanaged is a queue that gives out the element first that comes
// first in the order C, with the allocator handed to every call that may need
// it. [PriorityQueue] is the same with the allocator stored. To take from both
// ends there is [PriorityDequeueUnmanaged].
//
// Memory comes from the allocator passed in, which must be the same every time:
// one block, which grows as that of an [ArrayListUnmanaged] does. Removing
// elements keeps the memory for later; ShrinkAndFree, ClearAndFree and Close
// give it back. Elements are not closed or freed by anything here. Push and Pop
// take O(log n) time. Elements that are equivalent come in no particular order.
//
// A queue is for one goroutine at a time. The zero value is an empty queue, ready
// for use if the zero C is. Assigning a queue moves it: two copies must not both
// be used.
type PriorityQueueUnmanaged[T any, C Order[T]] struct {
	items ArrayListUnmanaged[T]
	known uint8 // 1 + what natural returns, or 0

	// Order is how elements compare. It must be set before the first one is
	// added, if its zero value is not meant.
	Order C
}

// The elements are a heap of arity four: element i does not come before its
// parent, element (i-1)/4.

// natural returns the kind of T if C is its natural order. Finding out takes as
// long as a few comparisons.
func (q *PriorityQueueUnmanaged[T, C]) natural() reflect.Kind {
	if q.known == 0 {
		q.known = 1 + uint8(naturalKind[T, C]())
	}
	return reflect.Kind(q.known - 1)
}

// Peek returns the first element, and false if there is none.
func (q *PriorityQueueUnmanaged[T, C]) Peek() (v T, ok bool) {
	if s := q.items.items; len(s) > 0 {
		return s[0], true
	}
	return v, false
}

// Pop removes the first element and returns it, or false if there is none.
func (q *PriorityQueueUnmanaged[T, C]) Pop() (v T, ok bool) {
	if q.items.Len() == 0 {
		return v, false
	}
	v = q.items.SwapRemove(0)
	if s := q.items.items; len(s) > 1 {
		siftDown(s, 0, q.natural(), q.Order)
	}
	q.check()
	return v, true
}

// RemoveAt removes element i of Items and returns it. It panics unless
// 0 <= i < Len.
func (q *PriorityQueueUnmanaged[T, C]) RemoveAt(i int) T {
	v := q.items.SwapRemove(i)
	if i < q.items.Len() {
		q.Fix(i)
	}
	return v
}

// Fix restores the order after element i of Items has changed. It panics unless
// 0 <= i < Len.
func (q *PriorityQueueUnmanaged[T, C]) Fix(i int) {
	s, kind := q.items.items, q.natural()
	if siftUp(s, i, kind, q.Order) == i {
		siftDown(s, i, kind, q.Order)
	}
	q.check()
}

// Drain removes the elements one by one, in order, and yields them, until none
// is left or the loop ends. Elements may be added meanwhile.
func (q *PriorityQueueUnmanaged[T, C]) Drain() iter.Seq[T] {
	return func(yield func(T) bool) {
		for {
			v, ok := q.Pop()
			if !ok || !yield(v) {
				return
			}
		}
	}
}

// added restores the order after an element was added at the end.
func (q *PriorityQueueUnmanaged[T, C]) added() {
	siftUp(q.items.items, q.items.Len()-1, q.natural(), q.Order)
	q.check()
}

// heapify restores the order after n elements were added at the end.
func (q *PriorityQueueUnmanaged[T, C]) heapify(n int) {
	s, kind := q.items.items, q.natural()
	if n < len(s)/8 { // then one by one is less work
		for i := len(s) - n; i < len(s); i++ {
			siftUp(s, i, kind, q.Order)
		}
	} else if len(s) > 1 {
		for i := (len(s) - 2) / heapArity; i >= 0; i-- {
			siftDown(s, i, kind, q.Order)
		}
	}
	q.check()
}

func (q *PriorityQueueUnmanaged[T, C]) check() {
	if !invariant.Enabled {
		return
	}
	s := q.items.items
	for i := 1; i < min(len(s), 500); i++ {
		if q.Order.Compare(s[i], s[(i-1)/heapArity]) < 0 {
			invariant.Check(false, "generic: PriorityQueue: element %d of %d comes before its parent", i, len(s))
		}
	}
}

// Items returns the elements in the order in which they lie in memory, of which
// all that can be said is that none comes before the first one. The slice is the
// queue's own memory, has no spare capacity, and is dead when the queue changes.
// Changing what the order of an element depends on must be followed by Fix.
func (q *PriorityQueueUnmanaged[T, C]) Items() []T { return q.items.Items() }

// Len returns the number of elements.
func (q *PriorityQueueUnmanaged[T, C]) Len() int { return q.items.Len() }

// Cap returns how many elements fit without another call to the allocator.
func (q *PriorityQueueUnmanaged[T, C]) Cap() int { return q.items.Cap() }

// Push adds v.
func (q *PriorityQueueUnmanaged[T, C]) Push(a mem.Allocator, v T) error {
	if err := q.items.appendFor(a, v, "generic: PriorityQueue.Push"); err != nil {
		return err
	}
	q.added()
	return nil
}

// PushAssumeCapacity is Push into spare capacity. It panics if there is none.
func (q *PriorityQueueUnmanaged[T, C]) PushAssumeCapacity(v T) {
	q.items.AppendAssumeCapacity(v)
	q.added()
}

// PushBounded is Push into spare capacity; without it, it returns
// [mem.ErrLimit].
func (q *PriorityQueueUnmanaged[T, C]) PushBounded(v T) error {
	if err := q.items.AppendBounded(v); err != nil {
		return err
	}
	q.added()
	return nil
}

// PushSlice adds the elements of v, all or none. Many at once take O(Len) time
// in all.
func (q *PriorityQueueUnmanaged[T, C]) PushSlice(a mem.Allocator, v []T) error {
	if err := q.items.appendSlice(a, v, "generic: PriorityQueue.PushSlice"); err != nil {
		return err
	}
	q.heapify(len(v))
	return nil
}

// Set replaces element i of Items by v and returns the one that was there. It
// panics unless 0 <= i < Len.
func (q *PriorityQueueUnmanaged[T, C]) Set(i int, v T) T {
	s := q.items.items
	old := s[i]
	s[i] = v
	q.Fix(i)
	return old
}

// FromBuffer makes q, which must have no memory, an empty queue in buf, which
// stays the caller's: it bounds the queue, and operations that would have to
// grow it return [mem.ErrLimit].
func (q *PriorityQueueUnmanaged[T, C]) FromBuffer(buf []T) { q.items.FromBuffer(buf) }

// FromOwnedSlice makes q, which must have no memory, a queue of the elements of
// s, in O(len(s)) time. The block s[:cap(s)] must have come from the allocator of
// the queue; it is the queue's from now on.
func (q *PriorityQueueUnmanaged[T, C]) FromOwnedSlice(a mem.Allocator, s []T) {
	q.items.FromOwnedSlice(a, s)
	q.heapify(len(s))
}

// ToOwnedSlice returns the elements, in the order of Items, in a block of
// exactly their size, which the caller frees with [mem.Free], and leaves the
// queue empty and without memory. On an error the queue is unchanged.
func (q *PriorityQueueUnmanaged[T, C]) ToOwnedSlice(a mem.Allocator) ([]T, error) {
	return q.items.toOwnedSlice(a, "generic: PriorityQueue.ToOwnedSlice")
}

// Values yields the elements in the order of Items. The queue must not change
// during the iteration.
func (q *PriorityQueueUnmanaged[T, C]) Values() iter.Seq[T] { return q.items.Values() }

// Clear removes all elements and keeps the memory.
func (q *PriorityQueueUnmanaged[T, C]) Clear() { q.items.Clear() }

// ClearAndFree removes all elements and gives back the memory.
func (q *PriorityQueueUnmanaged[T, C]) ClearAndFree(a mem.Allocator) { q.items.ClearAndFree(a) }

// ShrinkAndFree gives back the memory that the elements do not need. It cannot
// fail: where there is no memory for a smaller block, the queue keeps the one it
// has.
func (q *PriorityQueueUnmanaged[T, C]) ShrinkAndFree(a mem.Allocator) {
	q.items.ShrinkAndFree(a, q.items.Len())
}

// EnsureTotalCapacity makes room for n elements in all, and for more, so that
// many calls with a growing n cost little. It panics if n is negative.
func (q *PriorityQueueUnmanaged[T, C]) EnsureTotalCapacity(a mem.Allocator, n int) error {
	return q.items.ensureTotal(a, n, "generic: PriorityQueue.EnsureTotalCapacity")
}

// EnsureTotalCapacityPrecise makes room for n elements in all, and for no more
// than these. It panics if n is negative.
func (q *PriorityQueueUnmanaged[T, C]) EnsureTotalCapacityPrecise(a mem.Allocator, n int) error {
	return q.items.ensurePrecise(a, n, "generic: PriorityQueue.EnsureTotalCapacityPrecise")
}

// EnsureUnusedCapacity makes room for n elements more. It panics if n is
// negative.
func (q *PriorityQueueUnmanaged[T, C]) EnsureUnusedCapacity(a mem.Allocator, n int) error {
	return q.items.ensureUnused(a, n, "generic: PriorityQueue.EnsureUnusedCapacity")
}

// Clone returns a queue of the same elements in a block of exactly their size.
func (q *PriorityQueueUnmanaged[T, C]) Clone(a mem.Allocator) (PriorityQueueUnmanaged[T, C], error) {
	items, err := q.items.clone(a, "generic: PriorityQueue.Clone")
	return PriorityQueueUnmanaged[T, C]{items: items, Order: q.Order}, err
}

// ToManaged returns the queue with a, the allocator that it has had so far,
// stored, and leaves q empty, without memory but with the same Order.
func (q *PriorityQueueUnmanaged[T, C]) ToManaged(a mem.Allocator) *PriorityQueue[T, C] {
	q.items.from.adopt(a, "generic: PriorityQueue.ToManaged")
	c := &PriorityQueue[T, C]{a: a, u: *q}
	*q = PriorityQueueUnmanaged[T, C]{}
	q.Order = c.u.Order
	return c
}

// Close gives all memory back and leaves an empty queue, which may be used
// again. It never fails, and does nothing to an empty queue without memory.
func (q *PriorityQueueUnmanaged[T, C]) Close(a mem.Allocator) { q.items.Close(a) }
