//go:build !js && !wasip1

package modernc

import (
	"unsafe"

	"github.com/allod-dev/allod/bench/internal/load"
)

// Objects of fixed size are bytes that the allocator gives; see load.Put16.

func (h *handle) Free16(p *load.Obj16) { h.Free(unsafe.Pointer(p), 16) }

func (h *handle) Free32(p *load.Obj32) { h.Free(unsafe.Pointer(p), 32) }

func (h *handle) Free64(p *load.Obj64) { h.Free(unsafe.Pointer(p), 64) }

func (h *handle) FreeList(p *load.ListNode) {
	h.Free(unsafe.Pointer(p), int(unsafe.Sizeof(load.ListNode{})))
}

func (h *handle) FreeTree(p *load.TreeNode) {
	h.Free(unsafe.Pointer(p), int(unsafe.Sizeof(load.TreeNode{})))
}

// Vector doubles a block of bytes whenever it is full.
func (h *handle) Vector(n int) {
	const log2, first = 4, 16
	p := h.AllocAs(8*first, log2)
	s := unsafe.Slice((*uint64)(p), first)
	for i := range n {
		if i == len(s) {
			p = h.ResizeAs(p, 8*len(s), 16*len(s), log2)
			s = unsafe.Slice((*uint64)(p), 2*len(s))
		}
		s[i] = uint64(i)
	}
	load.VerifyVector(s[:n], n)
	h.FreeAs(p, 8*len(s), log2)
}
