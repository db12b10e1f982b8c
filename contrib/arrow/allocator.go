// Package allodarrow lets Apache Arrow for Go keep its buffers in memory of an
// allod allocator: off the Go heap, within a limit, or watched for leaks.
//
// An [Allocator] is what arrow calls a memory.Allocator; this package itself
// does not import arrow, and works with any release of it.
package allodarrow

import (
	"fmt"

	"github.com/allod-dev/allod/mem"
)

// An Allocator is arrow's memory.Allocator over an allocator of allod. Pass it
// to array builders, to compute.WithAllocator, ipc.WithAllocator, and wherever
// else arrow takes one; make it memory.DefaultAllocator to catch what takes none.
//
// Memory comes from the child, in blocks aligned to 64 bytes that are zero, as
// arrow's vectorised code and its users expect.
//
// Free gives a block back to the child. Of the slice that it gets, only the
// start and the capacity matter: arrow shortens slices, but never moves their
// start. Arrow's own Go allocator frees nothing, and so hides buffers that are
// used after their last Release: with this one, such use is a use after free.
// To find it, use a [Checked].
//
// Blocks live until they are freed, or moved by Reallocate.
//
// An Allocator is safe for concurrent use if its child is, which arrow needs
// wherever it works in parallel, as it does in compute and when reading Parquet.
// It may be copied. The zero Allocator has no child; call [New].
type Allocator struct {
	child mem.Allocator
}

// Arrow has no word for want of memory: its allocators return no error. What it
// calls recovers panics at the edges, and turns those that are errors into
// errors that wrap them, as ipc.Reader does. So a panic with an error it is, and
// the one of mem.Must, which mem.Rescue knows.

// layout is that of every block; mem.Free wants no other.
var layout = mem.Layout{Align: mem.Align(64), Zero: true, Type: mem.TypeFor[byte]()}

// New returns an Allocator that takes memory from child.
func New(child mem.Allocator) *Allocator {
	if child == nil {
		panic("allodarrow: New: nil Allocator")
	}
	return &Allocator{child: child}
}

// Allocate returns size bytes that are zero. It panics as mem.Must does if the
// child refuses, so that mem.Rescue turns that into an error again, and with a
// string if size is negative.
func (a *Allocator) Allocate(size int) []byte {
	if size == 0 {
		return []byte{}
	}
	if size < 0 {
		panic("allodarrow: Allocator.Allocate: negative size")
	}
	return a.alloc("allodarrow: Allocator.Allocate", size)
}

func (a *Allocator) alloc(op string, size int) []byte {
	b, err := a.child.Alloc(size, layout)
	if err != nil {
		err = fmt.Errorf("%s: %d bytes: %w", op, size, err)
	}
	return mem.Must(b, err)
}

// Reallocate returns a block of size bytes with the contents of b, as far as
// they fit, which is b itself where the child can grow or shrink it in place. It
// invalidates b. After growth, what is past len(b) is zero. It panics as Allocate
// does; b is then as before.
func (a *Allocator) Reallocate(size int, b []byte) []byte {
	const op = "allodarrow: Allocator.Reallocate"
	whole := b[:cap(b)]
	switch {
	case size < 0:
		panic(op + ": negative size")
	case size == 0:
		a.Free(b)
		return []byte{}
	case len(whole) == 0:
		return a.alloc(op, size)
	case size == len(whole):
		return whole
	case size < len(whole):
		if r, ok := a.child.Remap(whole, layout, size); ok {
			return r
		}
		return whole[:size] // shorter, of the same capacity
	}
	if r, ok := a.child.Remap(whole, layout, size); ok {
		clear(r[len(b):len(whole)])
		return r
	}
	r := a.alloc(op, size)
	copy(r, b)
	a.child.Free(whole, layout)
	return r
}

// Free gives b back, all of its capacity. To free an empty slice without
// capacity is allowed, and does nothing.
func (a *Allocator) Free(b []byte) {
	if cap(b) > 0 {
		a.child.Free(b[:cap(b)], layout)
	}
}

// Unwrap returns the child.
func (a *Allocator) Unwrap() mem.Allocator { return a.child }
