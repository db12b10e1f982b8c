//go:build !js && !wasip1

// Package modernc is modernc.org/memory, which is for one goroutine; see
// moderncmutex.
package modernc

import (
	"unsafe"

	"modernc.org/memory"

	"github.com/allod-dev/allod/bench/internal/load"
)

// Open has nothing to say.
type Open struct{}

type shared struct{ a memory.Allocator }

func open(Open) *shared           { return &shared{} }
func (s *shared) handle() *handle { return &handle{a: &s.a} }
func (s *shared) close()          { s.a.Close() }

type handle struct {
	load.Unable
	a    *memory.Allocator
	sink unsafe.Pointer
	_    [64]byte
}

// The addresses are outside the Go heap; libc asks for them as numbers, too.

func (h *handle) Alloc(size int) unsafe.Pointer {
	p, _ := h.a.UintptrMalloc(size)
	return *(*unsafe.Pointer)(unsafe.Pointer(&p))
}

func (h *handle) Free(p unsafe.Pointer, _ int) {
	if err := h.a.UnsafeFree(p); err != nil {
		panic(err)
	}
}

func (h *handle) AllocAs(size int, _ uint32) unsafe.Pointer {
	p, _ := h.a.UintptrMalloc(size)
	return *(*unsafe.Pointer)(unsafe.Pointer(&p))
}

func (h *handle) ZeroAs(size int, _ uint32) unsafe.Pointer {
	p, _ := h.a.UintptrCalloc(size)
	return *(*unsafe.Pointer)(unsafe.Pointer(&p))
}

func (h *handle) FreeAs(p unsafe.Pointer, _ int, _ uint32) {
	if err := h.a.UnsafeFree(p); err != nil {
		panic(err)
	}
}

func (h *handle) ResizeAs(p unsafe.Pointer, _, size int, _ uint32) unsafe.Pointer {
	q, _ := h.a.UintptrRealloc(uintptr(p), size)
	return *(*unsafe.Pointer)(unsafe.Pointer(&q))
}
