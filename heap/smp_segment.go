package heap

import (
	"math/bits"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/vm"
)

// SMP's memory comes in segments: ranges of address space of smpSegSize bytes,
// aligned to their size. A segment is cut into pages of 8 KiB; a slab, or a large
// block, is a run of pages. All that is known about a segment lies outside of
// it, in Go's memory, where no program that writes past the end of a block gets
// at it.

const (
	smpPageShift  = 13
	smpPageSize   = 1 << smpPageShift
	smpSegSize    = 1 << smpSegShift
	smpSegPages   = smpSegSize / smpPageSize
	smpMaxLarge   = smpSegSize / 2 // bytes of a large block, at most
	smpMaxAlign   = 64 << 10       // of a block in a segment
	smpGrain      = 16             // bytes of a slot of the smallest class
	smpPageGrains = smpPageSize / smpGrain
	smpPageWords  = smpPageGrains / 64
)

// smpAddrBits is how many bits of an address may be set. Systems hand out no more
// to those who do not ask for it.
const smpAddrBits = 32 + 16*(^uint(0)>>63)

// What a page holds, in the lowest byte of its entry: a class of slots, or one of
// these. See smpSegment.page.
const (
	smpFree  = 0   // nothing, or not the first page of a large block
	smpLarge = 127 // the first page of a large block

	smpWaiting = 126 // the same, but the block is freed, and in quarantine

	smpLargeSampled = smpLarge | 1<<8 // and the block is in the sample
)

// An smpSegment describes a segment. Where descriptors lie, smp_descriptor.go says:
// somewhere the collector may not look. So what they know of the Go heap are
// numbers, and what these stand for is held by others: SMPs that have segments by
// smpHolders, bins by the SMP.
type smpSegment struct {
	smpHead
	_       [4095 - (smpHeadSize-1)%4096]byte // the body begins with a page, where these have so many bytes
	smpBody                                   // from here on nothing is known of pages that are free
}

// smpHead is what is known of all of a segment.
type smpHead struct {
	number uintptr // of the segment among all addresses
	owner  uintptr // the address of the SMP

	base  *byte
	mem   []byte             // at base; as vm.Map returned it
	index int                // in owner.segments
	used  smpPages           // under owner.mu
	dirty smpPages           // under owner.mu: that may hold something else than zeroes; all used ones
	huge  uint32             // under owner.mu: parts that were to be made of huge pages; see SMP.enlarge
	gone  smpPages           // under owner.mu: that were decommitted; neither used nor dirty
	cold  bool               // under owner.mu: nothing was used when pages were last given back, nor since
	bare  bool               // under owner.mu: nothing is used, and the memory behind smpBody is given back
	life  [smpSegPages]uint8 // how often a page was taken; for the race detector

	// page says for every page what it holds and, above the lowest byte, which
	// page is the first of that. It is one word, so that those who read it without
	// a lock see one or the other state.
	page [smpSegPages]atomic.Uint32
}

// smpBody is what is known of what is used in a segment: zero, or whatever was
// there, where nothing is.
type smpBody struct {
	slabs [smpSegPages]smpSlab // of the first page of each run; aligned to cache lines

	// open has a bit for each slot of each slab, from the words of its first page
	// on: whether it is free. The bin's lock is held.
	open [smpSegPages * smpPageWords]uint64

	// state has a byte for every 16 bytes: no more than one slot begins there, and
	// the byte says what is the matter with it.
	state [smpSegPages * smpPageGrains]uint8
}

// smpTable finds the segment of an address, for all SMPs of the process. It is a
// tree of two levels. Nothing in it but pointers to Go memory; no address is
// ever followed to find out what is there.
type smpTable struct {
	leaves [1 << smpRootBits]atomic.Pointer[smpLeaf]
	first  smpLeaf // that most programs do with; what of it is not used takes no memory here
	taken  atomic.Bool
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
		leaf := &t.first
		if t.taken.Swap(true) {
			leaf = new(smpLeaf)
		}
		root.CompareAndSwap(nil, leaf)
	}
	root.Load()[key&(1<<smpLeafBits-1)].Store(seg)
}

// smpNear is how many segments an SMP finds at once, those of 2 GiB in a row.
const smpNear = 512

