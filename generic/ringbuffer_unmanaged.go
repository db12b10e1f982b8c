package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// A RingBufferUnmanaged is a queue of bounded length: what is put in first comes
// out first, and when it is full, adding says so or pushes out the oldest
// element. It never grows by itself; for a queue that does there is
// [DequeUnmanaged]. [RingBuffer] is the same with the allocator stored.
//
// Memory is one block, which SetCapacity takes from the allocator that it is
// handed, or a buffer of the caller's. Nothing else allocates, so nothing else
// can run out of memory. Elements are not closed or freed by anything here.
//
// Slices into the buffer end their life when it gets another capacity or is
// closed, and what they show changes as elements come and go.
//
// A buffer is for one goroutine at a time. The zero value is an empty buffer of
// capacity 0. Assigning a buffer moves it: two copies must not both be used.
type RingBufferUnmanaged[T any] struct {
	r ring[T]
}

// SetCapacity makes room for n elements in all, which is how many the buffer
// holds from now on. It panics if n is less than Len. On an error the buffer is
// unchanged.
func (r *RingBufferUnmanaged[T]) SetCapacity(a mem.Allocator, n int) error {
	const method = "generic: RingBuffer.SetCapacity"
	if n < r.r.n() {
		panicIndex(method, n, r.r.n())
	}
	switch {
	case n == len(r.r.block):
		return nil
	case n == 0:
		r.r.close(a, method)
		return nil
	}
	return r.r.move(a, n, method)
}

// FromBuffer makes r, which must have no memory, an empty ring in buf, which
// stays the caller's. Close only lets go of it. The length of buf does not
// matter, its capacity does.
func (r *RingBufferUnmanaged[T]) FromBuffer(buf []T) {
	r.r.setBuffer(buf, "generic: RingBuffer.FromBuffer")
}

// Clone returns a buffer of the same elements and capacity.
func (r *RingBufferUnmanaged[T]) Clone(a mem.Allocator) (RingBufferUnmanaged[T], error) {
	c, err := r.r.clone(a, len(r.r.block), "generic: RingBuffer.Clone")
	return RingBufferUnmanaged[T]{c}, err
}

// ToManaged returns the buffer with a, the allocator that it has had so far,
// stored, and leaves r empty, without memory.
func (r *RingBufferUnmanaged[T]) ToManaged(a mem.Allocator) *RingBuffer[T] {
	r.r.from.adopt(a, "generic: RingBuffer.ToManaged")
	c := &RingBuffer[T]{a: a, u: *r}
	*r = RingBufferUnmanaged[T]{}
	return c
}

// Close gives all memory back and leaves an empty buffer of capacity 0. It
// never fails.
func (r *RingBufferUnmanaged[T]) Close(a mem.Allocator) { r.r.close(a, "generic: RingBuffer.Close") }

// Len returns the number of elements.
func (r *RingBufferUnmanaged[T]) Len() int { return r.r.n() }

// Cap returns how many elements the buffer can hold.
func (r *RingBufferUnmanaged[T]) Cap() int { return len(r.r.block) }

// Free returns for how many elements there is room.
func (r *RingBufferUnmanaged[T]) Free() int { return r.r.room() }

// At returns element i, counted from the oldest. It panics unless 0 <= i < Len.
func (r *RingBufferUnmanaged[T]) At(i int) T { return *r.r.element(i, "generic: RingBuffer.At") }

// Peek returns the oldest element, and false if there is none.
func (r *RingBufferUnmanaged[T]) Peek() (v T, ok bool) {
	if r.r.n() == 0 {
		return v, false
	}
	return r.r.block[r.r.head], true
}

// Push adds v as the newest element, or returns [mem.ErrLimit] if the buffer is
// full.
func (r *RingBufferUnmanaged[T]) Push(v T) error {
	if r.r.room() == 0 {
		return mem.ErrLimit
	}
	r.r.back(v)
	return nil
}

