package heap

import (
	"math"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/vm"
)

// Close gives all memory back. It invalidates every block. If blocks are live, it
// returns a [*LeakError], with their number, and with the size of their slots as
// their bytes. It must wait until all other calls are over, and panics for
// [Default].
//
// Afterwards Alloc fails with [mem.ErrClosed], and what is done to a block is
// reported as [UseAfterClose]. To close twice is to close once.
func (s *SMP) Close() error {
	if s == &smpDefault {
		panic("heap: SMP.Close: the SMP of heap.Default is for the whole process")
	}
	if invariant.Enabled {
		s.crowd.enter("heap: SMP.Close", alone, smpHintAlone)
		defer s.crowd.leave(alone)
	}
	race.Disable()
	again := s.closed.Swap(true)
	race.Enable()
	if again {
		return nil
	}
	s.endHandles()
	st := s.Stats()
	if s.hard != nil {
		s.flushHardened()
		s.inspectAll()
	}
	s.unmap()
	if s.hard != nil {
		s.tell()
	}
	if st.Blocks > 0 {
		return &LeakError{Op: "heap: SMP.Close", Blocks: st.Blocks, Bytes: st.Live}
	}
	return nil
}

// unmap gives every mapping back.
func (s *SMP) unmap() {
	s.lockCaches() // a Profile that was dropped may be about to put them back
	s.setCaches(nil)
	for i := range s.slabs {
		s.slabs[i].Store(0)
	}
	s.unlockCaches()
	s.lock()
	segments := s.segments
	s.segments, s.room, s.idle, s.used, s.large = nil, nil, 0, 0, smpTally{}
	s.low = [len(s.low)]int{}
	s.unlock()
	for _, seg := range segments {
		race.Disable()
		s.near[seg.number%smpNear].Store(nil)
		smpSegments.set(address(seg.mem), nil)
		race.Enable()
		vm.UnmapDecommitted(seg.mem, seg.gone.count(0, smpSegPages)*smpPageSize)
	}
	s.endDescriptors()
	s.huge.dropTo(0)
	s.huge.freeAll()
}

// freeAll frees the live huge blocks.
func (h *smpHuge) freeAll() {
	p := h.made()
	if p == nil {
		return
	}
	for {
		addr, size, ok := livePages.anyOf(p.id)
		if !ok {
			h.live = smpTally{}
			return
		}
		p.release("heap: SMP.Close", blockAt(addr, size))
	}
}

// SMPStats says what an [SMP] holds. The numbers of slots are taken while time
// passes: while others allocate, they may be off by what changed meanwhile.
type SMPStats struct {
	// Blocks is the number of live blocks, and Live the bytes in their slots
	// and pages: at least what was asked for.
	Blocks, Live int

	// Cached is the bytes in free slots that a processor, or an [SMPCache], has
	// ready for itself.
	Cached int

	// Committed is the bytes that may have memory behind them: those in slabs
	// and large blocks, in whole pages of 8 KiB, and those in free pages that were
	// not given back.
	Committed int

	// Reserved is the bytes of address space that is mapped.
	Reserved int

	// Metadata is the bytes in which the SMP keeps what it knows about blocks,
	// at most: little of it has memory behind it as long as little is committed. It
	// is not among Committed and Reserved.
	Metadata int

	// Returned is how many bytes were given back to the system while the SMP
	// was in use, in all, or [math.MaxInt] if that is less. Blocks that had mappings
	// of their own are not among them.
	Returned int

	// Classes holds a line for each class of small blocks that has slabs.
	Classes []SMPClassStats
}

// SMPClassStats says what an [SMP] holds of one size class.
type SMPClassStats struct {
	Size   int // of a slot, in bytes
	Slabs  int // number of slabs
	Slots  int // in all slabs
	Live   int // slots of live blocks
	Cached int // free slots that a processor, or an SMPCache, has ready

	// Committed is the bytes in its slabs, which may have memory behind them. What
	// is reserved and returned belongs to all classes together.
	Committed int
}

// Stats returns what the SMP holds, in a time that grows with the number of its
// slabs. It stops nobody.
func (s *SMP) Stats() SMPStats {
	race.Disable()
	defer race.Enable()
	var per [smpClasses]SMPClassStats
	st := SMPStats{}
	s.countSlabs(&per, &st)
	s.huge.addTo(&st)
	if s.hard != nil {
		s.hard.addTo(&st)
	}
	for i := range per {
		c := &per[i]
		if c.Slabs == 0 {
			continue
		}
		c.Size = int(smpClassTable[i].size)
		st.Blocks += c.Live
		st.Live += c.Live * c.Size
		st.Cached += c.Cached * c.Size
		st.Classes = append(st.Classes, *c)
	}
	return st
}

// countSlabs counts the slots that are live, those in caches, and the pages.
//
//go:norace
func (s *SMP) countSlabs(per *[smpClasses]SMPClassStats, st *SMPStats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Reserved = len(s.segments) * smpSegSize
	st.Returned = int(min(s.returned, math.MaxInt))
	st.Metadata = s.metadata()
	st.Blocks, st.Live = s.large.blocks, s.large.bytes
	for _, seg := range s.segments {
		st.Committed += seg.dirty.count(0, smpSegPages) * smpPageSize
		for i := range seg.slabs {
			page := seg.page[i].Load()
			if class := page & 127; class-1 < smpClasses-1 && int(page>>8) == i {
				sl := &seg.slabs[i]
				c := &per[class]
				c.Slabs++
				live, free := sl.count()
				c.Slots += int(sl.slots)
				c.Committed += int(sl.pages) * smpPageSize
				c.Live += live
				c.Cached += int(sl.slots) - free - live
			}
		}
	}
}

//go:norace
func (h *smpHuge) addTo(st *SMPStats) {
	h.mu.Lock()
	st.Blocks += h.live.blocks
	st.Live += h.live.bytes
	st.Committed += h.live.bytes + h.bytes
	st.Reserved += h.live.bytes + h.bytes
	h.mu.Unlock()
}

// addTo adds the memory in quarantine that is in no segment.
//
//go:norace
func (h *smpHardened) addTo(st *SMPStats) {
	h.mu.Lock()
	st.Committed += h.hugeBytes
	st.Reserved += h.hugeBytes
	h.mu.Unlock()
}
