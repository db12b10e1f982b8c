// Package zarena is z.Allocator of github.com/dgraph-io/ristretto.
package zarena

import (
	"unsafe"

	"github.com/dgraph-io/ristretto/v2/z"

	"github.com/allod-dev/allod/bench/internal/load"
)

// Open has nothing to say.
type Open struct{}

type shared struct{}

func open(Open) *shared           { return &shared{} }
func (s *shared) handle() *handle { return &handle{a: z.NewAllocator(1<<20, "bench")} }
func (s *shared) close()          {}

type handle struct {
	load.Unable
	a    *z.Allocator
	sink unsafe.Pointer
	_    [64]byte
}

func (h *handle) Bulk() bool { return true }
func (h *handle) Reset()     { h.a.Reset() }
func (h *handle) Close()     { h.a.Release() }

func (h *handle) alloc(size int) unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(h.a.AllocateAligned(size)))
}

func (h *handle) New64(v uint64) *load.Obj64 {
	p := (*load.Obj64)(h.alloc(64))
	p.First, p.Last = v, ^v
	return p
}
