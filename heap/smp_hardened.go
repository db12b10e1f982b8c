package heap

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/race"
)

// A hardened SMP has no caches: those of the processors stay empty, so that what
// is written for speed finds nothing there and comes here. All processors share
// the bins of one.
//
// Which slot is served is random. A slot that is freed is filled with a pattern,
// waits in a quarantine until many others have been freed, and is looked at
// before it is served again: whoever wrote to a freed block is found then. The
// same is done with larger blocks, which have a quarantine of their own, and are
// looked at when they leave it.

// smpHardened is what a hardened SMP has beside the rest.
type smpHardened struct {
	mu    sync.Mutex
	dice  *rand.PCG
	queue [smpQuarantine]smpSlot // a ring of freed slots
	next  int                    // the oldest

	large      [smpQuarantineLarge + 1]smpFreed // a ring of freed blocks that were no slots
	largeFirst int                              // the oldest
	largeCount int
	largeBytes int // of these
	hugeBytes  int // of those of them in no segment

	found atomic.Pointer[smpFound] // the latest of what is still to be reported
}

// smpFound is what was found, and is reported when everything is again as it
// should be, and no lock is held: a report may not return.
type smpFound struct {
	m    *Misuse
	next *smpFound
}

// smpFreed is a block in quarantine: all of its pages.
type smpFreed struct {
	b     []byte
	seg   *smpSegment // nil: in no segment
	first int         // page
}

const (
	smpQuarantine      = 1024    // slots
	smpQuarantineLarge = 16      // larger blocks
	smpQuarantineBytes = 8 << 20 // of these
	smpPoison          = 0xDE    // in every byte of a freed block
)

func newSMPHardened() *smpHardened {
	return &smpHardened{dice: rand.NewPCG(rand.Uint64(), rand.Uint64())}
}

//go:norace
func (h *smpHardened) lock() {
	race.Disable()
	h.mu.Lock()
}

//go:norace
func (h *smpHardened) unlock() {
	h.mu.Unlock()
	race.Enable()
}

// allocHardened serves a small block. It is asked through and skips as in sampled.
//
//go:noinline
func (s *SMP) allocHardened(op string, class uintptr, size int, zero bool, through *smpSampler, skip int) ([]byte, error) {
	slot, used, err := s.drawSlot(class)
	if err != nil {
		return nil, err
	}
	whole := bytesAtWord(&slot.addr, int(smpClassTable[class&127].size))
	smpOpened(whole)
	if used {
		if m := smpSpoilt(op, whole); m != nil {
			s.reportSlot(m, slot, whole)
		}
	}
	b := slot.open(class, size)
	if draw := s.sampling().draw; draw.chosenOf(class) {
		s.sampled(b, class, draw, through, skip+1)
	}
	if zero {
		clear(b)
	}
	return b, nil
}

// reportSlot reports what was found in a free slot. If that does not return, the
// slot is free again.
func (s *SMP) reportSlot(m *Misuse, slot smpSlot, whole []byte) {
	returned := false
	defer func() {
		if !returned {
			smpShut(whole)
			s.restoreSlot(slot, whole)
		}
	}()
	report(m)
	returned = true
}

// restoreSlot makes a slot free that was drawn.
//
//go:norace
func (s *SMP) restoreSlot(slot smpSlot, whole []byte) {
	race.Disable()
	defer race.Enable()
	smpFill(whole)
	*byteAt(&slot.state) = smpPoisoned
	s.giveSlots([]smpSlot{slot})
}

// drawSlot takes a random free slot of a slab, and tells whether it was used
// before.
//
//go:norace
func (s *SMP) drawSlot(class uintptr) (slot smpSlot, used bool, err error) {
	race.Disable()
	defer race.Enable()
	t := s.theCaches()
	for t == nil { // a Trim
		t = s.provide()
	}
	s.hard.mu.Lock()
	dice := s.hard.dice.Uint64()
	s.hard.mu.Unlock()
	b := &t.shelves[0][class]
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.first() == nil {
		if err := s.stock(t, 0, class); err != nil {
			return smpSlot{}, false, err
		}
	}
	sl := b.first()
	open := sl.open()
	i := uintptr(dice % uint64(sl.slots))
	for open[i/64]>>(i%64)&1 == 0 {
		i = (i + 1) % uintptr(sl.slots)
	}
	open[i/64] &^= 1 << (i % 64)
	sl.free--
	if sl.free == 0 {
		b.unlink(sl)
	}
	slot = sl.slot(i)
	return slot, *byteAt(&slot.state) == smpPoisoned, nil
}

// putHardened fills a slot, whose block has just died, and puts it at the end of
// the quarantine. What is at the front becomes free. The synchronisation of the
// race detector is disabled, once.
//
//go:norace
func (s *SMP) putHardened(class uintptr, slot smpSlot) {
	whole := bytesAtWord(&slot.addr, int(smpClassTable[class&127].size))
	smpFill(whole)
	*byteAt(&slot.state) = smpPoisoned
	h := s.hard
	h.lock()
	oldest := h.queue[h.next]
	h.queue[h.next] = slot
	h.next = (h.next + 1) % smpQuarantine
	h.unlock()
	if oldest.addr != 0 {
		s.giveSlots([]smpSlot{oldest})
	}
	if h.found.Load() != nil {
		race.Enable()
		defer race.Disable()
		s.tell()
	}
}

