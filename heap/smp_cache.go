package heap

import (
	"github.com/allod-dev/allod/internal/race"
)

// A cache is what makes Alloc and Free fast. There is one for each processor,
// which belongs to whoever runs there and cannot be preempted, one behind each
// SMPCache, and only its holder touches it: nothing in it is atomic. While a cache
// is held nothing blocks, panics or calls what might; code there loads and stores.
//
// What is freed is allocated next: it is still in the processor's cache. Free
// slots are in a magazine, the latest on top. A magazine that is empty is half
// filled from a bin, in the order of addresses; one that is full is half emptied.
//
// Magazines begin small and double as they turn out to be, and in a program that
// uses little memory only where they do so again and again: what a program keeps
// in them is in proportion to what it uses, and does.
//
// Rejected: a bound for all magazines together, shared by how often each did not do,
// or first come, first served. A program that uses a few hundred KiB, and has large
// blocks that come and go, takes twice the time, even if there are 256 KiB for all; in
// others a few per cent of memory are gained, and a few of time lost.
//
// Rejected: a depot of full magazines, which processors exchange as wholes. Where one
// frees what another allocates it saves a seventh of the instructions, but only if it
// may keep all that the one is ahead of the other. Then the blocks in use wander
// through more memory, and over all of it as magazines are the newest first, which
// costs more time than it saves. With what could be kept in proportion to what is
// used it serves one block in seven, and nothing is gained.

// smpCache is a cache, whatever makes it exclusive. Its address is what tells it
// from others; smpClasses entries and one are used, and any seven bits are an index.
// The rest keeps those of two processors apart, and makes it 4 KiB where words have 64
// bits: a shift finds one of several.
type smpCache [128]smpEntry

