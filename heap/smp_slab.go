package heap

import (
	"encoding/binary"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
)

// The life of a slab.
//
// A slab belongs to a bin: there is one for each class and processor. If it has
// free slots it is in the bin's list, and caches get slots there; if it has none,
// nobody knows it but its blocks. Where all its slots are free, it goes, and its
// pages serve others.
//
// Slots come and go in batches, under the lock of the bin, so that one lock
// pays for many slots, and neither bytes nor counts are atomic. What a processor
// frees mostly belongs to its own bins, whose locks nobody else wants.

// What the byte of a slot says; see smpSegment.state. Only those who have the slot
// look at it or change it: the holder of the block, the cache, or whoever has the
// lock of the bin. While the block is live it says smpLive.
const (
	smpDead     = 0
	smpPoisoned = 1    // of a hardened SMP: dead, and filled
	smpSampled  = 127  // where smpLive says so for the class, the block is in a sample
	smpAlive    = 0xFE // one of these bits is set, if the block is live
)

// smpLive is what the byte of the slot at addr says while its block is live: twice
// the class and, if it begins in the middle of 16 bytes, one. Where no slot can
// begin it is more than a byte. So one comparison of what a block's size and address
// ask for with what the byte says tells whether that is a block.
func smpLive(class, addr uintptr) uintptr {
	return uintptr(bits.RotateLeft(uint(addr%smpGrain), -smpStepLog2)) + 2*class
}

// An smpSlab is what is known about a run of pages. What Free needs for every
// block is not in it, but in the segment's bytes. It is as large as a cache line,
// where words have 64 bits, and lies in one.
type smpSlab struct {
	bin   smpBinAddress // changed under the lock of the old one
	seg   *smpSegment
	next  *smpSlab // under the lock of bin, like all that follows
	prev  *smpSlab
	free  uint32 // slots that are open; smpSlab.count reads it without a lock
	slots uint16
	low   uint16 // no word of open before it has a bit set
	list  uint8  // of bin, where the slab is if a slot is open
	first uint16 // page
	pages uint16 // 0: there is none
	class uint8
	size  int // of a large block
	_     [8]byte
}

// open returns a bit for each slot of the slab: whether it is free.
//
//go:norace
func (sl *smpSlab) open() []uint64 {
	at, n := int(sl.first)*smpPageWords, (int(sl.slots)+63)/64
	return sl.seg.open[at : at+n : at+n]
}

// states returns what the segment has of bytes for the slab.
//
//go:norace
func (sl *smpSlab) states() []uint8 {
	at, n := int(sl.first)*smpPageGrains, int(sl.pages)*smpPageGrains
	return sl.seg.state[at : at+n : at+n]
}

// slot returns slot i of the slab.
//
//go:norace
func (sl *smpSlab) slot(i uintptr) smpSlot {
	offset := uintptr(sl.first)*smpPageSize + i*smpClassTable[sl.class&127].size
	return smpSlot{
		addr:  pointerAddress(sl.seg.base) + offset,
		state: pointerAddress(&sl.seg.state[offset/smpGrain]),
	}
}

// slabOf returns the slab that a slot is in.
//
//go:norace
func slabOf(slot smpSlot) *smpSlab {
	seg := smpSegments.find(slot.addr)
	page := seg.page[slot.addr>>smpPageShift&(smpSegPages-1)].Load()
	return &seg.slabs[page>>8&(smpSegPages-1)]
}

// An smpBin holds the slabs of a class that belong to a processor. Slabs with
// free slots are put at the end of a list and taken from the front: meanwhile
// more of their blocks are freed, so that a visit pays off. Those whose slots are
// mostly free are left alone while there are others: soon all of them may be.
type smpBin struct {
	mu    sync.Mutex
	some  atomic.Bool // a list is not empty; changed under mu
	lists [2]smpList  // of slabs that are mostly in use, and mostly free
	_     [64]byte    // the next bin is for another class, but maybe for another thread
}

type smpList struct{ first, last *smpSlab }

// An smpShelf holds the bins of a processor.
type smpShelf [smpClasses]smpBin

// first returns the slab to take slots of; nil if there is none.
//
//go:norace
func (b *smpBin) first() *smpSlab {
	if sl := b.lists[0].first; sl != nil {
		return sl
	}
	return b.lists[1].first
}

// mostly returns the list that the slab should be in: 1 if at least three
// quarters of its slots are free, or else 0.
//
//go:norace
func (sl *smpSlab) mostly() uint8 {
	if 4*sl.free >= 3*uint32(sl.slots) {
		return 1
	}
	return 0
}

// link puts a slab at the end of its list.
//
//go:norace
func (b *smpBin) link(sl *smpSlab) {
	sl.list = sl.mostly()
	list := &b.lists[sl.list]
	sl.prev, sl.next = list.last, nil
	if list.last != nil {
		list.last.next = sl
	} else {
		list.first = sl
		b.some.Store(true)
	}
	list.last = sl
}

