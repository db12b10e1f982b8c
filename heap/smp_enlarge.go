package heap

import "github.com/allod-dev/allod/internal/vm"

// How an SMP uses huge pages, where it is to.
//
// The first touch of memory that may be made of huge pages takes all of one. So a
// segment is made of them part by part, each as large as one, when what is not used
// of the part is at most an eighth of what the SMP uses. Until then the part has
// small pages, which the system gathers in a huge one at that time; where 16 MiB are
// used, parts are made of huge pages from the first touch on.
//
// So are those of an SMP that uses less than 8 MiB. What is too much is less than a
// huge page for the process, which takes several MiB anyway. The small pages before
// the huge one, and to gather them, cost six times as much as the huge one alone: where
// all parts begin so, that is most of what a program gains that does not use much more
// memory than that.
//
// A system that makes all memory of huge pages does so from the first touch on,
// whatever it is asked for.
//
// Rejected: to leave it to the system to gather pages. It takes its time for it, a
// minute or more.

const (
	smpHugeShare = 8                     // times what is not used of a huge page is used, at least
	smpHugeFirst = 8 << 20 / smpPageSize // pages in use, up to which that does not matter
)

// smpHugePart returns how many pages a part has.
func smpHugePart() int { return min(vm.HugePageSize(), smpSegSize) / smpPageSize }

// enlarge makes the parts of a segment of huge pages in which n pages were taken, if
// it is time to. These are used: nobody else has to do with the run while the lock is
// not held.
//
//go:norace
func (s *SMP) enlarge(seg *smpSegment, first, n int) {
	part := smpHugePart()
	for at := first / part * part; at < first+n; at += part {
		used, bit := seg.used.count(at, part), uint32(1)<<(at/part)
		if seg.huge&bit != 0 || s.used > smpHugeFirst && smpHugeShare*(part-used) > s.used {
			continue
		}
		seg.huge |= bit
		// Pages of the run itself hardly have memory yet.
		run := min(at+part, first+n) - max(at, first)
		begun := seg.dirty.count(at, part) > run
		b := slotBytes(seg.base, uintptr(at)*smpPageSize, part*smpPageSize)
		s.unlock()
		// Both are advice: what fails leaves small pages.
		if vm.AdviseHuge(b) == nil && begun && len(b) >= vm.HugePageSize() {
			_ = vm.MakeHuge(b)
		}
		s.lock()
	}
}
