package heap

import (
	"encoding/binary"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/race"
)

// The life of a slab.
//
// A slab is owned by one cache, which takes free slots from it, a word of bits
// at a time; or it is full, as far as anybody knows; or it is listed on a shelf,
// for caches that need slots of its class; or it is gone, its pages free. The
// bits themselves belong to nobody: whoever frees a block sets its bit, with one
// atomic operation, wherever the slab is.
//
// Those who free learn from the word that they change whether there is more to
// do: the first free slot in a word may be the first in a full slab, which then
// is listed; the last one may be the last in a listed slab, which then is empty
// and goes. Both are questions about the state of the slab, asked after the bit
// was set. Whoever changes the state looks at the bits after that. As atomic
// operations have one order for all, one of the two sees the other.

const (
	smpGone   = iota
	smpOwned  // by a cache
	smpFull   // on no shelf
	smpListed // on a shelf, or about to be
)

// An smpSlab is what is known about a run of pages. What Free needs for every
// block is not in it, but in the segment's pages and words, and in the class.
type smpSlab struct {
	state atomic.Uint32
	class uint8 // of a slab
	first uint8 // page
	pages uint8 // 0: there is none
	seg   *smpSegment
	home  atomic.Pointer[smpShelf] // where it goes when it is listed
	shelf atomic.Pointer[smpShelf] // where it is listed, changed under that one's lock

	next, prev *smpSlab // under the lock of shelf
	size       int      // of a large block
}

// words returns the bits of the slab's slots.
//
//go:norace
func (sl *smpSlab) words() []atomic.Uint64 {
	n := int(smpClassTable[sl.class&127].slots+smpGroup-1) / smpGroup
	at := int(sl.first) * smpPageWords
	return sl.seg.words[at : at+n : at+n]
}

// slot returns slot i of the slab.
//
//go:norace
func (sl *smpSlab) slot(i uintptr) smpSlot {
	return smpSlot{
		addr:  pointerAddress(sl.seg.base) + uintptr(sl.first)*smpPageSize + i*smpClassTable[sl.class&127].size,
		state: pointerAddress(&sl.seg.state[uintptr(sl.first)*smpPageSlots+i]),
	}
}

// smpBits returns the bits in word i of a slab that stand for slots.
func smpBits(i, slots uintptr) uint64 {
	if i == (slots-1)/smpGroup {
		return ^uint64(0) >> (-slots % smpGroup)
	}
	return ^uint64(0)
}

// empty tells whether all slots are free.
//
//go:norace
func (sl *smpSlab) empty() bool {
	slots := smpClassTable[sl.class&127].slots
	words := sl.words()
	for i := range words {
		if words[i].Load() != smpBits(uintptr(i), slots) {
			return false
		}
	}
	return true
}

// some tells whether a slot is free.
//
//go:norace
func (sl *smpSlab) some() bool {
	words := sl.words()
	for i := range words {
		if words[i].Load() != 0 {
			return true
		}
	}
	return false
}

// An smpShelf holds the slabs that have free slots, one list for each class. There
// is one for each processor; slabs that were used there are listed there. Slabs
// are put at the end and taken from the front: meanwhile more of their blocks
// are freed, so that a visit pays off.
type smpShelf struct {
	mu    sync.Mutex
	lists [smpClasses]struct{ first, last *smpSlab }
	// present has a bit set for every list that is not empty, for those who look
	// from outside. It is changed under mu.
	present [2]atomic.Uint64
	_       [128]byte // others are for other processors
}

// has tells whether there may be a slab of the class.
//
//go:norace
func (h *smpShelf) has(class uint8) bool {
	return h.present[class>>6].Load()>>(class&63)&1 != 0
}

// take removes the first slab of the class, which its caller now owns; nil if
// there is none.
//
//go:norace
func (h *smpShelf) take(class uint8) *smpSlab {
	if !h.has(class) {
		return nil
	}
	h.mu.Lock()
	sl := h.lists[class].first
	if sl != nil {
		h.unlink(sl)
		sl.state.Store(smpOwned)
	}
	h.mu.Unlock()
	return sl
}

// link puts a slab at the end of its list, under the lock.
//
//go:norace
func (h *smpShelf) link(sl *smpSlab) {
	list := &h.lists[sl.class]
	sl.prev, sl.next = list.last, nil
	if list.last != nil {
		list.last.next = sl
	} else {
		list.first = sl
		p := &h.present[sl.class>>6]
		p.Store(p.Load() | 1<<(sl.class&63))
	}
	list.last = sl
}

// unlink removes a slab from its list, under the lock.
//
//go:norace
func (h *smpShelf) unlink(sl *smpSlab) {
	list := &h.lists[sl.class]
	if sl.prev != nil {
		sl.prev.next = sl.next
	} else {
		list.first = sl.next
	}
	if sl.next != nil {
		sl.next.prev = sl.prev
	} else {
		list.last = sl.prev
	}
	if list.first == nil {
		p := &h.present[sl.class>>6]
		p.Store(p.Load() &^ (1 << (sl.class & 63)))
	}
	sl.next, sl.prev = nil, nil
	sl.shelf.Store(nil)
}

