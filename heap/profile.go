package heap

import (
	"io"
	"runtime"
	"weak"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/rt"
	"github.com/allod-dev/allod/mem"
)

// Profile wraps an allocator and finds out who allocates, at a price that a
// program in production can pay: as Go's own profile of the heap does, it takes
// the stack of one block in so many bytes, and says of each stack how much all
// of its blocks must be. Memory off the Go heap is not in Go's profile; this is
// the profile that it is in. [Profile.WriteProfile] writes it for go tool pprof.
// Around an [SMP] it adds some three hundredths to the time of Alloc and Free, where
// an SMP that profiles itself adds two, see SMPOptions.ProfileRate; around anything
// else a second call and a little more.
//
// Memory comes from the child, to which every operation is passed unchanged.
// Free is the child's. Blocks live as long as the child says, and a child that
// frees many at once, as an Arena does, is not noticed: the blocks stay in the
// profile. For an arena, wrap the child that it takes its chunks from.
//
// A Profile is safe for concurrent use if its child is; writing it always is. It
// must not be copied. The zero Profile has no child; call [NewProfile].
//
// The figures are estimates: of a stack with n blocks in the sample the error is
// about one in the square root of n. They do not lean to either side. A block
// that grows or shrinks counts as one freed and another allocated.
//
// A Profile around an SMP is another way into it. A block ends as well if it is freed
// through the SMP, and one that grows or shrinks through it, or through another Profile
// around it, is no longer in this one. All who allocate from the SMP feel a rate of few
// bytes, as long as there is the Profile: for each block that it might take they go a
// longer way.
type Profile struct {
	copies noCopy
	fast   *SMP // smp, if Alloc and Free may use its caches themselves; else nil
	child  mem.Allocator
	sample *sampler

	// If the child is an SMP:

	smp *SMP        // the child; nil if it is none
	own *smpSampler // sample, known to smp

	// If it is not:

	marks profileMarks // where the blocks of the sample may be
	next  countdowns   // to the next block that is taken into the sample
}

var _ mem.Allocator = (*Profile)(nil)

// Most calls must cost next to nothing, so neither Alloc nor Free may look at
// what other goroutines change. Alloc counts bytes down to the next sample, in a
// place that it hardly shares; see [countdowns]. Free reads one bit of a
// table that is hashed by address, nearly always 0; only if it is not, the lock is
// taken to look.
//
// Around an SMP even the second call would be too much: a wrapper that does nothing
// but call adds nine hundredths to it, over the recorded programs in bench, and seven
// if the call is static; with the two above it is twice that. So there is none. Alloc
// and Free are those of the SMP, written out once more, and what tells which blocks
// are in the sample is the SMP's as well: see smpSampling. The pointer to the SMP
// costs one or two hundredths, and the sample the rest. What is written out could be a
// function of the SMP's, small enough to be inlined: that costs another hundredth.

// ProfileOptions are the settings of [NewProfileWith].
type ProfileOptions struct {
	// Rate is how many bytes there are, on average, to a block in the sample.
	// 0 means 512 KiB, as in Go; with 1 every block is in it. More than 64 MiB
	// is 64 MiB. To tell that a block is in the sample takes some 150 to 300 bytes
	// of the Go heap.
	Rate int

	// StackDepth is how many calls of a stack are kept. 0 means 32, and more
	// than 64 is 64.
	StackDepth int
}

// NewProfile returns child with a sample of its blocks profiled. If that is an SMP in
// use, all goroutines may be stopped for a moment, and again when the collector finds
// that the Profile was dropped.
func NewProfile(child mem.Allocator) *Profile {
	mustChild("heap: NewProfile", child)
	return NewProfileWith(child, ProfileOptions{})
}

// NewProfileWith is [NewProfile] with options. It panics if one is negative.
func NewProfileWith(child mem.Allocator, o ProfileOptions) *Profile {
	mustChild("heap: NewProfileWith", child)
	if o.Rate < 0 || o.StackDepth < 0 {
		panic("heap: NewProfileWith: negative option")
	}
	p := &Profile{child: child}
	if s, ok := child.(*SMP); ok && s != nil {
		p.enter(s, newSMPSampler(o.Rate, o.StackDepth))
		return p
	}
	sample := newSampler(o.Rate, o.StackDepth)
	p.sample = &sample
	p.marks.now.Store(newProfileTable(profileTableMin))
	p.sample.marks = &p.marks
	return p
}

// enter makes p one of those who sample what s serves, for as long as p is there.
func (p *Profile) enter(s *SMP, own *smpSampler) {
	p.smp, p.own, p.sample = s, own, &own.sampler
	if rt.ProcessorAt != 0 && !invariant.Enabled {
		p.fast = s
	}
	s.watch(own)
	runtime.AddCleanup(p, smpWatch.end, smpWatch{weak.Make(s), own})
}

// The methods are not inlined: their callers are told by their distance.

