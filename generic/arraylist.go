package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// An ArrayList is a growing sequence of elements in one block of memory: what a
// slice with append is to Go. [ArrayListUnmanaged] is the same without a stored
// allocator, and says more about both.
//
// Memory comes from the allocator given to [NewArrayList]. Removing elements
// keeps it for later; ShrinkAndFree, ClearAndFree and Close give it back.
//
// Slices and pointers into the list end their life when the list grows, gives
// back memory, or is closed, and refer to another element when elements before
// them are inserted or removed.
//
// A list is for one goroutine at a time and must not be copied. The zero
// ArrayList has no allocator; call [NewArrayList].
type ArrayList[T any] struct {
	_ noCopy
	a mem.Allocator
	u ArrayListUnmanaged[T]
}

// NewArrayList returns an empty list, which first calls a when it first grows.
func NewArrayList[T any](a mem.Allocator) *ArrayList[T] {
	if isNil(a) {
		panicNil(a, "generic: NewArrayList")
	}
	return &ArrayList[T]{a: a}
}

// Allocator returns the allocator of the list.
func (l *ArrayList[T]) Allocator() mem.Allocator { return l.a }

// Close gives all memory back and leaves an empty list, which may be used
// again. It never allocates, and the error is always nil.
func (l *ArrayList[T]) Close() error {
	l.u.Close(l.a)
	return nil
}

// Clone returns a list of the same elements in a block of exactly their size.
func (l *ArrayList[T]) Clone() (*ArrayList[T], error) {
	u, err := l.u.Clone(l.a)
	if err != nil {
		return nil, err
	}
	return &ArrayList[T]{a: l.a, u: u}, nil
}

// ToUnmanaged returns the list without its allocator, which every call is
// handed from now on, and leaves l empty, without memory.
func (l *ArrayList[T]) ToUnmanaged() ArrayListUnmanaged[T] {
	u := l.u
	l.u = ArrayListUnmanaged[T]{}
	return u
}

// FromBuffer makes l, which must have no memory, an empty list in buf, which
// stays the caller's: it bounds the list, and operations that would have to
// grow it return [mem.ErrLimit]. Close only lets go of it. The length of buf
// does not matter, its capacity does.
func (l *ArrayList[T]) FromBuffer(buf []T) { l.u.FromBuffer(buf) }

// FromOwnedSlice makes l, which must have no memory, a list of the elements of
// s. The block s[:cap(s)] must have come from the allocator of the list; it is
// the list's from now on.
func (l *ArrayList[T]) FromOwnedSlice(s []T) { l.u.FromOwnedSlice(l.a, s) }

// ToOwnedSlice returns the elements in a block of exactly their size, which the
// caller frees with [mem.Free], and leaves the list empty and without memory.
// On an error the list is unchanged.
func (l *ArrayList[T]) ToOwnedSlice() ([]T, error) { return l.u.ToOwnedSlice(l.a) }

// Len returns the number of elements.
func (l *ArrayList[T]) Len() int { return l.u.Len() }

// Cap returns how many elements fit without another call to the allocator.
func (l *ArrayList[T]) Cap() int { return l.u.Cap() }

// Items returns the elements. The slice is the list's own memory: it may be
// read and written, it has no spare capacity, and it is dead when the list
// grows, gives back memory or is closed.
func (l *ArrayList[T]) Items() []T { return l.u.Items() }

// At returns element i. It panics unless 0 <= i < Len.
func (l *ArrayList[T]) At(i int) T { return l.u.At(i) }

// Last returns the last element, and false if there is none.
func (l *ArrayList[T]) Last() (v T, ok bool) { return l.u.Last() }

// UnusedCapacity returns the spare capacity, which lives as long as what Items
// returns does. Its content is undefined. What is written there becomes part of
// the list with AddManyUninit.
func (l *ArrayList[T]) UnusedCapacity() []T { return l.u.UnusedCapacity() }

// All yields indexes and elements in order. Elements may be removed or added
// during the iteration, which goes on from the next index.
func (l *ArrayList[T]) All() iter.Seq2[int, T] { return l.u.All() }

// Values yields the elements in order, on the terms of All.
func (l *ArrayList[T]) Values() iter.Seq[T] { return l.u.Values() }

// Backward yields indexes and elements from the last to the first. Elements may
// be removed during the iteration, which goes on from the index before.
func (l *ArrayList[T]) Backward() iter.Seq2[int, T] { return l.u.Backward() }

// Append adds v at the end.
func (l *ArrayList[T]) Append(v T) error { return l.u.Append(l.a, v) }

// AppendAssumeCapacity is Append into spare capacity. It panics if there is
// none.
func (l *ArrayList[T]) AppendAssumeCapacity(v T) { l.u.AppendAssumeCapacity(v) }