// list puts a full slab that has free slots on its shelf, unless somebody else
// does.
//
//go:norace
func (s *SMP) list(sl *smpSlab) {
	h := sl.home.Load()
	h.mu.Lock()
	ok := sl.state.CompareAndSwap(smpFull, smpListed)
	if ok {
		h.link(sl)
		sl.shelf.Store(h)
	}
	h.mu.Unlock()
	if ok && sl.empty() {
		s.discard(sl, false)
	}
}

// disown ends the ownership of a slab.
//
//go:norace
func (s *SMP) disown(sl *smpSlab) {
	sl.state.Store(smpFull)
	if sl.some() {
		s.list(sl)
	}
}

// noticed is called by those who set the first or the last bit in a word.
//
//go:norace
func (s *SMP) noticed(sl *smpSlab, last bool) {
	switch sl.state.Load() {
	case smpFull:
		s.list(sl)
	case smpListed:
		if last && sl.empty() {
			s.discard(sl, false)
		}
	}
}

// discard gives the pages of a listed slab back if it is empty, and returns how
// many. The only slab of its class on the shelf stays, unless all must go: it
// would be wanted again soon.
//
//go:norace
func (s *SMP) discard(sl *smpSlab, all bool) int {
	h := sl.shelf.Load()
	if h == nil {
		return 0 // whoever is about to list it, looks again
	}
	h.mu.Lock()
	if sl.shelf.Load() != h || !all && sl.next == nil && sl.prev == nil {
		h.mu.Unlock()
		return 0
	}
	h.unlink(sl)
	sl.state.Store(smpGone)
	h.mu.Unlock()
	if !sl.claim() {
		s.disown(sl)
		return 0
	}
	pages := int(sl.pages)
	s.dropSlab(sl)
	return pages
}

// claim takes all slots of a slab, or none.
//
//go:norace
func (sl *smpSlab) claim() bool {
	slots := smpClassTable[sl.class&127].slots
	words := sl.words()
	for i := range words {
		if !words[i].CompareAndSwap(smpBits(uintptr(i), slots), 0) {
			for j := range i {
				words[j].Store(smpBits(uintptr(j), slots))
			}
			return false
		}
	}
	return true
}

// newSlab makes a slab, which its caller owns.
//
//go:norace
func (s *SMP) newSlab(class uint8) (*smpSlab, error) {
	k := &smpClassTable[class]
	s.lock()
	seg, first, _, err := s.takeRun(k.pages)
	s.unlock()
	if err != nil {
		return nil, err
	}
	if race.Enabled {
		race.Enable()
		seg.acquire(first, k.pages)
		seg.released(first, k)
		race.Disable()
	}
	sl := &seg.slabs[first]
	sl.class, sl.pages = class, uint8(k.pages)
	sl.state.Store(smpOwned)
	words := sl.words()
	for i := range words {
		words[i].Store(smpBits(uintptr(i), k.slots))
	}
	for i := range k.pages {
		seg.page[first+i].Store(uint32(class) + smpSlabs | uint32(first)<<8)
	}
	s.slabs[class].Add(1)
	return sl, nil
}

// dropSlab gives the pages of a slab back whose slots have been claimed.
//
//go:norace
func (s *SMP) dropSlab(sl *smpSlab) {
	s.slabs[sl.class].Add(-1)
	seg, first, pages := sl.seg, int(sl.first), int(sl.pages)
	for i := range pages {
		seg.page[first+i].Store(smpFree)
	}
	if race.Enabled {
		race.Enable()
		seg.acquired(first, &smpClassTable[sl.class&127])
		seg.release(first, pages)
		race.Disable()
	}
	if s.hard != nil {
		clear(seg.state[first*smpPageSlots : (first+pages)*smpPageSlots])
	}
	s.lock()
	sl.pages = 0
	s.giveRun(seg, first, pages)
	s.unlock()
	race.Enable()
	s.decay()
	race.Disable()
}

// count counts the slots of live blocks, and the free ones in no cache.
//
//go:norace
func (sl *smpSlab) count() (live, free int) {
	words := sl.words()
	for i := range words {
		free += bits.OnesCount64(words[i].Load())
	}
	// Of the bytes that say live, and of no other, the lowest bit is set: eight
	// are counted at once.
	at := int(sl.first) * smpPageSlots
	state := sl.seg.state[at : at+len(words)*smpGroup]
	for ; len(state) >= 8; state = state[8:] {
		live += bits.OnesCount64(binary.NativeEndian.Uint64(state) & 0x0101010101010101)
	}
	return live, free
}
