package heap

import (
	"math/bits"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/vm"
)

// SMP's memory comes in segments: ranges of address space of smpSegSize bytes,
// aligned to their size. A segment is cut into pages of 64 KiB, larger than the
// system's; a slab, or a large block, is a run of pages. All that is known about
// a segment lies outside of it, in Go's memory, where no program that writes
// past the end of a block gets at it.

const (
	smpPageShift = 16
	smpPageSize  = 1 << smpPageShift
	smpSegSize   = 1 << smpSegShift
	smpSegPages  = smpSegSize / smpPageSize
	smpMaxSlab   = smpSegPages / 4  // pages of a slab, at most
	smpMaxLarge  = smpSegSize / 2   // bytes of a large block, at most
	smpGroup     = 64               // slots whose bits are one word
	smpPageSlots = smpPageSize / 16 // of the smallest class
	smpPageWords = smpPageSlots / smpGroup
)

// smpAddrBits is how many bits of an address may be set. Systems hand out no more
// to those who do not ask for it.
const smpAddrBits = 32 + 16*(^uint(0)>>63)

// What a page holds, in the lowest byte of its entry; see smpSegment.page.
const (
	smpFree  = 0    // nothing, or not the first page of a large block
	smpSlabs = 1    // this and what follows: a slab of class 0, 1, ...
	smpLarge = 0xFF // the first page of a large block

	smpLargeSampled = smpLarge | 1<<8 // and the block is in the sample
)

// An smpSegment describes a segment. What is hot comes first; the bits, which
// hold no pointers, come last, where the collector does not look.
type smpSegment struct {
	owner *SMP
	// page says for every page what it holds and, in the second byte, which page
	// is the first of that. It is one word, so that those who read it without a
	// lock see one or the other state.
	page [smpSegPages]atomic.Uint32

	base  *byte
	mem   []byte               // at base; as vm.Map returned it
	index int                  // in owner.segments
	used  uint64               // bit per page; under owner.mu, like all that follows
	dirty uint64               // bit per page: may hold something else than zeroes
	slabs [smpSegPages]smpSlab // of the first page of each run

	// words holds a bit for each slot of each slab, set if the slot is free and
	// not in a cache. The words of a slab are those of its first page.
	words [smpSegPages * smpPageWords]atomic.Uint64

	// state says for each slot whether its block is live. Only those who have
	// the slot look there: who holds the block, or the cache that has it.
	state [smpSegPages * smpPageSlots]uint8
}

// smpTable finds the segment of an address, for all SMPs of the process. It is a
// tree of two levels. Nothing in it but pointers to Go memory; no address is
// ever followed to find out what is there.
type smpTable struct {
	leaves [1 << smpRootBits]atomic.Pointer[smpLeaf]
}

type smpLeaf [1 << smpLeafBits]atomic.Pointer[smpSegment]

const (
	smpKeyBits  = smpAddrBits - smpSegShift
	smpLeafBits = min(smpKeyBits, 13)
	smpRootBits = smpKeyBits - smpLeafBits
)

var smpSegments smpTable

// find returns the segment that addr is in, or nil.
//
//go:norace
func (t *smpTable) find(addr uintptr) *smpSegment {
	key := addr >> smpSegShift
	if key>>smpLeafBits >= 1<<smpRootBits {
		return nil
	}
	leaf := t.leaves[key>>smpLeafBits].Load()
	if leaf == nil {
		return nil
	}
	return leaf[key&(1<<smpLeafBits-1)].Load()
}

// set makes seg the segment that addr, the start of one, is in.
//
//go:norace
func (t *smpTable) set(addr uintptr, seg *smpSegment) {
	key := addr >> smpSegShift
	root := &t.leaves[key>>smpLeafBits]
	if root.Load() == nil {
		root.CompareAndSwap(nil, new(smpLeaf))
	}
	root.Load()[key&(1<<smpLeafBits-1)].Store(seg)
}

// addSegment takes a segment from the system. The lock is held.
//
//go:norace
func (s *SMP) addSegment() (*smpSegment, error) {
	b, err := vm.Map(smpSegSize, smpSegSize)
	if err != nil {
		return nil, pageError(err)
	}
	if uint64(address(b))>>(smpAddrBits-1)>>1 != 0 {
		vm.Unmap(b)
		return nil, errSMPAddress
	}
	if s.opts.HugePages {
		_ = vm.AdviseHuge(b) // advice
	}
	seg := &smpSegment{owner: s, base: &b[0], mem: b, index: len(s.segments)}
	for i := range seg.slabs {
		seg.slabs[i].seg, seg.slabs[i].first = seg, uint8(i)
	}
	s.growSegments()
	s.segments[seg.index], s.runs[seg.index] = seg, smpSegPages
	smpSegments.set(address(b), seg)
	return seg, nil
}

// growSegments makes room for one more segment. It does not append, which the
// race detector watches. The lock is held.
//
//go:norace
func (s *SMP) growSegments() {
	n := len(s.segments)
	if n == cap(s.segments) {
		segments, runs := make([]*smpSegment, n, max(4, 2*n)), make([]uint8, n, max(4, 2*n))
		for i := range n {
			segments[i], runs[i] = s.segments[i], s.runs[i]
		}
		s.segments, s.runs = segments, runs
	}
	s.segments, s.runs = s.segments[:n+1], s.runs[:n+1]
}

// takeRun finds n free pages in a row, and returns them as used; the bits of
// those that are not zero are set in dirty. The lock is held.
//
//go:norace
func (s *SMP) takeRun(n int) (seg *smpSegment, first int, dirty uint64, err error) {
	// No segment before low has a run of at least as many pages.
	low := &s.low[bits.Len(uint(n))-1]
	for i := *low; i < len(s.runs); i++ {
		if int(s.runs[i]) >= n {
			seg = s.segments[i]
			break
		}
		if n&(n-1) == 0 {
			*low = i + 1
		}
	}
	if seg == nil {
		if seg, err = s.addSegment(); err != nil {
			return nil, 0, 0, err
		}
	}
	free := smpRunsOf(^seg.used&smpAllPages, n)
	first = bits.TrailingZeros64(free)
	if both := smpRunsOf(seg.dirty&^seg.used, n); both != 0 {
		first = bits.TrailingZeros64(both) // there is memory behind these
	}
	mask := smpMask(first, n)
	dirty = seg.dirty & mask
	s.idle -= bits.OnesCount64(dirty)
	seg.used |= mask
	seg.dirty |= mask
	s.noteRuns(seg)
	return seg, first, dirty, nil
}

// giveRun takes n pages back. The lock is held.
//
//go:norace
func (s *SMP) giveRun(seg *smpSegment, first, n int) {
	seg.used &^= smpMask(first, n)
	s.idle += n
	s.noteRuns(seg)
	run := s.runs[seg.index]
	for k := 0; k < bits.Len8(run); k++ {
		s.low[k] = min(s.low[k], seg.index)
	}
}

// noteRuns brings s.runs up to date.
//
//go:norace
func (s *SMP) noteRuns(seg *smpSegment) {
	n := uint8(0)
	for free := ^seg.used & smpAllPages; free != 0; free &= free << 1 {
		n++
	}
	s.runs[seg.index] = n
}

const smpAllPages = 1<<smpSegPages - 1

// smpMask returns the bits of n pages.
func smpMask(first, n int) uint64 { return (1<<n - 1) << first }

// smpRunsOf returns the bits of free at which n or more bits in a row are set.
func smpRunsOf(free uint64, n int) uint64 {
	for have := 1; have < n; {
		step := min(have, n-have)
		free &= free >> step
		have += step
	}
	return free
}