// AppendBounded is Append into spare capacity.
func (l *ArrayList[T]) AppendBounded(v T) error { return l.u.AppendBounded(v) }

// AppendSlice adds the elements of v at the end. v may be part of the list.
func (l *ArrayList[T]) AppendSlice(v []T) error { return l.u.AppendSlice(l.a, v) }

// AppendSliceAssumeCapacity is AppendSlice into spare capacity. It panics if
// that is too small.
func (l *ArrayList[T]) AppendSliceAssumeCapacity(v []T) { l.u.AppendSliceAssumeCapacity(v) }

// AppendSliceBounded is AppendSlice into spare capacity.
func (l *ArrayList[T]) AppendSliceBounded(v []T) error { return l.u.AppendSliceBounded(v) }

// AppendN adds n elements equal to v at the end. It panics if n is negative.
func (l *ArrayList[T]) AppendN(v T, n int) error { return l.u.AppendN(l.a, v, n) }

// AppendNAssumeCapacity is AppendN into spare capacity. It panics if that is
// too small, or n negative.
func (l *ArrayList[T]) AppendNAssumeCapacity(v T, n int) { l.u.AppendNAssumeCapacity(v, n) }

// AppendNBounded is AppendN into spare capacity. It panics if n is negative.
func (l *ArrayList[T]) AppendNBounded(v T, n int) error { return l.u.AppendNBounded(v, n) }

// AddOne adds a zero element at the end and returns a pointer to it. The
// pointer is dead when the list grows, gives back memory or is closed.
func (l *ArrayList[T]) AddOne() (*T, error) { return l.u.AddOne(l.a) }

// AddOneAssumeCapacity is AddOne in spare capacity. It panics if there is none.
func (l *ArrayList[T]) AddOneAssumeCapacity() *T { return l.u.AddOneAssumeCapacity() }

// AddOneBounded is AddOne in spare capacity.
func (l *ArrayList[T]) AddOneBounded() (*T, error) { return l.u.AddOneBounded() }

// AddMany adds n zero elements at the end and returns them. It panics if n is
// negative. They are dead when the list grows, gives back memory or is closed.
func (l *ArrayList[T]) AddMany(n int) ([]T, error) { return l.u.AddMany(l.a, n) }

// AddManyUninit is AddMany without the promise of zeroes, to be written by the
// caller. Elements that hold pointers are zero even so. It panics if n is
// negative.
func (l *ArrayList[T]) AddManyUninit(n int) ([]T, error) { return l.u.AddManyUninit(l.a, n) }

// AddManyAssumeCapacity is AddMany in spare capacity. It panics if that is too
// small, or n negative.
func (l *ArrayList[T]) AddManyAssumeCapacity(n int) []T { return l.u.AddManyAssumeCapacity(n) }

// AddManyBounded is AddMany in spare capacity. It panics if n is negative.
func (l *ArrayList[T]) AddManyBounded(n int) ([]T, error) { return l.u.AddManyBounded(n) }

// Insert adds v before element i, or at the end if i is Len. It moves the
// elements from i on. It panics unless 0 <= i <= Len.
func (l *ArrayList[T]) Insert(i int, v T) error { return l.u.Insert(l.a, i, v) }

// InsertAssumeCapacity is Insert into spare capacity. It panics if there is
// none.
func (l *ArrayList[T]) InsertAssumeCapacity(i int, v T) { l.u.InsertAssumeCapacity(i, v) }

// InsertBounded is Insert into spare capacity.
func (l *ArrayList[T]) InsertBounded(i int, v T) error { return l.u.InsertBounded(i, v) }

// InsertSlice adds the elements of v before element i, or at the end if i is
// Len. v may be part of the list. It panics unless 0 <= i <= Len.
func (l *ArrayList[T]) InsertSlice(i int, v []T) error { return l.u.InsertSlice(l.a, i, v) }

// InsertSliceAssumeCapacity is InsertSlice into spare capacity. It panics if
// that is too small.
func (l *ArrayList[T]) InsertSliceAssumeCapacity(i int, v []T) {
	l.u.InsertSliceAssumeCapacity(i, v)
}

// InsertSliceBounded is InsertSlice into spare capacity.
func (l *ArrayList[T]) InsertSliceBounded(i int, v []T) error {
	return l.u.InsertSliceBounded(i, v)
}

// InsertMany adds n zero elements before element i, or at the end if i is Len,
// and returns them. It moves the elements from i on. It panics unless
// 0 <= i <= Len, and if n is negative.
func (l *ArrayList[T]) InsertMany(i, n int) ([]T, error) { return l.u.InsertMany(l.a, i, n) }

