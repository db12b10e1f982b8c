package generic

import (
	"iter"
	"math"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// A MultiArrayListUnmanaged is a growing sequence of structs that keeps each
// field in a column of its own: a structure of arrays. What looks at one field
// of many rows reads nothing else, and fields need no padding between them. The
// allocator is handed to every call that may need it. [MultiArrayList] is the
// same with the allocator stored.
//
// A [Column] gives the values of one field as a slice. Get and Set put a row
// together and take it apart, which costs a little for every field. Fields of a
// struct within T stay together; a T that is no struct is one column.
//
// Memory comes from the allocator passed in, which must be the same every time:
// a block for each column, and a small one that lists them. Growing is as in an
// [ArrayListUnmanaged], column by column, so that no more than one column is
// there twice at a time. Removing rows keeps the memory for later;
// ShrinkAndFree, ClearAndFree and Close give it back. What rows refer to is not
// closed or freed by anything here.
//
// Slices of columns end their life when the list grows, gives back memory, or is
// closed, and show other rows when rows before them are inserted or removed.
//
// A list is for one goroutine at a time. The zero value is an empty list, ready
// for use. Assigning a list moves it: two copies must not both be used.
//
// Every adding operation comes in three forms, as those of an
// [ArrayListUnmanaged] do. Each of them leaves the list as it was when it does
// not succeed.
type MultiArrayListUnmanaged[T any] struct {
	cols  []col  // one for each field of shape; none as long as there is no memory
	shape *shape // of T, since there are columns
	n     int
	cap   int    // every column has room for as many
	from  origin // 0 as long as there are no columns
}

// A col is one column. Its block may be larger than the capacity asks for: when
// memory runs out while columns grow, those that have grown stay as they are.
// Elements beyond n are zero if they hold pointers.
type col struct {
	block []byte
}

func (l *MultiArrayListUnmanaged[T]) unmanaged() *MultiArrayListUnmanaged[T] { return l }

// Clone returns a list of the same rows in blocks of exactly their size.
func (l *MultiArrayListUnmanaged[T]) Clone(a mem.Allocator) (MultiArrayListUnmanaged[T], error) {
	var c MultiArrayListUnmanaged[T]
	const method = "generic: MultiArrayList.Clone"
	c.from.check(a, method)
	if l.n == 0 {
		return c, nil
	}
	if err := c.grow(a, l.n, method); err != nil {
		return c, err
	}
	c.n = l.n
	for i := range c.cols {
		c.shape.fields[i].copyElems(c.cols[i].block, 0, l.cols[i].block, 0, l.n)
	}
	c.check()
	return c, nil
}

// ToManaged returns the list with a, the allocator that it has had so far,
// stored, and leaves l empty, without memory.
func (l *MultiArrayListUnmanaged[T]) ToManaged(a mem.Allocator) *MultiArrayList[T] {
	l.from.adopt(a, "generic: MultiArrayList.ToManaged")
	c := &MultiArrayList[T]{a: a, u: *l}
	*l = MultiArrayListUnmanaged[T]{}
	return c
}

// Close gives all memory back and leaves an empty list, which may be used
// again. It never fails, and does nothing to an empty list without memory.
func (l *MultiArrayListUnmanaged[T]) Close(a mem.Allocator) {
	if l.from != 0 {
		l.from.check(a, "generic: MultiArrayList.Close")
		l.free(a)
	}
	*l = MultiArrayListUnmanaged[T]{}
}

func (l *MultiArrayListUnmanaged[T]) free(a mem.Allocator) {
	for i, c := range l.cols {
		l.cols[i] = col{} // no block is given back with pointers to what is gone
		if len(c.block) > 0 {
			a.Free(c.block, l.shape.fields[i].layout(a))
		}
	}
	mem.Free(a, l.cols)
}

// Len returns the number of rows.
func (l *MultiArrayListUnmanaged[T]) Len() int { return l.n }

// Cap returns how many rows fit without another call to the allocator.
func (l *MultiArrayListUnmanaged[T]) Cap() int {
	if sizeOf[T]() == 0 {
		return math.MaxInt
	}
	return l.cap
}

// Get returns row i. It panics unless 0 <= i < Len.
func (l *MultiArrayListUnmanaged[T]) Get(i int) (v T) {
	l.mustHave(i, "generic: MultiArrayList.Get")
	for k := range l.cols {
		f := &l.shape.fields[k]
		load(&f.colType, &v, f.off, l.cols[k].block, i)
	}
	return v
}

// Set makes v row i. It panics unless 0 <= i < Len.
func (l *MultiArrayListUnmanaged[T]) Set(i int, v T) {
	l.mustHave(i, "generic: MultiArrayList.Set")
	l.set(i, &v)
}

func (l *MultiArrayListUnmanaged[T]) set(i int, v *T) {
	for k := range l.cols {
		f := &l.shape.fields[k]
		store(&f.colType, v, f.off, l.cols[k].block, i)
	}
}

// Swap lets rows i and j change places. It panics unless both are rows.
func (l *MultiArrayListUnmanaged[T]) Swap(i, j int) {
	v := l.Get(i)
	l.Set(i, l.Get(j))
	l.Set(j, v)
}

// All yields indexes and rows in order. Rows may be removed or added during the
// iteration, which goes on from the next index.
func (l *MultiArrayListUnmanaged[T]) All() iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		for i := 0; i < l.n; i++ {
			if !yield(i, l.Get(i)) {
				return
			}
		}
	}
}