// PushOverwrite adds v as the newest element. If the buffer is full, the oldest
// element makes room and is returned. It panics if the capacity is 0.
func (r *RingBufferUnmanaged[T]) PushOverwrite(v T) (oldest T, overwritten bool) {
	if len(r.r.block) == 0 {
		panic("generic: RingBuffer.PushOverwrite: the capacity is 0; call SetCapacity")
	}
	if r.r.room() == 0 {
		oldest, overwritten = r.r.popFront(), true
	}
	r.r.back(v)
	return oldest, overwritten
}

// PushSlice adds all elements of v, in order, or none: it returns
// [mem.ErrLimit] if there is no room for all of them.
func (r *RingBufferUnmanaged[T]) PushSlice(v []T) error {
	if len(v) > r.r.room() {
		return mem.ErrLimit
	}
	r.r.write(v)
	return nil
}

// Write adds the first elements of v, as many as there is room for, and returns
// how many these are.
func (r *RingBufferUnmanaged[T]) Write(v []T) int {
	v = v[:min(len(v), r.r.room())]
	r.r.write(v)
	return len(v)
}

// Unread puts v in front of the oldest element, so that v[0] is the next to be
// read, or returns [mem.ErrLimit] if there is no room for all of it.
func (r *RingBufferUnmanaged[T]) Unread(v []T) error {
	if len(v) > r.r.room() {
		return mem.ErrLimit
	}
	r.r.unread(v)
	return nil
}

// Pop removes the oldest element and returns it, or false if there is none.
func (r *RingBufferUnmanaged[T]) Pop() (v T, ok bool) {
	if r.r.n() == 0 {
		return v, false
	}
	return r.r.popFront(), true
}

// Read removes the oldest elements, as many as fit into dst, copies them there
// and returns how many these are. dst must not be part of the buffer.
func (r *RingBufferUnmanaged[T]) Read(dst []T) int {
	n := min(len(dst), r.r.n())
	first, second := r.r.parts(0, n)
	copy(dst[copy(dst, first):], second)
	r.r.discard(n)
	return n
}

// Discard removes the n oldest elements. It panics unless 0 <= n <= Len.
func (r *RingBufferUnmanaged[T]) Discard(n int) {
	if uint(n) > uint(r.r.n()) {
		panicIndex("generic: RingBuffer.Discard", n, r.r.n())
	}
	r.r.discard(n)
}

// Readable returns the elements in order, in the two pieces that they have in
// memory. The second one is often empty. Discard removes what was read. The
// slices are dead with what Discard removes, and when the capacity changes or
// the buffer is closed.
func (r *RingBufferUnmanaged[T]) Readable() (first, second []T) { return r.r.parts(0, r.r.n()) }

// Writable returns the room for more elements, in the order in which they will
// be read, in the two pieces that it has in memory. Its content is undefined;
// of elements with pointers, zero. Commit makes elements of what was written.
// The slices are dead when the capacity changes or the buffer is closed.
func (r *RingBufferUnmanaged[T]) Writable() (first, second []T) {
	return r.r.parts(r.r.n(), r.r.room())
}

// Commit makes newest elements of the first n in what Writable returned. It
// panics unless 0 <= n <= Free.
func (r *RingBufferUnmanaged[T]) Commit(n int) {
	if uint(n) > uint(r.r.room()) {
		panicIndex("generic: RingBuffer.Commit", n, r.r.room())
	}
	r.r.tail += n
	r.r.check()
}

// Clear removes all elements and keeps the capacity.
func (r *RingBufferUnmanaged[T]) Clear() { r.r.truncate(0) }

// All yields indexes and elements from the oldest to the newest. Elements may be
// added during the iteration; if some are removed, it goes on from the next
// index.
func (r *RingBufferUnmanaged[T]) All() iter.Seq2[int, T] { return r.r.all() }

// Values yields the elements from the oldest to the newest, on the terms of All.
func (r *RingBufferUnmanaged[T]) Values() iter.Seq[T] { return r.r.values() }

// Backward yields indexes and elements from the newest to the oldest. Elements
// may be removed during the iteration, which goes on from the index before.
func (r *RingBufferUnmanaged[T]) Backward() iter.Seq2[int, T] { return r.r.backward() }

// Drain removes the elements one by one, the oldest first, and yields them,
// until none is left or the loop ends.
func (r *RingBufferUnmanaged[T]) Drain() iter.Seq[T] { return r.r.drain() }
