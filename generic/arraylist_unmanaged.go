package generic

import (
	"iter"
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
	return l.toOwnedSlice(a, "generic: ArrayList.ToOwnedSlice")
}

func (l *ArrayListUnmanaged[T]) toOwnedSlice(a mem.Allocator, method string) ([]T, error) {
	s := l.items
	if l.from == borrowed {
		origin(0).check(a, method)
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
	return l.clone(a, "generic: ArrayList.Clone")
}

func (l *ArrayListUnmanaged[T]) clone(a mem.Allocator, method string) (ArrayListUnmanaged[T], error) {
	var c ArrayListUnmanaged[T]
	c.from.check(a, method)
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

// ToManaged returns the list with a, the allocator that it has had so far,
// stored, and leaves l empty, without memory.
func (l *ArrayListUnmanaged[T]) ToManaged(a mem.Allocator) *ArrayList[T] {
	l.from.adopt(a, "generic: ArrayList.ToManaged")
	c := &ArrayList[T]{a: a, u: *l}
	*l = ArrayListUnmanaged[T]{}
	return c
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
			checkZero(l.items[len(l.items):cap(l.items)], "generic: ArrayList")
		}
	}
}