// InsertManyAssumeCapacity is InsertMany in spare capacity. It panics if that is
// too small.
func (l *ArrayList[T]) InsertManyAssumeCapacity(i, n int) []T {
	return l.u.InsertManyAssumeCapacity(i, n)
}

// InsertManyBounded is InsertMany in spare capacity.
func (l *ArrayList[T]) InsertManyBounded(i, n int) ([]T, error) {
	return l.u.InsertManyBounded(i, n)
}

// ReplaceRange replaces elements i to j-1 by those of v, of any number. v may be
// part of the list. It panics unless 0 <= i <= j <= Len.
func (l *ArrayList[T]) ReplaceRange(i, j int, v []T) error { return l.u.ReplaceRange(l.a, i, j, v) }

// ReplaceRangeAssumeCapacity is ReplaceRange into spare capacity. It panics if
// that is too small. If v is part of the list and longer than what it replaces,
// room is needed for all of v.
func (l *ArrayList[T]) ReplaceRangeAssumeCapacity(i, j int, v []T) {
	l.u.ReplaceRangeAssumeCapacity(i, j, v)
}

// ReplaceRangeBounded is ReplaceRange into spare capacity, on the terms of
// ReplaceRangeAssumeCapacity.
func (l *ArrayList[T]) ReplaceRangeBounded(i, j int, v []T) error {
	return l.u.ReplaceRangeBounded(i, j, v)
}

// Resize sets the length to n. Elements that are added are zero. It panics if n
// is negative.
func (l *ArrayList[T]) Resize(n int) error { return l.u.Resize(l.a, n) }

// SwapRemove removes element i and returns it. The last element takes its
// place. It panics unless 0 <= i < Len.
func (l *ArrayList[T]) SwapRemove(i int) T { return l.u.SwapRemove(i) }

// OrderedRemove removes element i and returns it. It moves the elements after
// it. It panics unless 0 <= i < Len.
func (l *ArrayList[T]) OrderedRemove(i int) T { return l.u.OrderedRemove(i) }

// OrderedRemoveMany removes the elements at the given indexes, which must be
// sorted; one may occur more than once. It moves every other element at most
// once. It panics unless they are sorted and 0 <= i < Len holds for each.
func (l *ArrayList[T]) OrderedRemoveMany(indexes []int) { l.u.OrderedRemoveMany(indexes) }

// RemoveRange removes elements i to j-1. It moves the elements after them. It
// panics unless 0 <= i <= j <= Len.
func (l *ArrayList[T]) RemoveRange(i, j int) { l.u.RemoveRange(i, j) }

// Pop removes the last element and returns it, or false if there is none.
func (l *ArrayList[T]) Pop() (v T, ok bool) { return l.u.Pop() }

// Drain yields the elements in order and removes those that it yielded when the
// loop ends; what the loop did not come to stays. Elements that are added
// meanwhile are drained, too.
func (l *ArrayList[T]) Drain() iter.Seq[T] { return l.u.Drain() }

// ShrinkRetainingCapacity drops the elements from n on and keeps the memory. It
// panics unless 0 <= n <= Len.
func (l *ArrayList[T]) ShrinkRetainingCapacity(n int) { l.u.ShrinkRetainingCapacity(n) }

// ShrinkAndFree drops the elements from n on and gives back the memory that is
// not needed any more. It panics unless 0 <= n <= Len. It cannot fail: where
// there is no memory for a smaller block, the list keeps the one it has.
func (l *ArrayList[T]) ShrinkAndFree(n int) { l.u.ShrinkAndFree(l.a, n) }

// Clear removes all elements and keeps the memory.
func (l *ArrayList[T]) Clear() { l.u.Clear() }

// ClearAndFree removes all elements and gives back the memory.
func (l *ArrayList[T]) ClearAndFree() { l.u.ClearAndFree(l.a) }

// EnsureTotalCapacity makes room for n elements in all, and for more, so that
// many calls with a growing n cost little. It panics if n is negative.
func (l *ArrayList[T]) EnsureTotalCapacity(n int) error { return l.u.EnsureTotalCapacity(l.a, n) }

// EnsureTotalCapacityPrecise makes room for n elements in all, and for no more
// than these. It panics if n is negative.
func (l *ArrayList[T]) EnsureTotalCapacityPrecise(n int) error {
	return l.u.EnsureTotalCapacityPrecise(l.a, n)
}

// EnsureUnusedCapacity makes room for n elements more. It panics if n is
// negative.
func (l *ArrayList[T]) EnsureUnusedCapacity(n int) error { return l.u.EnsureUnusedCapacity(l.a, n) }
