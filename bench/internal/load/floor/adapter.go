// Package floor is no allocator: it gives out one object. It shows what the
// loops cost by themselves.
package floor

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
	p16  load.Obj16
	p64  load.Obj64
	sink unsafe.Pointer
	_    [64]byte
}

func (h *handle) New16(v uint64) *load.Obj16 {
	h.p16.First, h.p16.Last = v, ^v
	return &h.p16
}
func (h *handle) Free16(*load.Obj16) {}

func (h *handle) New64(v uint64) *load.Obj64 {
	h.p64.First, h.p64.Last = v, ^v
	return &h.p64
}
func (h *handle) Free64(*load.Obj64) {}