// detain fills a freed block that was no slot, and puts it at the end of the
// quarantine.
func (s *SMP) detain(f smpFreed) {
	if len(f.b) > smpQuarantineBytes { // nothing is there any more
		s.huge.unmap(f.b)
		return
	}
	smpFill(f.b)
	for !s.hard.enqueue(f) {
		s.discharge(smpQuarantineLarge-1, smpQuarantineBytes)
	}
	s.discharge(smpQuarantineLarge, smpQuarantineBytes)
}

// enqueue puts a block at the end of the quarantine, if there is room.
//
//go:norace
func (h *smpHardened) enqueue(f smpFreed) bool {
	h.lock()
	defer h.unlock()
	if h.largeCount == len(h.large) {
		return false
	}
	h.large[(h.largeFirst+h.largeCount)%len(h.large)] = f
	h.largeCount++
	h.largeBytes += len(f.b)
	if f.seg == nil {
		h.hugeBytes += len(f.b)
	}
	return true
}

// dequeue takes the oldest block out of the quarantine, if there is more in it
// than so many blocks or bytes.
//
//go:norace
func (h *smpHardened) dequeue(blocks, bytes int) (f smpFreed, ok bool) {
	h.lock()
	defer h.unlock()
	if h.largeCount <= blocks && h.largeBytes <= bytes {
		return f, false
	}
	f, h.large[h.largeFirst] = h.large[h.largeFirst], smpFreed{}
	h.largeFirst = (h.largeFirst + 1) % len(h.large)
	h.largeCount--
	h.largeBytes -= len(f.b)
	if f.seg == nil {
		h.hugeBytes -= len(f.b)
	}
	return f, true
}

// discharge looks at the oldest blocks in quarantine, notes what it finds, and
// lets them go, until there are no more than so many blocks and bytes.
func (s *SMP) discharge(blocks, bytes int) {
	for {
		f, ok := s.hard.dequeue(blocks, bytes)
		if !ok {
			return
		}
		if m := smpSpoilt("heap: SMP", f.b); m != nil {
			s.hard.note(m)
		}
		if f.seg == nil {
			s.huge.put(f.b, s.opts.Retain)
		} else {
			s.releaseLarge(f.seg, f.first)
		}
	}
}

// smpFill writes the pattern to every byte, which is not the program's any more.
//
//go:norace
func smpFill(b []byte) {
	for i := range b {
		b[i] = smpPoison
	}
}

// flushHardened ends the quarantine of all blocks.
func (s *SMP) flushHardened() {
	s.flushQueue()
	s.discharge(0, 0)
}

// flushQueue ends the quarantine of all slots.
//
//go:norace
func (s *SMP) flushQueue() {
	h := s.hard
	race.Disable()
	defer race.Enable()
	for range h.queue {
		h.lock()
		slot := h.queue[h.next]
		h.queue[h.next] = smpSlot{}
		h.next = (h.next + 1) % smpQuarantine
		h.unlock()
		if slot.addr != 0 {
			s.giveSlots([]smpSlot{slot})
		}
	}
}

// inspect looks at the freed slots of a slab that goes, and notes what it finds.
// The synchronisation of the race detector is disabled, once.
//
//go:norace
func (s *SMP) inspect(sl *smpSlab) {
	size := int(smpClassTable[sl.class&127].size)
	for i := range uintptr(sl.slots) {
		slot := sl.slot(i)
		if *byteAt(&slot.state) != smpPoisoned {
			continue
		}
		whole := bytesAtWord(&slot.addr, size)
		race.Enable()
		if m := smpSpoilt("heap: SMP", whole); m != nil {
			s.hard.note(m)
		}
		race.Disable()
	}
}

// forget makes the bytes of a slab say nothing of slots that were there before.
//
//go:norace
func (sl *smpSlab) forget() {
	state := sl.states()
	for i := range state {
		state[i] = smpDead
	}
}

// inspectAll looks at the freed slots of all slabs, as inspect does.
//
//go:norace
func (s *SMP) inspectAll() {
	race.Disable()
	defer race.Enable()
	for _, seg := range s.segments {
		for i := range seg.slabs {
			if class := seg.page[i].Load() & 127; class-1 < smpClasses-1 && seg.slabs[i].pages > 0 {
				s.inspect(&seg.slabs[i])
			}
		}
	}
}

// note keeps m until somebody tells.
func (h *smpHardened) note(m *Misuse) {
	f := &smpFound{m: m}
	for {
		f.next = h.found.Load()
		if h.found.CompareAndSwap(f.next, f) {
			return
		}
	}
}

// tell reports what was noted. It is called where that may panic.
func (s *SMP) tell() {
	if s.hard.notes() {
		s.hard.found.Swap(nil).report()
	}
}

// notes tells whether anything was noted.
//
//go:norace
func (h *smpHardened) notes() bool {
	race.Disable()
	defer race.Enable()
	return h.found.Load() != nil
}

// report reports all, whether handlers panic or not.
func (f *smpFound) report() {
	if f != nil {
		defer report(f.m)
		f.next.report()
	}
}

// smpSpoilt describes a write to a freed block; nil if there was none.
func smpSpoilt(op string, whole []byte) *Misuse {
	i, is := smpUnlike(whole, smpPoison)
	if i < 0 {
		return nil
	}
	return &Misuse{Kind: WriteAfterFree, Op: op, Addr: address(whole), Size: len(whole), Here: callers(2),
		Hint: fmt.Sprintf("byte %d of a freed block is %#x", i, is)}
}

// smpUnlike returns the index of the first byte of b that is not c, and what it
// is, or -1.
//
//go:norace
func smpUnlike(b []byte, c byte) (i int, is byte) {
	for i := range b {
		if b[i] != c {
			return i, b[i]
		}
	}
	return -1, 0
}