// Values yields the rows in order, on the terms of All.
func (l *MultiArrayListUnmanaged[T]) Values() iter.Seq[T] {
	return func(yield func(T) bool) {
		for i := 0; i < l.n; i++ {
			if !yield(l.Get(i)) {
				return
			}
		}
	}
}

// Backward yields indexes and rows from the last to the first. Rows may be
// removed during the iteration, which goes on from the index before.
func (l *MultiArrayListUnmanaged[T]) Backward() iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		for i := l.n - 1; i >= 0; i = min(i, l.n) - 1 {
			if !yield(i, l.Get(i)) {
				return
			}
		}
	}
}

// Drain removes the rows one by one from the end and yields them, until none is
// left or the loop ends: the last row comes first.
func (l *MultiArrayListUnmanaged[T]) Drain() iter.Seq[T] {
	return func(yield func(T) bool) {
		for {
			v, ok := l.Pop()
			if !ok || !yield(v) {
				return
			}
		}
	}
}

// Append adds the row v at the end.
func (l *MultiArrayListUnmanaged[T]) Append(a mem.Allocator, v T) error {
	if err := l.ensureUnused(a, 1, "generic: MultiArrayList.Append"); err != nil {
		return err
	}
	l.AppendAssumeCapacity(v)
	return nil
}

// AppendAssumeCapacity is Append into spare capacity. It panics if there is
// none.
func (l *MultiArrayListUnmanaged[T]) AppendAssumeCapacity(v T) {
	l.mustHold(1)
	l.n++
	l.set(l.n-1, &v)
	l.check()
}

// AppendBounded is Append into spare capacity.
func (l *MultiArrayListUnmanaged[T]) AppendBounded(v T) error {
	if l.n == l.Cap() {
		return mem.ErrLimit
	}
	l.AppendAssumeCapacity(v)
	return nil
}

// AppendSlice adds the rows of v at the end.
func (l *MultiArrayListUnmanaged[T]) AppendSlice(a mem.Allocator, v []T) error {
	if err := l.ensureUnused(a, len(v), "generic: MultiArrayList.AppendSlice"); err != nil {
		return err
	}
	l.AppendSliceAssumeCapacity(v)
	return nil
}

// AppendSliceAssumeCapacity is AppendSlice into spare capacity. It panics if
// that is too small.
func (l *MultiArrayListUnmanaged[T]) AppendSliceAssumeCapacity(v []T) {
	l.mustHold(len(v))
	for i := range v {
		l.set(l.n+i, &v[i])
	}
	l.n += len(v)
	l.check()
}

// AppendSliceBounded is AppendSlice into spare capacity.
func (l *MultiArrayListUnmanaged[T]) AppendSliceBounded(v []T) error {
	if len(v) > l.Cap()-l.n {
		return mem.ErrLimit
	}
	l.AppendSliceAssumeCapacity(v)
	return nil
}

