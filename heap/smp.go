package heap

import (
	"sync"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/rt"
	"github.com/allod-dev/allod/mem"
)

// SMP is the general purpose allocator: fast for blocks of any size, of any
// lifetime, from any goroutine. Want it wherever nothing is known that an [Arena]
// or a [Pool] could use.
//
// Memory comes from the operating system, in segments of 4 MiB, and for blocks of
// more than 2 MiB one by one, as with [Page]; where addresses have 32 bits, and
// where Page takes memory from the Go heap, both are a quarter of that. It is
// neither scanned nor counted by the collector. Small blocks, of up to 32 KiB,
// are served from slabs of equal slots, which are at most an eighth larger than
// the block, if that is over 64 bytes. Nothing that SMP knows about a block lies
// next to it.
//
// Free keeps a few blocks for whoever allocates next on the same processor, makes
// the others free for all, and touches none, unless the SMP is hardened. Pages that
// are empty serve blocks of any other size. While they are not wanted, they
// go back to the system little by little, and all of them in [SMP.Trim].
//
// A block keeps the slab that it is in, of at most 64 KiB or eight slots, even if
// it is the last one there: one survivor in each slab is the worst that can be. Free
// slots between blocks serve any block of the class; if they are not wanted, every
// other block of a class doubles what it takes. A program that uses one size after
// the other, n bytes at a time, has no more than a quarter more than n committed,
// and 4 MiB for each processor; one that frees elsewhere what it allocates, twice
// what is live, and 4 MiB for each processor.
//
// Only Free, Remap and Close end a block's life. Every build tells foreign
// blocks, double frees, pointers into blocks, and small blocks with sizes and
// alignments of other classes, by address, and reports them. Two goroutines that
// free one block at the very same time are a race, which may go unnoticed.
//
// SMP is safe for concurrent use, except for Close. It must not be copied after
// its first use. The zero SMP is ready to use, with the zero [SMPOptions];
// [Default] is one for all.
//
// With a ProfileRate it knows which stacks allocated what is live; see [SMP.Sites]
// and [SMP.WriteProfile]. After Close the profile is as it was, so that it tells
// of what leaked.
type SMP struct {
	copies noCopy
	crowd  crowd
	opts   SMPOptions
	hard   *smpHardened                // nil unless the SMP is hardened
	sample atomic.Pointer[smpSampling] // nil until it is wanted
	caches *smpCaches                  // atomic; nil at first, and while somebody has stopped them
	slabs  [smpClasses]atomic.Int64    // number of each class
	visits [smpClasses]atomic.Uint32   // how often a magazine of each did not do, and was not full grown
	closed atomic.Bool

	near [smpNear]atomic.Pointer[smpSegment] // some of segments, by their numbers

	stopping sync.Mutex // who changes caches or handles
	handles  *smpHandle // a list of those that are open

	mu       sync.Mutex    // the last lock: nothing else is taken under it
	segments []*smpSegment // for ever, until Close
	regions  []smpRegion   // with what is known of segments
	room     []uint16      // pages in the longest free run of each segment, at most
	low      [10]int       // no segment before low[k] has a run of 1<<k pages
	used     int           // pages that are not free
	idle     int           // pages that are free and may have memory behind them
	returned int64         // bytes given back to the system
	large    smpTally      // blocks that are runs of pages
	rest     smpDecay

	huge smpHuge
}

