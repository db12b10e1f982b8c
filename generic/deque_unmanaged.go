package generic

import (
	"iter"
	"math"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// A DequeUnmanaged is a queue with two ends: elements are added and removed at
// both in constant time, and any of them can be reached by its index. The
// allocator is handed to every call that may need it. [Deque] is the same with
// the allocator stored.
//
// Memory comes from the allocator passed in, which must be the same every time:
// one block, a ring, which grows as that of an [ArrayListUnmanaged] does.
// Removing elements keeps the memory for later; ShrinkAndFree, ClearAndFree and
// Close give it back. Elements are not closed or freed by anything here.
//
// Slices and pointers into the deque end their life when it grows, gives back
// memory, or is closed, and what they refer to when elements are removed.
//
// A deque is for one goroutine at a time. The zero value is an empty deque,
// ready for use. Assigning a deque moves it: two copies must not both be used.
//
// Every adding operation comes in three forms, as those of an
// [ArrayListUnmanaged] do. Each of them leaves the deque as it was when it does
// not succeed.
type DequeUnmanaged[T any] struct {
	r ring[T]
}

// All that may be called for every element is written so that the compiler
// inlines it, in the managed form as well; TestInlined looks whether it does.
// PushBack and PushFront are therefore written out in both forms. PushFront takes
// its slow way where the ring begins at the start of the block, too: once in a
// whole round.

// FromBuffer makes d, which must have no memory, an empty deque in buf, which
// stays the caller's: it bounds the deque, and operations that would have to
// grow it return [mem.ErrLimit]. Close only lets go of it. The length of buf
// does not matter, its capacity does.
func (d *DequeUnmanaged[T]) FromBuffer(buf []T) { d.r.setBuffer(buf, "generic: Deque.FromBuffer") }

// Clone returns a deque of the same elements in a block of exactly their size.
func (d *DequeUnmanaged[T]) Clone(a mem.Allocator) (DequeUnmanaged[T], error) {
	r, err := d.r.clone(a, d.r.n(), "generic: Deque.Clone")
	return DequeUnmanaged[T]{r}, err
}

// ToManaged returns the deque with a, the allocator that it has had so far,
// stored, and leaves d empty, without memory.
func (d *DequeUnmanaged[T]) ToManaged(a mem.Allocator) *Deque[T] {
	d.r.from.adopt(a, "generic: Deque.ToManaged")
	c := &Deque[T]{a: a, u: *d}
	*d = DequeUnmanaged[T]{}
	return c
}

// Close gives all memory back and leaves an empty deque, which may be used
// again. It never fails, and does nothing to an empty deque without memory.
func (d *DequeUnmanaged[T]) Close(a mem.Allocator) { d.r.close(a, "generic: Deque.Close") }

// Len returns the number of elements.
func (d *DequeUnmanaged[T]) Len() int { return d.r.n() }

// Cap returns how many elements fit without another call to the allocator.
func (d *DequeUnmanaged[T]) Cap() int { return len(d.r.block) }

// At returns element i, counted from the front. It panics unless 0 <= i < Len.
func (d *DequeUnmanaged[T]) At(i int) T { return *d.r.element(i, "generic: Deque.At") }

// Ptr returns a pointer to element i, counted from the front. It panics unless
// 0 <= i < Len. The pointer is dead when the element is removed, and when the
// deque grows, gives back memory or is closed.
func (d *DequeUnmanaged[T]) Ptr(i int) *T { return d.r.element(i, "generic: Deque.Ptr") }

// Front returns the first element, and false if there is none.
func (d *DequeUnmanaged[T]) Front() (v T, ok bool) {
	if d.r.n() == 0 {
		return v, false
	}
	return d.r.block[d.r.head], true
}

// Back returns the last element, and false if there is none.
func (d *DequeUnmanaged[T]) Back() (v T, ok bool) {
	if d.r.n() == 0 {
		return v, false
	}
	return d.r.block[d.r.wrap(d.r.tail-1)], true
}

// Slices returns the elements in order, in the two pieces that they have in
// memory. The second one is often empty. The slices are the deque's own memory:
// they may be read and written. They are dead when the deque grows, gives back
// memory or is closed.
func (d *DequeUnmanaged[T]) Slices() (first, second []T) { return d.r.parts(0, d.r.n()) }

// All yields indexes and elements from front to back. Elements may be removed
// or added at the back during the iteration, which goes on from the next index.
func (d *DequeUnmanaged[T]) All() iter.Seq2[int, T] { return d.r.all() }

// Values yields the elements from front to back, on the terms of All.
func (d *DequeUnmanaged[T]) Values() iter.Seq[T] { return d.r.values() }

// Backward yields indexes and elements from back to front. Elements may be
// removed during the iteration, which goes on from the index before.
func (d *DequeUnmanaged[T]) Backward() iter.Seq2[int, T] { return d.r.backward() }

// Drain removes the elements one by one from the front and yields them, until
// none is left or the loop ends. Elements that are added meanwhile are drained,
// too.
func (d *DequeUnmanaged[T]) Drain() iter.Seq[T] { return d.r.drain() }

// PushBack adds v behind the last element.
func (d *DequeUnmanaged[T]) PushBack(a mem.Allocator, v T) error {
	if r := &d.r; r.tail-r.head < len(r.block) {
		r.block[min(uint(r.tail), uint(r.tail-len(r.block)))] = v
		r.tail++
		if invariant.Enabled {
			r.check()
		}
		return nil
	}
	return rarely(func() error { return d.growBack(a, v) })
}

//go:noinline
func (d *DequeUnmanaged[T]) growBack(a mem.Allocator, v T) error {
	if err := d.ensureUnused(a, 1, "generic: Deque.PushBack"); err != nil {
		return err
	}
	d.r.back(v)
	return nil
}

// PushBackAssumeCapacity is PushBack into spare capacity. It panics if there is
// none.
func (d *DequeUnmanaged[T]) PushBackAssumeCapacity(v T) {
	d.mustHave(1, "generic: Deque.PushBackAssumeCapacity")
	d.r.back(v)
}

// PushBackBounded is PushBack into spare capacity.
func (d *DequeUnmanaged[T]) PushBackBounded(v T) error {
	if d.r.room() == 0 {
		return mem.ErrLimit
	}
	d.r.back(v)
	return nil
}

// PushFront adds v before the first element.
func (d *DequeUnmanaged[T]) PushFront(a mem.Allocator, v T) error {
	if r := &d.r; r.head > 0 && r.tail-r.head < len(r.block) {
		r.head--
		r.block[r.head] = v
		if invariant.Enabled {
			r.check()
		}
		return nil
	}
	return rarely(func() error { return d.growFront(a, v) })
}

//go:noinline
func (d *DequeUnmanaged[T]) growFront(a mem.Allocator, v T) error {
	if err := d.ensureUnused(a, 1, "generic: Deque.PushFront"); err != nil {
		return err
	}
	d.r.front(v)
	return nil
}

// PushFrontAssumeCapacity is PushFront into spare capacity. It panics if there
// is none.
func (d *DequeUnmanaged[T]) PushFrontAssumeCapacity(v T) {
	d.mustHave(1, "generic: Deque.PushFrontAssumeCapacity")
	d.r.front(v)
}

// PushFrontBounded is PushFront into spare capacity.
func (d *DequeUnmanaged[T]) PushFrontBounded(v T) error {
	if d.r.room() == 0 {
		return mem.ErrLimit
	}
	d.r.front(v)
	return nil
}

// PushBackSlice adds the elements of v behind the last one, in order. v may be
// part of the deque.
func (d *DequeUnmanaged[T]) PushBackSlice(a mem.Allocator, v []T) error {
	old, err := d.take(a, v, "generic: Deque.PushBackSlice")
	if err != nil {
		return err
	}
	d.r.write(v)
	mem.Free(a, old)
	return nil
}

// PushBackSliceAssumeCapacity is PushBackSlice into spare capacity. It panics
// if that is too small.
func (d *DequeUnmanaged[T]) PushBackSliceAssumeCapacity(v []T) {
	d.mustHave(len(v), "generic: Deque.PushBackSliceAssumeCapacity")
	d.r.write(v)
}

// PushBackSliceBounded is PushBackSlice into spare capacity.
func (d *DequeUnmanaged[T]) PushBackSliceBounded(v []T) error {
	if len(v) > d.r.room() {
		return mem.ErrLimit
	}
	d.r.write(v)
	return nil
}

// PushFrontSlice adds the elements of v before the first one, so that v[0] is
// the first. v may be part of the deque.
func (d *DequeUnmanaged[T]) PushFrontSlice(a mem.Allocator, v []T) error {
	old, err := d.take(a, v, "generic: Deque.PushFrontSlice")
	if err != nil {
		return err
	}
	d.r.unread(v)
	mem.Free(a, old)
	return nil
}

// PushFrontSliceAssumeCapacity is PushFrontSlice into spare capacity. It panics
// if that is too small.
func (d *DequeUnmanaged[T]) PushFrontSliceAssumeCapacity(v []T) {
	d.mustHave(len(v), "generic: Deque.PushFrontSliceAssumeCapacity")
	d.r.unread(v)
}

// PushFrontSliceBounded is PushFrontSlice into spare capacity.
func (d *DequeUnmanaged[T]) PushFrontSliceBounded(v []T) error {
	if len(v) > d.r.room() {
		return mem.ErrLimit
	}
	d.r.unread(v)
	return nil
}

// PopFront removes the first element and returns it, or false if there is none.
func (d *DequeUnmanaged[T]) PopFront() (v T, ok bool) {
	if d.r.n() == 0 {
		return v, false
	}
	return d.r.popFront(), true
}

// PopBack removes the last element and returns it, or false if there is none.
func (d *DequeUnmanaged[T]) PopBack() (v T, ok bool) {
	if d.r.n() == 0 {
		return v, false
	}
	return d.r.popBack(), true
}

// RemoveFront removes the first n elements. It panics unless 0 <= n <= Len.
func (d *DequeUnmanaged[T]) RemoveFront(n int) {
	d.mustHold(n, "generic: Deque.RemoveFront")
	d.r.discard(n)
}

// RemoveBack removes the last n elements. It panics unless 0 <= n <= Len.
func (d *DequeUnmanaged[T]) RemoveBack(n int) {
	d.mustHold(n, "generic: Deque.RemoveBack")
	d.r.truncate(d.r.n() - n)
}

// Clear removes all elements and keeps the memory.
func (d *DequeUnmanaged[T]) Clear() { d.r.truncate(0) }

// ClearAndFree removes all elements and gives back the memory.
func (d *DequeUnmanaged[T]) ClearAndFree(a mem.Allocator) {
	if d.r.from != 0 && d.r.from != borrowed {
		d.r.from.check(a, "generic: Deque.ClearAndFree")
	}
	d.r.truncate(0)
	d.ShrinkAndFree(a)
}

// ShrinkAndFree gives back the memory that the elements do not need. It cannot
// fail: where there is no memory for a smaller block, the deque keeps the one
// it has.
func (d *DequeUnmanaged[T]) ShrinkAndFree(a mem.Allocator) {
	const method = "generic: Deque.ShrinkAndFree"
	switch {
	case d.r.from == 0 || d.r.from == borrowed || d.r.n() == len(d.r.block):
	case d.r.n() == 0:
		d.r.close(a, method)
	default:
		_ = d.r.move(a, d.r.n(), method) // without memory for it, nothing changes
	}
}

// EnsureTotalCapacity makes room for n elements in all, and for more, so that
// many calls with a growing n cost little. It panics if n is negative.
func (d *DequeUnmanaged[T]) EnsureTotalCapacity(a mem.Allocator, n int) error {
	const method = "generic: Deque.EnsureTotalCapacity"
	if n < 0 {
		panic(method + ": negative capacity")
	}
	return d.ensure(a, n, method)
}

// EnsureTotalCapacityPrecise makes room for n elements in all, and for no more
// than these. It panics if n is negative.
func (d *DequeUnmanaged[T]) EnsureTotalCapacityPrecise(a mem.Allocator, n int) error {
	const method = "generic: Deque.EnsureTotalCapacityPrecise"
	if n < 0 {
		panic(method + ": negative capacity")
	}
	if n <= len(d.r.block) {
		return nil
	}
	return d.r.move(a, n, method)
}

// EnsureUnusedCapacity makes room for n elements more. It panics if n is
// negative.
func (d *DequeUnmanaged[T]) EnsureUnusedCapacity(a mem.Allocator, n int) error {
	return d.ensureUnused(a, n, "generic: Deque.EnsureUnusedCapacity")
}

func (d *DequeUnmanaged[T]) ensureUnused(a mem.Allocator, n int, method string) error {
	if n < 0 {
		panic(method + ": negative count")
	}
	if n > math.MaxInt-d.r.n() {
		return mem.ErrTooLarge
	}
	return d.ensure(a, d.r.n()+n, method)
}

// take makes room for the elements of v. If v is part of the block and the block
// had to move, it returns the old block, which the caller frees after copying v.
func (d *DequeUnmanaged[T]) take(a mem.Allocator, v []T, method string) (old []T, err error) {
	if len(v) <= d.r.room() {
		return nil, nil
	}
	if !overlap(d.r.block, v) || d.r.from == borrowed {
		return nil, d.ensureUnused(a, len(v), method)
	}
	d.r.from.check(a, method)
	return d.r.replace(a, goodLen[T](a, growth[T](len(d.r.block), d.r.n()+len(v))))
}

func (d *DequeUnmanaged[T]) ensure(a mem.Allocator, n int, method string) error {
	switch {
	case n <= len(d.r.block):
		return nil
	case d.r.from == borrowed:
		return mem.ErrLimit
	case sizeOf[T]() == 0:
		return d.r.move(a, max(n, maxRing), method)
	}
	d.r.from.check(a, method)
	return d.r.move(a, goodLen[T](a, growth[T](len(d.r.block), n)), method)
}

func (d *DequeUnmanaged[T]) mustHave(room int, method string) {
	if room > d.r.room() {
		panic(method + ": no room")
	}
}

func (d *DequeUnmanaged[T]) mustHold(n int, method string) {
	if uint(n) > uint(d.r.n()) {
		panicIndex(method, n, d.r.n())
	}
}
