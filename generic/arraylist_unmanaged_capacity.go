package generic

import (
	"math"

	"github.com/allod-dev/allod/mem"
)

// EnsureTotalCapacity makes room for n elements in all, and for more, so that
// many calls with a growing n cost little. It panics if n is negative.
func (l *ArrayListUnmanaged[T]) EnsureTotalCapacity(a mem.Allocator, n int) error {
	return l.ensureTotal(a, n, "generic: ArrayList.EnsureTotalCapacity")
}

func (l *ArrayListUnmanaged[T]) ensureTotal(a mem.Allocator, n int, method string) error {
	if n < 0 {
		panic(method + ": negative capacity")
	}
	if n <= cap(l.items) {
		return nil
	}
	return l.grow(a, growth[T](cap(l.items), n), n, false, method)
}

// EnsureTotalCapacityPrecise makes room for n elements in all, and for no more
// than these. It panics if n is negative.
func (l *ArrayListUnmanaged[T]) EnsureTotalCapacityPrecise(a mem.Allocator, n int) error {
	return l.ensurePrecise(a, n, "generic: ArrayList.EnsureTotalCapacityPrecise")
}

func (l *ArrayListUnmanaged[T]) ensurePrecise(a mem.Allocator, n int, method string) error {
	if n < 0 {
		panic(method + ": negative capacity")
	}
	if n <= cap(l.items) {
		return nil
	}
	return l.grow(a, n, n, false, method)
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
