package heap

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// A hardened SMP has no caches: those of the processors stay empty, so that what
// is written for speed finds nothing there and comes here. One lock is for all.
//
// Which slot is served is random. A slot that is freed is filled with a pattern,
// waits in a quarantine until many others have been freed, and is looked at
// before it is served again: whoever wrote to a freed block is found then.

// smpHardened is what a hardened SMP has beside the rest.
type smpHardened struct {
	mu    sync.Mutex
	dice  *rand.PCG
	queue [smpQuarantine]smpSlot // a ring of freed slots
	next  int                    // the oldest
}

const (
	smpQuarantine = 1024 // slots
	smpPoison     = 0xDE // in every byte of a freed slot
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

// allocHardened serves a small block. It skips as sampled does.
//
//go:noinline
func (s *SMP) allocHardened(op string, class uintptr, size int, l mem.Layout, skip int) ([]byte, error) {
	slot, used, err := s.drawSlot(class)
	if err != nil {
		return nil, err
	}
	whole := bytesAtWord(&slot.addr, int(smpClassTable[class&127].size))
	race.Alloc(whole)
	if used {
		smpInspect(op, whole)
	}
	b := slot.open(size)
	if p := s.sampler(); p != nil && p.chosen(int(smpClassTable[class&127].size)) {
		s.sampled(b, class, skip+1)
	}
	if l.Zero || l.Kind != mem.Plain {
		clear(b)
	}
	return b, nil
}

// drawSlot takes a random free slot of a slab, and tells whether it was used
// before.
//
//go:norace
func (s *SMP) drawSlot(class uintptr) (slot smpSlot, used bool, err error) {
	race.Disable()
	defer race.Enable()
	t := s.caches.Load()
	for t == nil { // a Trim
		t = s.provide()
	}
	s.hard.mu.Lock()
	dice := s.hard.dice.Uint64()
	s.hard.mu.Unlock()
	b := &t.shelves[0][class]
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.first == nil {
		if err := s.stock(t, 0, class); err != nil {
			return smpSlot{}, false, err
		}
	}
	sl := b.first
	state := sl.bytes()
	i := int(dice % uint64(len(state)))
	for state[i]&smpOpen == 0 {
		i = (i + 1) % len(state)
	}
	used = state[i]&smpPoisoned != 0
	state[i] = smpCached
	sl.free--
	if sl.free == 0 {
		b.unlink(sl)
	}
	return sl.slot(uintptr(i)), used, nil
}

// putHardened fills a slot, whose block has just died, and puts it at the end of
// the quarantine. What is at the front becomes free.
//
//go:norace
func (s *SMP) putHardened(class uintptr, slot smpSlot) {
	whole := bytesAtWord(&slot.addr, int(smpClassTable[class&127].size))
	for i := range whole {
		whole[i] = smpPoison
	}
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
}

// flushHardened ends the quarantine of all slots.
//
//go:norace
func (s *SMP) flushHardened() {
	h := s.hard
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

// inspect looks at the freed slots of a slab that goes. The synchronisation of
// the race detector is disabled.
//
//go:norace
func (s *SMP) inspect(sl *smpSlab) {
	size := int(smpClassTable[sl.class&127].size)
	for i, state := range sl.bytes() {
		if state&smpPoisoned == 0 {
			continue
		}
		slot := sl.slot(uintptr(i))
		whole := bytesAtWord(&slot.addr, size)
		race.Enable()
		race.Alloc(whole)
		smpInspect("heap: SMP", whole)
		race.Free(whole)
		race.Disable()
	}
}

// smpInspect reports a write to a freed slot.
func smpInspect(op string, whole []byte) {
	if i := smpUnlike(whole, smpPoison); i >= 0 {
		misuse(WriteAfterFree, op, whole, fmt.Sprintf("byte %d of a freed slot is %#x", i, whole[i]))
	}
}

// smpUnlike returns the index of the first byte of b that is not c, or -1.
func smpUnlike(b []byte, c byte) int {
	for i := range b {
		if b[i] != c {
			return i
		}
	}
	return -1
}
