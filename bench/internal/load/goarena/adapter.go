//go:build goexperiment.arenas

// Package goarena is the package arena of Go's experiment.
package goarena

import (
	"arena"
	"unsafe"

	"github.com/allod-dev/allod/bench/internal/load"
)

// Open has nothing to say.
type Open struct{}

type shared struct{}

func open(Open) *shared           { return &shared{} }
func (s *shared) handle() *handle { return &handle{a: arena.NewArena()} }
func (s *shared) close()          {}

type handle struct {
	load.Unable
	a    *arena.Arena
	sink unsafe.Pointer
	_    [64]byte
}

func (h *handle) Bulk() bool { return true }

func (h *handle) Reset() {
	h.a.Free()
	h.a = arena.NewArena()
}

func (h *handle) Close() { h.a.Free() }

func (h *handle) New64(v uint64) *load.Obj64 {
	p := arena.New[load.Obj64](h.a)
	p.First, p.Last = v, ^v
	return p
}

func (h *handle) NewList(next *load.ListNode, v uint64) *load.ListNode {
	p := arena.New[load.ListNode](h.a)
	p.Next, p.Value = next, v
	return p
}

func (h *handle) NewTree(l, r *load.TreeNode, v uint64) *load.TreeNode {
	p := arena.New[load.TreeNode](h.a)
	p.Left, p.Right, p.Value = l, r, v
	return p
}
