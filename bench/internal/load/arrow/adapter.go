// Package arrow is the allocators of github.com/apache/arrow-go, called through
// their interface.
package arrow

import (
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/allod-dev/allod/bench/internal/load"
)

// Open makes the allocator anew.
type Open func() memory.Allocator

// Plain and Checked are the two that need no C.
func Plain() memory.Allocator   { return memory.NewGoAllocator() }
func Checked() memory.Allocator { return memory.NewCheckedAllocator(memory.NewGoAllocator()) }

type shared struct{ a memory.Allocator }

func open(o Open) *shared         { return &shared{o()} }
func (s *shared) handle() *handle { return &handle{a: s.a} }
func (s *shared) close()          {}

type handle struct {
	load.Unable
	a    memory.Allocator
	sink unsafe.Pointer
	_    [64]byte
}

func (h *handle) Alloc(size int) unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(h.a.Allocate(size)))
}

func (h *handle) Free(p unsafe.Pointer, size int) { h.a.Free(unsafe.Slice((*byte)(p), size)) }

func (h *handle) AllocAs(size int, _ uint32) unsafe.Pointer { return h.Alloc(size) }

func (h *handle) ZeroAs(size int, _ uint32) unsafe.Pointer { return h.Alloc(size) }

func (h *handle) FreeAs(p unsafe.Pointer, size int, _ uint32) { h.Free(p, size) }

func (h *handle) ResizeAs(p unsafe.Pointer, old, size int, _ uint32) unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(h.a.Reallocate(size, unsafe.Slice((*byte)(p), old))))
}