// SMPOptions are the settings of [NewSMP].
type SMPOptions struct {
	// Hardened gives up speed for what makes mistakes harder to exploit, and
	// easier to find. Small blocks lie in random slots of their slabs. A block that
	// is freed is filled with 0xDE, and its memory not used again until 1024 other
	// small blocks, or 16 larger ones or 8 MiB of these, have been freed. A write to
	// such a block is reported as [WriteAfterFree], when the slot is served again,
	// or when the memory of the larger block, or of the slab, becomes free. A block
	// of more than 8 MiB is unmapped at once. All calls for small blocks take
	// locks that are the same for all processors.
	Hardened bool

	// HugePages asks the system to use huge pages for segments and for blocks
	// of at least one such page. It makes it cheaper to touch much memory for the
	// first time, and costs memory where little of it is touched: in segments, for
	// each such page, at most an eighth of what the SMP used when it asked, if that was
	// more than 8 MiB. Without it, only blocks that grow by Remap to several MiB are,
	// unless SmallPages is set; see [PageOptions]. A system that makes all memory of
	// huge pages is asked for nothing else.
	HugePages bool

	// SmallPages keeps blocks that grow from being made of huge pages: the SMP asks
	// the system for none then, unless HugePages is set. See [PageOptions].
	SmallPages bool

	// Retain is how many bytes of free pages, and of free blocks that had pages
	// of their own, are at most kept for long, rather than given back as time goes
	// by. 0 stands for an eighth of the pages in use, but 128 KiB to 4 MiB, and for
	// as much of the latter as there ever was in use, but 64 MiB. [SMP.Trim] keeps
	// none.
	Retain int

	// ProfileRate makes the SMP profile itself, as a [Profile] around it would. It
	// is how many bytes there are, on average, to a block in the sample: 512<<10 as
	// in Go, which adds some two hundredths to the time of Alloc and Free, and
	// more where blocks of several KiB come and go. 0 stands for no profile, and more
	// than 64 MiB for 64 MiB.
	ProfileRate int

	// Name labels the mappings of large blocks; see [PageOptions].
	Name string
}

var _ mem.Allocator = (*SMP)(nil)

// Why it is built this way.
//
// Go offers no memory of a thread's own. What comes closest is to be pinned to a
// processor, which costs about 3 ns; an uncontended atomic operation costs as
// much, and makes the processor wait for what it has under way. A few loads and
// stores need neither: see rt.ThisM. So a call finds the processor that it runs on,
// and there all that it wants in a cache that is not shared: slots to serve, and
// room for slots that are freed, in the cache of whoever frees. One call in 32 or
// so pins, and goes on to the bins, where one lock moves that many slots.
//
// Bytes rather than lists: a list would have to be linked through the blocks,
// where a program that writes to a freed block forges it; and freeing a block
// would fetch it into the processor's cache. Slots are also served in the order
// of their addresses rather than in that in which they happened to be freed. A
// byte for every 16 bytes of memory tells which class of block is live there, if
// any: it is found without a look at anything else, and finds double frees,
// pointers into blocks and wrong sizes by one comparison. Bits would be less, but
// others have bits in the same word, so that each change would be an atomic
// operation. Slots that are free for all have bits, which change under a lock.
//
// With many processors. A cache, its magazines and the bins of a processor take 62
// KiB of the Go heap, less what is not touched of them: at most 3.9 MiB for 64
// processors, and 15.4 MiB for 256. Besides, each may have a full magazine, up to 32
// KiB or two slots, of free slots for each class, and a slab that is partly free;
// what it does not use goes back while it works, but not while it rests. Nobody
// else takes the locks of a processor's bins, but who frees blocks from there, 32
// at once, and who has no slab left: he looks at a
// byte of each other processor's bin, so 64 or 256 of them, before a slab is
// made, and takes what is free there only if nobody is at it. Who frees for one
// and the same processor from all of 64 others shares its lock with them, which
// is held for some 100 ns for 32 slots. Nothing passes between processors but
// through bins: a depot of magazines would be one more lock for all, for each class,
// and up to 32 KiB more for each magazine in it. The one lock for all is that of the
// segments, taken once for every slab that is made or goes, and for every block
// of more than 32 KiB: some 50 ns, so that a program that does nothing else is
// done with 20 million a second however many processors there are.
//
// mu is never held while anything is reported, or while pinned.

// NewSMP returns an SMP with the given options. It panics if one is negative.
func NewSMP(o SMPOptions) *SMP {
	if o.Retain < 0 || o.ProfileRate < 0 {
		panic("heap: NewSMP: negative option")
	}
	s := &SMP{opts: o}
	if o.Hardened {
		s.hard = newSMPHardened()
	}
	return s
}

var smpDefault = SMP{opts: SMPOptions{ProfileRate: samplerRate}}

// Default returns the SMP that is one for the whole process. It is never closed.
// It profiles itself, with one block in the sample for 512 KiB, as Go does with
// its own heap.
func Default() *SMP { return &smpDefault }

const smpHintAlone = "Close must wait until all other calls are over"

