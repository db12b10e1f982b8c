package heap

import (
	"math/bits"

	"github.com/allod-dev/allod/internal/invariant"
)

// check re-derives what is known about the segments, unless there are many.
//
//go:norace
func (s *SMP) check() {
	if !invariant.Enabled || len(s.segments) > 4 {
		return
	}
	s.lock()
	defer s.unlock()
	idle, used := 0, 0
	for i, seg := range s.segments {
		invariant.Check(seg.index == i && smpSegments.find(address(seg.mem)) == seg, "heap: SMP: segment %d is not in the table", i)
		for at := range seg.used {
			invariant.Check(seg.used[at]&^seg.dirty[at] == 0, "heap: SMP: segment %d: used pages are not dirty", i)
			invariant.Check(seg.gone[at]&seg.dirty[at] == 0, "heap: SMP: segment %d: pages that are gone are dirty", i)
			idle += bits.OnesCount64(seg.dirty[at] &^ seg.used[at])
			used += bits.OnesCount64(seg.used[at])
		}
		invariant.Check(!seg.bare || seg.used == smpPages{} && seg.dirty == smpPages{}, "heap: SMP: segment %d is used, but bare", i)
		run := seg.used.longest()
		invariant.Check(int(s.room[i]) >= run, "heap: SMP: segment %d: longest run is %d, noted %d", i, run, s.room[i])
		for k := 0; 1<<k <= run; k++ {
			invariant.Check(s.low[k] <= i, "heap: SMP: segment %d has a run of %d, but low is %d", i, run, s.low[k])
		}
	}
	invariant.Check(idle == s.idle && used == s.used, "heap: SMP: %d idle and %d used pages, counted %d and %d", s.idle, s.used, idle, used)
}

// checkAll re-derives everything, in any build. Nobody else may call s meanwhile, but
// for the collector, for which a Profile is forgotten that was dropped: there are no
// caches for a moment then.
//
//go:norace
func (s *SMP) checkAll() {
	s.lockCaches()
	defer s.unlockCaches()
	cached := s.checkCaches()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seg := range s.segments {
		used := smpPages{}
		for i := range seg.slabs {
			sl := &seg.slabs[i]
			if sl.pages == 0 {
				continue
			}
			invariant.Check(used.count(i, int(sl.pages)) == 0, "heap: SMP: runs overlap at page %d", i)
			used.set(i, int(sl.pages))
			if page := seg.page[i].Load() & 0xFF; page != smpLarge && page != smpWaiting {
				cached -= sl.check()
			}
		}
		invariant.Check(used == seg.used, "heap: SMP: pages %x are used, noted %x", used, seg.used)
	}
	invariant.Check(cached == 0, "heap: SMP: %d slots in caches are in no slab", cached)
}

// check compares the bytes of a slab with its count, and both with its bin. It
// returns how many slots are neither live nor free: those in caches.
//
//go:norace
func (sl *smpSlab) check() (cached int) {
	k := &smpClassTable[sl.class&127]
	invariant.Check(uintptr(sl.slots) == uintptr(sl.pages)*smpPageSize/k.size, "heap: SMP: %d slots of %d bytes in %d pages", sl.slots, k.size, sl.pages)
	free := 0
	open := sl.open()
	live := 0
	for i := range uintptr(sl.slots) {
		slot := sl.slot(i)
		state := *byteAt(&slot.state)
		switch {
		case open[i/64]>>(i%64)&1 != 0:
			free++
			invariant.Check(state&smpAlive == 0, "heap: SMP: slot %d of %d bytes is live and free", i, k.size)
			invariant.Check(i/64 >= uintptr(sl.low), "heap: SMP: slot %d is free, but the first noted is %d", i, 64*sl.low)
		case state&smpAlive == 0:
			cached++
		default:
			live++
			invariant.Check(uintptr(state) == smpLive(smpSampled, slot.addr) || uintptr(state) == smpLive(uintptr(sl.class), slot.addr), "heap: SMP: slot %d of %d bytes is %#x", i, k.size, state)
		}
	}
	for _, state := range sl.states() {
		if state&smpAlive != 0 {
			live--
		}
	}
	invariant.Check(live == 0, "heap: SMP: %d bytes too many say that a block of %d bytes is live", -live, k.size)
	invariant.Check(free == int(sl.free), "heap: SMP: %d free slots, noted %d", free, sl.free)
	b := sl.bin.Load()
	invariant.Check(b != nil, "heap: SMP: a slab is in no bin")
	found := false
	for at := b.lists[sl.list&1].first; at != nil; at = at.next {
		found = found || at == sl
	}
	invariant.Check(found == (free > 0), "heap: SMP: a slab with %d free slots: listed is %t", free, found)
	invariant.Check(b.some.Load() == (b.first() != nil), "heap: SMP: a bin has slabs: %t", b.first() != nil)
	return cached
}

// checkCaches counts the slots in the caches of processors.
//
//go:norace
func (s *SMP) checkCaches() (n int) {
	t := s.theCaches()
	if t == nil {
		return 0
	}
	for i := range t.list {
		n += t.list[i].check()
	}
	return n
}

// check counts the slots in a cache.
//
//go:norace
func (c *smpCache) check() (n int) {
	for i := 1; i < len(c); i++ { // but the spare one
		e := &c[i]
		invariant.Check(e.count.slots() <= e.keep && (e.keep == 0) == (e.mag == nil), "heap: SMP: %d of %d slots in a magazine", e.count.slots(), e.keep)
		n += int(e.count.slots())
	}
	return n
}
