package heap

import (
	"errors"
	"io"
	"weak"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/rt"
	"github.com/allod-dev/allod/mem"
)

// How an SMP is profiled, by itself and by Profiles around it.
//
// A wrapper cannot do it for less than its own call costs, which is several
// hundredths of what it wraps. Here the decision is made where Alloc decides
// anyway whether it has a slot: a cache counts down, for each class by itself,
// how many blocks it serves before one that goes the slow way, in the same word
// as its slots. Since each block is drawn with the same probability, whatever
// came before, it is as good to draw how many are passed over. That a block is in
// a sample is noted in the byte of its slot, where Free looks anyway; it then
// goes the slow way as well. TCMalloc does the like with the span of a block.
//
// A Profile around an SMP does the same, with the same caches: its Alloc and Free
// are those of the SMP, but for whose sample it is when a block's turn comes. So one
// countdown serves several samples. The one that takes the most draws for all, and
// the others take their part of what is drawn, at random; thus each takes a block
// with its own probability, whoever allocated what came before. A block that was
// drawn is for the sample of the SMP, and for that of the Profile that it was
// allocated through, if it was.
//
// Blocks that are no slots take a lock each; for them dice are thrown.

// smpSampler is a sampler, and for how many blocks of each class one stands.
type smpSampler struct {
	sampler
	stands [128]float64
}

// smpSampling is who samples blocks of an SMP. It does not change, but is replaced:
// if draw is another, while nobody holds a cache of a processor.
type smpSampling struct {
	own  *smpSampler   // what samples all blocks; nil if that is not wanted
	all  []*smpSampler // own, and those of Profiles around the SMP
	draw *smpSampler   // that of all by which the caches count, nil if there is none
}

var smpUnsampled smpSampling

func newSMPSampler(rate, depth int) *smpSampler {
	p := &smpSampler{sampler: newSampler(rate, depth)}
	for i := 1; i < smpClasses; i++ {
		p.stands[i] = 1 / p.probability(int(smpClassTable[i].size))
	}
	return p
}

// sampling returns who samples the blocks of s.
//
//go:norace
func (s *SMP) sampling() *smpSampling {
	race.Disable()
	x := s.sample.Load()
	race.Enable()
	switch {
	case x != nil:
		return x
	case s.opts.ProfileRate == 0:
		return &smpUnsampled
	}
	return s.provideSampling()
}

//go:norace
func (s *SMP) provideSampling() *smpSampling {
	race.Disable()
	defer race.Enable()
	own := newSMPSampler(s.opts.ProfileRate, 0)
	s.sample.CompareAndSwap(nil, &smpSampling{own, []*smpSampler{own}, own})
	return s.sample.Load()
}

// watch makes p, of a Profile around s, one of those who sample.
//
//go:norace
func (s *SMP) watch(p *smpSampler) {
	s.lockCaches()
	defer s.unlockCaches()
	x := s.sampling()
	all, n := make([]*smpSampler, len(x.all)+1), 0
	for i := range x.all {
		all[n] = x.all[i]
		n++
	}
	all[n] = p
	s.setSampling(x.own, all)
}

// unwatch undoes watch.
//
//go:norace
func (s *SMP) unwatch(p *smpSampler) {
	s.lockCaches()
	defer s.unlockCaches()
	x := s.sampling()
	all, n := make([]*smpSampler, len(x.all)-1), 0
	for i := range x.all {
		if x.all[i] != p {
			all[n] = x.all[i]
			n++
		}
	}
	s.setSampling(x.own, all)
}

// smpWatch is what to undo when a Profile was dropped. It does not hold the SMP, nor
// what that is a field of, as the Profile may be another: neither would ever go.
type smpWatch struct {
	smp weak.Pointer[SMP]
	own *smpSampler
}

func (w smpWatch) end() {
	if s := w.smp.Value(); s != nil {
		s.unwatch(w.own)
	}
}

// setSampling says who samples the blocks of s. The lock of the caches is held.
//
//go:norace
func (s *SMP) setSampling(own *smpSampler, all []*smpSampler) {
	x := &smpSampling{own: own, all: all}
	for i := range all {
		if x.draw == nil || all[i].rate < x.draw.rate {
			x.draw = all[i]
		}
	}
	t := s.theCaches()
	if t == nil || x.draw == s.sampling().draw {
		s.sample.Store(x)
		return
	}
	s.stop(t)
	s.sample.Store(x)
	for i := range t.list {
		x.draw.arm(&t.list[i])
	}
	s.setCaches(t)
}

// arm makes a cache, which nobody uses meanwhile, count by p, from the beginning.
//
//go:norace
func (p *smpSampler) arm(c *smpCache) {
	for i := 1; i < smpClasses; i++ {
		e := &c[i]
		e.count, e.more = smpCount(e.count.slots()), 0
		if p != nil {
			e.pass(p.pass(smpClassTable[i].size))
		}
	}
}

