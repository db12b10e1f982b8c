package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// A MultiArrayList is a growing sequence of structs that keeps each field in a
// column of its own: a structure of arrays. [MultiArrayListUnmanaged] is the
// same without a stored allocator, and says more about both.
//
// Memory comes from the allocator given to [NewMultiArrayList]. Removing rows
// keeps it for later; ShrinkAndFree, ClearAndFree and Close give it back.
//
// A list is for one goroutine at a time and must not be copied. The zero
// MultiArrayList has no allocator; call [NewMultiArrayList].
type MultiArrayList[T any] struct {
	_ noCopy
	a mem.Allocator
	u MultiArrayListUnmanaged[T]
}

// NewMultiArrayList returns an empty list, which first calls a when it first grows.
func NewMultiArrayList[T any](a mem.Allocator) *MultiArrayList[T] {
	if isNil(a) {
		panicNil(a, "generic: NewMultiArrayList")
	}
	return &MultiArrayList[T]{a: a}
}

// Allocator returns the allocator of the list.
func (l *MultiArrayList[T]) Allocator() mem.Allocator { return l.a }

// Close gives all memory back and leaves an empty list, which may be used
// again. It never allocates, and the error is always nil.
func (l *MultiArrayList[T]) Close() error {
	l.u.Close(l.a)
	return nil
}

// Clone returns a list of the same rows in blocks of exactly their size.
func (l *MultiArrayList[T]) Clone() (*MultiArrayList[T], error) {
	u, err := l.u.Clone(l.a)
	if err != nil {
		return nil, err
	}
	return &MultiArrayList[T]{a: l.a, u: u}, nil
}

// ToUnmanaged returns the list without its allocator, which every call is
// handed from now on, and leaves l empty, without memory.
func (l *MultiArrayList[T]) ToUnmanaged() MultiArrayListUnmanaged[T] {
	u := l.u
	l.u = MultiArrayListUnmanaged[T]{}
	return u
}

// Len returns the number of rows.
func (l *MultiArrayList[T]) Len() int { return l.u.Len() }

// Cap returns how many rows fit without another call to the allocator.
func (l *MultiArrayList[T]) Cap() int { return l.u.Cap() }

// Get returns row i. It panics unless 0 <= i < Len.
func (l *MultiArrayList[T]) Get(i int) (v T) { return l.u.Get(i) }

// Set makes v row i. It panics unless 0 <= i < Len.
func (l *MultiArrayList[T]) Set(i int, v T) { l.u.Set(i, v) }

// Swap lets rows i and j change places. It panics unless both are rows.
func (l *MultiArrayList[T]) Swap(i, j int) { l.u.Swap(i, j) }

// All yields indexes and rows in order. Rows may be removed or added during the
// iteration, which goes on from the next index.
func (l *MultiArrayList[T]) All() iter.Seq2[int, T] { return l.u.All() }

// Values yields the rows in order, on the terms of All.
func (l *MultiArrayList[T]) Values() iter.Seq[T] { return l.u.Values() }

// Backward yields indexes and rows from the last to the first. Rows may be
// removed during the iteration, which goes on from the index before.
func (l *MultiArrayList[T]) Backward() iter.Seq2[int, T] { return l.u.Backward() }

// Drain removes the rows one by one from the end and yields them, until none is
// left or the loop ends: the last row comes first.
func (l *MultiArrayList[T]) Drain() iter.Seq[T] { return l.u.Drain() }

// Append adds the row v at the end.
func (l *MultiArrayList[T]) Append(v T) error { return l.u.Append(l.a, v) }

// AppendAssumeCapacity is Append into spare capacity. It panics if there is
// none.
func (l *MultiArrayList[T]) AppendAssumeCapacity(v T) { l.u.AppendAssumeCapacity(v) }

// AppendBounded is Append into spare capacity.
func (l *MultiArrayList[T]) AppendBounded(v T) error { return l.u.AppendBounded(v) }

// AppendSlice adds the rows of v at the end.
func (l *MultiArrayList[T]) AppendSlice(v []T) error { return l.u.AppendSlice(l.a, v) }

// AppendSliceAssumeCapacity is AppendSlice into spare capacity. It panics if
// that is too small.
func (l *MultiArrayList[T]) AppendSliceAssumeCapacity(v []T) { l.u.AppendSliceAssumeCapacity(v) }

// AppendSliceBounded is AppendSlice into spare capacity.
func (l *MultiArrayList[T]) AppendSliceBounded(v []T) error { return l.u.AppendSliceBounded(v) }

