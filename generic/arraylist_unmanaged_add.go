package generic

import (
	"slices"

	"github.com/allod-dev/allod/mem"
)

// Append adds v at the end.
func (l *ArrayListUnmanaged[T]) Append(a mem.Allocator, v T) error {
	if len(l.items) < cap(l.items) { // and so append never grows
		l.items = append(l.items, v)
		return nil
	}
	return rarely(func() error { return l.appendGrow(a, v, "generic: ArrayList.Append") })
}

// appendFor is Append for a container that has its elements in the list.
func (l *ArrayListUnmanaged[T]) appendFor(a mem.Allocator, v T, method string) error {
	if len(l.items) < cap(l.items) {
		l.items = append(l.items, v)
		return nil
	}
	return rarely(func() error { return l.appendGrow(a, v, method) })
}

// appendGrow is the part of Append that is not worth inlining.
//
//go:noinline
func (l *ArrayListUnmanaged[T]) appendGrow(a mem.Allocator, v T, method string) error {
	if err := l.ensureUnused(a, 1, method); err != nil {
		return err
	}
	l.AppendAssumeCapacity(v)
	return nil
}

// AppendAssumeCapacity is Append into spare capacity. It panics if there is
// none.
func (l *ArrayListUnmanaged[T]) AppendAssumeCapacity(v T) {
	n := len(l.items)
	l.items = l.items[:n+1]
	l.items[n] = v
}

// AppendBounded is Append into spare capacity.
func (l *ArrayListUnmanaged[T]) AppendBounded(v T) error {
	if len(l.items) == cap(l.items) {
		return mem.ErrLimit
	}
	l.AppendAssumeCapacity(v)
	return nil
}

// AppendSlice adds the elements of v at the end. v may be part of the list.
func (l *ArrayListUnmanaged[T]) AppendSlice(a mem.Allocator, v []T) error {
	return l.appendSlice(a, v, "generic: ArrayList.AppendSlice")
}

func (l *ArrayListUnmanaged[T]) appendSlice(a mem.Allocator, v []T, method string) error {
	old, err := l.take(a, v, method)
	if err != nil {
		return err
	}
	l.AppendSliceAssumeCapacity(v)
	mem.Free(a, old)
	return nil
}

// AppendSliceAssumeCapacity is AppendSlice into spare capacity. It panics if
// that is too small.
func (l *ArrayListUnmanaged[T]) AppendSliceAssumeCapacity(v []T) {
	n := len(l.items)
	l.items = l.items[:n+len(v)]
	copy(l.items[n:], v)
}

// AppendSliceBounded is AppendSlice into spare capacity.
func (l *ArrayListUnmanaged[T]) AppendSliceBounded(v []T) error {
	if len(v) > cap(l.items)-len(l.items) {
		return mem.ErrLimit
	}
	l.AppendSliceAssumeCapacity(v)
	return nil
}

// AppendN adds n elements equal to v at the end. It panics if n is negative.
func (l *ArrayListUnmanaged[T]) AppendN(a mem.Allocator, v T, n int) error {
	if err := l.ensureUnused(a, n, "generic: ArrayList.AppendN"); err != nil {
		return err
	}
	l.AppendNAssumeCapacity(v, n)
	return nil
}

// AppendNAssumeCapacity is AppendN into spare capacity. It panics if that is
// too small, or n negative.
func (l *ArrayListUnmanaged[T]) AppendNAssumeCapacity(v T, n int) {
	for s := l.extend(n); len(s) > 0; s = s[1:] {
		s[0] = v
	}
}

// AppendNBounded is AppendN into spare capacity. It panics if n is negative.
func (l *ArrayListUnmanaged[T]) AppendNBounded(v T, n int) error {
	if n > cap(l.items)-len(l.items) {
		return mem.ErrLimit
	}
	l.AppendNAssumeCapacity(v, n)
	return nil
}

// AddOne adds a zero element at the end and returns a pointer to it. The
// pointer is dead when the list grows, gives back memory or is closed.
func (l *ArrayListUnmanaged[T]) AddOne(a mem.Allocator) (*T, error) {
	if err := l.ensureUnused(a, 1, "generic: ArrayList.AddOne"); err != nil {
		return nil, err
	}
	return l.AddOneAssumeCapacity(), nil
}

// AddOneAssumeCapacity is AddOne in spare capacity. It panics if there is none.
func (l *ArrayListUnmanaged[T]) AddOneAssumeCapacity() *T {
	var zero T
	l.AppendAssumeCapacity(zero)
	return &l.items[len(l.items)-1]
}

