package generic

import (
	"iter"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// A Deque is a queue with two ends: elements are added and removed at both in
// constant time, and any of them can be reached by its index. [DequeUnmanaged]
// is the same without a stored allocator, and says more about both.
//
// Memory comes from the allocator given to [NewDeque]: one block, which grows.
// Removing elements keeps it for later; ShrinkAndFree, ClearAndFree and Close
// give it back.
//
// A deque is for one goroutine at a time and must not be copied. The zero Deque
// has no allocator; call [NewDeque].
type Deque[T any] struct {
	_ noCopy
	a mem.Allocator
	u DequeUnmanaged[T]
}

// NewDeque returns an empty deque, which first calls a when it first grows.
func NewDeque[T any](a mem.Allocator) *Deque[T] {
	if isNil(a) {
		panicNil(a, "generic: NewDeque")
	}
	return &Deque[T]{a: a}
}

// Allocator returns the allocator of the deque.
func (d *Deque[T]) Allocator() mem.Allocator { return d.a }

// Close gives all memory back and leaves an empty deque, which may be used
// again. It never allocates, and the error is always nil.
func (d *Deque[T]) Close() error {
	d.u.Close(d.a)
	return nil
}

// Clone returns a deque of the same elements in a block of exactly their size.
func (d *Deque[T]) Clone() (*Deque[T], error) {
	u, err := d.u.Clone(d.a)
	if err != nil {
		return nil, err
	}
	return &Deque[T]{a: d.a, u: u}, nil
}

// ToUnmanaged returns the deque without its allocator, which every call is
// handed from now on, and leaves d empty, without memory.
func (d *Deque[T]) ToUnmanaged() DequeUnmanaged[T] {
	u := d.u
	d.u = DequeUnmanaged[T]{}
	return u
}

// FromBuffer makes d, which must have no memory, an empty deque in buf, which
// stays the caller's: it bounds the deque, and operations that would have to
// grow it return [mem.ErrLimit]. Close only lets go of it. The length of buf
// does not matter, its capacity does.
func (d *Deque[T]) FromBuffer(buf []T) { d.u.FromBuffer(buf) }

// Len returns the number of elements.
func (d *Deque[T]) Len() int { return d.u.Len() }

// Cap returns how many elements fit without another call to the allocator.
func (d *Deque[T]) Cap() int { return d.u.Cap() }

// At returns element i, counted from the front. It panics unless 0 <= i < Len.
func (d *Deque[T]) At(i int) T { return d.u.At(i) }

// Ptr returns a pointer to element i, counted from the front. It panics unless
// 0 <= i < Len. The pointer is dead when the element is removed, and when the
// deque grows, gives back memory or is closed.
func (d *Deque[T]) Ptr(i int) *T { return d.u.Ptr(i) }

// Front returns the first element, and false if there is none.
func (d *Deque[T]) Front() (v T, ok bool) { return d.u.Front() }

// Back returns the last element, and false if there is none.
func (d *Deque[T]) Back() (v T, ok bool) { return d.u.Back() }

// Slices returns the elements in order, in the two pieces that they have in
// memory. The second one is often empty. The slices are the deque's own memory:
// they may be read and written. They are dead when the deque grows, gives back
// memory or is closed.
func (d *Deque[T]) Slices() (first, second []T) { return d.u.Slices() }

// All yields indexes and elements from front to back. Elements may be removed
// or added at the back during the iteration, which goes on from the next index.
func (d *Deque[T]) All() iter.Seq2[int, T] { return d.u.All() }

// Values yields the elements from front to back, on the terms of All.
func (d *Deque[T]) Values() iter.Seq[T] { return d.u.Values() }

// Backward yields indexes and elements from back to front. Elements may be
// removed during the iteration, which goes on from the index before.
func (d *Deque[T]) Backward() iter.Seq2[int, T] { return d.u.Backward() }

// Drain removes the elements one by one from the front and yields them, until
// none is left or the loop ends. Elements that are added meanwhile are drained,
// too.
func (d *Deque[T]) Drain() iter.Seq[T] { return d.u.Drain() }

// PushBack adds v behind the last element.
func (d *Deque[T]) PushBack(v T) error {
	if r := &d.u.r; r.tail-r.head < len(r.block) {
		r.block[min(uint(r.tail), uint(r.tail-len(r.block)))] = v
		r.tail++
		if invariant.Enabled {
			r.check()
		}
		return nil
	}
	return rarely(func() error { return d.u.growBack(d.a, v) })
}

// PushBackAssumeCapacity is PushBack into spare capacity. It panics if there is
// none.
func (d *Deque[T]) PushBackAssumeCapacity(v T) { d.u.PushBackAssumeCapacity(v) }

// PushBackBounded is PushBack into spare capacity.
func (d *Deque[T]) PushBackBounded(v T) error { return d.u.PushBackBounded(v) }

// PushFront adds v before the first element.
func (d *Deque[T]) PushFront(v T) error {
	if r := &d.u.r; r.head > 0 && r.tail-r.head < len(r.block) {
		r.head--
		r.block[r.head] = v
		if invariant.Enabled {
			r.check()
		}
		return nil
	}
	return rarely(func() error { return d.u.growFront(d.a, v) })
}

// PushFrontAssumeCapacity is PushFront into spare capacity. It panics if there
// is none.
func (d *Deque[T]) PushFrontAssumeCapacity(v T) {
	d.u.mustHave(1, "generic: Deque.PushFrontAssumeCapacity")
	d.u.r.front(v)
}

// PushFrontBounded is PushFront into spare capacity.
func (d *Deque[T]) PushFrontBounded(v T) error { return d.u.PushFrontBounded(v) }

// PushBackSlice adds the elements of v behind the last one, in order. v may be
// part of the deque.
func (d *Deque[T]) PushBackSlice(v []T) error { return d.u.PushBackSlice(d.a, v) }

// PushBackSliceAssumeCapacity is PushBackSlice into spare capacity. It panics
// if that is too small.
func (d *Deque[T]) PushBackSliceAssumeCapacity(v []T) { d.u.PushBackSliceAssumeCapacity(v) }

// PushBackSliceBounded is PushBackSlice into spare capacity.
func (d *Deque[T]) PushBackSliceBounded(v []T) error { return d.u.PushBackSliceBounded(v) }

// PushFrontSlice adds the elements of v before the first one, so that v[0] is
// the first. v may be part of the deque.
func (d *Deque[T]) PushFrontSlice(v []T) error { return d.u.PushFrontSlice(d.a, v) }

// PushFrontSliceAssumeCapacity is PushFrontSlice into spare capacity. It panics
// if that is too small.
func (d *Deque[T]) PushFrontSliceAssumeCapacity(v []T) { d.u.PushFrontSliceAssumeCapacity(v) }

// PushFrontSliceBounded is PushFrontSlice into spare capacity.
func (d *Deque[T]) PushFrontSliceBounded(v []T) error { return d.u.PushFrontSliceBounded(v) }

// PopFront removes the first element and returns it, or false if there is none.
func (d *Deque[T]) PopFront() (v T, ok bool) {
	if d.u.r.head == d.u.r.tail {
		return v, false
	}
	return d.u.r.popFront(), true
}

// PopBack removes the last element and returns it, or false if there is none.
func (d *Deque[T]) PopBack() (v T, ok bool) {
	if d.u.r.head == d.u.r.tail {
		return v, false
	}
	return d.u.r.popBack(), true
}

// RemoveFront removes the first n elements. It panics unless 0 <= n <= Len.
func (d *Deque[T]) RemoveFront(n int) { d.u.RemoveFront(n) }

// RemoveBack removes the last n elements. It panics unless 0 <= n <= Len.
func (d *Deque[T]) RemoveBack(n int) { d.u.RemoveBack(n) }

// Clear removes all elements and keeps the memory.
func (d *Deque[T]) Clear() { d.u.Clear() }

// ClearAndFree removes all elements and gives back the memory.
func (d *Deque[T]) ClearAndFree() { d.u.ClearAndFree(d.a) }

// ShrinkAndFree gives back the memory that the elements do not need. It cannot
// fail: where there is no memory for a smaller block, the deque keeps the one
// it has.
func (d *Deque[T]) ShrinkAndFree() { d.u.ShrinkAndFree(d.a) }

// EnsureTotalCapacity makes room for n elements in all, and for more, so that
// many calls with a growing n cost little. It panics if n is negative.
func (d *Deque[T]) EnsureTotalCapacity(n int) error { return d.u.EnsureTotalCapacity(d.a, n) }

// EnsureTotalCapacityPrecise makes room for n elements in all, and for no more
// than these. It panics if n is negative.
func (d *Deque[T]) EnsureTotalCapacityPrecise(n int) error {
	return d.u.EnsureTotalCapacityPrecise(d.a, n)
}

// EnsureUnusedCapacity makes room for n elements more. It panics if n is
// negative.
func (d *Deque[T]) EnsureUnusedCapacity(n int) error { return d.u.EnsureUnusedCapacity(d.a, n) }
