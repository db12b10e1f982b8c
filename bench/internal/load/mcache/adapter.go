// Package mcache is github.com/bytedance/gopkg/lang/mcache.
package mcache

import (
	"math/bits"
	"unsafe"

	"github.com/bytedance/gopkg/lang/mcache"

	"github.com/allod-dev/allod/bench/internal/load"
)

// Open has nothing to say.
type Open struct{}

type shared struct{}

func open(Open) *shared           { return &shared{} }
func (s *shared) handle() *handle { return &handle{} }
func (s *shared) close()          {}

type handle struct {
	load.Unable
	sink unsafe.Pointer
	_    [64]byte
}

func (h *handle) Alloc(size int) unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(mcache.Malloc(size)))
}

// Free gives back a slice with the capacity that Malloc gave.
func (h *handle) Free(p unsafe.Pointer, size int) {
	mcache.Free(unsafe.Slice((*byte)(p), 1<<bits.Len(uint(size-1))))
}

func (h *handle) AllocAs(size int, log2 uint32) unsafe.Pointer { return h.Alloc(max(size, 1<<log2)) }

func (h *handle) ZeroAs(size int, log2 uint32) unsafe.Pointer {
	b := mcache.Malloc(max(size, 1<<log2))
	clear(b)
	return unsafe.Pointer(unsafe.SliceData(b))
}

func (h *handle) FreeAs(p unsafe.Pointer, size int, log2 uint32) { h.Free(p, max(size, 1<<log2)) }

func (h *handle) ResizeAs(p unsafe.Pointer, old, size int, log2 uint32) unsafe.Pointer {
	if bits.Len(uint(max(old, 1<<log2)-1)) == bits.Len(uint(max(size, 1<<log2)-1)) {
		return p
	}
	n := h.AllocAs(size, log2)
	copy(unsafe.Slice((*byte)(n), size), unsafe.Slice((*byte)(p), old))
	h.FreeAs(p, old, log2)
	return n
}
