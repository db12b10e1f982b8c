//go:build cgo

// Package cgomalloc is malloc of the C library, called with cgo.
package cgomalloc

// #include <stdlib.h>
import "C"

import (
	"unsafe"

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

func (h *handle) Alloc(size int) unsafe.Pointer { return C.malloc(C.size_t(size)) }

func (h *handle) Free(p unsafe.Pointer, _ int) { C.free(p) }

func (h *handle) AllocAs(size int, _ uint32) unsafe.Pointer { return C.malloc(C.size_t(size)) }

func (h *handle) ZeroAs(size int, _ uint32) unsafe.Pointer { return C.calloc(1, C.size_t(size)) }

func (h *handle) FreeAs(p unsafe.Pointer, _ int, _ uint32) { C.free(p) }

func (h *handle) ResizeAs(p unsafe.Pointer, _, size int, _ uint32) unsafe.Pointer {
	return C.realloc(p, C.size_t(size))
}