// unlink removes a slab from its list.
//
//go:norace
func (b *smpBin) unlink(sl *smpSlab) {
	list := &b.lists[sl.list]
	if sl.prev != nil {
		sl.prev.next = sl.next
	} else {
		list.first = sl.next
	}
	if sl.next != nil {
		sl.next.prev = sl.prev
	} else {
		list.last = sl.prev
	}
	if b.first() == nil {
		b.some.Store(false)
	}
	sl.next, sl.prev = nil, nil
}

// fill moves free slots to an entry whose magazine is empty, until that is half
// full or there are none left. Those at the lowest addresses will be served
// first. The caller has the lock, and holds the cache.
//
//go:norace
func (b *smpBin) fill(e *smpEntry) {
	want := uintptr(e.keep+1) / 2
	at := want // of the magazine, what is at and behind is filled
	for at > 0 {
		sl := b.first()
		if sl == nil {
			break
		}
		at = sl.draw(e, at)
		if sl.free == 0 {
			b.unlink(sl)
		}
	}
	if at > 0 {
		for i := at; i < want; i++ {
			*e.at(uint32(i - at)) = *e.at(uint32(i))
		}
	}
	e.count += smpCount(want - at)
}

// one takes a free slot for a cache without a magazine, and returns the size bytes
// at its start. The caller has the lock, and the list is not empty.
//
//go:norace
func (b *smpBin) one(class uintptr, size int) []byte {
	var slot smpSlot
	e := smpEntry{keep: 1, mag: &slot}
	b.fill(&e)
	return e.serve(class, size)
}

// draw takes free slots of the slab into the magazine, downwards from at, and
// returns where it stopped: at 0, or where the slab has none left. Free slots often
// lie side by side, all of them in a slab that is new, so that it goes by runs. To
// serve such a slab slot by slot, by an address that advances, would save no more
// than the writing of a run, and be one way more through every allocation.
//
//go:norace
func (sl *smpSlab) draw(e *smpEntry, at uintptr) uintptr {
	size := smpClassTable[sl.class&127].size
	base, state := pointerAddress(sl.seg.base), pointerAddress(&sl.seg.state[0])
	first := uintptr(sl.first) * smpPageSize
	open := sl.open()
	i := uintptr(sl.low)
	n := uintptr(sl.free)
	for at > 0 && n > 0 {
		w := open[i]
		if w == 0 {
			i++
			continue
		}
		from := uintptr(bits.TrailingZeros64(w))
		run := min(uintptr(bits.TrailingZeros64(^(w >> from))), at)
		open[i] = w &^ ((1<<run - 1) << from)
		n -= run
		offset := first + (i*64+from)*size
		for range run {
			at--
			*e.at(uint32(at)) = smpSlot{base + offset, state + offset/smpGrain}
			offset += size
		}
	}
	sl.low = uint16(i)
	sl.free = uint32(n)
	return at
}

// giveSlots makes slots free for all.
//
//go:norace
func (s *SMP) giveSlots(slots []smpSlot) {
	var b *smpBin
	var gone *smpSlab // a list of slabs that have only free slots
	for len(slots) > 0 {
		sl := slabOf(slots[0])
		for at := sl.bin.Load(); at != b; at = sl.bin.Load() {
			if b != nil {
				b.mu.Unlock()
			}
			b = at
			b.mu.Lock()
		}
		n := 1 // often the next are in the same slab
		start, end := sl.bounds()
		for n < len(slots) && slots[n].addr-start < end-start {
			n++
		}
		if b.give(sl, slots[:n], s.spare(uintptr(sl.class))) {
			sl.next, gone = gone, sl
		}
		slots = slots[n:]
	}
	if b != nil {
		b.mu.Unlock()
	}
	for gone != nil {
		sl := gone
		gone = sl.next
		s.dropSlab(sl)
	}
}

// bounds returns where the slab is.
//
//go:norace
func (sl *smpSlab) bounds() (start, end uintptr) {
	start = pointerAddress(sl.seg.base) + uintptr(sl.first)*smpPageSize
	return start, start + uintptr(sl.pages)*smpPageSize
}

// give makes slots free, and tells whether the slab is gone from the bin: all of
// its slots are free, and its pages more useful elsewhere. A slab that would leave
// the list empty stays, as it would be wanted again soon, if it has no more than
// spare pages. The lock is held.
//
//go:norace
func (b *smpBin) give(sl *smpSlab, slots []smpSlot, spare int) (gone bool) {
	start, _ := sl.bounds()
	recip := smpClassTable[sl.class&127].recip
	open, low := sl.open(), sl.low
	for i := range slots {
		nth, _ := bits.Mul64(uint64(slots[i].addr-start), recip)
		if invariant.Enabled {
			invariant.Check(open[nth/64]>>(nth%64)&1 == 0, "heap: SMP: slot %d of %d bytes becomes free twice", nth, smpClassTable[sl.class&127].size)
		}
		open[nth/64] |= 1 << (nth % 64)
		low = min(low, uint16(nth/64))
	}
	sl.low = low
	old := sl.free
	sl.free = old + uint32(len(slots))
	if old == 0 {
		b.link(sl)
	}
	if old > 0 && sl.list != sl.mostly() {
		b.unlink(sl)
		b.link(sl)
	}
	alone := sl.prev == nil && sl.next == nil && b.lists[0].first == nil
	if sl.free < uint32(sl.slots) || alone && int(sl.pages) <= spare {
		return false
	}
	b.retire(sl)
	return true
}

