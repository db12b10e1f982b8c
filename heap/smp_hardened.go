package heap

import (
	"fmt"
	"math/bits"
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
	slabs [smpClasses]*smpSlab // the one in use, owned
	dice  *rand.PCG
	queue [smpQuarantine]smpSlot // a ring of freed slots
	next  int                    // the oldest
}

const (
	smpQuarantine = 1024 // slots
	smpPoison     = 0xDE // in every byte of a freed slot
	smpPoisoned   = 2    // in the byte of a slot: dead, and filled
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
		if i := smpUnlike(whole, smpPoison); i >= 0 {
			misuse(WriteAfterFree, op, whole, fmt.Sprintf("byte %d of a freed slot is %#x", i, whole[i]))
		}
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
	h := s.hard
	h.lock()
	defer h.unlock()
	for {
		sl := h.slabs[class]
		if sl != nil {
			if i, ok := sl.draw(h.dice.Uint64()); ok {
				slot = sl.slot(i)
				return slot, *byteAt(&slot.state) == smpPoisoned, nil
			}
			h.slabs[class] = nil
			s.disown(sl)
		}
		if h.slabs[class], err = s.findSlab(uint8(class)); err != nil {
			return smpSlot{}, false, err
		}
	}
}

// draw takes one of the slab's free slots.
//
//go:norace
func (sl *smpSlab) draw(dice uint64) (slot uintptr, ok bool) {
	words := sl.words()
	turn := int(dice >> 32 % smpGroup)
	for i := range words {
		at := (i + int(dice>>40)%len(words)) % len(words)
		w := words[at].Load()
		for w != 0 {
			bit := (bits.TrailingZeros64(bits.RotateLeft64(w, -turn)) + turn) % smpGroup
			if words[at].CompareAndSwap(w, w&^(1<<bit)) {
				return uintptr(at*smpGroup + bit), true
			}
			w = words[at].Load()
		}
	}
	return 0, false
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

// flushHardened ends the quarantine of all slots, and lets go of the slabs.
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
	for class := range h.slabs {
		h.lock()
		sl := h.slabs[class]
		h.slabs[class] = nil
		h.unlock()
		if sl != nil {
			s.disown(sl)
		}
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
