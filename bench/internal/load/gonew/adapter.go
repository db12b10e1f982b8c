// Package gonew is what Go gives by itself: new, make, append, and a collector.
package gonew

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

// Bulk is true: to drop the reference to a list is to give up all of it.
func (h *handle) Bulk() bool { return true }

func (h *handle) New16(v uint64) *load.Obj16 { return &load.Obj16{First: v, Last: ^v} }
func (h *handle) Free16(*load.Obj16)         {}
func (h *handle) New32(v uint64) *load.Obj32 { return &load.Obj32{First: v, Last: ^v} }
func (h *handle) Free32(*load.Obj32)         {}
func (h *handle) New64(v uint64) *load.Obj64 { return &load.Obj64{First: v, Last: ^v} }
func (h *handle) Free64(*load.Obj64)         {}

func (h *handle) NewList(next *load.ListNode, v uint64) *load.ListNode {
	return &load.ListNode{Next: next, Value: v}
}

func (h *handle) NewTree(l, r *load.TreeNode, v uint64) *load.TreeNode {
	return &load.TreeNode{Left: l, Right: r, Value: v}
}

func (h *handle) Alloc(size int) unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(make([]byte, size)))
}
func (h *handle) Free(unsafe.Pointer, int) {}

// AllocAs rounds sizes up: Go gives no more than 8 bytes of alignment to 24.
func (h *handle) AllocAs(size int, log2 uint32) unsafe.Pointer {
	return h.Alloc((size + 1<<log2 - 1) &^ (1<<log2 - 1))
}
func (h *handle) ZeroAs(size int, log2 uint32) unsafe.Pointer { return h.AllocAs(size, log2) }
func (h *handle) FreeAs(unsafe.Pointer, int, uint32)          {}

func (h *handle) ResizeAs(p unsafe.Pointer, old, size int, log2 uint32) unsafe.Pointer {
	n := h.AllocAs(size, log2)
	copy(unsafe.Slice((*byte)(n), size), unsafe.Slice((*byte)(p), old))
	return n
}

func (h *handle) Vector(n int) {
	var s []uint64
	for i := range n {
		s = append(s, uint64(i))
	}
	load.VerifyVector(s, n)
}