var errSMPAddress = mem.NewError("heap: SMP: the system serves addresses that are out of range", mem.ErrOutOfMemory)

// Alloc implements [mem.Allocator].
//
//go:norace
//go:nosplit
//go:noinline
func (s *SMP) Alloc(size int, l mem.Layout) ([]byte, error) {
	last := smpLast(size, l.Align)
	if invariant.Enabled || last >= smpMaxSmall || l.Kind == mem.Managed {
		return s.alloc(size, l, nil, 3)
	}
	class, zero := uintptr(smpStep[last/smpStepSize]), l.Kind != mem.Plain || l.Zero
	if rt.ProcessorAt != 0 {
		// s.take, as if it were pinned; see rt.ThisM. There must be no call from there
		// until slot was read, but of what is nosplit as well.
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
	} else if b := s.take(class, size); b != nil {
		if zero {
			clear(b)
		}
		return b, nil
	}
	return s.slow(class, size, zero, nil, 3)
}

// slow is Alloc for a small block of a class that the cache has no slot of, or
// whose turn it is to be in a sample. It is asked through and skips as in sampled.
//
//go:noinline
func (s *SMP) slow(class uintptr, size int, zero bool, through *smpSampler, skip int) ([]byte, error) {
	if s.closed.Load() {
		return nil, mem.ErrClosed
	}
	if s.hard != nil {
		return s.allocHardened("heap: SMP.Alloc", class, size, zero, through, skip)
	}
	b, draw, err := s.allocSlow(class, size)
	if err != nil {
		return nil, err
	}
	if draw != nil {
		s.sampled(b, class, draw, through, skip)
	}
	if zero {
		clear(b)
	}
	return b, nil
}

// alloc is Alloc for all blocks. It is asked through and skips as in sampled.
//
//go:noinline
func (s *SMP) alloc(size int, l mem.Layout, through *smpSampler, skip int) ([]byte, error) {
	mem.CheckSize("heap: SMP.Alloc", size)
	s.copies.check("heap: SMP.Alloc")
	if invariant.Enabled {
		s.crowd.enter("heap: SMP.Alloc", many, smpHintAlone)
		defer s.crowd.leave(many)
		defer s.check()
	}
	if l.Kind == mem.Managed {
		return nil, mem.Refuse(l)
	}
	race.Disable()
	closed := s.closed.Load()
	race.Enable()
	if closed {
		return nil, mem.ErrClosed
	}
	n := smpRound(size, l.Align)
	if n-1 >= smpMaxSmall {
		b, err := s.allocLarge(size, l)
		if err == nil && (through != nil || s.opts.ProfileRate > 0) {
			s.sampleLarge(b, through, skip)
		}
		return b, err
	}
	class := smpClassOf(n)
	if s.hard != nil {
		return s.allocHardened("heap: SMP.Alloc", class, size, l.Zero || l.Kind != mem.Plain, through, skip)
	}
	race.Disable()
	b := s.take(class, size)
	var draw *smpSampler
	var err error
	if b == nil {
		b, draw, err = s.allocSlow(class, size)
	}
	race.Enable()
	if err != nil {
		return nil, err
	}
	smpOpened(b)
	if draw != nil {
		s.sampled(b, class, draw, through, skip)
	}
	if l.Zero || l.Kind != mem.Plain {
		clear(b)
	}
	return b, nil
}

// Free implements [mem.Allocator].
//
//go:norace
//go:nosplit
//go:noinline
func (s *SMP) Free(b []byte, l mem.Layout) {
	if invariant.Enabled {
		s.freeChecked(b, l)
		return
	}
	// s.find, written out.
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
	if rt.ProcessorAt != 0 {
		// smpEntry.put, as if it were pinned, as in Alloc.
		i := processor(rt.ThisM())
		if t := s.caches; t != nil && i < uint(len(t.list)) {
			e := &t.list[i][class&127]
			if n := e.count.slots(); n < e.keep {
				*e.at(n) = slot
				e.count++
				return
			}
		}
	}
	s.putSlow(class, slot)
}

