package heap

import (
	"fmt"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// An smpPlace is what the address of a block tells. It is a copy of one moment.
type smpPlace struct {
	seg    *smpSegment // nil: in no segment
	kind   uint8       // smpFree, smpLarge or smpSmall
	class  uint8       // if it is small
	first  uintptr     // page of the run
	offset uintptr     // in the run
	slot   uintptr
	inSlot bool // there is a slot, rather than what is left at the end of the slab
	free   bool // the slot is
	sample bool // the block is in the sample; not known of those in no segment
}

const smpSmall = 1 // what an smpPlace calls a page of a slab

// place looks b up by its address.
//
//go:norace
func (s *SMP) place(b []byte) (p smpPlace) {
	race.Disable()
	defer race.Enable()
	addr := address(b)
	p.seg = smpSegments.find(addr)
	if p.seg == nil || p.seg.owner != pointerAddress(s) {
		return p
	}
	at := addr & (smpSegSize - 1)
	switch page := p.seg.page[at>>smpPageShift].Load(); page & 0xFF {
	case smpFree, smpWaiting:
	case smpLarge:
		p.sample = page == smpLargeSampled
		p.kind, p.first = smpLarge, at>>smpPageShift
		p.offset = at & (smpPageSize - 1)
	default:
		p.kind, p.class, p.first = smpSmall, uint8(page), uintptr(page>>8)
		k := &smpClassTable[p.class&127]
		p.offset = at - p.first*smpPageSize
		p.slot = p.offset / k.size
		if p.slot < uintptr(p.seg.slabs[p.first&(smpSegPages-1)].slots) {
			p.inSlot = true
			state := *p.state()
			p.free, p.sample = state&smpAlive == 0, state>>1 == smpSampled
		}
	}
	return p
}

// starts tells whether a slot begins at the place, which is in a slab.
//
//go:norace
func (p *smpPlace) starts() bool {
	k := &smpClassTable[p.class&127]
	return p.inSlot && p.slot*k.size == p.offset
}

// live tells whether b, at p, can be a small block of that layout.
//
//go:norace
func (p *smpPlace) live(b []byte, l mem.Layout) bool {
	n := smpRound(len(b), l.Align)
	return p.kind == smpSmall && p.starts() && !p.free && n-1 < smpMaxSmall && smpClassOf(n) == uintptr(p.class)
}

// blame reports what is wrong with b, which is at p and no small block of that
// layout.
func (s *SMP) blame(op string, p smpPlace, b []byte, l mem.Layout) {
	switch {
	case p.seg == nil:
		misuse(ForeignFree, op, b, hintForeign)
	case p.seg.owner != pointerAddress(s):
		misuse(WrongAllocator, op, b, "the block is of another SMP")
	case p.kind == smpFree && s.runAt(&p, address(b)):
		s.blame(op, p, b, l)
	case p.kind == smpFree:
		misuse(DoubleFree, op, b, "nothing is live there; what was is freed, and its pages with it")
	case p.kind == smpLarge || !p.starts():
		misuse(InteriorFree, op, b, fmt.Sprintf("it is at offset %d of what begins at %#x", p.inside(), address(b)-p.inside()))
	case p.free:
		misuse(DoubleFree, op, b, "the block is free already, or never was")
	default:
		s.blameSize(op, p, b, l)
	}
}

// runAt looks for a large block that addr is in, behind its first page, and tells
// whether there is one. It corrects p.
//
//go:norace
func (s *SMP) runAt(p *smpPlace, addr uintptr) bool {
	s.lock()
	defer s.unlock()
	page := int(addr & (smpSegSize - 1) >> smpPageShift)
	for first := page; first >= 0; first-- {
		if sl := &p.seg.slabs[first]; int(sl.pages) > page-first && p.seg.page[first].Load()&0xFF == smpLarge {
			p.kind, p.first = smpLarge, uintptr(first)
			p.offset = addr&(smpSegSize-1) - p.first*smpPageSize
			return true
		}
	}
	return false
}

// inside returns how far behind the start of a slot or large block p is.
func (p *smpPlace) inside() uintptr {
	if p.kind == smpLarge {
		return p.offset
	}
	return p.offset - p.slot*smpClassTable[p.class&127].size
}

// blameSize reports that b has not the size or alignment of what is at p.
func (s *SMP) blameSize(op string, p smpPlace, b []byte, l mem.Layout) {
	size := smpClassTable[p.class&127].size
	if n := uintptr(len(b)); n-1 < smpMaxSmall && smpClassOf(n) <= uintptr(p.class) && l.Align != (mem.Alignment{}) {
		misuse(AlignMismatch, op, b, fmt.Sprintf("slots there have %d bytes, which is not what this size with alignment %v gets", size, l.Align))
		return
	}
	misuse(SizeMismatch, op, b, fmt.Sprintf("slots there have %d bytes", size))
}

// freeSlow is Free for large blocks, those in the sample, and what is none at all.
//
//go:noinline
func (s *SMP) freeSlow(b []byte, l mem.Layout) {
	if invariant.Enabled {
		race.Enable()
		defer race.Disable()
	}
	if s.freeSampled(b, l) {
		return
	}
	const op = "heap: SMP.Free"
	p := s.place(b)
	switch {
	case p.kind == smpLarge:
		s.freeLarge(op, p, b, l)
	case p.seg == nil:
		s.freeHuge(op, b)
	default:
		s.blame(op, p, b, l)
	}
}

// Owns implements [mem.Owner].
//
//go:norace
func (s *SMP) Owns(b []byte) bool {
	p := s.place(b)
	if p.seg != nil {
		return p.seg.owner == pointerAddress(s)
	}
	return s.huge.from(s).Owns(b)
}

// UsableSize implements [mem.UsableSizer]: the size of the slot, or the pages that
// a larger block begins.
//
//go:norace
func (s *SMP) UsableSize(b []byte) int {
	p := s.place(b)
	if p.kind == smpSmall {
		return int(smpClassTable[p.class&127].size)
	}
	if p.kind == smpLarge {
		return smpGoodSize(len(b))
	}
	return goodPageSize(len(b))
}

// GoodSize implements [mem.GoodSizer].
func (s *SMP) GoodSize(size int, l mem.Layout) int {
	if n := smpRound(size, l.Align); n-1 < smpMaxSmall {
		return int(smpClassTable[smpClassOf(n)&127].size)
	}
	if size <= smpMaxLarge && l.Align.Bytes() <= smpMaxAlign {
		return smpGoodSize(size)
	}
	return s.huge.from(s).GoodSize(size, l)
}