// Insert adds the row v before row i, or at the end if i is Len. It moves the
// rows from i on. It panics unless 0 <= i <= Len.
func (l *MultiArrayList[T]) Insert(i int, v T) error { return l.u.Insert(l.a, i, v) }

// InsertAssumeCapacity is Insert into spare capacity. It panics if there is
// none.
func (l *MultiArrayList[T]) InsertAssumeCapacity(i int, v T) { l.u.InsertAssumeCapacity(i, v) }

// InsertBounded is Insert into spare capacity.
func (l *MultiArrayList[T]) InsertBounded(i int, v T) error { return l.u.InsertBounded(i, v) }

// SwapRemove removes row i and returns it. The last row takes its place. It
// panics unless 0 <= i < Len.
func (l *MultiArrayList[T]) SwapRemove(i int) T { return l.u.SwapRemove(i) }

// OrderedRemove removes row i and returns it. It moves the rows after it. It
// panics unless 0 <= i < Len.
func (l *MultiArrayList[T]) OrderedRemove(i int) T { return l.u.OrderedRemove(i) }

// Pop removes the last row and returns it, or false if there is none.
func (l *MultiArrayList[T]) Pop() (v T, ok bool) { return l.u.Pop() }

// SortFunc sorts the rows in place, with cmp comparing rows i and j by their
// indexes, so that it looks at the columns that matter. Rows that are equal may
// change places. It takes O(n log n) comparisons and swaps.
func (l *MultiArrayList[T]) SortFunc(cmp func(i, j int) int) { l.u.SortFunc(cmp) }

// Resize sets the number of rows to n. Rows that are added are zero. It panics
// if n is negative.
func (l *MultiArrayList[T]) Resize(n int) error { return l.u.Resize(l.a, n) }

// ShrinkRetainingCapacity drops the rows from n on and keeps the memory. It
// panics unless 0 <= n <= Len.
func (l *MultiArrayList[T]) ShrinkRetainingCapacity(n int) { l.u.ShrinkRetainingCapacity(n) }

// Clear removes all rows and keeps the memory.
func (l *MultiArrayList[T]) Clear() { l.u.Clear() }

// ClearAndFree removes all rows and gives back the memory.
func (l *MultiArrayList[T]) ClearAndFree() { l.u.ClearAndFree(l.a) }

// EnsureTotalCapacity makes room for n rows in all, and for more, so that many
// calls with a growing n cost little. It panics if n is negative.
func (l *MultiArrayList[T]) EnsureTotalCapacity(n int) error {
	return l.u.EnsureTotalCapacity(l.a, n)
}

// EnsureTotalCapacityPrecise makes room for n rows in all, and for no more than
// these. It panics if n is negative.
func (l *MultiArrayList[T]) EnsureTotalCapacityPrecise(n int) error {
	return l.u.EnsureTotalCapacityPrecise(l.a, n)
}

// EnsureUnusedCapacity makes room for n rows more. It panics if n is negative.
func (l *MultiArrayList[T]) EnsureUnusedCapacity(n int) error {
	return l.u.EnsureUnusedCapacity(l.a, n)
}

// ShrinkAndFree drops the rows from n on and gives back the memory that is not
// needed any more. It panics unless 0 <= n <= Len. It cannot fail: where there
// is no memory for a smaller block, a column keeps the one it has.
func (l *MultiArrayList[T]) ShrinkAndFree(n int) { l.u.ShrinkAndFree(l.a, n) }

func (l *MultiArrayList[T]) unmanaged() *MultiArrayListUnmanaged[T] { return &l.u }

// SortRangeFunc is SortFunc of rows i to j-1. It panics unless
// 0 <= i <= j <= Len.
func (l *MultiArrayList[T]) SortRangeFunc(i, j int, cmp func(i, j int) int) {
	l.u.SortRangeFunc(i, j, cmp)
}

// SortRangeStableFunc is SortStableFunc of rows i to j-1. It panics unless
// 0 <= i <= j <= Len.
func (l *MultiArrayList[T]) SortRangeStableFunc(i, j int, cmp func(i, j int) int) {
	l.u.SortRangeStableFunc(i, j, cmp)
}

// SortStableFunc is SortFunc that keeps the order of rows that are equal. It
// takes O(n log n) comparisons and O(n log² n) swaps.
func (l *MultiArrayList[T]) SortStableFunc(cmp func(i, j int) int) { l.u.SortStableFunc(cmp) }

// OrderedRemoveMany removes the rows at the given indexes, which must be sorted;
// one may occur more than once. It moves every other row at most once. It panics
// unless they are sorted and 0 <= i < Len holds for each.
func (l *MultiArrayList[T]) OrderedRemoveMany(indexes []int) { l.u.OrderedRemoveMany(indexes) }
