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

// An smpRegion is a reservation with descriptors in it, the first ready of which are
// committed, and the first taken in use. Those between are zero, and discarded.
type smpRegion struct {
	mem          []byte
	ready, taken int
}

// smpSpares are the regions of SMPs that were closed. They are not given back: who
// asks another SMP whether it owns a block of a closed one may be about to look at a
// descriptor, and finds that it is nobody's.
var smpSpares struct {
	mu   sync.Mutex
	list []smpRegion
}

// smpHolders are the SMPs that have descriptors, which know them by number. One that
// is dropped, but not closed, must stay: its blocks may be live.
var smpHolders sync.Map

// newDescriptor returns a descriptor that is zero. The lock is held.
//
//go:norace
func (s *SMP) newDescriptor() (*smpSegment, error) {
	if len(s.segments) == 0 {
		smpHolders.Store(s, true)
	}
	if vm.GoHeap {
		return new(smpSegment), nil
	}
	size, _ := vm.Whole(smpDescriptorSize)
	last := len(s.regions) - 1
	if last < 0 || s.regions[last].taken == smpRegionMost {
		r, err := newSMPRegion(smpRegionMost*size + 2*vm.PageSize())
		if err != nil {
			return nil, pageError(err)
		}
		s.regions = append(s.regions, r)
		last++
	}
	r := &s.regions[last]
	b := r.descriptor(r.taken)
	var err error
	if r.taken < r.ready {
		err = vm.Charge(len(b))
	} else if err = vm.Commit(b); err == nil {
		r.ready++
	}
	if err != nil {
		return nil, pageError(err)
	}
	r.taken++
	return segmentIn(b), nil
}

// newSMPRegion returns a region of n bytes with no descriptor taken.
//
//go:norace
func newSMPRegion(n int) (r smpRegion, err error) {
	smpSpares.mu.Lock()
	defer smpSpares.mu.Unlock()
	if last := len(smpSpares.list) - 1; last >= 0 {
		r = smpSpares.list[last]
		smpSpares.list[last] = smpRegion{}
		smpSpares.list = smpSpares.list[:last]
		return r, nil
	}
	r.mem, err = vm.Reserve(n, vm.PageSize())
	return r, err
}

// descriptor returns the pages of descriptor i.
func (r *smpRegion) descriptor(i int) []byte {
	size, _ := vm.Whole(smpDescriptorSize)
	return r.mem[vm.PageSize()+i*size:][:size:size]
}

// endDescriptors gives all descriptors back.
func (s *SMP) endDescriptors() {
	for _, r := range s.regions {
		for i := range r.taken {
			b := r.descriptor(i)
			if seg := segmentIn(b); seg.bare {
				body := seg.body()
				skip := int(address(body) - address(b))
				forgetDescriptor(b[skip+len(body):])
				forgetDescriptor(b[:skip])
			} else {
				forgetDescriptor(b)
			}
		}
		r.taken = 0
		smpSpares.mu.Lock()
		smpSpares.list = append(smpSpares.list, r)
		smpSpares.mu.Unlock()
	}
	s.regions = nil
	smpHolders.Delete(s)
}

// forgetDescriptor makes pages of descriptors zero, and gives back the memory behind them
// where that is possible while others may look at them.
func forgetDescriptor(b []byte) {
	if len(b) > 0 && vm.Discard(b) != nil {
		clear(b)
		vm.Discharge(len(b))
	}
}

// body returns the whole pages of the descriptor in which nothing is but its body:
// none where segments are small and pages large.
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
	if b := g.body(); len(b) > 0 && (g.cold || atOnce) {
		g.bare = vm.Discard(b) == nil
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
