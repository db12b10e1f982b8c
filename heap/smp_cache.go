package heap

import (
	"math/bits"

	"github.com/allod-dev/allod/internal/race"
)

// A cache is what makes Alloc and Free fast. There is one for each processor,
// which belongs to whoever runs there and is pinned, one behind each SMPCache,
// and only its holder touches it: nothing in it is atomic. While a cache is held
// nothing blocks, panics or calls what might; code there loads, stores, counts
// bits and swaps words.
//
// What is freed is allocated next: it is still in the processor's cache. Slots
// that were freed here are in a magazine, the latest on top. If that is empty,
// slots are taken from a word of a slab, in the order of their addresses.

// smpCache is a cache, whatever makes it exclusive. Its address is what tells it
// from others; smpClasses entries are used, and any seven bits are an index.
type smpCache [128]smpEntry

// smpEntry is what a cache has of a class: a line of the processor's own cache.
type smpEntry struct {
	count smpCount
	keep  uint32 // slots that may be in the magazine; 0 while there is none
	mag   *smpMagazine
	held  uint64   // free slots, by their bits in a word of the slab
	base  smpSlot  // the slot of the lowest bit
	slab  *smpSlab // nil at first, and while none could be had
	more  uintptr  // turns that count has no room for
}

// smpCount is two numbers in one word. In the lowest seven bits it is how many
// slots are in the magazine, and from smpTurn on how many blocks are served
// before the next has to go the slow way: see smpEntry.turn. Alloc takes one
// from both, and finds out by one comparison whether there was one of both.
type smpCount uint32

const (
	smpTurn     = 1 << 8
	smpNone     = 1<<31 | 1<<7 // a bit is set where one was taken from 0
	smpTurnMost = 1<<23 - 1
)

// slots returns how many slots are in the magazine.
func (n smpCount) slots() uint32 { return uint32(n) & (smpTurn/2 - 1) }

// smpMagazine holds free slots. Classes of large slots do not use all of it.
type smpMagazine [smpMagSlots]smpSlot

const (
	smpMagSlots = 64
	smpMagBytes = 64 << 10 // in a magazine, at most; but four slots
)

// An smpSlot is a slot, by its own address and by that of the byte that tells
// whether it is live. Both are memory that others keep. They are numbers, so that
// storing them is not the collector's business.
type smpSlot struct {
	addr  uintptr
	state uintptr
}

// What the byte of a slot says. Of those that say that its block lives, and of no
// others, the lowest bit is set.
const (
	smpDead    = 0
	smpLive    = 1
	smpSampled = 3 // live, and in the sample
)

// take takes a free slot and returns the size bytes at its start; nil if this
// processor's cache has none.
//
//go:norace
func (s *SMP) take(class uintptr, size int) (b []byte) {
	if c := s.enter(); c != nil {
		b = c.take(class, size)
		s.leave(c)
	}
	return b
}

// take takes a free slot and returns the size bytes at its start; nil if the
// cache has none.
//
//go:norace
func (c *smpCache) take(class uintptr, size int) []byte {
	e := &c[class&127]
	if n := e.count - smpTurn - 1; n&smpNone == 0 {
		e.count = n
		return e.mag[n&(smpMagSlots-1)].open(size)
	}
	return e.takeHeld(class, size)
}

// open begins the life of a block of size bytes in the slot.
func (t *smpSlot) open(size int) []byte {
	*byteAt(&t.state) = smpLive
	return bytesAtWord(&t.addr, size)
}

// shut ends the life of the block b in the slot. The synchronisation of the race
// detector is disabled, once.
//
//go:norace
func (t *smpSlot) shut(b []byte) {
	if race.Enabled {
		race.Enable()
		race.Free(b)
		race.Disable()
	}
	*byteAt(&t.state) = smpDead
}

// takeHeld is take for an empty magazine. It is nil as well if it is the turn of
// a block that goes the slow way.
//
//go:norace
func (e *smpEntry) takeHeld(class uintptr, size int) []byte {
	if e.count < smpTurn {
		return nil
	}
	b := e.serveHeld(class, size)
	if b != nil {
		e.count -= smpTurn
	}
	return b
}