// chosenOf throws the dice for a block of a class.
//
//go:norace
func (p *smpSampler) chosenOf(class uintptr) bool {
	return p != nil && p.chosen(int(smpClassTable[class&127].size))
}

// shares tells whether a block of a class is in p's sample as well as in that of
// draw, which takes more.
//
//go:norace
func (p *smpSampler) shares(draw *smpSampler, class uintptr) bool {
	return p == draw || float64(rt.Rand())*p.stands[class&127] < draw.stands[class&127]*(1<<32)
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

// sampled takes b, a small block that draw has drawn, into the sample of s, and into
// that of the Profile through which it was asked for, if any: of these two, into
// those that share it. Its stack is that of the caller of so many callers of sampled.
//
//go:norace
//go:noinline
func (s *SMP) sampled(b []byte, class uintptr, draw, through *smpSampler, skip int) {
	for _, p := range [...]*smpSampler{s.sampling().own, through} {
		if p != nil && p.shares(draw, class) {
			addr := address(b)
			s.segment(addr).state[addr%smpSegSize/smpGrain] = uint8(smpLive(smpSampled, addr))
			p.add(b, p.stands[class&127], skip+1-p.keeps(through))
		}
	}
}

// keeps returns how many calls of a Profile stay in a stack, 0 or 1. In the sample of
// the SMP, the one that a block was allocated through does: who adds up several
// samples knows by it that the block is in another.
//
//go:norace
func (p *smpSampler) keeps(through *smpSampler) int {
	if through != nil && p != through {
		return 1
	}
	return 0
}

// sampledAnew makes b, a small block in a sample, r there. Its stack is told as by
// sampled.
//
//go:norace
//go:noinline
func (s *SMP) sampledAnew(b, r []byte, class uintptr, through *smpSampler, skip int) {
	x := s.sampling()
	for i := range x.all {
		p := x.all[i]
		if _, in := p.take(b); in && (p == x.own || p == through) {
			p.add(r, p.stands[class&127], skip+1-p.keeps(through))
		}
	}
}

// state returns the byte of the slot.
//
//go:norace
func (p *smpPlace) state() *uint8 {
	return &p.seg.state[(p.first*smpPageSize+p.slot*smpClassTable[p.class&127].size)/smpGrain]
}

// freeSampled is Free for a small block in a sample. It tells whether b is one, of
// that layout.
//
//go:norace
func (s *SMP) freeSampled(b []byte, l mem.Layout) bool {
	addr, last := address(b), smpLast(len(b), l.Align)
	if last >= smpMaxSmall {
		return false
	}
	seg := s.segment(addr)
	if seg == nil {
		return false
	}
	state, class := &seg.state[addr%smpSegSize/smpGrain], uintptr(smpStep[last/smpStepSize])
	race.Disable()
	page := seg.page[addr%smpSegSize>>smpPageShift].Load()
	race.Enable()
	if uintptr(*state) != smpLive(smpSampled, addr) || uintptr(page&0xFF) != class {
		return false
	}
	x := s.sampling()
	for i := range x.all {
		x.all[i].take(b)
	}
	*state = uint8(smpLive(class, addr))
	s.Free(b, l)
	return true
}

// sampleLarge takes b, a block that is no slot, into the samples that sampled does,
// if the dice say so.
//
//go:norace
//go:noinline
func (s *SMP) sampleLarge(b []byte, through *smpSampler, skip int) {
	in := false
	for _, p := range [...]*smpSampler{s.sampling().own, through} {
		if p != nil && p.chosen(len(b)) {
			p.add(b, 1/p.probability(len(b)), skip+1-p.keeps(through))
			in = true
		}
	}
	if !in {
		return
	}
	if place := s.place(b); place.kind == smpLarge {
		place.setPage(smpLargeSampled)
	}
}

// smpTaken is a block that was in a sample.
type smpTaken struct {
	by  *smpSampler
	was sampled
}

const smpTakenRoom = 2 // seldom is a block in more samples

// unsample takes b, a block at p that is no slot, out of all samples, and appends
// what it was there.
//
//go:norace
func (s *SMP) unsample(p smpPlace, b []byte, to []smpTaken) []smpTaken {
	if p.kind == smpLarge && !p.sample {
		return to
	}
	x := s.sampling()
	for i := range x.all {
		if was, in := x.all[i].take(b); in {
			to = append(to, smpTaken{x.all[i], was})
		}
	}
	if p.kind == smpLarge && len(to) > 0 {
		p.setPage(smpLarge)
	}
	return to
}

// resample undoes unsample.
//
//go:norace
func (s *SMP) resample(p smpPlace, b []byte, was []smpTaken) {
	for i := range was {
		was[i].by.putBack(b, was[i].was)
	}
	if p.kind == smpLarge && len(was) > 0 {
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
	if own := s.sampling().own; own != nil {
		return own.list()
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
