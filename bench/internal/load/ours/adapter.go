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

// The loops look for what is nil; with the error looked at here as well, most of
// these would not be inlined.

func (h *handle) New16(v uint64) *load.Obj16 {
	p, _ := mem.New(h.a, load.Obj16{First: v, Last: ^v})
	return p
}
func (h *handle) Free16(p *load.Obj16) { mem.Destroy(h.a, p) }

func (h *handle) New32(v uint64) *load.Obj32 {
	p, _ := mem.New(h.a, load.Obj32{First: v, Last: ^v})
	return p
}
func (h *handle) Free32(p *load.Obj32) { mem.Destroy(h.a, p) }

func (h *handle) New64(v uint64) *load.Obj64 {
	p, _ := mem.New(h.a, load.Obj64{First: v, Last: ^v})
	return p
}
func (h *handle) Free64(p *load.Obj64) { mem.Destroy(h.a, p) }

func (h *handle) NewList(next *load.ListNode, v uint64) *load.ListNode {
	p, _ := mem.New(h.nodes, load.ListNode{Next: next, Value: v})
	return p
}
func (h *handle) FreeList(p *load.ListNode) { mem.Destroy(h.nodes, p) }

func (h *handle) NewTree(l, r *load.TreeNode, v uint64) *load.TreeNode {
	p, _ := mem.New(h.nodes, load.TreeNode{Left: l, Right: r, Value: v})
	return p
}
func (h *handle) FreeTree(p *load.TreeNode) { mem.Destroy(h.nodes, p) }

// Blocks of any size are had through the interface itself, as whoever stands in for
// malloc does.

func (h *handle) Alloc(size int) unsafe.Pointer {
	b, _ := h.a.Alloc(size, mem.Layout{})
	return unsafe.Pointer(unsafe.SliceData(b))
}
func (h *handle) Free(p unsafe.Pointer, size int) {
	h.a.Free(unsafe.Slice((*byte)(p), size), mem.Layout{})
}

// aligned has the layout for each binary logarithm of an alignment: in a program, it
// is a constant.
var aligned = func() (t [32]mem.Layout) {
	for i := range t {
		t[i].Align = mem.AlignLog2(i)
	}
	return t
}()

func (h *handle) AllocAs(size int, log2 uint32) unsafe.Pointer {
	b, _ := h.a.Alloc(size, aligned[log2&31])
	return unsafe.Pointer(unsafe.SliceData(b))
}
func (h *handle) ZeroAs(size int, log2 uint32) unsafe.Pointer {
	b, _ := h.a.Alloc(size, mem.Layout{Align: aligned[log2&31].Align, Zero: true})
	return unsafe.Pointer(unsafe.SliceData(b))
}
func (h *handle) FreeAs(p unsafe.Pointer, size int, log2 uint32) {
	h.a.Free(unsafe.Slice((*byte)(p), size), aligned[log2&31])
}

func (h *handle) ResizeAs(p unsafe.Pointer, old, size int, log2 uint32) unsafe.Pointer {
	b, l := unsafe.Slice((*byte)(p), old), aligned[log2&31]
	n, ok := h.a.Remap(b, l, size) // as mem.Realloc does
	if !ok {
		n, _ = h.a.Alloc(size, l)
		if copy(n, b) > 0 {
			h.a.Free(b, l)
		}
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
