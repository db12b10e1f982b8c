// Package memory stands in for modernc.org/memory, so that what is built on
// modernc.org/libc, SQLite above all, has its memory from an allod allocator. One
// line in go.mod of the program makes it do so:
//
//	replace modernc.org/memory => github.com/allod-dev/allod/contrib/moderncmemory v0.1.0
//
// Nothing else changes; memory comes from a heap.SMP of the package's own then.
// To have it from elsewhere, from heap.Default(), within a limit or watched by a
// heap.Debug, call [SetDefault].
package memory

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// An Allocator is what modernc.org/libc and others expect of the type of this
// name: malloc, calloc, realloc and free, by uintptr, unsafe.Pointer and slice.
//
// Memory comes from the allocator that [SetDefault] was told of, in blocks that
// are aligned to 16 bytes and have 16 more bytes in front, in which their size and
// the allocator are noted: to free a block takes its address only.
//
// Free gives a block back to the allocator that it came from. Blocks live until
// they are freed; Close does not end their life, unlike that of the original.
//
// As with the original, the zero Allocator is ready to use, must not be copied
// after that, and is not safe for concurrent use; libc locks its own.
type Allocator struct {
	Allocs int // live blocks
	Bytes  int // in live blocks: what may be used of them
	Mmaps  int // always 0
}

// The size of a block cannot be left to the allocator to know: of those that
// know it, some only know it of small blocks. A table beside the blocks would be
// safer than a header, and cost a lookup for each call; the header costs nothing,
// since it is in the cache line that the program is about to touch. A block that
// is freed twice, or never was one, is found by the allocator, which trusts its
// own tables only; but the header of a pointer to nowhere is read first.

// A header is in front of each block.
type header struct {
	size   int    // of the whole, with the header
	source uint32 // index into sources
	magic  uint32 // to tell a header from what is none
}

const (
	headerSize = 16
	magic      = 0xA110D000
)

// ErrNotAllocated reports a pointer in front of which there is no header: it is
// none that an Allocator returned, or what was there has been overwritten.
var ErrNotAllocated = errors.New("memory: pointer to something that was not allocated, or is damaged")

// A source is an allocator that blocks came from.
type source struct {
	mem.Allocator
	good mem.GoodSizer // in its chain, or nil
}

var (
	sources  atomic.Pointer[[]source] // is never written to, but replaced
	current  atomic.Uint32            // index into it
	changing sync.Mutex
)

// What is built on libc grows tables by doubling them: SQLite sorts and QuickJS
// hashes that way, and no block that it leaves behind is wanted again. So less is
// kept of them than heap.Default() keeps; it is a quarter of SQLite's memory, and
// takes no time that could be measured.
//
// SQLite looks for rows all over its cache: to find where a page lies in memory
// takes as much of its time as to allocate. Huge pages take a hundredth or more off
// the whole, for up to 2 MiB of memory that is not used, and less than that where
// more than 8 MiB are.
var own = heap.NewSMP(heap.SMPOptions{Retain: 4 << 20, HugePages: true})

func init() { sources.Store(&[]source{newSource(own)}) }

func newSource(a mem.Allocator) source {
	good, _ := mem.As[mem.GoodSizer](a)
	return source{a, good}
}

// SetDefault makes all Allocators take memory from a, nil standing for the SMP
// that they begin with, and returns what they took it from before. Blocks that were
// allocated before go back to where they came from. An allocator that was set
// once is remembered for ever. It may be called by any goroutine, and a must be
// safe for concurrent use, unless all calls come from libc.
func SetDefault(a mem.Allocator) (before mem.Allocator) {
	if a == nil {
		a = own
	}
	changing.Lock()
	defer changing.Unlock()
	all := *sources.Load()
	before = all[current.Load()].Allocator
	for i := range all {
		if all[i].Allocator == a {
			current.Store(uint32(i))
			return before
		}
	}
	more := append(all[:len(all):len(all)], newSource(a))
	sources.Store(&more)
	current.Store(uint32(len(all)))
	return before
}

var layout = mem.Layout{Align: mem.Align(headerSize)}

// UintptrMalloc returns the address of size bytes, which may hold anything, or 0
// if size is 0. The error wraps mem.ErrOutOfMemory if that was the reason. It
// panics if size is negative.
func (a *Allocator) UintptrMalloc(size int) (uintptr, error) { return a.alloc(size, false) }

// UintptrCalloc is UintptrMalloc of bytes that are zero.
func (a *Allocator) UintptrCalloc(size int) (uintptr, error) { return a.alloc(size, true) }

func (a *Allocator) alloc(size int, zero bool) (uintptr, error) {
	if size < 0 {
		panic("memory: invalid malloc size")
	}
	if size == 0 {
		return 0, nil
	}
	i := current.Load()
	s := &(*sources.Load())[i]
	l := layout
	l.Zero = zero
	n, ok := s.round(size)
	if !ok {
		return 0, mem.ErrTooLarge
	}
	b, err := s.Alloc(n, l)
	if err != nil {
		return 0, err
	}
	a.Allocs++
	a.Bytes += n - headerSize
	return furnish(b, i), nil
}

// round returns the size of a block with room for a header and size bytes.
func (s *source) round(size int) (n int, ok bool) {
	if size > maxInt-headerSize {
		return 0, false
	}
	n = size + headerSize
	if s.good != nil {
		n = s.good.GoodSize(n, layout)
	}
	return n, true
}

