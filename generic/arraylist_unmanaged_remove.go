package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

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

// Drain yields the elements in order and removes those that it yielded when the
// loop ends; what the loop did not come to stays. Elements that are added
// meanwhile are drained, too.
func (l *ArrayListUnmanaged[T]) Drain() iter.Seq[T] {
	return func(yield func(T) bool) {
		i := 0
		defer func() { l.RemoveRange(0, min(i, len(l.items))) }()
		for i < len(l.items) {
			v := l.items[i]
			i++
			if !yield(v) {
				return
			}
		}
	}
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

// Clear removes all elements and keeps the memory.
func (l *ArrayListUnmanaged[T]) Clear() { l.truncate(0) }

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