// Insert adds the row v before row i, or at the end if i is Len. It moves the
// rows from i on. It panics unless 0 <= i <= Len.
func (l *MultiArrayListUnmanaged[T]) Insert(a mem.Allocator, i int, v T) error {
	const method = "generic: MultiArrayList.Insert"
	l.mustReach(i, method)
	if err := l.ensureUnused(a, 1, method); err != nil {
		return err
	}
	l.InsertAssumeCapacity(i, v)
	return nil
}

// InsertAssumeCapacity is Insert into spare capacity. It panics if there is
// none.
func (l *MultiArrayListUnmanaged[T]) InsertAssumeCapacity(i int, v T) {
	l.mustReach(i, "generic: MultiArrayList.Insert")
	l.mustHold(1)
	for k, c := range l.cols {
		l.shape.fields[k].copyElems(c.block, i+1, c.block, i, l.n-i)
	}
	l.n++
	l.set(i, &v)
	l.check()
}

// InsertBounded is Insert into spare capacity.
func (l *MultiArrayListUnmanaged[T]) InsertBounded(i int, v T) error {
	l.mustReach(i, "generic: MultiArrayList.Insert")
	if l.n == l.Cap() {
		return mem.ErrLimit
	}
	l.InsertAssumeCapacity(i, v)
	return nil
}

// SwapRemove removes row i and returns it. The last row takes its place. It
// panics unless 0 <= i < Len.
func (l *MultiArrayListUnmanaged[T]) SwapRemove(i int) T {
	v := l.Get(i)
	l.Set(i, l.Get(l.n-1))
	l.truncate(l.n - 1)
	return v
}

// OrderedRemove removes row i and returns it. It moves the rows after it. It
// panics unless 0 <= i < Len.
func (l *MultiArrayListUnmanaged[T]) OrderedRemove(i int) T {
	v := l.Get(i)
	for k, c := range l.cols {
		l.shape.fields[k].copyElems(c.block, i, c.block, i+1, l.n-i-1)
	}
	l.truncate(l.n - 1)
	return v
}

// OrderedRemoveMany removes the rows at the given indexes, which must be sorted;
// one may occur more than once. It moves every other row at most once. It panics
// unless they are sorted and 0 <= i < Len holds for each.
func (l *MultiArrayListUnmanaged[T]) OrderedRemoveMany(indexes []int) {
	const method = "generic: MultiArrayList.OrderedRemoveMany"
	if len(indexes) == 0 {
		return
	}
	for k, i := range indexes {
		l.mustHave(i, method)
		if k > 0 && i < indexes[k-1] {
			panic(method + ": indexes are not sorted")
		}
	}
	to := indexes[0]
	for k, i := range indexes {
		end := l.n
		if k+1 < len(indexes) {
			end = indexes[k+1]
		}
		if i < end {
			for c := range l.cols {
				l.shape.fields[c].copyElems(l.cols[c].block, to, l.cols[c].block, i+1, end-i-1)
			}
			to += end - i - 1
		}
	}
	l.truncate(to)
}

// Pop removes the last row and returns it, or false if there is none.
func (l *MultiArrayListUnmanaged[T]) Pop() (v T, ok bool) {
	if l.n == 0 {
		return v, false
	}
	v = l.Get(l.n - 1)
	l.truncate(l.n - 1)
	return v, true
}

// SortFunc sorts the rows in place, with cmp comparing rows i and j by their
// indexes, so that it looks at the columns that matter. Rows that are equal may
// change places. It takes O(n log n) comparisons and swaps.
func (l *MultiArrayListUnmanaged[T]) SortFunc(cmp func(i, j int) int) {
	heapSort(0, l.n, cmp, l.Swap)
}

// SortRangeFunc is SortFunc of rows i to j-1. It panics unless
// 0 <= i <= j <= Len.
func (l *MultiArrayListUnmanaged[T]) SortRangeFunc(i, j int, cmp func(i, j int) int) {
	l.mustSpan(i, j, "generic: MultiArrayList.SortRangeFunc")
	heapSort(i, j, cmp, l.Swap)
}

