package generic

import (
	"iter"
	"math"
	"math/bits"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// A PriorityDequeueUnmanaged is a queue that gives out, as one likes, the element
// that comes first in the order C or the one that comes last, with the allocator
// handed to every call that may need it. [PriorityDequeue] is the same with the
// allocator stored. Where only one end is needed, [PriorityQueueUnmanaged] is
// faster.
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
type PriorityDequeueUnmanaged[T any, C Order[T]] struct {
	items ArrayListUnmanaged[T]

	// Order is how elements compare. It must be set before the first one is
	// added, if its zero value is not meant.
	Order C
}

// The elements are a min-max heap (Atkinson, Sack, Santoro and Strothotte, 1986):
// a binary heap in which the elements of even levels, the root among them, do not
// come after anything below them, and those of odd levels not before.

// PeekMin returns the first element, and false if there is none.
func (q *PriorityDequeueUnmanaged[T, C]) PeekMin() (v T, ok bool) {
	if s := q.items.items; len(s) > 0 {
		return s[0], true
	}
	return v, false
}

// PeekMax returns the last element, and false if there is none.
func (q *PriorityDequeueUnmanaged[T, C]) PeekMax() (v T, ok bool) {
	if s := q.items.items; len(s) > 0 {
		return s[q.last()], true
	}
	return v, false
}

// PopMin removes the first element and returns it, or false if there is none.
func (q *PriorityDequeueUnmanaged[T, C]) PopMin() (v T, ok bool) {
	if q.items.Len() == 0 {
		return v, false
	}
	return q.RemoveAt(0), true
}

// PopMax removes the last element and returns it, or false if there is none.
func (q *PriorityDequeueUnmanaged[T, C]) PopMax() (v T, ok bool) {
	if q.items.Len() == 0 {
		return v, false
	}
	return q.RemoveAt(q.last()), true
}

// last returns the index of the last element, which there must be.
func (q *PriorityDequeueUnmanaged[T, C]) last() int {
	s := q.items.items
	if len(s) > 2 && q.Order.Compare(s[2], s[1]) > 0 {
		return 2
	}
	return min(1, len(s)-1)
}

// RemoveAt removes element i of Items and returns it. It panics unless
// 0 <= i < Len.
func (q *PriorityDequeueUnmanaged[T, C]) RemoveAt(i int) T {
	v := q.items.SwapRemove(i)
	if i < q.items.Len() {
		q.Fix(i)
	}
	return v
}

// Fix restores the order after element i of Items has changed. It panics unless
// 0 <= i < Len.
func (q *PriorityDequeueUnmanaged[T, C]) Fix(i int) {
	_ = q.items.items[i]
	q.up(i)
	q.down(i)
	q.check()
}

// Drain removes the elements one by one, in order, and yields them, until none
// is left or the loop ends. Elements may be added meanwhile.
func (q *PriorityDequeueUnmanaged[T, C]) Drain() iter.Seq[T] {
	return func(yield func(T) bool) {
		for {
			v, ok := q.PopMin()
			if !ok || !yield(v) {
				return
			}
		}
	}
}

// signOf returns +1 for the indexes of levels where the first element is wanted
// on top, and -1 for those where the last one is.
func signOf(i int) int { return 1 - 2*((bits.Len(uint(i+1))-1)&1) }

// compare compares x and y on levels of the given sign. The least of all ints,
// which a comparison may return, has no opposite.
func (q *PriorityDequeueUnmanaged[T, C]) compare(x, y T, sign int) int {
	return sign * max(q.Order.Compare(x, y), -math.MaxInt)
}

// up moves element i towards the root as far as it must go.
func (q *PriorityDequeueUnmanaged[T, C]) up(i int) {
	if i == 0 {
		return
	}
	s, sign := q.items.items, signOf(i)
	if parent := (i - 1) / 2; q.compare(s[i], s[parent], sign) > 0 {
		s[i], s[parent] = s[parent], s[i]
		i, sign = parent, -sign
	}
	for i > 2 {
		grand := ((i-1)/2 - 1) / 2
		if q.compare(s[i], s[grand], sign) >= 0 {
			return
		}
		s[i], s[grand] = s[grand], s[i]
		i = grand
	}
}

// down moves element i away from the root as far as it must go.
func (q *PriorityDequeueUnmanaged[T, C]) down(i int) {
	s, sign := q.items.items, signOf(i)
	for {
		best := i
		if i < len(s)/2 { // children
			best = q.best(best, 2*i+1, 2, sign)
		}
		if i < len(s)/4 { // and theirs
			best = q.best(best, 4*i+3, 4, sign)
		}
		if best == i {
			return
		}
		s[i], s[best] = s[best], s[i]
		if best <= 2*i+2 {
			return
		}
		if parent := (best - 1) / 2; q.compare(s[best], s[parent], sign) > 0 {
			s[best], s[parent] = s[parent], s[best]
		}
		i = best
	}
}

// best returns which of n elements from first on, as far as there are, and
// element i is to be on top.
func (q *PriorityDequeueUnmanaged[T, C]) best(i, first, n, sign int) int {
	s := q.items.items
	for c := first; c < min(first+n, len(s)); c++ {
		if q.compare(s[c], s[i], sign) < 0 {
			i = c
		}
	}
	return i
}

// added restores the order after an element was added at the end.
func (q *PriorityDequeueUnmanaged[T, C]) added() {
	q.up(q.items.Len() - 1)
	q.check()
}

// heapify restores the order after n elements were added at the end.
func (q *PriorityDequeueUnmanaged[T, C]) heapify(n int) {
	size := q.items.Len()
	if n < size/8 { // then one by one is less work
		for i := size - n; i < size; i++ {
			q.up(i)
		}
	} else {
		for i := size/2 - 1; i >= 0; i-- {
			q.down(i)
		}
	}
	q.check()
}

func (q *PriorityDequeueUnmanaged[T, C]) check() {
	if !invariant.Enabled {
		return
	}
	s := q.items.items
	for i := 1; i < min(len(s), 500); i++ {
		parent := (i - 1) / 2
		grand := max(0, (parent-1)/2)
		if q.compare(s[i], s[parent], signOf(parent)) < 0 || q.compare(s[i], s[grand], signOf(grand)) < 0 {
			invariant.Check(false, "generic: PriorityDequeue: element %d of %d is in the wrong place", i, len(s))
		}
	}
}

// Items returns the elements in the order in which they lie in memory, of which
// all that can be said is that none comes before the first one. The slice is the
// queue's own memory, has no spare capacity, and is dead when the queue changes.
// Changing what the order of an element depends on must be followed by Fix.
func (q *PriorityDequeueUnmanaged[T, C]) Items() []T { return q.items.Items() }

// Len returns the number of elements.
func (q *PriorityDequeueUnmanaged[T, C]) Len() int { return q.items.Len() }

// Cap returns how many elements fit without another call to the allocator.
func (q *PriorityDequeueUnmanaged[T, C]) Cap() int { return q.items.Cap() }

// Push adds v.
func (q *PriorityDequeueUnmanaged[T, C]) Push(a mem.Allocator, v T) error {
	if err := q.items.appendFor(a, v, "generic: PriorityDequeue.Push"); err != nil {
		return err
	}
	q.added()
	return nil
}

// PushAssumeCapacity is Push into spare capacity. It panics if there is none.
func (q *PriorityDequeueUnmanaged[T, C]) PushAssumeCapacity(v T) {
	q.items.AppendAssumeCapacity(v)
	q.added()
}

// PushBounded is Push into spare capacity; without it, it returns
// [mem.ErrLimit].
func (q *PriorityDequeueUnmanaged[T, C]) PushBounded(v T) error {
	if err := q.items.AppendBounded(v); err != nil {
		return err
	}
	q.added()
	return nil
}

// PushSlice adds the elements of v, all or none. Many at once take O(Len) time
// in all.
func (q *PriorityDequeueUnmanaged[T, C]) PushSlice(a mem.Allocator, v []T) error {
	if err := q.items.appendSlice(a, v, "generic: PriorityDequeue.PushSlice"); err != nil {
		return err
	}
	q.heapify(len(v))
	return nil
}

// Set replaces element i of Items by v and returns the one that was there. It
// panics unless 0 <= i < Len.
func (q *PriorityDequeueUnmanaged[T, C]) Set(i int, v T) T {
	s := q.items.items
	old := s[i]
	s[i] = v
	q.Fix(i)
	return old
}

// FromBuffer makes q, which must have no memory, an empty queue in buf, which
// stays the caller's: it bounds the queue, and operations that would have to
// grow it return [mem.ErrLimit].
func (q *PriorityDequeueUnmanaged[T, C]) FromBuffer(buf []T) { q.items.FromBuffer(buf) }

// FromOwnedSlice makes q, which must have no memory, a queue of the elements of
// s, in O(len(s)) time. The block s[:cap(s)] must have come from the allocator of
// the queue; it is the queue's from now on.
func (q *PriorityDequeueUnmanaged[T, C]) FromOwnedSlice(a mem.Allocator, s []T) {
	q.items.FromOwnedSlice(a, s)
	q.heapify(len(s))
}

// ToOwnedSlice returns the elements, in the order of Items, in a block of
// exactly their size, which the caller frees with [mem.Free], and leaves the
// queue empty and without memory. On an error the queue is unchanged.
func (q *PriorityDequeueUnmanaged[T, C]) ToOwnedSlice(a mem.Allocator) ([]T, error) {
	return q.items.toOwnedSlice(a, "generic: PriorityDequeue.ToOwnedSlice")
}

// Values yields the elements in the order of Items. The queue must not change
// during the iteration.
func (q *PriorityDequeueUnmanaged[T, C]) Values() iter.Seq[T] { return q.items.Values() }

// Clear removes all elements and keeps the memory.
func (q *PriorityDequeueUnmanaged[T, C]) Clear() { q.items.Clear() }

// ClearAndFree removes all elements and gives back the memory.
func (q *PriorityDequeueUnmanaged[T, C]) ClearAndFree(a mem.Allocator) { q.items.ClearAndFree(a) }

// ShrinkAndFree gives back the memory that the elements do not need. It cannot
// fail: where there is no memory for a smaller block, the queue keeps the one it
// has.
func (q *PriorityDequeueUnmanaged[T, C]) ShrinkAndFree(a mem.Allocator) {
	q.items.ShrinkAndFree(a, q.items.Len())
}

// EnsureTotalCapacity makes room for n elements in all, and for more, so that
// many calls with a growing n cost little. It panics if n is negative.
func (q *PriorityDequeueUnmanaged[T, C]) EnsureTotalCapacity(a mem.Allocator, n int) error {
	return q.items.ensureTotal(a, n, "generic: PriorityDequeue.EnsureTotalCapacity")
}

// EnsureTotalCapacityPrecise makes room for n elements in all, and for no more
// than these. It panics if n is negative.
func (q *PriorityDequeueUnmanaged[T, C]) EnsureTotalCapacityPrecise(a mem.Allocator, n int) error {
	return q.items.ensurePrecise(a, n, "generic: PriorityDequeue.EnsureTotalCapacityPrecise")
}

// EnsureUnusedCapacity makes room for n elements more. It panics if n is
// negative.
func (q *PriorityDequeueUnmanaged[T, C]) EnsureUnusedCapacity(a mem.Allocator, n int) error {
	return q.items.ensureUnused(a, n, "generic: PriorityDequeue.EnsureUnusedCapacity")
}

// Clone returns a queue of the same elements in a block of exactly their size.
func (q *PriorityDequeueUnmanaged[T, C]) Clone(a mem.Allocator) (PriorityDequeueUnmanaged[T, C], error) {
	items, err := q.items.clone(a, "generic: PriorityDequeue.Clone")
	return PriorityDequeueUnmanaged[T, C]{items: items, Order: q.Order}, err
}

// ToManaged returns the queue with a, the allocator that it has had so far,
// stored, and leaves q empty, without memory but with the same Order.
func (q *PriorityDequeueUnmanaged[T, C]) ToManaged(a mem.Allocator) *PriorityDequeue[T, C] {
	q.items.from.adopt(a, "generic: PriorityDequeue.ToManaged")
	c := &PriorityDequeue[T, C]{a: a, u: *q}
	*q = PriorityDequeueUnmanaged[T, C]{}
	q.Order = c.u.Order
	return c
}

// Close gives all memory back and leaves an empty queue, which may be used
// again. It never fails, and does nothing to an empty queue without memory.
func (q *PriorityDequeueUnmanaged[T, C]) Close(a mem.Allocator) { q.items.Close(a) }