// segment returns the segment of s that addr is in, or nil.
//
//go:norace
func (s *SMP) segment(addr uintptr) *smpSegment {
	number := addr >> smpSegShift
	if seg := s.near[number%smpNear].Load(); seg != nil && seg.number == number {
		return seg
	}
	if seg := smpSegments.find(addr); seg != nil && seg.owner == pointerAddress(s) {
		return seg
	}
	return nil
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
	seg, err := s.newDescriptor()
	if err != nil {
		vm.Unmap(b)
		return nil, err
	}
	seg.number, seg.owner, seg.index = address(b)>>smpSegShift, pointerAddress(s), len(s.segments)
	seg.base, seg.mem = &b[0], b
	s.growSegments()
	s.segments[seg.index], s.room[seg.index] = seg, smpSegPages
	smpSegments.set(address(b), seg)
	s.near[seg.number%smpNear].CompareAndSwap(nil, seg)
	return seg, nil
}

// growSegments makes room for one more segment. It does not append, which the
// race detector watches. The lock is held.
//
//go:norace
func (s *SMP) growSegments() {
	n := len(s.segments)
	if n == cap(s.segments) {
		segments, room := make([]*smpSegment, n, max(4, 2*n)), make([]uint16, n, max(4, 2*n))
		for i := range n {
			segments[i], room[i] = s.segments[i], s.room[i]
		}
		s.segments, s.room = segments, room
	}
	s.segments, s.room = s.segments[:n+1], s.room[:n+1]
}

// takeRun finds n free pages in a row, the first of them a multiple of align, and
// returns them as used: a slab of which no more is known. If dirty is not nil, the
// pages that may hold something else than zeroes are set there. The lock is held, but
// not all the time where huge pages are wanted.
//
//go:norace
func (s *SMP) takeRun(n, align int, dirty *smpPages) (seg *smpSegment, first int, err error) {
	// No segment before low has a run of at least as many pages.
	low := &s.low[bits.Len(uint(n))-1]
	first = -1
	for i := *low; i < len(s.room) && first < 0; i++ {
		if int(s.room[i]) >= n {
			seg = s.segments[i]
			first = seg.findRun(n, align)
			if first < 0 {
				s.room[i] = uint16(seg.used.longest())
			}
		}
		if first < 0 && n&(n-1) == 0 && align == 1 {
			*low = i + 1
		}
	}
	if first < 0 {
		if seg, err = s.addSegment(); err != nil {
			return nil, 0, err
		}
		first = 0
	}
	// In this order, as pages that are committed again and not used would be
	// overlooked by whoever gives memory back; what is warm is not.
	if err = seg.warm(); err != nil {
		return nil, 0, err
	}
	gone := seg.gone.count(first, n)
	if err = seg.recommit(first, n); err != nil {
		return nil, 0, err
	}
	s.rest.again += gone
	if dirty != nil {
		*dirty = seg.dirty
	}
	s.idle -= seg.dirty.count(first, n)
	s.rest.lowest = min(s.rest.lowest, s.idle)
	s.used += n
	seg.used.set(first, n)
	seg.dirty.set(first, n)
	seg.begin(first, n)
	sl := &seg.slabs[first]
	sl.seg, sl.first, sl.pages = seg, uint16(first), uint16(n)
	if s.opts.HugePages {
		s.enlarge(seg, first, n)
	}
	return seg, first, nil
}

// recommit makes n free pages usable that may have been given back to the system.
// The lock is held.
//
//go:norace
func (g *smpSegment) recommit(first, n int) error {
	least := smpSystemPages()
	for at := g.gone.next(first, true); at < first+n; at = g.gone.next(at, true) {
		from := at / least * least
		to := min(g.gone.next(at, false), (first+n+least-1)/least*least)
		if err := vm.Recommit(slotBytes(g.base, uintptr(from)*smpPageSize, (to-from)*smpPageSize)); err != nil {
			return pageError(err)
		}
		g.gone.clear(from, to-from)
		at = to
	}
	return nil
}

// findRun returns the first of n free pages in a row, a multiple of align; -1 if
// there are none. It prefers those that have memory behind them.
//
//go:norace
func (g *smpSegment) findRun(n, align int) int {
	idle := smpPages{}
	for i := range idle {
		idle[i] = ^(g.dirty[i] &^ g.used[i])
	}
	if first := idle.findFree(n, align); first >= 0 {
		return first
	}
	return g.used.findFree(n, align)
}

// giveRun takes n pages back. The lock is held.
//
//go:norace
func (s *SMP) giveRun(seg *smpSegment, first, n int) {
	seg.used.clear(first, n)
	s.idle += n
	s.used -= n
	run := seg.used.next(first+n, true) - seg.used.before(first)
	s.room[seg.index] = max(s.room[seg.index], uint16(run))
	for k := 0; k < bits.Len(uint(run)); k++ {
		s.low[k] = min(s.low[k], seg.index)
	}
}
