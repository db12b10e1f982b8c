// Package pool is heap.Pool, one for each type and goroutine.
package pool

import (
	"unsafe"

	"github.com/allod-dev/allod/bench/internal/load"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// Open has nothing to say.
type Open struct{}

type shared struct{}

func open(Open) *shared  { return &shared{} }
func (s *shared) close() {}

func (s *shared) handle() *handle {
	pages := mem.NoGoPointers(heap.Page{})
	return &handle{
		p16:  heap.NewPool[load.Obj16](pages),
		p32:  heap.NewPool[load.Obj32](pages),
		p64:  heap.NewPool[load.Obj64](pages),
		list: heap.NewPool[load.ListNode](pages),
		tree: heap.NewPool[load.TreeNode](pages),
	}
}

type handle struct {
	load.Unable
	p16  *heap.Pool[load.Obj16]
	p32  *heap.Pool[load.Obj32]
	p64  *heap.Pool[load.Obj64]
	list *heap.Pool[load.ListNode]
	tree *heap.Pool[load.TreeNode]
	sink unsafe.Pointer
	_    [64]byte
}

// Reset gives up the objects of a phase. Lists and trees are given up node by
// node: a pool is for that.
func (h *handle) Reset() { h.p64.Reset() }

func (h *handle) Close() {
	h.p16.Release()
	h.p32.Release()
	h.p64.Release()
	h.list.Release()
	h.tree.Release()
}

// What is more than two words is made zero and then written to: New would copy it
// twice on its way.

func (h *handle) New16(v uint64) *load.Obj16 {
	p, _ := h.p16.New(load.Obj16{First: v, Last: ^v})
	return p
}
func (h *handle) New32(v uint64) *load.Obj32 {
	p, _ := h.p32.Create()
	p.First, p.Last = v, ^v
	return p
}
func (h *handle) New64(v uint64) *load.Obj64 {
	p, _ := h.p64.Create()
	p.First, p.Last = v, ^v
	return p
}

func (h *handle) NewList(next *load.ListNode, v uint64) *load.ListNode {
	p, _ := h.list.New(load.ListNode{Next: next, Value: v})
	return p
}
func (h *handle) NewTree(l, r *load.TreeNode, v uint64) *load.TreeNode {
	p, _ := h.tree.New(load.TreeNode{Left: l, Right: r, Value: v})
	return p
}
