package heap

import (
	"math/bits"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
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
	idle := 0
	for i, seg := range s.segments {
		invariant.Check(seg.index == i && smpSegments.find(address(seg.mem)) == seg, "heap: SMP: segment %d is not in the table", i)
		idle += bits.OnesCount64(seg.dirty &^ seg.used)
		run := 0
		for n := 1; n <= smpSegPages && smpRunsOf(^seg.used&smpAllPages, n) != 0; n++ {
			run = n
		}
		invariant.Check(int(s.runs[i]) == run, "heap: SMP: segment %d: longest run is %d, noted %d", i, run, s.runs[i])
		for k := 0; 1<<k <= run; k++ {
			invariant.Check(s.low[k] <= i, "heap: SMP: segment %d has a run of %d, but low is %d", i, run, s.low[k])
		}
	}
	invariant.Check(idle == s.idle, "heap: SMP: %d idle pages, counted %d", s.idle, idle)
}

// checkAll re-derives everything, in any build. Nobody else may call s meanwhile.
//
//go:norace
func (s *SMP) checkAll() {
	race.Disable()
	defer race.Enable()
	cached := s.checkCaches()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seg := range s.segments {
		used := uint64(0)
		for i := range seg.slabs {
			sl := &seg.slabs[i]
			if sl.pages == 0 {
				continue
			}
			mask := smpMask(i, int(sl.pages))
			invariant.Check(used&mask == 0, "heap: SMP: runs overlap at page %d", i)
			used |= mask
			if seg.page[i].Load()&0xFF != smpLarge {
				cached -= sl.check()
			}
		}
		invariant.Check(used == seg.used, "heap: SMP: pages %x are used, noted %x", used, seg.used)
	}
	invariant.Check(cached == 0, "heap: SMP: %d slots in caches are in no slab", cached)
}

// check compares the bits of a slab with the bytes, and its state with both. It
// returns how many slots are in neither: those in caches.
//
//go:norace
func (sl *smpSlab) check() (cached int) {
	k := &smpClassTable[sl.class&127]
	words := sl.words()
	free := 0
	for i := range uintptr(len(words)) * smpGroup {
		bit := words[i/smpGroup].Load()>>(i%smpGroup)&1 != 0
		live := sl.seg.state[uintptr(sl.first)*smpPageSlots+i]&smpLive != 0
		invariant.Check(!(bit && live), "heap: SMP: slot %d of %d bytes is live and free", i, k.size)
		invariant.Check(i < k.slots || !bit && !live, "heap: SMP: slot %d of %d is past the end", i, k.slots)
		if bit {
			free++
		} else if i < k.slots && !live {
			cached++
		}
	}
	state, shelf := sl.state.Load(), sl.shelf.Load()
	invariant.Check((state == smpListed) == (shelf != nil), "heap: SMP: slab in state %d is on shelf %p", state, shelf)
	invariant.Check(state == smpOwned || (state == smpListed) == (free > 0), "heap: SMP: slab in state %d has %d free slots", state, free)
	if shelf != nil {
		found := false
		for at := shelf.lists[sl.class].first; at != nil; at = at.next {
			found = found || at == sl
		}
		invariant.Check(found && shelf.has(sl.class), "heap: SMP: a listed slab is not in the list")
	}
	return cached
}

// checkCaches counts the slots in the caches of processors.
//
//go:norace
func (s *SMP) checkCaches() (n int) {
	t := s.caches.Load()
	if t == nil {
		return 0
	}
	for i := range t.list {
		n += t.list[i].cache.check()
	}
	return n
}

// check counts the slots in a cache.
//
//go:norace
func (c *smpCache) check() (n int) {
	for i := range c {
		e := &c[i]
		invariant.Check(e.count.slots() <= e.keep && (e.keep == 0) == (e.mag == nil), "heap: SMP: %d of %d slots in a magazine", e.count.slots(), e.keep)
		invariant.Check(e.held == 0 || e.slab != nil, "heap: SMP: slots of no slab are held")
		invariant.Check(e.slab == nil || e.slab.state.Load() == smpOwned, "heap: SMP: a cache has a slab that it does not own")
		n += int(e.count.slots()) + bits.OnesCount64(e.held)
	}
	return n
}
