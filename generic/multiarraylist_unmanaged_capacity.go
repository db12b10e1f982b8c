package generic

import (
	"math"

	"github.com/allod-dev/allod/mem"
)

// EnsureTotalCapacity makes room for n rows in all, and for more, so that many
// calls with a growing n cost little. It panics if n is negative.
func (l *MultiArrayListUnmanaged[T]) EnsureTotalCapacity(a mem.Allocator, n int) error {
	const method = "generic: MultiArrayList.EnsureTotalCapacity"
	if n < 0 {
		panic(method + ": negative capacity")
	}
	if n <= l.Cap() {
		return nil
	}
	return l.grow(a, growth[T](l.cap, n), method)
}

// EnsureTotalCapacityPrecise makes room for n rows in all, and for no more than
// these. It panics if n is negative.
func (l *MultiArrayListUnmanaged[T]) EnsureTotalCapacityPrecise(a mem.Allocator, n int) error {
	const method = "generic: MultiArrayList.EnsureTotalCapacityPrecise"
	if n < 0 {
		panic(method + ": negative capacity")
	}
	if n <= l.Cap() {
		return nil
	}
	return l.grow(a, n, method)
}

// EnsureUnusedCapacity makes room for n rows more. It panics if n is negative.
func (l *MultiArrayListUnmanaged[T]) EnsureUnusedCapacity(a mem.Allocator, n int) error {
	return l.ensureUnused(a, n, "generic: MultiArrayList.EnsureUnusedCapacity")
}

func (l *MultiArrayListUnmanaged[T]) ensureUnused(a mem.Allocator, n int, method string) error {
	if n < 0 {
		panic(method + ": negative count")
	}
	if n <= l.Cap()-l.n {
		return nil
	}
	if n > math.MaxInt-l.n {
		return mem.ErrTooLarge
	}
	return l.grow(a, growth[T](l.cap, l.n+n), method)
}

// grow gives every column room for n rows, n > 0.
func (l *MultiArrayListUnmanaged[T]) grow(a mem.Allocator, n int, method string) error {
	l.from.check(a, method)
	if size := sizeOf[T](); size > 0 && n > math.MaxInt/size {
		return mem.ErrTooLarge
	}
	if len(l.cols) == 0 {
		if err := l.begin(a); err != nil {
			return err
		}
	}
	for i := range l.cols {
		f := &l.shape.fields[i]
		if n <= len(l.cols[i].block)/f.size {
			continue // since an attempt that failed
		}
		if err := l.cols[i].move(a, f, l.n, n); err != nil {
			if l.cap == 0 {
				l.Close(a)
			}
			return err
		}
	}
	if len(l.cols) > 0 {
		l.cap = n
	}
	l.check()
	return nil
}

// begin makes the columns, which have no memory yet.
func (l *MultiArrayListUnmanaged[T]) begin(a mem.Allocator) error {
	if hasPointers[T]() {
		if err := mayHold[T](a); err != nil {
			return err
		}
	}
	s := shapeOf[T]()
	if len(s.fields) == 0 {
		return nil
	}
	cols, err := allocNodes[col](a, len(s.fields))
	if err != nil {
		return err
	}
	clear(cols)
	l.cols, l.shape, l.from = cols, s, originOf(a)
	return nil
}

// move changes the block to one with room for to elements, of which the first n
// are in use: by a if it knows how, else by a copy.
func (c *col) move(a mem.Allocator, f *field, n, to int) error {
	l := f.layout(a)
	if len(c.block) > 0 {
		if b, ok := a.Remap(c.block, l, to*f.size); ok {
			c.block = b
			return nil
		}
	}
	b, err := a.Alloc(to*f.size, l)
	if err != nil {
		return err
	}
	f.copyElems(b, 0, c.block, 0, n)
	if len(c.block) > 0 {
		a.Free(c.block, l)
	}
	c.block = b
	return nil
}

// ShrinkAndFree drops the rows from n on and gives back the memory that is not
// needed any more. It panics unless 0 <= n <= Len. It cannot fail: where there
// is no memory for a smaller block, a column keeps the one it has.
func (l *MultiArrayListUnmanaged[T]) ShrinkAndFree(a mem.Allocator, n int) {
	const method = "generic: MultiArrayList.ShrinkAndFree"
	if l.from != 0 {
		l.from.check(a, method)
	}
	l.ShrinkRetainingCapacity(n)
	if l.from == 0 {
		return
	}
	if n == 0 {
		l.Close(a)
		return
	}
	for i := range l.cols {
		if f := &l.shape.fields[i]; n < len(l.cols[i].block)/f.size {
			_ = l.cols[i].move(a, f, n, n) // without memory for it, nothing changes
		}
	}
	l.cap = n
	l.check()
}
