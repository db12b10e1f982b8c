package generic

import (
	"iter"
	"math"
	"slices"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// An ArrayListUnmanaged is a growing sequence of elements in one block of
// memory: what a slice with append is to Go, with the allocator handed to every
// call that may need it. [ArrayList] is the same with the allocator stored.
//
// Memory comes from the allocator passed in, which must be the same every time.
// Growing multiplies the capacity by 1.5, asks the allocator to grow the block
// in place or to remap it before it copies, and copies only elements, never
// spare capacity. n appends cost O(n).
//
// Removing elements keeps the memory for later; ShrinkAndFree, ClearAndFree and
// Close give it back. Elements are not closed or freed by anything here.
//
// Slices and pointers into the list end their life when the list grows, gives
// back memory, or is closed, and refer to another element when elements before
// them are inserted or removed.
//
// A list is for one goroutine at a time. The zero value is an empty list, ready
// for use. Assigning a list moves it: two copies must not both be used.
//
// Every adding operation comes in three forms. Append grows the list and fails
// if memory runs out. AppendAssumeCapacity needs no allocator and panics if the
// capacity does not suffice. AppendBounded needs no allocator either and
// returns [mem.ErrLimit] in that case. Each of them leaves the list as it was
// when it does not succeed.
type ArrayListUnmanaged[T any] struct {
	items []T    // items[:cap] is the block; of zero-size elements it has no memory
	from  origin // 0 as long as cap(items) == 0
}

// Spare capacity holds anything if T has no pointers, and zeroes if it has:
// the collector may look at it, and so pointers must go when elements do.
//
// Arguments that may be views of the list itself are the reason for take: when
// the block must move, the old one has to outlive the copying, which rules
// Remap out.

// FromBuffer makes l, which must have no memory, an empty list in buf, which
// stays the caller's: it bounds the list, and operations that would have to
// grow it return [mem.ErrLimit]. Close only lets go of it. The length of buf
// does not matter, its capacity does.
func (l *ArrayListUnmanaged[T]) FromBuffer(buf []T) {
	l.mustBeEmpty("generic: ArrayList.FromBuffer")
	if hasPointers[T]() {
		clear(buf[:cap(buf)])
	}
	l.items, l.from = buf[:0], borrowed
	l.check()
}

// FromOwnedSlice makes l, which must have no memory, a list of the elements of
// s. The block s[:cap(s)] must have come from a; it is the list's from now on.
func (l *ArrayListUnmanaged[T]) FromOwnedSlice(a mem.Allocator, s []T) {
	const method = "generic: ArrayList.FromOwnedSlice"
	l.mustBeEmpty(method)
	l.from.check(a, method)
	if cap(s) == 0 {
		return
	}
	if hasPointers[T]() {
		clear(s[len(s):cap(s)])
	}
	l.items, l.from = s, originOf(a)
	l.check()
}

// ToOwnedSlice returns the elements in a block of exactly their size, which the
// caller frees with [mem.Free], and leaves the list empty and without memory.
// On an error the list is unchanged.
func (l *ArrayListUnmanaged[T]) ToOwnedSlice(a mem.Allocator) ([]T, error) {
	const method = "generic: ArrayList.ToOwnedSlice"
	s := l.items
	if l.from == borrowed {
		r, err := mem.Dupe(a, s)
		if err != nil {
			return nil, err
		}
		*l = ArrayListUnmanaged[T]{}
		return r, nil
	}
	l.from.check(a, method)
	switch {
	case len(s) == cap(s):
	case len(s) == 0:
		mem.Free(a, s)
		s = nil
	default:
		r, ok := mem.Remap(a, s, len(s))
		if !ok {
			var err error
			if r, err = mem.Dupe(a, s); err != nil {
				return nil, err
			}
			mem.Free(a, s)
		}
		s = r
	}
	*l = ArrayListUnmanaged[T]{}
	if s == nil {
		s = make([]T, 0) // of no bytes: nothing is allocated
	}
	return s, nil
}

// Clone returns a list of the same elements in a block of exactly their size.
func (l *ArrayListUnmanaged[T]) Clone(a mem.Allocator) (ArrayListUnmanaged[T], error) {
	var c ArrayListUnmanaged[T]
	c.from.check(a, "generic: ArrayList.Clone")
	if len(l.items) == 0 {
		return c, nil
	}
	s, err := mem.Dupe(a, l.items)
	if err != nil {
		return c, err
	}
	c.items, c.from = s, originOf(a)
	c.check()
	return c, nil
}

// Close gives all memory back and leaves an empty list, which may be used
// again. It never fails, and does nothing to an empty list without memory.
func (l *ArrayListUnmanaged[T]) Close(a mem.Allocator) {
	if l.from != 0 && l.from != borrowed {
		l.from.check(a, "generic: ArrayList.Close")
		mem.Free(a, l.items)
	}
	*l = ArrayListUnmanaged[T]{}
}

// Len returns the number of elements.
func (l *ArrayListUnmanaged[T]) Len() int { return len(l.items) }

// Cap returns how many elements fit without another call to the allocator.
func (l *ArrayListUnmanaged[T]) Cap() int { return cap(l.items) }

// Items returns the elements. The slice is the list's own memory: it may be
// read and written, it has no spare capacity, and it is dead when the list
// grows, gives back memory or is closed.
func (l *ArrayListUnmanaged[T]) Items() []T { return slices.Clip(l.items) }

// At returns element i. It panics unless 0 <= i < Len.
func (l *ArrayListUnmanaged[T]) At(i int) T { return l.items[i] }

// Last returns the last element, and false if there is none.
func (l *ArrayListUnmanaged[T]) Last() (v T, ok bool) {
	if n := len(l.items); n > 0 {
		return l.items[n-1], true
	}
	return v, false
}

// UnusedCapacity returns the spare capacity, which lives as long as what Items
// returns does. Its content is undefined. What is written there becomes part of
// the list with AddManyUninit.
func (l *ArrayListUnmanaged[T]) UnusedCapacity() []T { return l.items[len(l.items):cap(l.items)] }

// All yields indexes and elements in order. Elements may be removed or added
// during the iteration, which goes on from the next index.
func (l *ArrayListUnmanaged[T]) All() iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		for i := 0; i < len(l.items); i++ {
			if !yield(i, l.items[i]) {
				return
			}
		}
	}
}