// smpEntry is what a cache has of a class.
type smpEntry struct {
	count smpCount
	keep  uint32   // slots that may be in the magazine; 0 while there is none
	mag   *smpSlot // the first of keep
	more  uintptr  // turns that count has no room for
	seen  smpCount // count when it was last looked at; see smpCache.idle
	busy  uint32   // atomic; see smpCache.busy
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
//
//go:nosplit
func (n smpCount) slots() uint32 { return uint32(n) & (smpTurn/2 - 1) }

const (
	smpMagSlots = 64
	smpMagLeast = 8        // slots of a magazine that is new
	smpMagBytes = 32 << 10 // in a magazine, at most; but two slots
	// Of all that is used, a magazine may have one in so many bytes at once, and
	// one in so many in time: another slot for so many visits.
	smpMagShare  = 512
	smpMagMost   = 32
	smpMagVisits = 64
)

// What nobody uses is memory that others could: a magazine with slots, and an empty
// slab that a bin keeps as it is the only one. So one in four calls that go on to
// the bins looks at one entry of the cache, each time the next. If nothing was
// served or freed there since the last time, the older half of what is in it goes
// back or, if there is nothing, the slab of the bin. A block that is served is
// counted down in the entry, so that whatever happened shows. What jemalloc and
// tcmalloc do needs a low-water mark, which each call would have to keep.

const smpIdleEvery = 4

// idle looks at the next entry of the cache, if it is time to, and returns its
// class if nobody wanted anything there since the last time, or else 0; and whether
// there are slots.
//
//go:norace
func (c *smpCache) idle() (class uintptr, slots bool) {
	at := c.spare()
	if at.more++; at.more%smpIdleEvery != 0 {
		return 0, false
	}
	if at.seen++; at.seen >= smpClasses {
		at.seen = 1
	}
	e := &c[at.seen&127]
	if n := e.count; n != e.seen {
		e.seen = n
		return 0, false
	}
	return uintptr(at.seen), e.count.slots() > 0
}

// tidy gives back the older half of what is in a magazine that idle found, if it
// would still say so, or does of the cache of the processor to which the goroutine
// has come.
//
//go:noinline
//go:norace
func (s *SMP) tidy(class uintptr) {
	c := s.enter()
	if c == nil {
		return
	}
	var out [smpMagSlots / 2]smpSlot
	n := c.ease(class, &out)
	s.leave(c)
	s.giveSlots(out[:n])
}

// ease takes the older half out of a magazine that is not used, into out, and
// returns how many slots that was.
//
//go:norace
func (c *smpCache) ease(class uintptr, out *[smpMagSlots / 2]smpSlot) (n uint32) {
	if e := &c[class&127]; e.count == e.seen {
		n = e.spill(out)
		e.seen = e.count
	}
	return n
}

// tidyBin gives the slab of a bin back that is empty, if there is one, and nobody is
// at the bin. It was the only one, so that it is before all others.
//
//go:norace
func (s *SMP) tidyBin(b *smpBin) {
	if !b.some.Load() || !b.mu.TryLock() {
		return
	}
	sl := b.lists[1].first
	empty := sl != nil && sl.free == uint32(sl.slots)
	if empty {
		b.retire(sl)
	}
	b.mu.Unlock()
	if empty {
		s.dropSlab(sl)
	}
}

// An smpSlot is a slot, by its own address and by that of the byte that tells
// whether it is live. Both are memory that others keep. They are numbers, so that
// storing them is not the collector's business.
type smpSlot struct {
	addr  uintptr
	state uintptr
}

// take takes a free slot and returns the size bytes at its start; nil if this
// processor's cache has none.
//
//go:norace
//go:noinline
func (s *SMP) take(class uintptr, size int) (b []byte) {
	if c := s.enter(); c != nil {
		b = c.take(class, size)
		s.leave(c)
	}
	return b
}

// take takes a free slot and returns the size bytes at its start; nil if the
// cache has none, or if it is the turn of a block that goes the slow way.
//
//go:norace
func (c *smpCache) take(class uintptr, size int) []byte {
	e := &c[class&127]
	if n := e.count - smpTurn - 1; n&smpNone == 0 {
		e.count = n
		return e.at(n.slots()).open(class, size)
	}
	return nil
}

// serve is take for a block whose turn has been counted.
//
//go:norace
func (e *smpEntry) serve(class uintptr, size int) []byte {
	if e.count.slots() == 0 {
		return nil
	}
	e.count--
	return e.at(e.count.slots()).open(class, size)
}

// open begins the life of a block of size bytes in the slot.
func (t *smpSlot) open(class uintptr, size int) []byte {
	*byteAt(&t.state) = uint8(smpLive(class, t.addr))
	return bytesAtWord(&t.addr, size)
}

// shut ends the life of the block b in the slot. The synchronisation of the race
// detector is disabled, once.
//
//go:norace
func (t *smpSlot) shut(b []byte) {
	if race.Enabled {
		race.Enable()
		smpShut(b)
		race.Disable()
	}
	*byteAt(&t.state) = smpDead
}

// put keeps a slot, whose block has just died, unless the magazine is full.
//
//go:norace
func (e *smpEntry) put(slot smpSlot) bool {
	n := e.count.slots()
	if n >= e.keep {
		return false
	}
	*e.at(n) = slot
	e.count++
	return true
}

// spill takes the older half out of the magazine, into out, and returns how many
// slots that was.
//
//go:norace
func (e *smpEntry) spill(out *[smpMagSlots / 2]smpSlot) uint32 {
	n := e.count.slots()
	half := (n + 1) / 2
	for i := range half {
		out[i&(smpMagSlots/2-1)] = *e.at(i)
	}
	for i := half; i < n; i++ {
		*e.at(i - half) = *e.at(i)
	}
	e.count -= smpCount(half)
	return half
}

// spare returns the entry whose magazine is empty, and waits to be exchanged for
// one that is full; there is a spare one for classes that have the largest
// magazines. Nobody allocates from class 0. Its other fields are those of idle: seen
// is the class that was looked at last, and more counts calls.
//
//go:norace
func (c *smpCache) spare() *smpEntry { return &c[0] }

// exchange takes the slots of the magazine, with it, and puts the spare one in its
// place.
//
//go:norace
func (e *smpEntry) exchange(spare *smpEntry) []smpSlot {
	full := e.slots()
	e.mag, spare.mag = spare.mag, nil
	e.count -= smpCount(len(full))
	return full
}

// more returns how many slots the magazine may have of a class that has one with
// keep slots, which did not do: twice as many at most, and 0 if it is to stay as it
// is. What fits in is no more than a part of what is used, but one slot: without a
// magazine each block would be a slab that comes and goes. So are large blocks, until
// there were some, and in a program that uses less than smpMagMost of them always.
//
//go:norace
func (s *SMP) more(class uintptr, keep uint32) uint32 {
	k := &smpClassTable[class&127]
	if keep >= k.keep {
		return 0
	}
	used := uintptr(s.used) * smpPageSize / k.size
	most := max(used/smpMagShare, min(used/smpMagMost, uintptr(s.visits[class].Add(1))/smpMagVisits))
	if k.size <= smpLargeSlot {
		most = max(most, 1)
	}
	if most = min(most, uintptr(k.keep)); uintptr(keep) >= most {
		return 0
	}
	return uint32(min(most, max(2*uintptr(keep), smpMagLeast)))
}

// larger returns a magazine for an entry of a class that has one with keep slots,
// which did not do, if it may have a larger one. It is for caches without a room.
//
//go:norace
func (s *SMP) larger(class uintptr, keep uint32) []smpSlot {
	if n := s.more(class, keep); n > 0 {
		return make([]smpSlot, n)
	}
	return nil
}

// The magazines of a processor lie in one piece, its room, in which each class has a
// place for as many slots as there may ever be: magazines that grew one by one would
// be of some twenty sizes in the Go heap, and each of these takes pages of its own
// there, for every processor. Memory is behind what is used of it. An SMPCache, of
// which there may be many that last for a moment, has its magazines one by one.

// room returns the entry whose magazine is the room of the cache, nil at first.
//
//go:norace
func (c *smpCache) room() *smpEntry { return &c[smpClasses] }

// busy returns what is not 0 while the cache is held, where nothing is pinned.
func (c *smpCache) busy() *uint32 { return &c.room().busy }

// grow lets the magazine of a class have keep slots, if that is more than it has.
// The room is for a cache that has none yet.
//
//go:norace
func (c *smpCache) grow(class uintptr, keep uint32, room []smpSlot) {
	r := c.room()
	if r.mag == nil && room != nil {
		r.mag, r.keep = &room[0], uint32(len(room))
	}
	e := &c[class&127]
	if keep <= e.keep || r.mag == nil {
		return
	}
	if e.mag == nil {
		e.mag = r.at(smpClassTable[class&127].at)
	}
	e.keep = keep
}

// replace makes mag the magazine, if it is larger than that which there is.
//
//go:norace
func (e *smpEntry) replace(mag []smpSlot) {
	if uint32(len(mag)) <= e.keep {
		return
	}
	old := *e
	e.mag, e.keep = &mag[0], uint32(len(mag))
	for i := range e.count.slots() {
		*e.at(i) = *old.at(i)
	}
}

// flush empties a cache that the caller holds. Nobody else may hold it
// meanwhile: flush takes locks. The room goes, too: whoever has just exchanged a
// magazine may still have a part of it.
//
//go:norace
func (s *SMP) flush(c *smpCache) {
	for i := range c {
		e := &c[i]
		for e.count.slots() > 0 {
			var out [smpMagSlots / 2]smpSlot
			n := e.spill(&out)
			s.giveSlots(out[:n])
		}
		e.mag, e.keep = nil, 0
	}
}

// allocSlow takes a slot where the cache has none: from a slab of the bin,
// another one's, or a new one. It counts the block, and returns what has drawn it for
// the samples, if anything has. The synchronisation of the race detector is disabled.
//
//go:norace
func (s *SMP) allocSlow(class uintptr, size int) (b []byte, draw *smpSampler, err error) {
	x := s.sampling() // makes it, if it has to be made
	keep, bare := uint32(0), true
	if c := s.enter(); c != nil {
		e := &c[class&127]
		x = s.sampling() // again: it does not change while the cache is held
		if e.turn(x.draw, class) {
			draw = x.draw
		}
		b = e.serve(class, size)
		keep, bare = e.keep, c.room().mag == nil
		s.leave(c)
	} else if x.draw.chosenOf(class) {
		draw = x.draw
	}
	var room []smpSlot
	if b == nil {
		if keep = s.more(class, keep); keep > 0 && bare {
			room = make([]smpSlot, smpMagRoom)
		}
	}
	for b == nil {
		t := s.theCaches()
		if t == nil {
			t = s.provide()
		}
		at := t.index()
		bin := &t.shelves[at][class]
		bin.mu.Lock()
		if bin.first() == nil {
			if err := s.stock(t, at, class); err != nil {
				bin.mu.Unlock()
				return nil, nil, err
			}
		}
		c := s.enter()
		if c == nil { // more processors than a moment ago, or a Trim
			bin.mu.Unlock()
			s.provide()
			continue
		}
		// Meanwhile the goroutine may have come to another processor, or another
		// goroutine have filled the magazine.
		e := &c[class&127]
		if keep > 0 {
			c.grow(class, keep, room)
		}
		if e.count.slots() == 0 && e.keep > 0 {
			bin.fill(e)
		}
		b = e.serve(class, size)
		idle, slots := c.idle()
		s.leave(c)
		if b == nil { // it is too early for a magazine
			b = bin.one(class, size)
		}
		bin.mu.Unlock()
		if slots {
			s.tidy(idle)
		} else if idle != 0 {
			s.tidyBin(&t.shelves[at][idle])
		}
	}
	return b, draw, nil
}

// putSlow keeps a slot where the magazine was full, or was not there. The slot
// may be any, for all that the caller does with it afterwards.
//
//go:norace
//go:noinline
func (s *SMP) putSlow(class uintptr, slot smpSlot) {
	if s.hard != nil {
		s.putHardened(class, slot)
		return
	}
	var mag, room []smpSlot
	more, asked := uint32(0), false
	for {
		c := s.enter()
		if c == nil {
			s.giveSlots([]smpSlot{slot})
			return
		}
		if more > 0 {
			c.grow(class, more, room)
			room = nil // it is that cache's alone
		}
		e := &c[class&127]
		if e.put(slot) {
			s.leave(c)
			return
		}
		if keep := e.keep; !asked && keep < smpMagSlots {
			bare := c.room().mag == nil
			s.leave(c)
			asked = true
			if more = s.more(class, keep); more > 0 {
				if bare {
					room = make([]smpSlot, smpMagRoom)
				}
				continue
			}
			if keep == 0 { // too early for a magazine
				s.giveSlots([]smpSlot{slot})
				return
			}
			continue
		}
		if e.keep < smpMagSlots {
			var out [smpMagSlots / 2]smpSlot
			n := e.spill(&out)
			ok := e.put(slot)
			idle, slots := c.idle()
			s.leave(c)
			s.giveSlots(out[:n])
			if slots {
				s.tidy(idle)
			}
			if !ok { // another processor, without a magazine
				s.giveSlots([]smpSlot{slot})
			}
			return
		}
		if c.spare().mag == nil && mag != nil {
			c.spare().mag = &mag[0]
		}
		if c.spare().mag == nil {
			s.leave(c)
			mag = make([]smpSlot, smpMagSlots)
			continue
		}
		full := e.exchange(c.spare())
		e.put(slot)
		idle, slots := c.idle()
		s.leave(c)
		s.giveSlots(full)
		if slots {
			s.tidy(idle)
		}
		if c := s.enter(); c != nil {
			c.spare().mag = &full[0]
			s.leave(c)
		}
		return
	}
}
