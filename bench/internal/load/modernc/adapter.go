//go:build !js && !wasip1

// Package modernc is modernc.org/memory. It is for one goroutine: where there
// are several, they share it behind a mutex, as its users do.
package modernc

import (
	"sync"
	"unsafe"

	"modernc.org/memory"

	"github.com/allod-dev/allod/bench/internal/load"
	"github.com/allod-dev/allod/bench/internal/spec"
)

// Open says whether there are several goroutines.
type Open struct{ Locked bool }

// For returns what suits the workload.
func For(job *load.Job) Open {
	switch job.Kind {
	case spec.Threads, spec.Windows, spec.Handover, spec.Pipeline:
		return Open{Locked: true}
	}
	return Open{}
}

type shared struct {
	a  memory.Allocator
	mu sync.Mutex
	o  Open
}

func open(o Open) *shared { return &shared{o: o} }

func (s *shared) handle() *handle {
	h := &handle{a: &s.a}
	if s.o.Locked {
		h.mu = &s.mu
	}
	return h
}

func (s *shared) close() { s.a.Close() }

type handle struct {
	load.Unable
	a    *memory.Allocator
	mu   *sync.Mutex
	sink unsafe.Pointer
	_    [64]byte
}

func (h *handle) Alloc(size int) unsafe.Pointer {
	if h.mu != nil {
		return h.lockedAlloc(size)
	}
	p, err := h.a.UnsafeMalloc(size)
	if err != nil {
		panic(err)
	}
	return p
}

func (h *handle) lockedAlloc(size int) unsafe.Pointer {
	h.mu.Lock()
	p, err := h.a.UnsafeMalloc(size)
	h.mu.Unlock()
	if err != nil {
		panic(err)
	}
	return p
}

func (h *handle) Free(p unsafe.Pointer, _ int) {
	if h.mu != nil {
		h.lockedFree(p)
		return
	}
	if err := h.a.UnsafeFree(p); err != nil {
		panic(err)
	}
}

func (h *handle) lockedFree(p unsafe.Pointer) {
	h.mu.Lock()
	err := h.a.UnsafeFree(p)
	h.mu.Unlock()
	if err != nil {
		panic(err)
	}
}

func (h *handle) AllocAs(size int, _ uint32, zero bool) unsafe.Pointer {
	if !zero {
		return h.Alloc(size)
	}
	p, err := h.a.UnsafeCalloc(size)
	if err != nil {
		panic(err)
	}
	return p
}

func (h *handle) FreeAs(p unsafe.Pointer, size int, _ uint32) { h.Free(p, size) }

func (h *handle) ResizeAs(p unsafe.Pointer, _, size int, _ uint32) unsafe.Pointer {
	p, err := h.a.UnsafeRealloc(p, size)
	if err != nil {
		panic(err)
	}
	return p
}