// AddOneBounded is AddOne in spare capacity.
func (l *ArrayListUnmanaged[T]) AddOneBounded() (*T, error) {
	if len(l.items) == cap(l.items) {
		return nil, mem.ErrLimit
	}
	return l.AddOneAssumeCapacity(), nil
}

// AddMany adds n zero elements at the end and returns them. It panics if n is
// negative. They are dead when the list grows, gives back memory or is closed.
func (l *ArrayListUnmanaged[T]) AddMany(a mem.Allocator, n int) ([]T, error) {
	s, err := l.AddManyUninit(a, n)
	clear(s)
	return s, err
}

// AddManyUninit is AddMany without the promise of zeroes, to be written by the
// caller. Elements that hold pointers are zero even so. It panics if n is
// negative.
func (l *ArrayListUnmanaged[T]) AddManyUninit(a mem.Allocator, n int) ([]T, error) {
	if err := l.ensureUnused(a, n, "generic: ArrayList.AddMany"); err != nil {
		return nil, err
	}
	return l.extend(n), nil
}

// AddManyAssumeCapacity is AddMany in spare capacity. It panics if that is too
// small, or n negative.
func (l *ArrayListUnmanaged[T]) AddManyAssumeCapacity(n int) []T {
	s := l.extend(n)
	clear(s)
	return s
}

// AddManyBounded is AddMany in spare capacity. It panics if n is negative.
func (l *ArrayListUnmanaged[T]) AddManyBounded(n int) ([]T, error) {
	if n > cap(l.items)-len(l.items) {
		return nil, mem.ErrLimit
	}
	return l.AddManyAssumeCapacity(n), nil
}

// extend adds n elements from spare capacity as they are. It panics if that is
// too small, or n negative.
func (l *ArrayListUnmanaged[T]) extend(n int) []T {
	if n < 0 {
		panic("generic: ArrayList: negative count")
	}
	k := len(l.items)
	l.items = l.items[:k+n]
	return l.items[k : k+n : k+n]
}

// Insert adds v before element i, or at the end if i is Len. It moves the
// elements from i on. It panics unless 0 <= i <= Len.
func (l *ArrayListUnmanaged[T]) Insert(a mem.Allocator, i int, v T) error {
	_ = l.items[i:]
	if err := l.ensureUnused(a, 1, "generic: ArrayList.Insert"); err != nil {
		return err
	}
	l.InsertAssumeCapacity(i, v)
	return nil
}

// InsertAssumeCapacity is Insert into spare capacity. It panics if there is
// none.
func (l *ArrayListUnmanaged[T]) InsertAssumeCapacity(i int, v T) {
	_ = l.items[i:]
	l.extend(1)
	copy(l.items[i+1:], l.items[i:])
	l.items[i] = v
}

// InsertBounded is Insert into spare capacity.
func (l *ArrayListUnmanaged[T]) InsertBounded(i int, v T) error {
	_ = l.items[i:]
	if len(l.items) == cap(l.items) {
		return mem.ErrLimit
	}
	l.InsertAssumeCapacity(i, v)
	return nil
}

// InsertSlice adds the elements of v before element i, or at the end if i is
// Len. v may be part of the list. It panics unless 0 <= i <= Len.
func (l *ArrayListUnmanaged[T]) InsertSlice(a mem.Allocator, i int, v []T) error {
	_ = l.items[i:]
	old, err := l.take(a, v, "generic: ArrayList.InsertSlice")
	if err != nil {
		return err
	}
	l.InsertSliceAssumeCapacity(i, v)
	mem.Free(a, old)
	return nil
}

// InsertSliceAssumeCapacity is InsertSlice into spare capacity. It panics if
// that is too small.
func (l *ArrayListUnmanaged[T]) InsertSliceAssumeCapacity(i int, v []T) {
	n := len(l.items)
	tail := l.items[i:n]
	if overlap(l.items, v) {
		// Moving the tail would move v as well. Put v behind the tail, then
		// let the two change places.
		l.AppendSliceAssumeCapacity(v)
		rotate(l.items[i:], len(tail))
		return
	}
	l.extend(len(v))
	copy(l.items[i+len(v):], tail)
	copy(l.items[i:], v)
}

// InsertSliceBounded is InsertSlice into spare capacity.
func (l *ArrayListUnmanaged[T]) InsertSliceBounded(i int, v []T) error {
	_ = l.items[i:]
	if len(v) > cap(l.items)-len(l.items) {
		return mem.ErrLimit
	}
	l.InsertSliceAssumeCapacity(i, v)
	return nil
}