// Alloc implements [mem.Allocator].
//
//go:norace
//go:nosplit
//go:noinline
func (p *Profile) Alloc(size int, l mem.Layout) ([]byte, error) {
	s, last := p.fast, smpLast(size, l.Align)
	if s == nil {
		mem.CheckSize("heap: Profile.Alloc", size)
		p.copies.check("heap: Profile.Alloc")
		next := p.next.mine()
		if next.passes(size) { // which nothing does if there is no child, or it is an SMP
			return p.child.Alloc(size, l)
		}
		return p.alloc(size, l, next)
	}
	if last >= smpMaxSmall || l.Kind == mem.Managed {
		return p.alloc(size, l, nil)
	}
	// s.Alloc, written out, and under the same condition: no call from ThisM on that is
	// not nosplit as well.
	class, zero := uintptr(smpStep[last/smpStepSize]), l.Kind != mem.Plain || l.Zero
	i := processor(rt.ThisM())
	if t := s.caches; t != nil && i < uint(len(t.list)) {
		e := &t.list[i][class&127]
		if n := e.count - smpTurn - 1; n&smpNone == 0 {
			e.count = n
			slot := e.at(n.slots())
			addr, state := slot.addr, slot.state
			*byteFrom(state) = uint8(smpLive(class, addr))
			b := slotFrom(addr, size)
			if zero {
				clearSlot(b)
			}
			return b, nil
		}
	}
	return s.slow(class, size, zero, p.own, 3)
}

// alloc is Alloc for any block of an SMP, and for a block that next did not let pass
// of any other child.
//
//go:noinline
func (p *Profile) alloc(size int, l mem.Layout, next *countdown) ([]byte, error) {
	if p.smp != nil {
		mem.CheckSize("heap: Profile.Alloc", size)
		return p.smp.alloc(size, l, p.own, 4)
	}
	if p.child == nil {
		return nil, zeroValue("heap: Profile.Alloc", "NewProfile")
	}
	b, err := p.child.Alloc(size, l)
	if next.ends(p.sample, size) && err == nil {
		p.sample.add(b, 1/p.sample.probability(size), 3)
	}
	return b, err
}

// Resize implements [mem.Allocator].
//
//go:noinline
func (p *Profile) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: Profile.Resize", size)
	if p.smp != nil {
		return p.smp.resize("heap: SMP.Resize", b, l, size, false, p.own)
	}
	if p.child == nil {
		zeroValue("heap: Profile.Resize", "NewProfile")
		return b, false
	}
	return p.resize(b, l, size, mem.Allocator.Resize)
}

// Remap implements [mem.Allocator].
//
//go:noinline
func (p *Profile) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: Profile.Remap", size)
	if p.smp != nil {
		return p.smp.resize("heap: SMP.Remap", b, l, size, true, p.own)
	}
	if p.child == nil {
		zeroValue("heap: Profile.Remap", "NewProfile")
		return b, false
	}
	return p.resize(b, l, size, mem.Allocator.Remap)
}

//go:noinline
func (p *Profile) resize(b []byte, l mem.Layout, size int, how changer) ([]byte, bool) {
	var was sampled
	in := false
	if p.marks.some(b) {
		was, in = p.sample.take(b)
	}
	r, ok := how(p.child, b, l, size)
	switch {
	case !ok && in:
		p.sample.putBack(b, was)
	case ok && p.next.mine().chooses(p.sample, size):
		p.sample.add(r, 1/p.sample.probability(size), 3)
	}
	return r, ok
}

// Free implements [mem.Allocator].
//
//go:norace
//go:nosplit
//go:noinline
func (p *Profile) Free(b []byte, l mem.Layout) {
	s := p.fast
	if s == nil {
		if p.marks.some(b) { // or there is no child, or it is an SMP
			p.free(b, l)
			return
		}
		p.child.Free(b, l)
		return
	}
	// s.Free, written out.
	addr, last := address(b), smpLast(len(b), l.Align)
	number := addr >> smpSegShift
	seg := s.near[number%smpNear].Load()
	if seg == nil || seg.number != number || last >= smpMaxSmall {
		s.freeFar(b, l)
		return
	}
	class := uintptr(smpStep[last/smpStepSize])
	state := &seg.state[addr%smpSegSize/smpGrain]
	if uintptr(*state) != smpLive(class, addr) {
		s.freeSlow(b, l)
		return
	}
	*state = smpDead
	slot := smpSlot{addr, pointerAddress(state)}
	i := processor(rt.ThisM())
	if t := s.caches; t != nil && i < uint(len(t.list)) {
		e := &t.list[i][class&127]
		if n := e.count.slots(); n < e.keep {
			*e.at(n) = slot
			e.count++
			return
		}
	}
	s.putSlow(class, slot)
}

// free is Free for any block of an SMP, and for one that may be in the sample of any
// other child.
//
//go:noinline
func (p *Profile) free(b []byte, l mem.Layout) {
	if p.smp != nil {
		p.smp.Free(b, l)
		return
	}
	if p.child == nil {
		zeroValue("heap: Profile.Free", "NewProfile")
		return
	}
	was, in := p.sample.take(b)
	if !freeTo(p.child, b, l) && in {
		p.sample.putBack(b, was)
	}
}

// Pointers returns the child's answer.
func (p *Profile) Pointers() mem.Pointers {
	if p.child == nil {
		return mem.PlainOnly
	}
	return p.child.Pointers()
}

// Unwrap returns the child.
func (p *Profile) Unwrap() mem.Allocator { return p.child }

// Sites returns, by stack, what was allocated and what of it is live, most live
// bytes first.
func (p *Profile) Sites() []ProfileSite {
	if p.child == nil {
		return nil
	}
	return p.sample.list()
}

// WriteProfile writes, by stack, how many blocks and bytes were allocated and
// how many of them are live, as a profile for go tool pprof, with the sample
// types of Go's own profile of the heap. Live bytes are shown unless told
// otherwise.
func (p *Profile) WriteProfile(w io.Writer) error { return writeSites(w, p.Sites()) }
