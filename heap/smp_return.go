package heap

import (
	"math"
	"time"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/vm"
)

// How memory goes back to the system.
//
// Pages that are free stay as they are for a while: to give one back and to want
// it again costs more than all else that SMP does with it. There is no goroutine
// that watches: time is measured in pages freed. In a period a quarter
// as many are freed as there are pages with memory behind them. Each period, half
// of the pages goes that were free for all of it, which is the smallest number of
// free pages that there ever was in the period. A program that frees as many as it
// takes, in whatever pattern, keeps what the pattern needs, and one that only
// frees is left with little.
//
// A pattern may be longer than a period: a program that builds something large,
// gives all of it up, and builds it again. Each page that goes meanwhile costs it
// more than anything else that SMP does for what lies there. It shows by taking most
// of what was given back again before two periods are over, and twice of what there
// is was freed; then periods become twice as long, up to the time in which 16 times
// as many pages are freed as there are. That many, as a program with large blocks
// that come and go frees all that there is many times before it builds anew. What is
// not taken again makes periods shorter. None of them is shorter than 2 MiB, so that
// of a program with less than 128 KiB nothing of this is seen.
//
// A program that frees pages now and then, as a service at night, would have what it
// once needed for hours that way. So a period in which a quarter was freed is over
// after a second, which is long enough for what it costs to take a page again not to
// matter, however much a program that builds slowly takes again. The clock is looked
// at when a period begins, and then once for each quarter.
//
// Rejected: to have all pages of a run that were given back put in place by one call
// when it is taken again. What a page costs is to find and to clear it, so that this
// saves a twentieth, and takes memory for what may not be touched.

// smpDecay says how far the period is.
type smpDecay struct {
	freed  int // pages in this period
	lowest int // pages that were idle all the time

	patience int       // a period is 1<<patience quarters of the pages; at most smpPatience
	looked   int       // freed when the clock was last looked at
	since    time.Time // when the period began
	watched  int       // pages freed since given and again were 0
	given    int       // pages that were to go at the ends of periods
	again    int       // pages taken that had been given back, since then or longer ago
}

const (
	smpPeriod   = 2 << 20 / smpPageSize // pages freed, at least
	smpPatience = 6
	smpLong     = time.Second // a period in which a quarter was freed lasts no longer

	// What is kept unless told otherwise, at most: bytes of free pages, and of
	// free blocks with mappings of their own.
	smpRetainPages = 4 << 20
	smpRetainHuge  = 64 << 20

	// Of that, small programs keep less: an eighth of the pages in use, but this.
	smpRetainLeast = 128 << 10
)

// retainPages returns how many free pages are kept. The lock is held.
//
//go:norace
func (s *SMP) retainPages() int {
	if s.opts.Retain > 0 {
		return s.opts.Retain / smpPageSize
	}
	return min(max(smpRetainLeast/smpPageSize, s.used/8), smpRetainPages/smpPageSize)
}

func (s *SMP) lock() {
	race.Disable()
	s.mu.Lock()
}

func (s *SMP) unlock() {
	s.mu.Unlock()
	race.Enable()
}

// freeRun takes n pages back, and returns how many should go to the system: what
// giveBack is for, without the lock. The lock is held.
//
//go:norace
func (s *SMP) freeRun(seg *smpSegment, first, n int) (excess int) {
	s.giveRun(seg, first, n)
	d := &s.rest
	d.freed += n
	all := s.used + s.idle
	if d.over(all, time.Now) {
		excess = min((d.lowest+1)/2, s.idle-s.retainPages())
		d.watched += d.freed
		d.given += max(excess, 0)
		d.freed, d.looked, d.lowest, d.since = 0, 0, s.idle, time.Now()
		d.learn(all)
	}
	return excess
}

// period returns how many pages are freed in a period, of all that there are, unless
// that is too few.
//
//go:norace
func (d *smpDecay) period(all int) int { return all << d.patience / 4 }

// over tells whether the period is.
//
//go:norace
func (d *smpDecay) over(all int, now func() time.Time) bool {
	switch {
	case d.freed >= max(smpPeriod, d.period(all)):
		return true
	case d.freed-d.looked < max(smpPeriod, all/4):
		return false
	}
	d.looked = d.freed
	return now().Sub(d.since) >= smpLong
}