// freeChecked is Free with all that can be checked.
//
//go:norace
//go:noinline
func (s *SMP) freeChecked(b []byte, l mem.Layout) {
	s.crowd.enter("heap: SMP.Free", many, smpHintAlone)
	defer s.crowd.leave(many)
	defer s.check()
	race.Disable()
	defer race.Enable()
	s.freeFar(b, l)
}

// freeFar is Free for blocks in segments that are not near, and what freeSlow is
// for.
//
//go:noinline
//go:norace
func (s *SMP) freeFar(b []byte, l mem.Layout) {
	class, slot := s.find(b, l.Align)
	if class == 0 {
		s.freeSlow(b, l)
		return
	}
	slot.shut(b)
	s.putSlow(class, slot)
}

// find returns the class and the slot of b, if that is a small live block of s
// with that alignment. Otherwise the class is 0.
//
//go:norace
func (s *SMP) find(b []byte, a mem.Alignment) (class uintptr, slot smpSlot) {
	addr, last := address(b), smpLast(len(b), a)
	seg := s.segment(addr)
	if seg == nil || last >= smpMaxSmall {
		return 0, smpSlot{}
	}
	class = uintptr(smpStep[last/smpStepSize])
	state := &seg.state[addr%smpSegSize/smpGrain]
	if uintptr(*state) != smpLive(class, addr) {
		return 0, smpSlot{}
	}
	return class, smpSlot{addr, pointerAddress(state)}
}

// Pointers returns [mem.PlainOnly].
func (s *SMP) Pointers() mem.Pointers { return mem.PlainOnly }

// Resize implements [mem.Allocator]. A small block changes within its class, a
// larger one as far as its pages, or free ones after them, go.
//
//go:noinline
func (s *SMP) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: SMP.Resize", size)
	return s.resize("heap: SMP.Resize", b, l, size, false, nil)
}

// Remap implements [mem.Allocator]. It is Resize, except that blocks of more than
// 2 MiB may move.
//
//go:noinline
func (s *SMP) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: SMP.Remap", size)
	return s.resize("heap: SMP.Remap", b, l, size, true, nil)
}

// resize is Resize and, if the block may move, Remap. It is asked through as in
// sampled.
//
//go:noinline
func (s *SMP) resize(op string, b []byte, l mem.Layout, size int, move bool, through *smpSampler) ([]byte, bool) {
	if invariant.Enabled {
		s.crowd.enter(op, many, smpHintAlone)
		defer s.crowd.leave(many)
		defer s.check()
	} else if class, _ := s.find(b, l.Align); class != 0 {
		return s.within(class, b, l, size)
	}
	p := s.place(b)
	switch {
	case p.kind == smpLarge || p.kind == smpFree && p.seg == nil:
		var room [smpTakenRoom]smpTaken
		was := s.unsample(p, b, room[:0])
		r, ok := b, false
		if len(was) > 0 { // a report may not return
			defer func() {
				if !ok {
					s.resample(p, b, was)
				}
			}()
		}
		if p.kind == smpLarge {
			r, ok = s.resizeLarge(op, p, b, l, size)
		} else {
			r, ok = s.resizeHuge(op, b, l, size, move)
		}
		if ok {
			s.sampleLarge(r, through, 3)
		}
		return r, ok
	case !p.live(b, l):
		s.blame(op, p, b, l)
		return b, false
	}
	n := smpRound(size, l.Align)
	if n-1 >= smpMaxSmall || smpClassOf(n) != uintptr(p.class) {
		return b, false
	}
	r := wider(b, size)
	if size > len(b) {
		if l.Zero || l.Kind != mem.Plain {
			clear(r[len(b):])
		}
	}
	r = r[:size:size]
	if p.sample {
		s.sampledAnew(b, r, uintptr(p.class), through, 3)
	}
	return r, true
}

// within is resize of a small block of that class, which is live and not in the
// sample.
//
//go:norace
func (s *SMP) within(class uintptr, b []byte, l mem.Layout, size int) ([]byte, bool) {
	last := smpLast(size, l.Align)
	if last >= smpMaxSmall || uintptr(smpStep[last/smpStepSize]) != class {
		return b, false
	}
	r := wider(b, size)
	if size > len(b) && (l.Zero || l.Kind != mem.Plain) {
		clear(r[len(b):])
	}
	return r, true
}