// SortRangeStableFunc is SortStableFunc of rows i to j-1. It panics unless
// 0 <= i <= j <= Len.
func (l *MultiArrayListUnmanaged[T]) SortRangeStableFunc(i, j int, cmp func(i, j int) int) {
	l.mustSpan(i, j, "generic: MultiArrayList.SortRangeStableFunc")
	stableSort(i, j, cmp, l.Swap)
}

// SortStableFunc is SortFunc that keeps the order of rows that are equal. It
// takes O(n log n) comparisons and O(n log² n) swaps.
func (l *MultiArrayListUnmanaged[T]) SortStableFunc(cmp func(i, j int) int) {
	stableSort(0, l.n, cmp, l.Swap)
}

// Resize sets the number of rows to n. Rows that are added are zero. It panics
// if n is negative.
func (l *MultiArrayListUnmanaged[T]) Resize(a mem.Allocator, n int) error {
	const method = "generic: MultiArrayList.Resize"
	if n < 0 {
		panic(method + ": negative length")
	}
	if n <= l.n {
		l.truncate(n)
		return nil
	}
	if err := l.ensureUnused(a, n-l.n, method); err != nil {
		return err
	}
	for k, c := range l.cols {
		if f := &l.shape.fields[k]; len(f.ptrs) == 0 {
			f.clear(c.block, l.n, n)
		}
	}
	l.n = n
	l.check()
	return nil
}

// ShrinkRetainingCapacity drops the rows from n on and keeps the memory. It
// panics unless 0 <= n <= Len.
func (l *MultiArrayListUnmanaged[T]) ShrinkRetainingCapacity(n int) {
	l.mustReach(n, "generic: MultiArrayList.ShrinkRetainingCapacity")
	l.truncate(n)
}

// Clear removes all rows and keeps the memory.
func (l *MultiArrayListUnmanaged[T]) Clear() { l.truncate(0) }

// ClearAndFree removes all rows and gives back the memory.
func (l *MultiArrayListUnmanaged[T]) ClearAndFree(a mem.Allocator) { l.ShrinkAndFree(a, 0) }

// truncate drops the rows from n on, with 0 <= n <= l.n.
func (l *MultiArrayListUnmanaged[T]) truncate(n int) {
	for k, c := range l.cols {
		if f := &l.shape.fields[k]; len(f.ptrs) > 0 {
			f.clear(c.block, n, l.n)
		}
	}
	l.n = n
	l.check()
}

func (l *MultiArrayListUnmanaged[T]) mustHave(i int, method string) {
	if uint(i) >= uint(l.n) {
		panicIndex(method, i, l.n)
	}
}

func (l *MultiArrayListUnmanaged[T]) mustReach(i int, method string) {
	if uint(i) > uint(l.n) {
		panicIndex(method, i, l.n)
	}
}

func (l *MultiArrayListUnmanaged[T]) mustSpan(i, j int, method string) {
	l.mustReach(j, method)
	if uint(i) > uint(j) {
		panicIndex(method, i, j)
	}
}

func (l *MultiArrayListUnmanaged[T]) mustHold(n int) {
	if n > l.Cap()-l.n {
		panic("generic: MultiArrayList: no room")
	}
}

func (l *MultiArrayListUnmanaged[T]) check() {
	if !invariant.Enabled || sizeOf[T]() == 0 {
		return
	}
	invariant.Check(0 <= l.n && l.n <= l.cap, "generic: MultiArrayList: %d rows, capacity %d", l.n, l.cap)
	invariant.Check((l.from != 0) == (len(l.cols) > 0), "generic: MultiArrayList: %d columns of memory from nowhere", len(l.cols))
	for i, c := range l.cols {
		f := &l.shape.fields[i]
		invariant.Check(len(c.block)/f.size >= l.cap, "generic: MultiArrayList: column %d of %d bytes, capacity %d", i, len(c.block), l.cap)
		if len(f.ptrs) > 0 {
			checkZero(c.block[l.n*f.size:], "generic: MultiArrayList")
		}
	}
}