const maxInt = int(^uint(0) >> 1)

// UintptrFree frees the block at p. Of 0 it does nothing.
func (a *Allocator) UintptrFree(p uintptr) error {
	if p == 0 {
		return nil
	}
	b, i, ok := blockAt(p)
	if !ok {
		return ErrNotAllocated
	}
	a.Allocs--
	a.Bytes -= len(b) - headerSize
	(*sources.Load())[i].Free(b, layout)
	return nil
}

// UintptrRealloc returns the address of size bytes that begin as what is at p
// does, and frees p unless that is where they are; the rest may hold anything. On
// an error p is as it was. A p of 0 is nothing, and a size of 0 frees p.
func (a *Allocator) UintptrRealloc(p uintptr, size int) (uintptr, error) {
	switch {
	case p == 0:
		return a.alloc(size, false)
	case size == 0:
		return 0, a.UintptrFree(p)
	case size < 0:
		panic("memory: invalid realloc size")
	}
	b, i, ok := blockAt(p)
	if !ok {
		return 0, ErrNotAllocated
	}
	have := len(b) - headerSize
	if size <= have && size >= have/2 {
		return p, nil
	}
	s := &(*sources.Load())[i]
	n, ok := s.round(size)
	if !ok {
		return 0, mem.ErrTooLarge
	}
	if r, ok := s.Remap(b, layout, n); ok {
		a.Bytes += len(r) - len(b)
		return furnish(r, i), nil
	}
	q, err := a.alloc(size, false)
	if err != nil {
		if size <= have {
			return p, nil
		}
		return 0, err
	}
	to, _, _ := blockAt(q)
	copy(to[headerSize:], b[headerSize:])
	return q, a.UintptrFree(p)
}

// UintptrUsableSize returns how many bytes may be used at p: as many as were asked
// for, or some more. Of 0 it is 0.
func UintptrUsableSize(p uintptr) int {
	if p == 0 {
		return 0
	}
	b, _, ok := blockAt(p)
	if !ok {
		return 0
	}
	return len(b) - headerSize
}

// Close reports live blocks as an error, and leaves them alone: who still has one
// may use and free it.
func (a *Allocator) Close() error {
	if a.Allocs != 0 {
		return fmt.Errorf("memory: Allocator.Close: %d blocks of %d bytes are live", a.Allocs, a.Bytes)
	}
	return nil
}

// Trim gives free memory that is kept back to the system.
func (a *Allocator) Trim() error {
	mem.Trim((*sources.Load())[current.Load()].Allocator)
	return nil
}

// Malloc returns a slice of size bytes, which may hold anything, with as much
// capacity as may be used, or nil if size is 0.
func (a *Allocator) Malloc(size int) ([]byte, error) { return a.slice(size, false) }

// Calloc is Malloc of bytes that are zero.
func (a *Allocator) Calloc(size int) ([]byte, error) { return a.slice(size, true) }

func (a *Allocator) slice(size int, zero bool) ([]byte, error) {
	p, err := a.alloc(size, zero)
	if p == 0 || err != nil {
		return nil, err
	}
	b, _, _ := blockAt(p)
	return b[headerSize : headerSize+size], nil
}

// Free frees what Malloc, Calloc or Realloc returned, however it was shortened.
func (a *Allocator) Free(b []byte) error {
	if cap(b) == 0 {
		return nil
	}
	return a.UintptrFree(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
}

// Realloc is UintptrRealloc of a slice.
func (a *Allocator) Realloc(b []byte, size int) ([]byte, error) {
	if cap(b) == 0 {
		return a.Malloc(size)
	}
	p, err := a.UintptrRealloc(uintptr(unsafe.Pointer(unsafe.SliceData(b))), size)
	if p == 0 || err != nil {
		return nil, err
	}
	r, _, _ := blockAt(p)
	return r[headerSize : headerSize+size], nil
}

// UsableSize is UintptrUsableSize of a pointer.
func UsableSize(p *byte) int { return UintptrUsableSize(uintptr(unsafe.Pointer(p))) }

// UnsafeMalloc is UintptrMalloc that returns an unsafe.Pointer.
func (a *Allocator) UnsafeMalloc(size int) (unsafe.Pointer, error) {
	p, err := a.alloc(size, false)
	return pointer(p), err
}

// UnsafeCalloc is UintptrCalloc that returns an unsafe.Pointer.
func (a *Allocator) UnsafeCalloc(size int) (unsafe.Pointer, error) {
	p, err := a.alloc(size, true)
	return pointer(p), err
}

// UnsafeRealloc is UintptrRealloc of an unsafe.Pointer.
func (a *Allocator) UnsafeRealloc(p unsafe.Pointer, size int) (unsafe.Pointer, error) {
	q, err := a.UintptrRealloc(uintptr(p), size)
	return pointer(q), err
}

// UnsafeFree is UintptrFree of an unsafe.Pointer.
func (a *Allocator) UnsafeFree(p unsafe.Pointer) error { return a.UintptrFree(uintptr(p)) }

// UnsafeUsableSize is UintptrUsableSize of an unsafe.Pointer.
func UnsafeUsableSize(p unsafe.Pointer) int { return UintptrUsableSize(uintptr(p)) }
