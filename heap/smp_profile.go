package heap

import (
	"errors"
	"io"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// How an SMP profiles itself.
//
// A wrapper cannot do it for less than its own call costs, which is more than a
// hundredth of what it wraps. Here the decision is made where Alloc decides
// anyway whether it has a slot: a cache counts down, for each class by itself,
// how many blocks it serves before one that goes the slow way, in the same word
// as its slots. Since each block is drawn with the same probability, whatever
// came before, it is as good to draw how many are passed over. That a block is in
// the sample is noted in the byte of its slot, where Free looks anyway; it then
// goes the slow way as well. TCMalloc does the like with the span of a block.
//
// Blocks that are no slots take a lock each; for them dice are thrown.

// smpSampler is a sampler, and for how many blocks of each class one stands.
type smpSampler struct {
	sampler
	stands [128]float64
}

// sampler returns what samples the blocks of s; nil if that is not wanted.
//
//go:norace
func (s *SMP) sampler() *smpSampler {
	if s.opts.ProfileRate == 0 {
		return nil
	}
	return s.provideSampler()
}

//go:norace
func (s *SMP) provideSampler() *smpSampler {
	race.Disable()
	defer race.Enable()
	if p := s.sample.Load(); p != nil {
		return p
	}
	p := &smpSampler{sampler: newSampler(s.opts.ProfileRate, 0)}
	for i := 1; i < smpClasses; i++ {
		p.stands[i] = 1 / p.probability(int(smpClassTable[i].size))
	}
	s.sample.CompareAndSwap(nil, p)
	return s.sample.Load()
}

// arm makes an empty cache, which nobody uses yet, count.
//
//go:norace
func (p *smpSampler) arm(c *smpCache) {
	if p == nil {
		return
	}
	for i := 1; i < smpClasses; i++ {
		c[i].pass(p.pass(smpClassTable[i].size))
	}
}

// pass makes the entry pass over n blocks.
//
//go:norace
func (e *smpEntry) pass(n uintptr) {
	now := min(n, smpTurnMost)
	e.more = n - now
	e.count += smpCount(now) * smpTurn
}

// turn counts a block that goes the slow way, and tells whether it has to be in
// the sample.
//
//go:norace
func (e *smpEntry) turn(p *smpSampler, class uintptr) (chosen bool) {
	if e.count >= smpTurn {
		e.count -= smpTurn
		return false
	}
	switch {
	case e.more > 0:
		e.pass(e.more - 1)
	case p == nil:
		e.pass(smpTurnMost - 1)
	default:
		e.pass(p.pass(smpClassTable[class&127].size))
		return true
	}
	return false
}

// sampled takes b, a small block of its caller's, into the sample, for the
// caller of so many callers of sampled.
//
//go:norace
//go:noinline
func (s *SMP) sampled(b []byte, class uintptr, skip int) {
	place := s.place(b)
	*place.state() = smpSampled
	p := s.sampler()
	p.add(b, p.stands[class&127], skip+1)
}

// state returns the byte of the slot.
//
//go:norace
func (p *smpPlace) state() *uint8 {
	return &p.seg.state[(p.first*smpPageSize+p.slot*smpClassTable[p.class&127].size)/smpGrain]
}

// freeSampled is Free for a small block in the sample.
//
//go:norace
func (s *SMP) freeSampled(p smpPlace, b []byte, l mem.Layout) {
	s.sampler().take(b)
	*p.state() = uint8(smpLive(uintptr(p.class), address(b)))
	s.Free(b, l)
}

// sampledLarge is sampled for a block that is no slot.
//
//go:norace
//go:noinline
func (s *SMP) sampledLarge(b []byte, skip int) {
	p := s.sampler()
	p.add(b, 1/p.probability(len(b)), skip+1)
	if place := s.place(b); place.kind == smpLarge {
		place.setPage(smpLargeSampled)
	}
}

// unsample takes b, a block at p that is no slot, out of the sample, and tells
// whether it was in it.
//
//go:norace
func (s *SMP) unsample(p smpPlace, b []byte) (was sampled, in bool) {
	sample := s.sampler()
	if sample == nil || p.kind == smpLarge && !p.sample {
		return sampled{}, false
	}
	was, in = sample.take(b)
	if in && p.kind == smpLarge {
		p.setPage(smpLarge)
	}
	return was, in
}

// resample undoes unsample.
//
//go:norace
func (s *SMP) resample(p smpPlace, b []byte, was sampled) {
	s.sampler().putBack(b, was)
	if p.kind == smpLarge {
		p.setPage(smpLargeSampled)
	}
}

// setPage sets what the first page of a large block holds.
//
//go:norace
func (p *smpPlace) setPage(to uint32) {
	race.Disable()
	p.seg.page[p.first].Store(to)
	race.Enable()
}

// ProfileRate returns the rate at which s profiles itself, 0 if it does not; see
// [SMPOptions].
func (s *SMP) ProfileRate() int { return s.opts.ProfileRate }

// Sites returns, by stack, what was allocated and what of it is live, most live
// bytes first: nothing if [SMPOptions.ProfileRate] is 0.
func (s *SMP) Sites() []ProfileSite {
	if p := s.sampler(); p != nil {
		return p.list()
	}
	return nil
}

// WriteProfile writes the profile as [Profile.WriteProfile] does. It returns an
// error if [SMPOptions.ProfileRate] is 0.
func (s *SMP) WriteProfile(w io.Writer) error {
	if s.opts.ProfileRate == 0 {
		return errNotProfiled
	}
	return writeSites(w, s.Sites())
}

var errNotProfiled = errors.New("heap: SMP.WriteProfile: there is no profile: SMPOptions.ProfileRate is 0")
