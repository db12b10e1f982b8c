package heap

import (
	"sync"

	"github.com/allod-dev/allod/internal/vm"
)

// Where the descriptors of segments lie.
//
// A descriptor is as large as all that a small program has live, but of it no more
// is touched than belongs to pages that are used. So it comes from the system, which
// puts memory behind it page by page, and takes that back when the segment is
// empty; the Go heap clears all of it at once, and counts it as used for ever.
//
// Descriptors lie in regions of their own. Between these and whatever lies next to
// them, maybe a block that is written past its end, is a page that nobody can
// access.

// smpRegionMost is how many descriptors a region has: a mapping for each would be
// many of the number that a process may have.
const smpRegionMost = 8

// An smpRegion is a reservation with descriptors in it, the first taken of which are
// committed.
type smpRegion struct {
	mem   []byte
	taken int
}

// smpHolders are the SMPs that have descriptors, which refer to them. One that is
// dropped, but not closed, must stay: its blocks may be live.
var smpHolders sync.Map

// newDescriptor returns a descriptor that is zero. The lock is held.
//
//go:norace
func (s *SMP) newDescriptor() (*smpSegment, error) {
	if vm.GoHeap {
		return new(smpSegment), nil
	}
	size, _ := vm.Whole(smpDescriptorSize)
	last := len(s.regions) - 1
	if last < 0 || s.regions[last].taken == smpRegionMost {
		b, err := vm.Reserve(smpRegionMost*size+2*vm.PageSize(), vm.PageSize())
		if err != nil {
			return nil, pageError(err)
		}
		s.regions = append(s.regions, smpRegion{mem: b})
		smpHolders.Store(s, true)
		last++
	}
	r := &s.regions[last]
	b := r.mem[vm.PageSize()+r.taken*size:][:size]
	if err := vm.Commit(b); err != nil {
		return nil, pageError(err)
	}
	r.taken++
	return segmentIn(b), nil
}

// endDescriptors gives all descriptors back. Nobody looks at them any more.
func (s *SMP) endDescriptors() {
	if vm.GoHeap {
		return
	}
	size, _ := vm.Whole(smpDescriptorSize)
	for _, r := range s.regions {
		bare := 0
		for i := range r.taken {
			if seg := segmentIn(r.mem[vm.PageSize()+i*size:]); seg.bare {
				bare += len(seg.body())
			}
		}
		vm.Unreserve(r.mem, r.taken*size, bare)
	}
	s.regions = nil
	smpHolders.Delete(s)
}

// body returns the whole pages of the descriptor in which nothing is but its body.
func (g *smpSegment) body() []byte {
	b := bytesOf(&g.smpBody)
	skip := int(-address(b) & uintptr(vm.PageSize()-1))
	n := (len(b) - skip) &^ (vm.PageSize() - 1)
	return b[skip : skip+n : skip+n]
}

// cool gives back the memory behind what is known of a segment in which nothing is
// used, if it was so the last time, too, or if that is to be at once. Who looks there
// all the same, as he thinks that he has a block, finds that he has none. The lock
// is held.
//
//go:norace
func (g *smpSegment) cool(atOnce bool) {
	if vm.GoHeap || g.bare || g.used != (smpPages{}) || g.dirty != (smpPages{}) {
		return
	}
	if g.cold || atOnce {
		g.bare = vm.Discard(g.body()) == nil
	}
	g.cold = true
}

// warm undoes cool. The lock is held.
//
//go:norace
func (g *smpSegment) warm() error {
	if g.bare {
		if err := vm.Charge(len(g.body())); err != nil {
			return pageError(err)
		}
		g.bare = false
	}
	g.cold = false
	return nil
}

// metadata returns how many bytes the descriptors have that may have memory behind
// them. The lock is held.
//
//go:norace
func (s *SMP) metadata() (n int) {
	for _, seg := range s.segments {
		n += smpDescriptorSize
		if seg.bare {
			n -= len(seg.body())
		}
	}
	return n
}
