//go:build !js && !wasip1

// Package moderncmutex is modernc.org/memory, shared by goroutines behind a mutex, as
// its users do.
package moderncmutex

import (
	"sync"
	"unsafe"

	"modernc.org/memory"

	"github.com/allod-dev/allod/bench/internal/load"
)

// Open has nothing to say.
type Open struct{}

type shared struct {
	a  memory.Allocator
	mu sync.Mutex
}

func open(Open) *shared           { return &shared{} }
func (s *shared) handle() *handle { return &handle{s: s} }
func (s *shared) close()          { s.a.Close() }

type handle struct {
	load.Unable
	s    *shared
	sink unsafe.Pointer
	_    [64]byte
}

func (h *handle) Alloc(size int) unsafe.Pointer {
	h.s.mu.Lock()
	p, _ := h.s.a.UnsafeMalloc(size)
	h.s.mu.Unlock()
	return p
}

func (h *handle) Free(p unsafe.Pointer, _ int) {
	h.s.mu.Lock()
	err := h.s.a.UnsafeFree(p)
	h.s.mu.Unlock()
	if err != nil {
		panic(err)
	}
}