const smpSpare = 64 // of the pages that are used, an empty slab is no more than one in so many

// spare returns how many pages a slab may have to stay though it is empty: not many
// beside all that are used, and none for large blocks while so little is used that
// they have a magazine only in time, and they were few. s.used is read without the
// lock, as by larger: a guess does.
//
//go:norace
func (s *SMP) spare(class uintptr) int {
	size := smpClassTable[class&127].size
	if size > smpLargeSlot && uintptr(s.used)*smpPageSize/size < smpMagShare && s.visits[class].Load() < smpMagVisits {
		return 0
	}
	return s.used / smpSpare
}

// retire takes a slab that has only free slots out of the bin. The lock is held.
//
//go:norace
func (b *smpBin) retire(sl *smpSlab) {
	b.unlink(sl)
	sl.bin.Store(nil)
}

// stock gets a slab with free slots for a bin that has none. Slots that are free
// for others are free for all: a program whose goroutines wander, or free what
// others allocate, would grow without end. The lock is held.
//
//go:norace
func (s *SMP) stock(t *smpCaches, at int, class uintptr) error {
	b := &t.shelves[at][class]
	for i := range len(t.shelves) - 1 {
		other := &t.shelves[(at+1+i)%len(t.shelves)][class]
		// To wait for the lock of one while holding another could be for ever.
		if !other.some.Load() || !other.mu.TryLock() {
			continue
		}
		sl := other.first()
		if sl != nil {
			other.unlink(sl)
			sl.bin.Store(b)
		}
		other.mu.Unlock()
		if sl != nil {
			b.link(sl)
			return nil
		}
	}
	sl, err := s.newSlab(class)
	if err != nil {
		return err
	}
	sl.bin.Store(b)
	b.link(sl)
	return nil
}

// newSlab makes a slab, which is in no bin. All its slots are free.
//
//go:norace
func (s *SMP) newSlab(class uintptr) (*smpSlab, error) {
	k := &smpClassTable[class&127]
	pages := k.slabPages(int(s.slabs[class].Load()))
	s.lock()
	seg, first, err := s.takeRun(pages, k.align, nil)
	s.unlock()
	if err != nil {
		race.Enable()
		relieved := s.relieve()
		race.Disable()
		if !relieved {
			return nil, err
		}
		s.lock()
		seg, first, err = s.takeRun(pages, k.align, nil)
		s.unlock()
		if err != nil {
			return nil, err
		}
	}
	sl := &seg.slabs[first]
	sl.class, sl.low = uint8(class), 0
	sl.slots = uint16(uintptr(pages) * smpPageSize / k.size)
	open := sl.open()
	for i := range open {
		open[i] = math.MaxUint64
	}
	open[len(open)-1] >>= -sl.slots % 64
	if s.hard != nil {
		sl.forget()
	}
	sl.free = uint32(sl.slots)
	for i := range pages {
		seg.page[first+i].Store(uint32(class) | uint32(first)<<8)
	}
	s.slabs[class].Add(1)
	return sl, nil
}

// dropSlab gives the pages of a slab back that is in no bin, and has only free
// slots.
//
//go:norace
func (s *SMP) dropSlab(sl *smpSlab) {
	if s.hard != nil {
		s.inspect(sl)
	}
	s.slabs[sl.class].Add(-1)
	seg, first, pages := sl.seg, int(sl.first), int(sl.pages)
	for i := range pages {
		seg.page[first+i].Store(smpFree)
	}
	sl.next = nil
	s.lock()
	sl.pages = 0
	excess := s.freeRun(seg, first, pages)
	s.unlock()
	if excess > 0 {
		race.Enable()
		s.giveBack(excess)
		race.Disable()
	}
}

// count counts the slots of live blocks, and the free ones in no cache. It is
// called without a lock: while others allocate, it is off by what they do.
//
//go:norace
func (sl *smpSlab) count() (live, free int) {
	const low = 0x7F7F7F7F7F7F7F7F
	state, n := sl.states(), int(sl.slots)
	if size := int(smpClassTable[sl.class&127].size); size < 8*smpGrain {
		for ; len(state) >= 8; state = state[8:] {
			live += bits.OnesCount64((binary.LittleEndian.Uint64(state)>>1&low + low) &^ low)
		}
	} else {
		for i := range n {
			if state[i*size/smpGrain]&smpAlive != 0 {
				live++
			}
		}
	}
	return live, min(int(atomic.LoadUint32(&sl.free)), n-live)
}
