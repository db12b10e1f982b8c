package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// A RingBuffer is a queue of bounded length: what is put in first comes out
// first, and when it is full, adding says so or pushes out the oldest element.
// [RingBufferUnmanaged] is the same without a stored allocator, and says more
// about both.
//
// Memory is one block, which SetCapacity takes from the allocator given to
// [NewRingBuffer]; until then the capacity is 0. Nothing else allocates.
//
// A buffer is for one goroutine at a time and must not be copied. The zero
// RingBuffer has no allocator; call [NewRingBuffer].
type RingBuffer[T any] struct {
	_ noCopy
	a mem.Allocator
	u RingBufferUnmanaged[T]
}

// NewRingBuffer returns an empty buffer of capacity 0, which first calls a in
// SetCapacity.
func NewRingBuffer[T any](a mem.Allocator) *RingBuffer[T] {
	if isNil(a) {
		panicNil(a, "generic: NewRingBuffer")
	}
	return &RingBuffer[T]{a: a}
}

// Allocator returns the allocator of the buffer.
func (r *RingBuffer[T]) Allocator() mem.Allocator { return r.a }

// Close gives all memory back and leaves an empty buffer, which may be used
// again. It never allocates, and the error is always nil.
func (r *RingBuffer[T]) Close() error {
	r.u.Close(r.a)
	return nil
}

// Clone returns a buffer of the same elements and capacity.
func (r *RingBuffer[T]) Clone() (*RingBuffer[T], error) {
	u, err := r.u.Clone(r.a)
	if err != nil {
		return nil, err
	}
	return &RingBuffer[T]{a: r.a, u: u}, nil
}

// ToUnmanaged returns the buffer without its allocator, which every call is
// handed from now on, and leaves r empty, without memory.
func (r *RingBuffer[T]) ToUnmanaged() RingBufferUnmanaged[T] {
	u := r.u
	r.u = RingBufferUnmanaged[T]{}
	return u
}

// SetCapacity makes room for n elements in all, which is how many the buffer
// holds from now on. It panics if n is less than Len. On an error the buffer is
// unchanged.
func (r *RingBuffer[T]) SetCapacity(n int) error { return r.u.SetCapacity(r.a, n) }

// FromBuffer makes r, which must have no memory, an empty ring in buf, which
// stays the caller's. Close only lets go of it. The length of buf does not
// matter, its capacity does.
func (r *RingBuffer[T]) FromBuffer(buf []T) { r.u.FromBuffer(buf) }

// Len returns the number of elements.
func (r *RingBuffer[T]) Len() int { return r.u.Len() }

// Cap returns how many elements the buffer can hold.
func (r *RingBuffer[T]) Cap() int { return r.u.Cap() }

// Free returns for how many elements there is room.
func (r *RingBuffer[T]) Free() int { return r.u.Free() }

// At returns element i, counted from the oldest. It panics unless 0 <= i < Len.
func (r *RingBuffer[T]) At(i int) T { return r.u.At(i) }

// Peek returns the oldest element, and false if there is none.
func (r *RingBuffer[T]) Peek() (v T, ok bool) { return r.u.Peek() }

// Push adds v as the newest element, or returns [mem.ErrLimit] if the buffer is
// full.
func (r *RingBuffer[T]) Push(v T) error { return r.u.Push(v) }

// PushOverwrite adds v as the newest element. If the buffer is full, the oldest
// element makes room and is returned. It panics if the capacity is 0.
func (r *RingBuffer[T]) PushOverwrite(v T) (oldest T, overwritten bool) {
	return r.u.PushOverwrite(v)
}

// PushSlice adds all elements of v, in order, or none: it returns
// [mem.ErrLimit] if there is no room for all of them.
func (r *RingBuffer[T]) PushSlice(v []T) error { return r.u.PushSlice(v) }

// Write adds the first elements of v, as many as there is room for, and returns
// how many these are.
func (r *RingBuffer[T]) Write(v []T) int { return r.u.Write(v) }

// Unread puts v in front of the oldest element, so that v[0] is the next to be
// read, or returns [mem.ErrLimit] if there is no room for all of it.
func (r *RingBuffer[T]) Unread(v []T) error { return r.u.Unread(v) }

// Pop removes the oldest element and returns it, or false if there is none.
func (r *RingBuffer[T]) Pop() (v T, ok bool) {
	if r.u.r.head == r.u.r.tail {
		return v, false
	}
	return r.u.r.popFront(), true
}

// Read removes the oldest elements, as many as fit into dst, copies them there
// and returns how many these are. dst must not be part of the buffer.
func (r *RingBuffer[T]) Read(dst []T) int { return r.u.Read(dst) }

// Discard removes the n oldest elements. It panics unless 0 <= n <= Len.
func (r *RingBuffer[T]) Discard(n int) { r.u.Discard(n) }

// Readable returns the elements in order, in the two pieces that they have in
// memory. The second one is often empty. Discard removes what was read. The
// slices are dead with what Discard removes, and when the capacity changes or
// the buffer is closed.
func (r *RingBuffer[T]) Readable() (first, second []T) { return r.u.Readable() }

// Writable returns the room for more elements, in the order in which they will
// be read, in the two pieces that it has in memory. Its content is undefined;
// of elements with pointers, zero. Commit makes elements of what was written.
// The slices are dead when the capacity changes or the buffer is closed.
func (r *RingBuffer[T]) Writable() (first, second []T) { return r.u.Writable() }

// Commit makes newest elements of the first n in what Writable returned. It
// panics unless 0 <= n <= Free.
func (r *RingBuffer[T]) Commit(n int) { r.u.Commit(n) }

// Clear removes all elements and keeps the capacity.
func (r *RingBuffer[T]) Clear() { r.u.Clear() }

// All yields indexes and elements from the oldest to the newest. Elements may be
// added during the iteration; if some are removed, it goes on from the next
// index.
func (r *RingBuffer[T]) All() iter.Seq2[int, T] { return r.u.All() }

// Values yields the elements from the oldest to the newest, on the terms of All.
func (r *RingBuffer[T]) Values() iter.Seq[T] { return r.u.Values() }

// Backward yields indexes and elements from the newest to the oldest. Elements
// may be removed during the iteration, which goes on from the index before.
func (r *RingBuffer[T]) Backward() iter.Seq2[int, T] { return r.u.Backward() }

// Drain removes the elements one by one, the oldest first, and yields them,
// until none is left or the loop ends.
func (r *RingBuffer[T]) Drain() iter.Seq[T] { return r.u.Drain() }
