package heap

import (
	"runtime"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// SMPCache is an [SMP] seen by one goroutine, with a cache of its own: small
// blocks are served from it, and freed into it, without any synchronisation.
// Want one in a loop that allocates all the time. It keeps up to 32 KiB, or two
// blocks, for each size that it has seen.
//
// Blocks are those of the SMP. They may be freed there, or through any other of
// its caches, and the cache frees blocks of those.
//
// An SMPCache is for one goroutine at a time, and must not be copied; use by two
// at once is reported where it is seen. There is no useful zero value; see
// [SMP.Cache]. Close gives back what the cache keeps. That happens as well, some
// time later, to one that was dropped.
type SMPCache struct {
	copies  noCopy
	state   *smpHandle
	dropped runtime.Cleanup // ends state
}

var _ mem.Allocator = (*SMPCache)(nil)

// smpHandle is all of an SMPCache but the pointer to it that is dropped.
//
// Methods of an SMPCache that use the cache end with [runtime.KeepAlive]: nothing
// else holds the SMPCache during the last call, and end, which may then run at any
// time, takes the cache for its own.
type smpHandle struct {
	smp    *SMP
	use    smpUse // not atomic: seen by others sooner or later, as in Go's maps
	closed bool
	who    signature
	cache  smpCache

	next, prev *smpHandle // in smp.handles, under smp.stopping
}

// smpUse is what keeps a call from the cache: what may have to be reported, and what
// is not for the cache at all. So the usual call looks at it once.
type smpUse uint8

const (
	smpBusy  smpUse = 1 << iota // a call is at the cache
	smpAside                    // Free does without the cache: it is closed, or the SMP is hardened
)

// Cache returns a new cache for one goroutine.
func (s *SMP) Cache() *SMPCache {
	h := &smpHandle{smp: s}
	if s.hard != nil {
		h.use = smpAside
	}
	s.sampling().own.arm(&h.cache)
	h.begin()
	c := &SMPCache{state: h}
	c.dropped = runtime.AddCleanup(c, (*smpHandle).end, h)
	return c
}

// begin makes the handle known to the SMP.
//
//go:norace
func (h *smpHandle) begin() {
	s := h.smp
	s.lockCaches()
	if h.next = s.handles; h.next != nil {
		h.next.prev = h
	}
	s.handles = h
	s.unlockCaches()
}

// end gives back what the cache keeps, for good. An SMP that is closed has no
// handles any more.
//
//go:norace
func (h *smpHandle) end() {
	s := h.smp
	s.lockCaches() // Close has to wait
	defer s.unlockCaches()
	switch {
	case h.prev != nil:
		h.prev.next = h.next
	case s.handles == h:
		s.handles = h.next
	default: // it ended before
		return
	}
	if h.next != nil {
		h.next.prev = h.prev
	}
	h.next, h.prev = nil, nil
	s.flush(&h.cache)
}

// endHandles ends all handles of an SMP whose memory goes, and forgets what their
// caches keep.
//
//go:norace
func (s *SMP) endHandles() {
	s.lockCaches()
	defer s.unlockCaches()
	for h := s.handles; h != nil; {
		next := h.next
		h.next, h.prev = nil, nil
		h.closed, h.use = true, smpAside
		h.cache = smpCache{}
		h = next
	}
	s.handles = nil
}

// lockCaches takes the lock of those who change caches or handles. The race
// detector must not take it for a reason why one comes after another.
//
//go:norace
func (s *SMP) lockCaches() {
	race.Disable()
	s.stopping.Lock()
}

//go:norace
func (s *SMP) unlockCaches() {
	s.stopping.Unlock()
	race.Enable()
}

// A word for the whole cache, read once and written twice, without an atomic
// operation: a twentieth of the time of a block that comes and goes. One for each
// class, in its count, would cost a store less, but not see two goroutines that want
// blocks of other sizes.

// enter notes that the cache is in use, or reports that it was already.
//
//go:norace
func (h *smpHandle) enter(op string) {
	if h.use&smpBusy != 0 {
		h.reportBusy(op)
	}
	h.use |= smpBusy
	h.who.sign()
}

//go:noinline
func (h *smpHandle) reportBusy(op string) {
	report(&Misuse{Kind: ConcurrentUse, Op: op, Hint: "give each goroutine its own SMPCache, or use the SMP", Other: h.who.signed()})
}

// Alloc implements [mem.Allocator].
//
//go:norace
//go:nosplit
//go:noinline
func (c *SMPCache) Alloc(size int, l mem.Layout) ([]byte, error) {
	h, last := c.state, smpLast(size, l.Align)
	if invariant.Enabled || last >= smpMaxSmall || l.Kind == mem.Managed || h == nil || h.use != 0 {
		return c.alloc(size, l)
	}
	class := uintptr(smpStep[last/smpStepSize])
	h.use = smpBusy
	e := &h.cache[class&127] // h.cache.take, written out
	if n := e.count - smpTurn - 1; n&smpNone == 0 {
		e.count = n
		slot := e.at(n.slots())
		addr := slot.addr
		*byteFrom(slot.state) = uint8(smpLive(class, addr))
		h.use = 0
		b := slotFrom(addr, size)
		if l.Kind != mem.Plain || l.Zero {
			clearSlot(b)
		}
		runtime.KeepAlive(c)
		return b, nil
	}
	h.use = 0
	return c.slow(class, size, l.Kind != mem.Plain || l.Zero, 3)
}

// alloc is Alloc for all blocks.
//
//go:noinline
func (c *SMPCache) alloc(size int, l mem.Layout) ([]byte, error) {
	const op = "heap: SMPCache.Alloc"
	mem.CheckSize(op, size)
	if c.state == nil {
		return nil, zeroValue(op, "SMP.Cache")
	}
	c.copies.check(op)
	n := smpRound(size, l.Align)
	if n-1 >= smpMaxSmall || l.Kind == mem.Managed {
		if c.state.closed {
			return nil, mem.ErrClosed
		}
		return c.state.smp.alloc(size, l, nil, 4)
	}
	h := c.state
	h.enter(op)
	defer h.leave()
	class := smpClassOf(n)
	race.Disable()
	b := h.cache.take(class, size)
	race.Enable()
	runtime.KeepAlive(c)
	if b == nil {
		return c.slow(class, size, l.Zero || l.Kind != mem.Plain, 4)
	}
	smpOpened(b)
	if l.Zero || l.Kind != mem.Plain {
		clear(b)
	}
	return b, nil
}

//go:norace
func (h *smpHandle) leave() { h.use &^= smpBusy }

// slow is Alloc for a small block of a class that the cache has no slot of, or
// whose turn it is to be in the sample. It skips as sampled does.
//
//go:noinline
func (c *SMPCache) slow(class uintptr, size int, zero bool, skip int) ([]byte, error) {
	h := c.state
	s := h.smp
	race.Disable()
	if h.closed || s.closed.Load() {
		race.Enable()
		return nil, mem.ErrClosed
	}
	if s.hard != nil {
		race.Enable()
		return s.allocHardened("heap: SMPCache.Alloc", class, size, zero, nil, skip)
	}
	own := s.sampling().own
	chosen := h.cache[class&127].turn(own, class)
	b, err := h.allocSlow(class, size)
	h.tidy()
	race.Enable()
	runtime.KeepAlive(c)
	if err != nil {
		return nil, err
	}
	smpOpened(b)
	if chosen {
		s.sampled(b, class, own, nil, skip)
	}
	if zero {
		clear(b)
	}
	return b, nil
}

// allocSlow takes a slot where the cache has none.
//
//go:norace
func (h *smpHandle) allocSlow(class uintptr, size int) ([]byte, error) {
	s, e := h.smp, &h.cache[class&127]
	if b := e.serve(class, size); b != nil {
		return b, nil
	}
	if mag := s.larger(class, e.keep); mag != nil {
		e.replace(mag)
	}
	t := s.theCaches()
	if t == nil {
		t = s.provide()
	}
	at := t.index()
	bin := &t.shelves[at][class]
	bin.mu.Lock()
	defer bin.mu.Unlock()
	if bin.first() == nil {
		if err := s.stock(t, at, class); err != nil {
			return nil, err
		}
	}
	if e.keep == 0 { // it is too early for a magazine
		return bin.one(class, size), nil
	}
	bin.fill(e)
	return e.serve(class, size), nil
}

// Free implements [mem.Allocator].
//
//go:norace
//go:nosplit
//go:noinline
func (c *SMPCache) Free(b []byte, l mem.Layout) {
	h := c.state
	if invariant.Enabled || h == nil || h.use != 0 {
		c.free(b, l)
		return
	}
	// h.smp.find, written out.
	addr, last := address(b), smpLast(len(b), l.Align)
	number := addr >> smpSegShift
	seg := h.smp.near[number%smpNear].Load()
	if seg == nil || seg.number != number || last >= smpMaxSmall {
		c.free(b, l)
		return
	}
	class := uintptr(smpStep[last/smpStepSize])
	state := &seg.state[addr%smpSegSize/smpGrain]
	if uintptr(*state) != smpLive(class, addr) {
		c.free(b, l)
		return
	}
	h.use = smpBusy
	*state = smpDead
	e := &h.cache[class&127] // h.cache.put, written out
	if n := e.count.slots(); n < e.keep {
		*e.at(n) = smpSlot{addr, pointerAddress(state)}
		e.count++
		h.use = 0
		runtime.KeepAlive(c)
		return
	}
	c.putSlow(class, smpSlot{addr, pointerAddress(state)})
}

// free is Free for all blocks.
//
//go:noinline
//go:norace
func (c *SMPCache) free(b []byte, l mem.Layout) {
	h := c.state
	if h == nil {
		_ = zeroValue("heap: SMPCache.Free", "SMP.Cache")
		return
	}
	h.enter("heap: SMPCache.Free")
	race.Disable()
	class, slot := h.smp.find(b, l.Align)
	if class == 0 || h.use&smpAside != 0 {
		race.Enable()
		h.leave()
		h.smp.Free(b, l)
		return
	}
	slot.shut(b)
	if !h.cache[class&127].put(slot) {
		h.putSlow(class, slot)
	}
	h.leave()
	race.Enable()
	runtime.KeepAlive(c)
}

// putSlow is the rest of Free where the magazine is full, or is not there.
//
//go:noinline
//go:norace
func (c *SMPCache) putSlow(class uintptr, slot smpSlot) {
	c.state.putSlow(class, slot)
	c.state.leave()
	runtime.KeepAlive(c)
}

// putSlow keeps a slot where the magazine is full, or is not there.
//
//go:norace
func (h *smpHandle) putSlow(class uintptr, slot smpSlot) {
	e := &h.cache[class&127]
	if mag := h.smp.larger(class, e.keep); mag != nil {
		e.replace(mag)
		e.put(slot)
		return
	}
	if e.keep == 0 {
		h.smp.giveSlots([]smpSlot{slot})
		return
	}
	var out [smpMagSlots / 2]smpSlot
	n := e.spill(&out)
	e.put(slot)
	h.smp.giveSlots(out[:n])
	h.tidy()
}

// tidy gives back some of what the cache has for a class that is not used, if it is
// time to look for it.
//
//go:norace
func (h *smpHandle) tidy() {
	if class, slots := h.cache.idle(); slots {
		var out [smpMagSlots / 2]smpSlot
		n := h.cache.ease(class, &out)
		h.smp.giveSlots(out[:n])
	}
}

// Resize implements [mem.Allocator]; see [SMP.Resize].
//
//go:noinline
func (c *SMPCache) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: SMPCache.Resize", size)
	if c.state == nil {
		_ = zeroValue("heap: SMPCache.Resize", "SMP.Cache")
		return b, false
	}
	return c.state.smp.resize("heap: SMPCache.Resize", b, l, size, false, nil)
}

