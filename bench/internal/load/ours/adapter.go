// Package ours is the allocators of allod, called through mem.Allocator.
package ours

import (
	"unsafe"

	"github.com/allod-dev/allod/bench/internal/load"
	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
)

// An Allocator is one of ours, with what is not in the interface.
type Allocator struct {
	mem.Allocator
	// Handle, if set, makes what one goroutine uses.
	Handle func() mem.Allocator
	// Reset, if set, gives up all blocks at once.
	Reset func()
}

// Open makes the allocator anew.
type Open func() Allocator

type shared struct{ a Allocator }

func open(o Open) *shared { return &shared{o()} }

func (s *shared) handle() *handle {
	h := &handle{a: s.a.Allocator, reset: s.a.Reset}
	if s.a.Handle != nil {
		h.a = s.a.Handle()
	}
	h.nodes = mem.NoGoPointers(h.a)
	return h
}

func (s *shared) close() { closeOf(s.a.Allocator) }

// closeOf closes a if it can be closed. That blocks are live is no error here.
func closeOf(a mem.Allocator) {
	if c, ok := a.(interface{ Close() error }); ok {
		c.Close()
	}
}

type handle struct {
	load.Unable
	a     mem.Allocator
	nodes mem.Allocator // a, with the promise that nodes refer to nodes
	reset func()
	sink  unsafe.Pointer
	_     [64]byte
}

func (h *handle) Close() { closeOf(h.a) }

func (h *handle) Bulk() bool { return h.reset != nil }

func (h *handle) Reset() {
	if h.reset != nil {
		h.reset()
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (h *handle) New16(v uint64) *load.Obj16 {
	return must(mem.New(h.a, load.Obj16{First: v, Last: ^v}))
}
func (h *handle) Free16(p *load.Obj16) { mem.Destroy(h.a, p) }

func (h *handle) New32(v uint64) *load.Obj32 {
	return must(mem.New(h.a, load.Obj32{First: v, Last: ^v}))
}
func (h *handle) Free32(p *load.Obj32) { mem.Destroy(h.a, p) }

func (h *handle) New64(v uint64) *load.Obj64 {
	return must(mem.New(h.a, load.Obj64{First: v, Last: ^v}))
}
func (h *handle) Free64(p *load.Obj64) { mem.Destroy(h.a, p) }

func (h *handle) NewList(next *load.ListNode, v uint64) *load.ListNode {
	return must(mem.New(h.nodes, load.ListNode{Next: next, Value: v}))
}
func (h *handle) FreeList(p *load.ListNode) { mem.Destroy(h.nodes, p) }

func (h *handle) NewTree(l, r *load.TreeNode, v uint64) *load.TreeNode {
	return must(mem.New(h.nodes, load.TreeNode{Left: l, Right: r, Value: v}))
}
func (h *handle) FreeTree(p *load.TreeNode) { mem.Destroy(h.nodes, p) }

func (h *handle) Alloc(size int) unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(must(mem.AllocUninit[byte](h.a, size))))
}
func (h *handle) Free(p unsafe.Pointer, size int) {
	mem.Free(h.a, unsafe.Slice((*byte)(p), size))
}

func (h *handle) AllocAs(size int, log2 uint32, zero bool) unsafe.Pointer {
	l := mem.Layout{Align: mem.AlignLog2(int(log2)), Zero: zero}
	return unsafe.Pointer(unsafe.SliceData(must(h.a.Alloc(size, l))))
}
func (h *handle) FreeAs(p unsafe.Pointer, size int, log2 uint32) {
	h.a.Free(unsafe.Slice((*byte)(p), size), mem.Layout{Align: mem.AlignLog2(int(log2))})
}

func (h *handle) ResizeAs(p unsafe.Pointer, old, size int, log2 uint32) unsafe.Pointer {
	b, l := unsafe.Slice((*byte)(p), old), mem.Layout{Align: mem.AlignLog2(int(log2))}
	n, ok := h.a.Remap(b, l, size) // as mem.Realloc does
	if !ok {
		n = must(h.a.Alloc(size, l))
		copy(n, b)
		h.a.Free(b, l)
	}
	return unsafe.Pointer(unsafe.SliceData(n))
}

func (h *handle) Vector(n int) {
	l := generic.NewArrayList[uint64](h.a)
	for i := range n {
		if err := l.Append(uint64(i)); err != nil {
			panic(err)
		}
	}
	load.VerifyVector(l.Items(), n)
	if err := l.Close(); err != nil {
		panic(err)
	}
}
