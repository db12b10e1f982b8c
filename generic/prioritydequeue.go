package generic

import (
	"cmp"
	"iter"

	"github.com/allod-dev/allod/mem"
)

// A PriorityDequeue is a queue that gives out, as one likes, the element that comes
// first in its order or the one that comes last. [PriorityDequeueUnmanaged] is the same without
// a stored allocator, and says more about both.
//
// Memory comes from the allocator given to the constructor. Removing elements
// keeps it for later; ShrinkAndFree, ClearAndFree and Close give it back.
//
// A queue is for one goroutine at a time and must not be copied. The zero
// PriorityDequeue has no allocator; call [NewPriorityDequeue].
type PriorityDequeue[T any, C Order[T]] struct {
	_ noCopy
	a mem.Allocator
	u PriorityDequeueUnmanaged[T, C]
}

// Allocator returns the allocator of the queue.
func (q *PriorityDequeue[T, C]) Allocator() mem.Allocator { return q.a }

// Close gives all memory back and leaves an empty queue, which may be used
// again. It never allocates, and the error is always nil.
func (q *PriorityDequeue[T, C]) Close() error {
	q.u.Close(q.a)
	return nil
}

// Clone returns a queue of the same elements in a block of exactly their size.
func (q *PriorityDequeue[T, C]) Clone() (*PriorityDequeue[T, C], error) {
	u, err := q.u.Clone(q.a)
	if err != nil {
		return nil, err
	}
	return &PriorityDequeue[T, C]{a: q.a, u: u}, nil
}

// ToUnmanaged returns the queue without its allocator, which every call is
// handed from now on, and leaves q empty, without memory but with the same
// Order.
func (q *PriorityDequeue[T, C]) ToUnmanaged() PriorityDequeueUnmanaged[T, C] {
	u := q.u
	q.u = PriorityDequeueUnmanaged[T, C]{}
	q.u.Order = u.Order
	return u
}

// PeekMin returns the first element, and false if there is none.
func (q *PriorityDequeue[T, C]) PeekMin() (v T, ok bool) { return q.u.PeekMin() }

// PeekMax returns the last element, and false if there is none.
func (q *PriorityDequeue[T, C]) PeekMax() (v T, ok bool) { return q.u.PeekMax() }

// PopMin removes the first element and returns it, or false if there is none.
func (q *PriorityDequeue[T, C]) PopMin() (v T, ok bool) { return q.u.PopMin() }

// PopMax removes the last element and returns it, or false if there is none.
func (q *PriorityDequeue[T, C]) PopMax() (v T, ok bool) { return q.u.PopMax() }

// RemoveAt removes element i of Items and returns it. It panics unless
// 0 <= i < Len.
func (q *PriorityDequeue[T, C]) RemoveAt(i int) T { return q.u.RemoveAt(i) }

// Fix restores the order after element i of Items has changed. It panics unless
// 0 <= i < Len.
func (q *PriorityDequeue[T, C]) Fix(i int) { q.u.Fix(i) }

// Drain removes the elements one by one, in order, and yields them, until none
// is left or the loop ends. Elements may be added meanwhile.
func (q *PriorityDequeue[T, C]) Drain() iter.Seq[T] { return q.u.Drain() }

// Items returns the elements in the order in which they lie in memory, of which
// all that can be said is that none comes before the first one. The slice is the
// queue's own memory, has no spare capacity, and is dead when the queue changes.
// Changing what the order of an element depends on must be followed by Fix.
func (q *PriorityDequeue[T, C]) Items() []T { return q.u.Items() }

// Len returns the number of elements.
func (q *PriorityDequeue[T, C]) Len() int { return q.u.Len() }

// Cap returns how many elements fit without another call to the allocator.
func (q *PriorityDequeue[T, C]) Cap() int { return q.u.Cap() }

// Push adds v.
func (q *PriorityDequeue[T, C]) Push(v T) error { return q.u.Push(q.a, v) }

// PushAssumeCapacity is Push into spare capacity. It panics if there is none.
func (q *PriorityDequeue[T, C]) PushAssumeCapacity(v T) { q.u.PushAssumeCapacity(v) }