// Remap implements [mem.Allocator]; see [SMP.Remap].
//
//go:noinline
func (c *SMPCache) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: SMPCache.Remap", size)
	if c.state == nil {
		_ = zeroValue("heap: SMPCache.Remap", "SMP.Cache")
		return b, false
	}
	return c.state.smp.resize("heap: SMPCache.Remap", b, l, size, true, nil)
}

// Pointers returns [mem.PlainOnly].
func (c *SMPCache) Pointers() mem.Pointers { return mem.PlainOnly }

// Unwrap implements [mem.Unwrapper]: the SMP.
func (c *SMPCache) Unwrap() mem.Allocator {
	if c.state == nil {
		return nil
	}
	return c.state.smp
}

// Trim implements [mem.Trimmer]: it gives back what the cache keeps, and then
// what the SMP does.
func (c *SMPCache) Trim() int {
	h := c.state
	if h == nil {
		return 0
	}
	h.enter("heap: SMPCache.Trim")
	race.Disable()
	h.smp.flush(&h.cache)
	race.Enable()
	h.leave()
	runtime.KeepAlive(c)
	return h.smp.Trim()
}

// Close gives back what the cache keeps. Blocks stay live. Afterwards Alloc fails
// with [mem.ErrClosed], and Free goes on. To close twice is to close once.
func (c *SMPCache) Close() error {
	h := c.state
	if h != nil && !h.closed {
		h.enter("heap: SMPCache.Close")
		h.closed, h.use = true, h.use|smpAside
		h.end()
		h.leave()
		c.dropped.Stop() // it holds the SMP, and all that this is a field of
	}
	return nil
}
