package heap

import (
	"math"
	"math/bits"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/vm"
)

// How memory goes back to the system.
//
// Pages that are free stay as they are for a while: to give one back and to want
// it again costs more than all else that SMP does with it. There is no clock and
// no goroutine that watches: time is measured in pages freed. Each period, half
// of the pages goes that were free for all of it, which is the smallest number of
// free pages that there ever was in the period. A program that frees as many as
// it takes, in whatever pattern, keeps what the pattern needs, and one that only
// frees is left with little.

// smpDecay says how far the period is.
type smpDecay struct {
	freed  int // runs in this period
	lowest int // pages that were free all the time
}

const (
	smpPeriod = 256 // runs freed

	// What is kept unless told otherwise.
	smpRetainPages = 4 << 20  // bytes of free pages
	smpRetainHuge  = 64 << 20 // bytes of free blocks with mappings of their own
)

// retain returns how many bytes are kept, of a kind of which preset are unless
// told otherwise.
func (s *SMP) retain(preset int) int {
	if s.opts.Retain > 0 {
		return s.opts.Retain
	}
	return preset
}

func (s *SMP) lock() {
	race.Disable()
	s.mu.Lock()
}

func (s *SMP) unlock() {
	s.mu.Unlock()
	race.Enable()
}

// decay is called after every run of pages that was freed.
//
//go:norace
func (s *SMP) decay() {
	s.lock()
	d := &s.rest
	d.lowest = min(d.lowest, s.idle)
	d.freed++
	excess := 0
	if d.freed >= smpPeriod {
		excess = min((d.lowest+1)/2, s.idle-s.retain(smpRetainPages)/smpPageSize)
		d.freed, d.lowest = 0, s.idle
	}
	s.unlock()
	if excess > 0 {
		s.giveBack(excess)
	}
}

// giveBack is called while the race detector heeds synchronisation, as it has to
// be told of the pages that are cleared.

// giveBack gives up to n free pages to the system, those at the highest
// addresses first, and returns how many. Meanwhile they count as used, so that
// nobody waits for the system.
//
//go:norace
func (s *SMP) giveBack(n int) (given int) {
	s.lock()
	defer s.unlock()
	for i := len(s.segments) - 1; i >= 0 && given < n; i-- {
		if i >= len(s.segments) {
			continue // closed meanwhile
		}
		seg := s.segments[i]
		for given < n {
			idle := seg.dirty &^ seg.used
			if idle == 0 {
				break
			}
			top := bits.Len64(idle)
			run := min(bits.LeadingZeros64(^(idle << (64 - top))), n-given)
			first := top - run
			if !s.decommit(seg, first, run) {
				return given
			}
			given += run
		}
	}
	return given
}

// decommit gives free pages of a segment to the system. The lock is held, but
// not all the time.
//
//go:norace
func (s *SMP) decommit(seg *smpSegment, first, n int) bool {
	mask := smpMask(first, n)
	seg.used |= mask
	s.idle -= n
	s.rest.lowest = min(s.rest.lowest, s.idle)
	s.noteRuns(seg)
	s.unlock()
	seg.acquire(first, n) // where pages come from the Go heap, they are cleared
	err := vm.Decommit(slotBytes(seg.base, uintptr(first)*smpPageSize, n*smpPageSize))
	seg.release(first, n)
	s.lock()
	if err == nil {
		seg.dirty &^= mask
		s.returned += n * smpPageSize
	}
	s.giveRun(seg, first, n)
	if err == nil {
		s.idle -= n
	}
	return err == nil
}

// Trim implements [mem.Trimmer]. It empties the caches of all
// processors, for which it stops the world for an instant, and gives all free
// pages and all free large blocks to the system. It returns how many bytes these
// were.
//
//go:norace
func (s *SMP) Trim() int {
	s.sweepAll()
	n := s.giveBack(math.MaxInt)
	return n*smpPageSize + s.huge.drop(0)
}

// sweepAll empties all caches, and gives all empty slabs back.
//
//go:norace
func (s *SMP) sweepAll() {
	race.Disable()
	defer race.Enable()
	s.drain()
	if t := s.caches.Load(); t != nil {
		for _, h := range t.shelves {
			for class := range uint8(smpClasses) {
				s.sweep(h, class)
			}
		}
	}
}

// sweep gives the empty slabs of one list back.
//
//go:norace
func (s *SMP) sweep(h *smpShelf, class uint8) {
	if !h.has(class) {
		return
	}
	var found [32]*smpSlab
	for {
		n := 0
		h.mu.Lock()
		for sl := h.lists[class].first; sl != nil && n < len(found); sl = sl.next {
			if sl.empty() {
				found[n] = sl
				n++
			}
		}
		h.mu.Unlock()
		for _, sl := range found[:n] {
			s.discard(sl, true)
		}
		if n < len(found) {
			return
		}
	}
}
