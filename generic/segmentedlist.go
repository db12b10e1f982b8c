package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// A SegmentedList is a growing sequence of elements that never move: pointers to
// them stay valid while the list grows. [SegmentedListUnmanaged] is the same
// without a stored allocator, and says more about both.
//
// Memory comes from the allocator given to [NewSegmentedList]. Removing elements
// keeps it for later; ShrinkAndFree, ClearAndFree and Close give it back.
//
// A list is for one goroutine at a time and must not be copied. The zero
// SegmentedList has no allocator; call [NewSegmentedList].
type SegmentedList[T any] struct {
	_ noCopy
	a mem.Allocator
	u SegmentedListUnmanaged[T]
}

// NewSegmentedList returns an empty list, which first calls a when it first grows.
func NewSegmentedList[T any](a mem.Allocator) *SegmentedList[T] {
	if isNil(a) {
		panicNil(a, "generic: NewSegmentedList")
	}
	return &SegmentedList[T]{a: a}
}

// Allocator returns the allocator of the list.
func (l *SegmentedList[T]) Allocator() mem.Allocator { return l.a }

// Close gives all memory back and leaves an empty list, which may be used
// again. It never allocates, and the error is always nil.
func (l *SegmentedList[T]) Close() error {
	l.u.Close(l.a)
	return nil
}

// Clone returns a list of the same elements.
func (l *SegmentedList[T]) Clone() (*SegmentedList[T], error) {
	u, err := l.u.Clone(l.a)
	if err != nil {
		return nil, err
	}
	return &SegmentedList[T]{a: l.a, u: u}, nil
}

// ToUnmanaged returns the list without its allocator, which every call is
// handed from now on, and leaves l empty, without memory.
func (l *SegmentedList[T]) ToUnmanaged() SegmentedListUnmanaged[T] {
	u := l.u
	l.u = SegmentedListUnmanaged[T]{}
	return u
}

// Len returns the number of elements.
func (l *SegmentedList[T]) Len() int { return l.u.Len() }

// Cap returns how many elements fit without another call to the allocator.
func (l *SegmentedList[T]) Cap() int { return l.u.Cap() }

// At returns element i. It panics unless 0 <= i < Len.
func (l *SegmentedList[T]) At(i int) T { return l.u.At(i) }

// Ptr returns a pointer to element i, which stays valid until the element is
// removed. It panics unless 0 <= i < Len.
func (l *SegmentedList[T]) Ptr(i int) *T { return l.u.Ptr(i) }

// Last returns the last element, and false if there is none.
func (l *SegmentedList[T]) Last() (v T, ok bool) { return l.u.Last() }

// CopyTo copies the elements from i on to dst, as many as there are and fit, and
// returns how many these are. It panics unless 0 <= i <= Len.
func (l *SegmentedList[T]) CopyTo(dst []T, i int) int { return l.u.CopyTo(dst, i) }

// Segments yields the elements in order, in the pieces that they have in
// memory. The slices are the list's own memory: they may be read and written.
// The list must not change during the iteration. A piece is valid until
// elements of it are removed.
func (l *SegmentedList[T]) Segments() iter.Seq[[]T] { return l.u.Segments() }

// All yields indexes and elements in order. Elements may be removed or added
// during the iteration, which goes on from the next index.
func (l *SegmentedList[T]) All() iter.Seq2[int, T] { return l.u.All() }

// AllPtr is All with pointers to the elements, which may be written through. A
// pointer is valid until the element is removed.
func (l *SegmentedList[T]) AllPtr() iter.Seq2[int, *T] { return l.u.AllPtr() }

// Values yields the elements in order, on the terms of All.
func (l *SegmentedList[T]) Values() iter.Seq[T] { return l.u.Values() }

// Backward yields indexes and elements from the last to the first. Elements may
// be removed during the iteration, which goes on from the index before.
func (l *SegmentedList[T]) Backward() iter.Seq2[int, T] { return l.u.Backward() }

// Drain removes the elements one by one from the end and yields them, until none
// is left or the loop ends: the last element comes first.
func (l *SegmentedList[T]) Drain() iter.Seq[T] { return l.u.Drain() }

// Append adds v at the end.
func (l *SegmentedList[T]) Append(v T) error { return l.u.Append(l.a, v) }

// AppendAssumeCapacity is Append into spare capacity. It panics if there is
// none.
func (l *SegmentedList[T]) AppendAssumeCapacity(v T) { l.u.AppendAssumeCapacity(v) }

// AppendBounded is Append into spare capacity.
func (l *SegmentedList[T]) AppendBounded(v T) error { return l.u.AppendBounded(v) }

// AppendSlice adds the elements of v at the end. v may be part of the list.
func (l *SegmentedList[T]) AppendSlice(v []T) error { return l.u.AppendSlice(l.a, v) }

// AppendSliceAssumeCapacity is AppendSlice into spare capacity. It panics if
// that is too small.
func (l *SegmentedList[T]) AppendSliceAssumeCapacity(v []T) { l.u.AppendSliceAssumeCapacity(v) }

// AppendSliceBounded is AppendSlice into spare capacity.
func (l *SegmentedList[T]) AppendSliceBounded(v []T) error { return l.u.AppendSliceBounded(v) }

// AddOne adds a zero element at the end and returns a pointer to it, which stays
// valid until it is removed.
func (l *SegmentedList[T]) AddOne() (*T, error) { return l.u.AddOne(l.a) }

// AddOneAssumeCapacity is AddOne in spare capacity. It panics if there is none.
func (l *SegmentedList[T]) AddOneAssumeCapacity() *T { return l.u.AddOneAssumeCapacity() }

// AddOneBounded is AddOne in spare capacity.
func (l *SegmentedList[T]) AddOneBounded() (*T, error) { return l.u.AddOneBounded() }

// Pop removes the last element and returns it, or false if there is none.
func (l *SegmentedList[T]) Pop() (v T, ok bool) { return l.u.Pop() }

// ShrinkRetainingCapacity drops the elements from n on and keeps the memory. It
// panics unless 0 <= n <= Len.
func (l *SegmentedList[T]) ShrinkRetainingCapacity(n int) { l.u.ShrinkRetainingCapacity(n) }

// ShrinkAndFree drops the elements from n on and gives back the segments that
// are not needed any more. It never fails, and panics unless 0 <= n <= Len.
func (l *SegmentedList[T]) ShrinkAndFree(n int) { l.u.ShrinkAndFree(l.a, n) }

// Clear removes all elements and keeps the memory.
func (l *SegmentedList[T]) Clear() { l.u.Clear() }

// ClearAndFree removes all elements and gives back the memory.
func (l *SegmentedList[T]) ClearAndFree() { l.u.ClearAndFree(l.a) }

// EnsureTotalCapacity makes room for n elements in all. It panics if n is
// negative.
func (l *SegmentedList[T]) EnsureTotalCapacity(n int) error {
	return l.u.EnsureTotalCapacity(l.a, n)
}

// EnsureUnusedCapacity makes room for n elements more. It panics if n is
// negative.
func (l *SegmentedList[T]) EnsureUnusedCapacity(n int) error {
	return l.u.EnsureUnusedCapacity(l.a, n)
}
