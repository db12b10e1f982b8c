// Package arena is heap.Arena by its own methods, without the interface.
package arena

import (
	"unsafe"

	"github.com/allod-dev/allod/bench/internal/load"
	"github.com/allod-dev/allod/heap"
)

// Open has nothing to say.
type Open struct{}

type shared struct{}

func open(Open) *shared  { return &shared{} }
func (s *shared) close() {}

func (s *shared) handle() *handle { return &handle{a: heap.NewArena(heap.Page{})} }

type handle struct {
	load.Unable
	a    *heap.Arena
	sink unsafe.Pointer
	_    [64]byte
}

func (h *handle) Bulk() bool { return true }
func (h *handle) Reset()     { h.a.Reset() }
func (h *handle) Close()     { h.a.Close() }