// learn makes periods longer if most of what was given back was taken again, and
// shorter if it was not while twice as many pages as there are, all, were freed, and
// two periods went by.
//
//go:norace
func (d *smpDecay) learn(all int) {
	switch {
	case d.given > 0 && 2*d.again >= d.given:
		d.patience = min(d.patience+1, smpPatience)
	case d.watched < 2*max(all, d.period(all)):
		return
	case d.given > 0:
		d.patience = max(d.patience-1, 0)
	}
	d.watched, d.given, d.again = 0, 0, 0
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
		for end := smpSegPages; given < n; {
			first, run := seg.idleBefore(end)
			if run == 0 {
				break
			}
			if more := run - (n - given); more > 0 {
				more = more / smpSystemPages() * smpSystemPages()
				first, run = first+more, run-more
			}
			went, ok := s.decommit(seg, first, run)
			if !ok {
				return given
			}
			given += went
			end = first
		}
		seg.cool(n == math.MaxInt)
	}
	return given
}

// smpSystemPages returns how many pages the system takes at once, at least.
func smpSystemPages() int { return max(1, vm.PageSize()/smpPageSize) }

// idleBefore returns the last run of free pages before end that may have memory
// behind them, in whole pages of the system. Where these are larger, one that is in
// part as it came from the system goes as a whole.
//
//go:norace
func (g *smpSegment) idleBefore(end int) (first, n int) {
	var idle, not smpPages
	for i := range idle {
		idle[i] = g.dirty[i] &^ g.used[i]
		not[i] = ^idle[i]
	}
	least := smpSystemPages()
	for end > 0 {
		if end = idle.before(end); end == 0 {
			return 0, 0
		}
		first = not.before(end)
		from, to := first/least*least, (end+least-1)/least*least
		if g.used.count(from, first-from) > 0 {
			from += least
		}
		if g.used.count(end, to-end) > 0 {
			to -= least
		}
		if to > from {
			return from, to - from
		}
		end = first
	}
	return 0, 0
}

// decommit gives n free pages of a segment to the system, and returns how many of
// them may have had memory behind them. The lock is held, but not all the time.
//
//go:norace
func (s *SMP) decommit(seg *smpSegment, first, n int) (went int, ok bool) {
	dirty := seg.dirty
	went = dirty.count(first, n)
	seg.used.set(first, n)
	seg.dirty.set(first, n) // as all that is used; see smpHead
	s.idle -= went
	s.used += n
	s.rest.lowest = min(s.rest.lowest, s.idle)
	s.unlock()
	seg.cleared(first, n) // where pages come from the Go heap, they are cleared
	err := vm.Decommit(slotBytes(seg.base, uintptr(first)*smpPageSize, n*smpPageSize))
	seg.changed(first, n)
	s.lock()
	if err == nil {
		seg.dirty.clear(first, n)
		seg.gone.set(first, n)
		s.returned += int64(went * smpPageSize)
	} else {
		for i := first; i < first+n; i++ {
			if dirty.count(i, 1) == 0 {
				seg.dirty.clear(i, 1)
			}
		}
	}
	s.giveRun(seg, first, n)
	s.idle -= n - seg.dirty.count(first, n)
	return went, err == nil
}

// relieve gives all back to the system that is not in use, where memory could not
// be had, and tells whether that was anything.
func (s *SMP) relieve() bool {
	return s.giveBack(math.MaxInt)+s.huge.dropTo(0) > 0
}

// Trim implements [mem.Trimmer]. It empties the caches of all
// processors, for which it stops the world for an instant, and gives all free
// pages and all free large blocks to the system. It returns how many bytes these
// were.
//
//go:norace
func (s *SMP) Trim() int {
	s.sweepAll()
	n := s.giveBack(math.MaxInt)*smpPageSize + s.huge.dropTo(0)
	if s.hard != nil {
		s.tell()
	}
	return n
}

// sweepAll empties all caches, and gives all empty slabs back.
//
//go:norace
func (s *SMP) sweepAll() {
	race.Disable()
	defer race.Enable()
	if t := s.drain(); t != nil {
		for _, h := range t.shelves {
			for class := range h {
				s.sweep(&h[class])
			}
		}
	}
}

// sweep gives the empty slabs of a bin back.
//
//go:norace
func (s *SMP) sweep(b *smpBin) {
	if !b.some.Load() {
		return
	}
	var gone *smpSlab
	b.mu.Lock()
	for sl := b.lists[1].first; sl != nil; { // all that are empty are there
		next := sl.next
		if sl.free == uint32(sl.slots) {
			b.retire(sl)
			sl.next, gone = gone, sl
		}
		sl = next
	}
	b.mu.Unlock()
	for gone != nil {
		sl := gone
		gone = sl.next
		s.dropSlab(sl)
	}
}