// InsertMany adds n zero elements before element i, or at the end if i is Len,
// and returns them. It moves the elements from i on. It panics unless
// 0 <= i <= Len, and if n is negative.
func (l *ArrayListUnmanaged[T]) InsertMany(a mem.Allocator, i, n int) ([]T, error) {
	_ = l.items[i:]
	if err := l.ensureUnused(a, n, "generic: ArrayList.InsertMany"); err != nil {
		return nil, err
	}
	return l.InsertManyAssumeCapacity(i, n), nil
}

// InsertManyAssumeCapacity is InsertMany in spare capacity. It panics if that is
// too small.
func (l *ArrayListUnmanaged[T]) InsertManyAssumeCapacity(i, n int) []T {
	tail := l.items[i:]
	l.extend(n)
	copy(l.items[i+n:], tail)
	s := l.items[i : i+n : i+n]
	clear(s)
	return s
}

// InsertManyBounded is InsertMany in spare capacity.
func (l *ArrayListUnmanaged[T]) InsertManyBounded(i, n int) ([]T, error) {
	_ = l.items[i:]
	if n > cap(l.items)-len(l.items) {
		return nil, mem.ErrLimit
	}
	return l.InsertManyAssumeCapacity(i, n), nil
}

// rotate moves s[k:] in front of s[:k], by three reversals.
func rotate[T any](s []T, k int) {
	slices.Reverse(s[:k])
	slices.Reverse(s[k:])
	slices.Reverse(s)
}

// ReplaceRange replaces elements i to j-1 by those of v, of any number. v may be
// part of the list. It panics unless 0 <= i <= j <= Len.
func (l *ArrayListUnmanaged[T]) ReplaceRange(a mem.Allocator, i, j int, v []T) error {
	const method = "generic: ArrayList.ReplaceRange"
	gone := len(l.items[i:j:len(l.items)])
	if gone >= len(v) {
		l.ReplaceRangeAssumeCapacity(i, j, v)
		return nil
	}
	if !overlap(l.items, v) {
		if err := l.ensureUnused(a, len(v)-gone, method); err != nil {
			return err
		}
		l.ReplaceRangeAssumeCapacity(i, j, v)
		return nil
	}
	// All of v is needed beside what it replaces, of which it may be a part.
	old, err := l.take(a, v, method)
	if err != nil {
		return err
	}
	l.InsertSliceAssumeCapacity(j, v)
	mem.Free(a, old)
	l.RemoveRange(i, j)
	return nil
}

// ReplaceRangeAssumeCapacity is ReplaceRange into spare capacity. It panics if
// that is too small. If v is part of the list and longer than what it replaces,
// room is needed for all of v.
func (l *ArrayListUnmanaged[T]) ReplaceRangeAssumeCapacity(i, j int, v []T) {
	gone := l.items[i:j:len(l.items)]
	more := len(v) - len(gone)
	switch {
	case more <= 0:
		copy(gone, v)
		l.RemoveRange(i+len(v), j)
	case overlap(l.items, v):
		l.InsertSliceAssumeCapacity(j, v)
		l.RemoveRange(i, j)
	default:
		tail := l.items[j:]
		l.extend(more)
		copy(l.items[j+more:], tail)
		copy(l.items[i:], v)
	}
}

// ReplaceRangeBounded is ReplaceRange into spare capacity, on the terms of
// ReplaceRangeAssumeCapacity.
func (l *ArrayListUnmanaged[T]) ReplaceRangeBounded(i, j int, v []T) error {
	more := len(v) - len(l.items[i:j:len(l.items)])
	if more > 0 && overlap(l.items, v) {
		more = len(v)
	}
	if more > cap(l.items)-len(l.items) {
		return mem.ErrLimit
	}
	l.ReplaceRangeAssumeCapacity(i, j, v)
	return nil
}

// Resize sets the length to n. Elements that are added are zero. It panics if n
// is negative.
func (l *ArrayListUnmanaged[T]) Resize(a mem.Allocator, n int) error {
	return l.resize(a, n, "generic: ArrayList.Resize")
}

func (l *ArrayListUnmanaged[T]) resize(a mem.Allocator, n int, method string) error {
	if n < 0 {
		panic(method + ": negative length")
	}
	if n <= len(l.items) {
		l.ShrinkRetainingCapacity(n)
		return nil
	}
	stale := min(n, cap(l.items)) // the allocator zeroes what is beyond, if it must grow
	if n > cap(l.items) {
		if err := l.grow(a, growth[T](cap(l.items), n), n, true, method); err != nil {
			return err
		}
	}
	if !hasPointers[T]() {
		clear(l.items[len(l.items):stale])
	}
	l.items = l.items[:n]
	l.check()
	return nil
}
