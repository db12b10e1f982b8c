package heap

import (
	"github.com/allod-dev/allod/internal/guard"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

// What makes a Debug guarded. Places are those of all Debugs, so that whose an
// address is can be told after Close, and from there no address comes back to
// the system.

// DebugGuard says which end of a block lies against a page that nobody can
// access.
type DebugGuard uint8

const (
	// Unguarded blocks come from the child and lie between zones.
	Unguarded DebugGuard = iota
	// GuardEnd puts the end of each block against such a page.
	GuardEnd
	// GuardStart puts the start of each block against such a page.
	GuardStart
)

// debugPlaces is where guarded blocks are.
var debugPlaces guard.Pool

// guarded puts the block of k against a guarded page, if that is meant to be
// and can be.
func (d *Debug) guarded(k *debugBlock) bool {
	if d.o.Guard == Unguarded || k.flags.scans() {
		return false
	}
	t := guard.Tenant{Size: k.size, Alloc: k.alloc, Owner: d.id, Side: guard.Side(d.o.Guard == GuardEnd)}
	pages, front, err := debugPlaces.Alloc(t, k.align.Bytes())
	if err != nil {
		return false
	}
	k.base, k.front = pages, uint32(front)
	k.flags |= debugGuarded
	return true
}

// Footprint implements [mem.Footprinter]. Unless blocks are guarded it is the
// child's answer, or the zero Footprint if the child has none. Otherwise it is
// what guarded blocks hold, live or in quarantine, and the pages that freed ones
// keep; the others count with the bytes that were asked for. It takes a time that
// grows with the number of guarded blocks that there ever were at once.
func (d *Debug) Footprint() mem.Footprint {
	if d.child == nil {
		return mem.Footprint{}
	}
	if d.o.Guard == Unguarded {
		if f, ok := mem.As[mem.Footprinter](d.child); ok {
			return f.Footprint()
		}
		return mem.Footprint{}
	}
	var s DebugStats
	d.table.count(&s)
	h := debugPlaces.Held(d.id)
	rest := max(s.Bytes-h.Size, 0)
	return mem.Footprint{
		Blocks:    int64(max(s.Blocks, h.Blocks)),
		Live:      int64(h.Live + rest),
		Committed: int64(h.Committed + rest),
		Reserved:  int64(h.Reserved + rest),
	}
}

// footprinterOf is mem.As of a. What holds the memory of a Debug that is not
// guarded is its child, which others may use as well.
func footprinterOf(a mem.Allocator) (mem.Footprinter, bool) {
	for {
		f, ok := mem.As[mem.Footprinter](a)
		d, is := f.(*Debug)
		if !is || d.child == nil || d.o.Guard != Unguarded {
			return f, ok
		}
		a = d.child
	}
}

// pagesOf returns where in its pages a guarded block is, and how long these are.
func pagesOf(b []byte) (front uint32, length int) {
	page := uintptr(vm.PageSize())
	from := address(b) &^ (page - 1)
	to := (address(b) + uintptr(len(b)) + page - 1) &^ (page - 1)
	return uint32(address(b) - from), int(to - from)
}

// retire makes the block of k, which is freed, inaccessible. Where the system
// refuses, it is filled like other blocks.
func (d *Debug) retire(k *debugBlock) {
	if debugPlaces.Retire(k.addr(), k.free) == nil {
		k.flags |= debugSealed
	} else {
		d.undress(k)
	}
}

// giveBack gives the memory of k to where it came from.
func (d *Debug) giveBack(k *debugBlock) {
	if k.flags.guarded() {
		debugPlaces.Release(k.addr())
		return
	}
	d.child.Free(k.base, k.layout())
}

// cost is what a block in quarantine takes of the memory that bounds it. An
// inaccessible one takes none, and counts with its size.
//
//go:norace
func (n *debugBlock) cost() int {
	if n.flags.guarded() {
		return n.size
	}
	return len(n.base)
}

// guardings are what [DebugStats] calls the ways to guard pages.
var guardings = map[vm.Guarding]string{vm.Markers: "markers", vm.Protection: "protection"}