// PushBounded is Push into spare capacity; without it, it returns
// [mem.ErrLimit].
func (q *PriorityDequeue[T, C]) PushBounded(v T) error { return q.u.PushBounded(v) }

// PushSlice adds the elements of v, all or none. Many at once take O(Len) time
// in all.
func (q *PriorityDequeue[T, C]) PushSlice(v []T) error { return q.u.PushSlice(q.a, v) }

// Set replaces element i of Items by v and returns the one that was there. It
// panics unless 0 <= i < Len.
func (q *PriorityDequeue[T, C]) Set(i int, v T) T { return q.u.Set(i, v) }

// FromBuffer makes q, which must have no memory, an empty queue in buf, which
// stays the caller's: it bounds the queue, and operations that would have to
// grow it return [mem.ErrLimit].
func (q *PriorityDequeue[T, C]) FromBuffer(buf []T) { q.u.FromBuffer(buf) }

// FromOwnedSlice makes q, which must have no memory, a queue of the elements of
// s, in O(len(s)) time. The block s[:cap(s)] must have come from the allocator of
// the queue; it is the queue's from now on.
func (q *PriorityDequeue[T, C]) FromOwnedSlice(s []T) { q.u.FromOwnedSlice(q.a, s) }

// ToOwnedSlice returns the elements, in the order of Items, in a block of
// exactly their size, which the caller frees with [mem.Free], and leaves the
// queue empty and without memory. On an error the queue is unchanged.
func (q *PriorityDequeue[T, C]) ToOwnedSlice() ([]T, error) { return q.u.ToOwnedSlice(q.a) }

// Values yields the elements in the order of Items. The queue must not change
// during the iteration.
func (q *PriorityDequeue[T, C]) Values() iter.Seq[T] { return q.u.Values() }

// Clear removes all elements and keeps the memory.
func (q *PriorityDequeue[T, C]) Clear() { q.u.Clear() }

// ClearAndFree removes all elements and gives back the memory.
func (q *PriorityDequeue[T, C]) ClearAndFree() { q.u.ClearAndFree(q.a) }

// ShrinkAndFree gives back the memory that the elements do not need. It cannot
// fail: where there is no memory for a smaller block, the queue keeps the one it
// has.
func (q *PriorityDequeue[T, C]) ShrinkAndFree() { q.u.ShrinkAndFree(q.a) }

// EnsureTotalCapacity makes room for n elements in all, and for more, so that
// many calls with a growing n cost little. It panics if n is negative.
func (q *PriorityDequeue[T, C]) EnsureTotalCapacity(n int) error {
	return q.u.EnsureTotalCapacity(q.a, n)
}

// EnsureTotalCapacityPrecise makes room for n elements in all, and for no more
// than these. It panics if n is negative.
func (q *PriorityDequeue[T, C]) EnsureTotalCapacityPrecise(n int) error {
	return q.u.EnsureTotalCapacityPrecise(q.a, n)
}

// EnsureUnusedCapacity makes room for n elements more. It panics if n is
// negative.
func (q *PriorityDequeue[T, C]) EnsureUnusedCapacity(n int) error {
	return q.u.EnsureUnusedCapacity(q.a, n)
}

// NewPriorityDequeue returns an empty queue in the natural order of its elements,
// which first calls a when it first grows.
func NewPriorityDequeue[T cmp.Ordered](a mem.Allocator) *PriorityDequeue[T, Ascending[T]] {
	return NewPriorityDequeueOrder(a, Ascending[T]{})
}

// NewPriorityDequeueOrder is NewPriorityDequeue with an order of the caller's.
func NewPriorityDequeueOrder[T any, C Order[T]](a mem.Allocator, order C) *PriorityDequeue[T, C] {
	if isNil(a) {
		panicNil(a, "generic: NewPriorityDequeue")
	}
	return &PriorityDequeue[T, C]{a: a, u: PriorityDequeueUnmanaged[T, C]{Order: order}}
}