// Values yields the elements in order, on the terms of All.
func (l *ArrayListUnmanaged[T]) Values() iter.Seq[T] {
	return func(yield func(T) bool) {
		for i := 0; i < len(l.items); i++ {
			if !yield(l.items[i]) {
				return
			}
		}
	}
}

// Backward yields indexes and elements from the last to the first. Elements may
// be removed during the iteration, which goes on from the index before.
func (l *ArrayListUnmanaged[T]) Backward() iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		for i := len(l.items) - 1; i >= 0; i = min(i, len(l.items)) - 1 {
			if !yield(i, l.items[i]) {
				return
			}
		}
	}
}

// Append adds v at the end.
func (l *ArrayListUnmanaged[T]) Append(a mem.Allocator, v T) error {
	if n := len(l.items); n < cap(l.items) {
		l.items = l.items[:n+1]
		l.items[n] = v
		return nil
	}
	return l.appendGrow(a, v)
}

// appendGrow is the part of Append that is not worth inlining.
func (l *ArrayListUnmanaged[T]) appendGrow(a mem.Allocator, v T) error {
	if err := l.ensureUnused(a, 1, "generic: ArrayList.Append"); err != nil {
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
	old, err := l.take(a, v, "generic: ArrayList.AppendSlice")
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
	for s := l.extend(n); len(s) > 0; s = s[1:] {
		s[0] = v
	}
	return nil
}

// AddOne adds a zero element at the end and returns a pointer to it.
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
// negative.
func (l *ArrayListUnmanaged[T]) AddMany(a mem.Allocator, n int) ([]T, error) {
	s, err := l.AddManyUninit(a, n)
	clear(s)
	return s, err
}

// AddManyUninit is AddMany without the promise of zeroes, to be written by the
// caller. Elements that hold pointers are zero even so.
func (l *ArrayListUnmanaged[T]) AddManyUninit(a mem.Allocator, n int) ([]T, error) {
	if err := l.ensureUnused(a, n, "generic: ArrayList.AddMany"); err != nil {
		return nil, err
	}
	return l.extend(n), nil
}

// AddManyAssumeCapacity is AddMany in spare capacity. It panics if that is too
// small.
func (l *ArrayListUnmanaged[T]) AddManyAssumeCapacity(n int) []T {
	s := l.extend(n)
	clear(s)
	return s
}

// AddManyBounded is AddMany in spare capacity.
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

// rotate moves s[k:] in front of s[:k], by three reversals.
func rotate[T any](s []T, k int) {
	slices.Reverse(s[:k])
	slices.Reverse(s[k:])
	slices.Reverse(s)
}

// ReplaceRange replaces elements i to j-1 by those of v, of any number. v may be
// part of the list. It panics unless 0 <= i <= j <= Len.
func (l *ArrayListUnmanaged[T]) ReplaceRange(a mem.Allocator, i, j int, v []T) error {
	gone := l.items[i:j:len(l.items)]
	if len(v) <= len(gone) {
		copy(gone, v)
		l.RemoveRange(i+len(v), j)
		return nil
	}
	if overlap(l.items, v) {
		if err := l.InsertSlice(a, j, v); err != nil {
			return err
		}
		l.RemoveRange(i, j)
		return nil
	}
	more := len(v) - len(gone)
	if err := l.ensureUnused(a, more, "generic: ArrayList.ReplaceRange"); err != nil {
		return err
	}
	tail := l.items[j:]
	l.extend(more)
	copy(l.items[j+more:], tail)
	copy(l.items[i:], v)
	return nil
}

// SwapRemove removes element i and returns it. The last element takes its
// place. It panics unless 0 <= i < Len.
func (l *ArrayListUnmanaged[T]) SwapRemove(i int) T {
	v := l.items[i]
	last := len(l.items) - 1
	l.items[i] = l.items[last]
	l.truncate(last)
	return v
}

// OrderedRemove removes element i and returns it. It moves the elements after
// it. It panics unless 0 <= i < Len.
func (l *ArrayListUnmanaged[T]) OrderedRemove(i int) T {
	v := l.items[i]
	copy(l.items[i:], l.items[i+1:])
	l.truncate(len(l.items) - 1)
	return v
}

// OrderedRemoveMany removes the elements at the given indexes, which must be
// sorted; one may occur more than once. It moves every other element at most
// once. It panics unless they are sorted and 0 <= i < Len holds for each.
func (l *ArrayListUnmanaged[T]) OrderedRemoveMany(indexes []int) {
	if len(indexes) == 0 {
		return
	}
	for k, i := range indexes {
		_ = l.items[i]
		if k > 0 && i < indexes[k-1] {
			panic("generic: ArrayList.OrderedRemoveMany: indexes are not sorted")
		}
	}
	to := indexes[0]
	for k, i := range indexes {
		end := len(l.items)
		if k+1 < len(indexes) {
			end = indexes[k+1]
		}
		if i < end {
			to += copy(l.items[to:], l.items[i+1:end])
		}
	}
	l.truncate(to)
}

// RemoveRange removes elements i to j-1. It moves the elements after them. It
// panics unless 0 <= i <= j <= Len.
func (l *ArrayListUnmanaged[T]) RemoveRange(i, j int) {
	_ = l.items[i:j:len(l.items)]
	n := i + copy(l.items[i:], l.items[j:])
	l.truncate(n)
}

// Pop removes the last element and returns it, or false if there is none.
func (l *ArrayListUnmanaged[T]) Pop() (v T, ok bool) {
	n := len(l.items)
	if n == 0 {
		return v, false
	}
	v = l.items[n-1]
	l.truncate(n - 1)
	return v, true
}

// Resize sets the length to n. Elements that are added are zero. It panics if n
// is negative.
func (l *ArrayListUnmanaged[T]) Resize(a mem.Allocator, n int) error {
	const method = "generic: ArrayList.Resize"
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

// ShrinkRetainingCapacity drops the elements from n on and keeps the memory. It
// panics unless 0 <= n <= Len.
func (l *ArrayListUnmanaged[T]) ShrinkRetainingCapacity(n int) {
	_ = l.items[n:len(l.items)]
	l.truncate(n)
}

// ShrinkAndFree drops the elements from n on and gives back the memory that is
// not needed any more. It panics unless 0 <= n <= Len. It cannot fail: where
// there is no memory for a smaller block, the list keeps the one it has.
func (l *ArrayListUnmanaged[T]) ShrinkAndFree(a mem.Allocator, n int) {
	if l.from == borrowed || l.from == 0 || n == cap(l.items) {
		l.ShrinkRetainingCapacity(n)
		return
	}
	l.from.check(a, "generic: ArrayList.ShrinkAndFree")
	l.ShrinkRetainingCapacity(n)
	if n == 0 {
		l.Close(a)
		return
	}
	if r, ok := mem.Remap(a, l.items, n); ok {
		l.items = r
	} else if r, err := mem.Dupe(a, l.items); err == nil {
		mem.Free(a, l.items)
		l.items = r
	}
	l.check()
}

// ClearRetainingCapacity removes all elements and keeps the memory.
func (l *ArrayListUnmanaged[T]) ClearRetainingCapacity() { l.truncate(0) }

// ClearAndFree removes all elements and gives back the memory.
func (l *ArrayListUnmanaged[T]) ClearAndFree(a mem.Allocator) { l.ShrinkAndFree(a, 0) }

// truncate drops the elements from n on, with 0 <= n <= len.
func (l *ArrayListUnmanaged[T]) truncate(n int) {
	if hasPointers[T]() {
		clear(l.items[n:])
	}
	l.items = l.items[:n]
	l.check()
}

// EnsureTotalCapacity makes room for n elements in all, and for more, so that
// many calls with a growing n cost little.
func (l *ArrayListUnmanaged[T]) EnsureTotalCapacity(a mem.Allocator, n int) error {
	if n <= cap(l.items) {
		return nil
	}
	return l.grow(a, growth[T](cap(l.items), n), n, false, "generic: ArrayList.EnsureTotalCapacity")
}

// EnsureTotalCapacityPrecise makes room for n elements in all, and for no more
// than these.
func (l *ArrayListUnmanaged[T]) EnsureTotalCapacityPrecise(a mem.Allocator, n int) error {
	if n <= cap(l.items) {
		return nil
	}
	return l.grow(a, n, n, false, "generic: ArrayList.EnsureTotalCapacityPrecise")
}

// EnsureUnusedCapacity makes room for n elements more. It panics if n is
// negative.
func (l *ArrayListUnmanaged[T]) EnsureUnusedCapacity(a mem.Allocator, n int) error {
	return l.ensureUnused(a, n, "generic: ArrayList.EnsureUnusedCapacity")
}

func (l *ArrayListUnmanaged[T]) ensureUnused(a mem.Allocator, n int, method string) error {
	if n < 0 {
		panic(method + ": negative count")
	}
	if n <= cap(l.items)-len(l.items) {
		return nil
	}
	if n > math.MaxInt-len(l.items) {
		return mem.ErrTooLarge
	}
	need := len(l.items) + n
	return l.grow(a, growth[T](cap(l.items), need), need, false, method)
}

// take makes room for the elements of v at the end. If v is part of the block
// and the block had to move, it returns the old block, which the caller frees
// after copying v.
func (l *ArrayListUnmanaged[T]) take(a mem.Allocator, v []T, method string) (old []T, err error) {
	if len(v) <= cap(l.items)-len(l.items) {
		return nil, nil
	}
	if !overlap(l.items, v) || l.from == borrowed {
		return nil, l.ensureUnused(a, len(v), method)
	}
	l.from.check(a, method)
	if len(v) > math.MaxInt-len(l.items) {
		return nil, mem.ErrTooLarge
	}
	need := len(l.items) + len(v)
	r, err := allocBlock[T](a, goodLen[T](a, growth[T](cap(l.items), need)), false)
	if err != nil {
		return nil, err
	}
	old = l.items
	l.items = r[:copy(r, old)]
	l.check()
	return old, nil
}

// grow makes the block one of n elements, or more if a rounds up and n is more
// than the need. If zero is set, the part beyond the old capacity is zero.
func (l *ArrayListUnmanaged[T]) grow(a mem.Allocator, n, need int, zero bool, method string) error {
	if l.from == borrowed {
		return mem.ErrLimit
	}
	l.from.check(a, method)
	if sizeOf[T]() == 0 {
		l.items = make([]T, math.MaxInt)[:len(l.items)] // of no bytes: nothing is allocated
		l.from = originOf(a)
		return nil
	}
	if n > need {
		n = goodLen[T](a, n)
	}
	if cap(l.items) > 0 {
		if r, ok := remapBlock(a, l.items, n, zero); ok {
			l.items = r[:len(l.items)]
			l.check()
			return nil
		}
	}
	r, err := allocBlock[T](a, n, zero)
	if err != nil {
		return err
	}
	old := l.items
	l.items, l.from = r[:copy(r, old)], originOf(a)
	mem.Free(a, old)
	l.check()
	return nil
}

// growth returns the capacity that follows have when need Ts must fit: half as
// much again and a cache line more, so that small lists do not crawl.
func growth[T any](have, need int) int {
	const line = 64
	least := 1
	if size := sizeOf[T](); size > 0 && size < line {
		least = line / size
	}
	if have > (math.MaxInt-least)/2 {
		return need
	}
	n := max(need, have+have/2+least)
	if size := sizeOf[T](); size > 0 && n > math.MaxInt/size {
		return need
	}
	return n
}

func (l *ArrayListUnmanaged[T]) mustBeEmpty(method string) {
	if l.from != 0 {
		panic(method + ": the list has memory already")
	}
}

func (l *ArrayListUnmanaged[T]) check() {
	if invariant.Enabled {
		invariant.Check(l.from != 0 || cap(l.items) == 0,
			"generic: ArrayList: %d elements of memory from nowhere", cap(l.items))
		if hasPointers[T]() && sizeOf[T]() > 0 {
			spare := bytesOf(l.items)[len(l.items)*sizeOf[T]():]
			for i, b := range spare[:min(len(spare), 512)] {
				invariant.Check(b == 0, "generic: ArrayList: byte %d of the spare capacity is %#x", i, b)
			}
		}
	}
}