// serve is take for a block whose turn has been counted.
//
//go:norace
func (e *smpEntry) serve(class uintptr, size int) []byte {
	if n := e.count.slots(); n > 0 {
		e.count--
		return e.mag[(n-1)&(smpMagSlots-1)].open(size)
	}
	return e.serveHeld(class, size)
}

// serveHeld is serve for an empty magazine.
//
//go:norace
func (e *smpEntry) serveHeld(class uintptr, size int) []byte {
	w := e.held
	if w == 0 {
		if w = e.refill(); w == 0 {
			return nil
		}
	}
	e.held = w & (w - 1)
	i := uintptr(bits.TrailingZeros64(w))
	t := smpSlot{e.base.addr + i*smpClassTable[class&127].size, e.base.state + i}
	return t.open(size)
}

// refill takes the free slots of a word of the slab, and returns their bits.
//
//go:norace
func (e *smpEntry) refill() uint64 {
	sl := e.slab
	if sl == nil {
		return 0
	}
	words := sl.words()
	for i := range words {
		if words[i].Load() != 0 {
			e.base = sl.slot(uintptr(i) * smpGroup)
			return words[i].Swap(0)
		}
	}
	return 0
}

// put keeps a slot, whose block has just died, unless the magazine is full.
//
//go:norace
func (c *smpCache) put(class uintptr, slot smpSlot) bool {
	e := &c[class&127]
	n := e.count.slots()
	if n >= e.keep {
		return false
	}
	e.mag[n&(smpMagSlots-1)] = slot
	e.count++
	return true
}

// adopt makes sl, which the caller owns, the slab that the entry takes slots of,
// and returns the one before, which the caller now owns.
//
//go:norace
func (e *smpEntry) adopt(sl *smpSlab) (old *smpSlab) {
	old, e.slab = e.slab, sl
	return old
}

// spill takes the older half out of a full magazine, into out, and returns how
// many slots that was.
//
//go:norace
func (e *smpEntry) spill(out *smpMagazine) uint32 {
	n := e.count.slots()
	if n < e.keep {
		return 0
	}
	half := (e.keep + 1) / 2
	for i := range half {
		out[i&(smpMagSlots-1)] = e.mag[i&(smpMagSlots-1)]
	}
	for i := half; i < n; i++ {
		e.mag[(i-half)&(smpMagSlots-1)] = e.mag[i&(smpMagSlots-1)]
	}
	e.count -= smpCount(half)
	return half
}

// giveSlots makes slots free for all.
//
//go:norace
func (s *SMP) giveSlots(slots []smpSlot) {
	for len(slots) > 0 {
		seg := smpSegments.find(slots[0].addr)
		at := slots[0].state - pointerAddress(&seg.state[0])
		bit := uint64(1) << (at % smpGroup)
		n := 1
		for ; n < len(slots); n++ { // often the next are in the same word
			next := slots[n].state - pointerAddress(&seg.state[0])
			if next/smpGroup != at/smpGroup {
				break
			}
			bit |= 1 << (next % smpGroup)
		}
		slots = slots[n:]
		s.free(seg, at/smpGroup, bit)
	}
}

// free sets bits of free slots in a word of a segment.
//
//go:norace
func (s *SMP) free(seg *smpSegment, i uintptr, set uint64) {
	word := &seg.words[i]
	old := word.Load()
	for !word.CompareAndSwap(old, old|set) {
		old = word.Load()
	}
	page := seg.page[i/smpPageWords].Load()
	first := uintptr(page >> 8 & 0xFF)
	sl := &seg.slabs[first]
	last := old|set == smpBits(i-first*smpPageWords, smpClassTable[sl.class&127].slots)
	if (old == 0 || last) && sl.state.Load() != smpOwned {
		s.noticed(sl, last)
	}
}

