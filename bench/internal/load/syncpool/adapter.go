// Package syncpool is sync.Pool, with a pool for each type.
package syncpool

import (
	"sync"
	"unsafe"

	"github.com/allod-dev/allod/bench/internal/load"
)

// Open has nothing to say.
type Open struct{}

type shared struct{ p16, p32, p64, list, tree sync.Pool }

func open(Open) *shared {
	s := &shared{}
	s.p16.New = func() any { return new(load.Obj16) }
	s.p32.New = func() any { return new(load.Obj32) }
	s.p64.New = func() any { return new(load.Obj64) }
	s.list.New = func() any { return new(load.ListNode) }
	s.tree.New = func() any { return new(load.TreeNode) }
	return s
}

func (s *shared) handle() *handle { return &handle{s: s} }
func (s *shared) close()          {}

type handle struct {
	load.Unable
	s    *shared
	sink unsafe.Pointer
	_    [64]byte
}

func (h *handle) New16(v uint64) *load.Obj16 {
	p := h.s.p16.Get().(*load.Obj16)
	p.First, p.Last = v, ^v
	return p
}
func (h *handle) Free16(p *load.Obj16) { h.s.p16.Put(p) }

func (h *handle) New32(v uint64) *load.Obj32 {
	p := h.s.p32.Get().(*load.Obj32)
	p.First, p.Last = v, ^v
	return p
}
func (h *handle) Free32(p *load.Obj32) { h.s.p32.Put(p) }

func (h *handle) New64(v uint64) *load.Obj64 {
	p := h.s.p64.Get().(*load.Obj64)
	p.First, p.Last = v, ^v
	return p
}
func (h *handle) Free64(p *load.Obj64) { h.s.p64.Put(p) }

func (h *handle) NewList(next *load.ListNode, v uint64) *load.ListNode {
	p := h.s.list.Get().(*load.ListNode)
	p.Next, p.Value = next, v
	return p
}
func (h *handle) FreeList(p *load.ListNode) {
	p.Next = nil
	h.s.list.Put(p)
}

func (h *handle) NewTree(l, r *load.TreeNode, v uint64) *load.TreeNode {
	p := h.s.tree.Get().(*load.TreeNode)
	p.Left, p.Right, p.Value = l, r, v
	return p
}
func (h *handle) FreeTree(p *load.TreeNode) {
	p.Left, p.Right = nil, nil
	h.s.tree.Put(p)
}
