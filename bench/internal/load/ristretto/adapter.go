// Package ristretto is z.Calloc of github.com/dgraph-io/ristretto, as it is
// without a jemalloc that was built for it.
package ristretto

import (
	"unsafe"

	"github.com/dgraph-io/ristretto/v2/z"

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
	return unsafe.Pointer(unsafe.SliceData(z.Calloc(size, "bench")))
}

func (h *handle) Free(p unsafe.Pointer, size int) { z.Free(unsafe.Slice((*byte)(p), size)) }

func (h *handle) AllocAs(size int, log2 uint32) unsafe.Pointer {
	return h.Alloc((size + 1<<log2 - 1) &^ (1<<log2 - 1))
}

func (h *handle) ZeroAs(size int, log2 uint32) unsafe.Pointer { return h.AllocAs(size, log2) }

func (h *handle) FreeAs(p unsafe.Pointer, size int, _ uint32) { h.Free(p, size) }

func (h *handle) ResizeAs(p unsafe.Pointer, old, size int, log2 uint32) unsafe.Pointer {
	n := h.AllocAs(size, log2)
	copy(unsafe.Slice((*byte)(n), size), unsafe.Slice((*byte)(p), old))
	h.Free(p, old)
	return n
}
