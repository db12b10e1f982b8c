package heap

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/addrmap"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/vm"
)

// livePages holds every live block of every Page and Pages.
var livePages pageTable

// A pageTable knows blocks by their address. One table serves all of the
// process, so that a block that comes back to another Pages is recognised. It
// is cut in shards by address, so that goroutines seldom wait for one another.
type pageTable struct {
	shards [pageShards]pageShard
	// All blocks ever were in [low, high). Most foreign blocks are of the Go
	// heap, which is far away.
	low, high atomic.Uintptr // low is stored negated: 0 is none
}

const pageShards = 64

type pageShard struct {
	mu    sync.Mutex
	live  addrmap.Map[pageBlock]
	freed [8]uintptr // the last blocks that were freed, 0 for none
	next  uint8      // the oldest of them
	_     [32]byte   // its own cache lines
}

type pageBlock struct {
	size  int
	owner uintptr // Pages.id
}

// The race detector must not take a shard's lock for a reason why one goroutine
// comes after another. What the lock guards is hidden from it as well: what
// touches a shard is not instrumented.

func (s *pageShard) lock() {
	race.Disable()
	s.mu.Lock()
}

func (s *pageShard) unlock() {
	s.mu.Unlock()
	race.Enable()
}

func (t *pageTable) shard(addr uintptr) *pageShard {
	// The product's upper half depends on all bits; its top ones choose the slot.
	return &t.shards[uint64(addr)*0xD6E8FEB86659FD93>>32%pageShards]
}

// add makes a block known.
//
//go:norace
func (t *pageTable) add(addr uintptr, size int, owner uintptr) {
	t.widen(addr, addr+uintptr(size))
	s := t.shard(addr)
	s.lock()
	s.live.Put(addr, pageBlock{size, owner})
	s.unlock()
}

// widen makes [low, high) hold [from, to).
func (t *pageTable) widen(from, to uintptr) {
	race.Disable()
	defer race.Enable()
	for {
		low := t.low.Load()
		if -from <= low || t.low.CompareAndSwap(low, -from) {
			break
		}
	}
	for {
		high := t.high.Load()
		if to <= high || t.high.CompareAndSwap(high, to) {
			break
		}
	}
}

// remove forgets the block of that address, size and owner, or returns false.
//
//go:norace
func (t *pageTable) remove(addr uintptr, size int, owner uintptr) bool {
	s := t.shard(addr)
	s.lock()
	b, ok := s.live.Get(addr)
	ok = ok && b == pageBlock{size, owner}
	if ok {
		s.live.Delete(addr)
		s.freed[s.next%uint8(len(s.freed))] = addr
		s.next++
	}
	s.unlock()
	return ok
}

// resize changes the size of the block of that address, size and owner, or
// returns false.
//
//go:norace
func (t *pageTable) resize(addr uintptr, size int, owner uintptr, to int) bool {
	s := t.shard(addr)
	s.lock()
	b, ok := s.live.Get(addr)
	ok = ok && b == pageBlock{size, owner}
	if ok && to != size {
		s.live.Put(addr, pageBlock{to, owner})
	}
	s.unlock()
	return ok
}

// around returns the block whose pages hold addr.
//
//go:norace
func (t *pageTable) around(addr uintptr) (owner, start uintptr, size int, ok bool) {
	race.Disable()
	outside := -addr > t.low.Load() || addr >= t.high.Load()
	race.Enable()
	if outside {
		return 0, 0, 0, false
	}
	s := t.shard(addr)
	s.lock()
	b, ok := s.live.Get(addr)
	s.unlock()
	if ok {
		return b.owner, addr, b.size, true
	}
	for i := range t.shards {
		s := &t.shards[i]
		s.lock()
		for i := range s.live.Slots() {
			at, b, ok := s.live.At(i)
			if n, _ := vm.Whole(b.size); ok && addr-at < uintptr(n) {
				s.unlock()
				return b.owner, at, b.size, true
			}
		}
		s.unlock()
	}
	return 0, 0, 0, false
}

// count returns how many blocks the owner has, and their size in whole pages.
//
//go:norace
func (t *pageTable) count(owner uintptr) (blocks, bytes int) {
	for i := range t.shards {
		s := &t.shards[i]
		s.lock()
		for i := range s.live.Slots() {
			if _, b, ok := s.live.At(i); ok && b.owner == owner {
				n, _ := vm.Whole(b.size)
				blocks, bytes = blocks+1, bytes+n
			}
		}
		s.unlock()
	}
	return blocks, bytes
}

// wasFreed tells whether a block at addr was freed lately, and nobody else is
// likely to be there by now.
//
//go:norace
func (t *pageTable) wasFreed(addr uintptr) bool {
	if vm.GoHeap {
		return false
	}
	s := t.shard(addr)
	found := false
	s.lock()
	for i := range s.freed {
		found = found || s.freed[i] == addr && addr != 0
	}
	s.unlock()
	return found
}

// take removes p's live block b from the table, or reports what b is instead.
func (p *Pages) take(op string, b []byte) bool {
	if livePages.remove(address(b), len(b), p.id) {
		return true
	}
	p.blame(op, b)
	return false
}

// mine sets the size of p's live block b in the table, or reports what b is
// instead.
func (p *Pages) mine(op string, b []byte, size int) bool {
	if livePages.resize(address(b), len(b), p.id, size) {
		return true
	}
	p.blame(op, b)
	return false
}

// blame reports that b is not a live block of p.
func (p *Pages) blame(op string, b []byte) {
	owner, start, size, ok := livePages.around(address(b))
	switch {
	case !ok && livePages.wasFreed(address(b)):
		misuse(DoubleFree, op, b, "a block at this address was freed lately")
	case !ok:
		misuse(ForeignFree, op, b, hintForeign)
	case start != address(b):
		misuse(InteriorFree, op, b, fmt.Sprintf("it is at offset %d of the block of %d bytes at %#x", address(b)-start, size, start))
	case owner != p.id:
		misuse(WrongAllocator, op, b, "the block is of another Page or Pages")
	default:
		misuse(SizeMismatch, op, b, fmt.Sprintf("the block has %d bytes", size))
	}
}

// anyOf returns a block of the owner, if it has one.
//
//go:norace
func (t *pageTable) anyOf(owner uintptr) (addr uintptr, size int, ok bool) {
	for i := range t.shards {
		s := &t.shards[i]
		s.lock()
		for i := range s.live.Slots() {
			if at, b, in := s.live.At(i); in && b.owner == owner {
				s.unlock()
				return at, b.size, true
			}
		}
		s.unlock()
	}
	return 0, 0, false
}