// flush empties a cache that the caller holds. Nobody else may hold it
// meanwhile: flush takes locks.
//
//go:norace
func (s *SMP) flush(c *smpCache) {
	for i := range smpClasses {
		e := &c[i]
		if n := e.count.slots(); n > 0 {
			e.count -= smpCount(n)
			s.giveSlots(e.mag[:n])
		}
		if e.held != 0 {
			at := (e.base.state - pointerAddress(&e.slab.seg.state[0])) / smpGroup
			held := e.held
			e.held = 0
			s.free(e.slab.seg, at, held)
		}
		if sl := e.adopt(nil); sl != nil {
			s.disown(sl)
		}
	}
}

// allocSlow takes a slot where the cache has none: from a slab on a shelf, this
// one's or another, or from a new slab. It counts the block, and tells whether it
// has to be in the sample. The synchronisation of the race detector is disabled.
//
//go:norace
func (s *SMP) allocSlow(class uintptr, size int) (b []byte, chosen bool, err error) {
	p := s.sampler()
	if c := s.enter(); c != nil {
		chosen = c[class&127].turn(p, class)
		b = c[class&127].serve(class, size)
		s.leave(c)
	} else if p != nil {
		chosen = p.chosen(int(smpClassTable[class&127].size))
	}
	for b == nil {
		sl, err := s.findSlab(uint8(class))
		if err != nil {
			return nil, false, err
		}
		c := s.enter()
		if c == nil { // more processors than a moment ago, or a Trim
			s.disown(sl)
			s.provide()
			continue
		}
		// Meanwhile the goroutine may have come to another processor, or another
		// goroutine have found a slab for this one.
		b = c[class&127].serve(class, size)
		spare := sl
		if b == nil {
			spare = c[class&127].adopt(sl)
			b = c[class&127].serve(class, size)
		}
		s.leave(c)
		if spare != nil {
			s.disown(spare)
		}
	}
	return b, chosen, nil
}

// putSlow keeps a slot where the magazine was full, or was not there. The slot
// may be any, for all that the caller does with it afterwards.
//
//go:norace
func (s *SMP) putSlow(class uintptr, slot smpSlot) {
	if s.hard != nil {
		s.putHardened(class, slot)
		return
	}
	c := s.enter()
	if c == nil {
		s.giveSlots([]smpSlot{slot})
		return
	}
	var out smpMagazine
	e := &c[class&127]
	if e.mag == nil {
		s.leave(c)
		s.provideMagazine(class)
		if c = s.enter(); c == nil {
			s.giveSlots([]smpSlot{slot})
			return
		}
		e = &c[class&127]
	}
	n := e.spill(&out)
	ok := c.put(class, slot)
	s.leave(c)
	if !ok {
		out[n&(smpMagSlots-1)] = slot
		n++
	}
	s.giveSlots(out[:n])
}

// provideMagazine gives this processor's cache a magazine for the class.
//
//go:norace
func (s *SMP) provideMagazine(class uintptr) {
	mag := new(smpMagazine)
	if c := s.enter(); c != nil {
		if e := &c[class&127]; e.mag == nil {
			e.mag, e.keep = mag, smpClassTable[class&127].keep
		}
		s.leave(c)
	}
}

// findSlab returns a slab of the class, which the caller then owns and which
// most likely has free slots.
//
//go:norace
func (s *SMP) findSlab(class uint8) (*smpSlab, error) {
	t := s.caches.Load()
	if t == nil {
		t = s.provide()
	}
	shelves := t.shelves
	at := t.index()
	if sl := shelves[at].take(class); sl != nil {
		return sl, nil
	}
	// Slots that are free for others are free for all: a program whose goroutines
	// wander, or free what others allocate, would grow without end.
	for i := range len(shelves) - 1 {
		if sl := shelves[(at+1+i)%len(shelves)].take(class); sl != nil {
			sl.home.Store(shelves[at])
			return sl, nil
		}
	}
	sl, err := s.newSlab(class)
	if err == nil {
		sl.home.Store(shelves[at])
	}
	return sl, err
}
