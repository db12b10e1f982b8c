package heap

import (
	"sync"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

// Blocks that are no slots. Up to smpMaxLarge they are runs of pages in a
// segment; above, they are mappings of their own, in the table of all such
// mappings in the process, some of which are kept when they are freed.

// smpTally counts blocks and the bytes of their pages.
type smpTally struct{ blocks, bytes int }

//go:norace
func (t *smpTally) add(bytes int) { t.blocks, t.bytes = t.blocks+1, t.bytes+bytes }

//go:norace
func (t *smpTally) sub(bytes int) { t.blocks, t.bytes = t.blocks-1, t.bytes-bytes }

// allocLarge serves what is too large for a slab, or for the alignment of one.
//
//go:norace
func (s *SMP) allocLarge(size int, l mem.Layout) ([]byte, error) {
	if size > smpMaxLarge || l.Align.Bytes() > smpMaxAlign {
		return s.huge.alloc(s, size, l)
	}
	n := smpPagesOf(size)
	var dirty smpPages
	s.lock()
	seg, first, err := s.takeRun(n, max(1, l.Align.Bytes()/smpPageSize), &dirty)
	if err != nil {
		s.unlock()
		if !s.relieve() {
			return nil, err
		}
		s.lock()
		if seg, first, err = s.takeRun(n, max(1, l.Align.Bytes()/smpPageSize), &dirty); err != nil {
			s.unlock()
			return nil, err
		}
	}
	seg.slabs[first].size = size
	s.large.add(smpGoodSize(size))
	seg.page[first].Store(smpLarge)
	s.unlock()
	b := slotBytes(seg.base, uintptr(first)*smpPageSize, size)
	smpOpened(b)
	if l.Zero || l.Kind != mem.Plain {
		dirty.zero(b, first)
	}
	return b, nil
}

// smpPagesOf returns how many pages size bytes take.
func smpPagesOf(size int) int { return (size + smpPageSize - 1) / smpPageSize }

// smpGoodSize rounds the size of a large block up to what is its own for sure:
// whole pages of the system or, where these are larger, of the segment.
func smpGoodSize(size int) int { return min(goodPageSize(size), smpPagesOf(size)*smpPageSize) }

// zero clears what lies in b in the pages of the set. The first byte of b is that
// of a page.
func (p *smpPages) zero(b []byte, first int) {
	end := first + smpPagesOf(len(b))
	for at := p.next(first, true); at < end; {
		to := p.next(at, false)
		clear(b[(at-first)*smpPageSize : min(len(b), (to-first)*smpPageSize)])
		at = p.next(to, true)
	}
}

// largeAt returns the run of the large block b, under the lock, or nil if b is
// not exactly that.
//
//go:norace
func (s *SMP) largeAt(p smpPlace, b []byte) *smpSlab {
	sl := &p.seg.slabs[p.first]
	if p.offset != 0 || p.seg.page[p.first].Load()&0xFF != smpLarge || sl.size != len(b) {
		return nil
	}
	return sl
}

//go:norace
func (s *SMP) freeLarge(op string, p smpPlace, b []byte, l mem.Layout) {
	var room [smpTakenRoom]smpTaken
	was := s.unsample(p, b, room[:0]) // before another block can be there
	s.lock()
	sl := s.largeAt(p, b)
	if sl == nil {
		s.unlock()
		s.resample(p, b, was)
		s.blameLarge(op, p, b, l)
		return
	}
	s.large.sub(smpGoodSize(len(b)))
	if s.hard != nil {
		p.seg.page[p.first].Store(smpWaiting)
		n := int(sl.pages)
		s.unlock()
		smpShut(b)
		s.detain(smpFreed{wider(b, n*smpPageSize), p.seg, int(p.first)})
		s.tell()
		return
	}
	p.seg.page[p.first].Store(smpFree)
	if race.Enabled { // while it still belongs to nobody else
		s.unlock()
		smpShut(b)
		s.lock()
	}
	excess := s.endLarge(p.seg, int(p.first))
	s.unlock()
	if excess > 0 {
		s.giveBack(excess)
	}
}

// endLarge makes the pages of a block that is freed free, and returns what
// freeRun does. The lock is held.
//
//go:norace
func (s *SMP) endLarge(seg *smpSegment, first int) (excess int) {
	sl := &seg.slabs[first]
	n := int(sl.pages)
	sl.pages = 0
	return s.freeRun(seg, first, n)
}

// releaseLarge makes the pages of a block in quarantine free.
//
//go:norace
func (s *SMP) releaseLarge(seg *smpSegment, first int) {
	s.lock()
	seg.page[first].Store(smpFree)
	excess := s.endLarge(seg, first)
	s.unlock()
	if excess > 0 {
		s.giveBack(excess)
	}
}

// blameLarge reports what is wrong with b, which was taken for a large block.
func (s *SMP) blameLarge(op string, p smpPlace, b []byte, l mem.Layout) {
	if q := s.place(b); q.kind != smpLarge || q.offset != 0 {
		s.blame(op, q, b, l)
		return
	}
	misuse(SizeMismatch, op, b, "the block has another size")
}

// resizeLarge changes a large block within its pages, gives those at its end
// back, or takes free ones after it.
//
//go:norace
func (s *SMP) resizeLarge(op string, p smpPlace, b []byte, l mem.Layout, size int) ([]byte, bool) {
	n := smpPagesOf(size)
	fits := size <= smpMaxLarge && smpRound(size, l.Align)-1 >= smpMaxSmall
	s.lock()
	sl := s.largeAt(p, b)
	if sl == nil {
		s.unlock()
		s.blameLarge(op, p, b, l)
		return b, false
	}
	first, have := int(p.first), int(sl.pages)
	if !fits || first+n > smpSegPages || n > have && (p.seg.used.count(first+have, n-have) != 0 || p.seg.recommit(first+have, n-have) != nil) {
		s.unlock()
		return b, false
	}
	dirty := p.seg.dirty
	excess := 0
	switch {
	case n > have:
		s.idle -= dirty.count(first+have, n-have)
		s.rest.lowest = min(s.rest.lowest, s.idle)
		s.used += n - have
		p.seg.used.set(first+have, n-have)
		p.seg.dirty.set(first+have, n-have)
		p.seg.begin(first+have, n-have)
	case n < have:
		if race.Enabled {
			s.unlock()
			smpShut(b[size:])
			s.lock()
		}
		excess = s.freeRun(p.seg, first+n, have-n)
	}
	sl.pages, sl.size = uint16(n), size
	s.large.sub(smpGoodSize(len(b)))
	s.large.add(smpGoodSize(size))
	if n > have && s.opts.HugePages {
		s.enlarge(p.seg, first+have, n-have)
	}
	s.unlock()
	if excess > 0 {
		s.giveBack(excess)
	}
	r := wider(b, size)
	if size > have*smpPageSize {
		smpOpened(r[have*smpPageSize : size])
	}
	if size > len(b) && (l.Zero || l.Kind != mem.Plain) {
		// What lies behind the end of the block in its last page is not known.
		end := min(size, have*smpPageSize)
		clear(r[len(b):end])
		if size > end {
			dirty.zero(r[end:size], first+have)
		}
	}
	return r[:size:size], true
}

// smpHuge are the blocks with mappings of their own, and a cache of those that
// are free. Such a block costs the system two calls, and for every page that is
// touched a fault: caching them is what makes them usable for short-lived data.
type smpHuge struct {
	pages atomic.Pointer[Pages] // nil until it is wanted

	mu    sync.Mutex
	kept  []smpKept // oldest first
	bytes int       // of kept
	live  smpTally
	peak  int // the most bytes that were live at once
	clock int // operations, for decay
}

type smpKept struct {
	b     []byte
	since int // clock when it was freed
}

const (
	smpKeptMost = 16 // ranges in the cache
	smpKeptAge  = 64 // operations on huge blocks for which a range stays there
)

// from returns what huge blocks come from.
//
//go:norace
func (h *smpHuge) from(s *SMP) *Pages {
	if p := h.made(); p != nil {
		return p
	}
	race.Disable()
	defer race.Enable()
	h.pages.CompareAndSwap(nil, newPages(PageOptions{HugePages: s.opts.HugePages, SmallPages: s.opts.SmallPages, Name: s.opts.Name}))
	return h.pages.Load()
}

// made is from where that has been wanted before, or nil.
//
//go:norace
func (h *smpHuge) made() *Pages {
	race.Disable()
	defer race.Enable()
	return h.pages.Load()
}

func (h *smpHuge) lock() {
	race.Disable()
	h.mu.Lock()
}

func (h *smpHuge) unlock() {
	h.mu.Unlock()
	race.Enable()
}

// alloc serves a huge block.
func (h *smpHuge) alloc(s *SMP, size int, l mem.Layout) ([]byte, error) {
	p := h.from(s)
	n, ok := p.fits(size)
	if !ok || uint64(n) > 1<<smpAddrBits {
		return nil, mem.ErrTooLarge
	}
	if b := h.take(n, l.Align); b != nil {
		if l.Zero || l.Kind != mem.Plain {
			clear(b[:size])
		}
		livePages.add(address(b), size, p.id)
		return b[:size:size], nil
	}
	b, err := p.alloc("heap: SMP.Alloc", size, l)
	if err != nil && err != mem.ErrTooLarge && s.relieve() { // what is kept may be what is missing
		b, err = p.alloc("heap: SMP.Alloc", size, l)
	}
	if err == nil {
		h.count(0, size)
	}
	return b, err
}

// count notes that a block of one size is now one of another; 0 stands for none.
//
//go:norace
func (h *smpHuge) count(old, size int) {
	h.lock()
	if old > 0 {
		h.live.sub(goodPageSize(old))
	}
	if size > 0 {
		h.live.add(goodPageSize(size))
		h.peak = max(h.peak, h.live.bytes)
	}
	h.unlock()
}

// take finds a kept range of n bytes, or a little more, which is cut off.
//
//go:norace
func (h *smpHuge) take(n int, align mem.Alignment) []byte {
	h.lock()
	best := -1
	for i := len(h.kept) - 1; i >= 0; i-- {
		k := h.kept[i].b
		if len(k) >= n && len(k)-n <= n/8 && align.Check(address(k)) && (best < 0 || len(k) < len(h.kept[best].b)) {
			best = i
		}
	}
	if best < 0 {
		h.unlock()
		return nil
	}
	b := h.remove(best)
	h.live.add(n)
	h.peak = max(h.peak, h.live.bytes)
	h.unlock()
	race.Alloc(b)
	if len(b) > n {
		r, ok := vm.Shrink(b, n)
		if !ok {
			vm.Unmap(b)
			h.count(n, 0)
			return nil
		}
		b = r
	}
	return b
}

// remove takes range i out of the cache, under the lock.
//
//go:norace
func (h *smpHuge) remove(i int) []byte {
	b := h.kept[i].b
	last := len(h.kept) - 1
	for ; i < last; i++ {
		h.kept[i] = h.kept[i+1]
	}
	h.kept[last] = smpKept{}
	h.kept = h.kept[:last]
	h.bytes -= len(b)
	return b
}

// put keeps a range, and drops what there is no room for any more, or no need.
// retain is the option.
//
//go:norace
func (h *smpHuge) put(b []byte, retain int) {
	h.lock()
	most := retain
	if most == 0 { // a program wants again what it had, but not more
		most = min(h.peak, smpRetainHuge)
	}
	h.clock++
	keep := len(b) <= most
	var oldest []byte
	if keep {
		if h.kept == nil {
			h.kept = make([]smpKept, 0, smpKeptMost)
		}
		if len(h.kept) == smpKeptMost {
			oldest = h.remove(0)
		}
		n := len(h.kept)
		h.kept = h.kept[:n+1]
		h.kept[n] = smpKept{b, h.clock}
		h.bytes += len(b)
	}
	h.unlock()
	if !keep {
		h.unmap(b)
	}
	if oldest != nil {
		h.unmap(oldest)
	}
	h.dropTo(most)
}

// dropTo gives ranges back, the oldest first, until there are no more than that
// many bytes, and none that is too old. It returns how many bytes these were.
//
//go:norace
func (h *smpHuge) dropTo(bytes int) (dropped int) {
	for {
		h.lock()
		if len(h.kept) == 0 || h.bytes <= bytes && h.clock-h.kept[0].since <= smpKeptAge {
			h.unlock()
			return dropped
		}
		b := h.remove(0)
		h.unlock()
		dropped += len(b)
		h.unmap(b)
	}
}

// unmap gives a range back that a goroutine freed, maybe another.
//
//go:norace
func (h *smpHuge) unmap(b []byte) {
	race.Alloc(b)
	vm.Unmap(b)
}

// freeHuge frees a block that lies in no segment, if it is one of s.
func (s *SMP) freeHuge(op string, b []byte) {
	p := s.huge.from(s)
	var room [smpTakenRoom]smpTaken
	was := s.unsample(smpPlace{}, b, room[:0]) // before another block can be there
	if !livePages.remove(address(b), len(b), p.id) {
		s.resample(smpPlace{}, b, was)
		if !s.over(op, b) {
			p.blame(op, b)
		}
		return
	}
	n, _ := vm.Whole(len(b))
	whole := wider(b, n)
	race.Free(whole)
	s.huge.count(n, 0)
	if s.hard != nil {
		s.detain(smpFreed{b: whole})
		s.tell()
		return
	}
	s.huge.put(whole, s.opts.Retain)
}

// over reports a block that is used after Close, and tells whether it is.
func (s *SMP) over(op string, b []byte) bool {
	if !s.closed.Load() {
		return false
	}
	misuse(UseAfterClose, op, b, "closing the SMP freed every block")
	return true
}

// resizeHuge resizes a block that lies in no segment, if it is one of s.
func (s *SMP) resizeHuge(op string, b []byte, l mem.Layout, size int, move bool) ([]byte, bool) {
	if len(b) == 0 {
		misuse(ForeignFree, op, b, hintForeign)
		return b, false
	}
	if s.over(op, b) {
		return b, false
	}
	p := s.huge.from(s)
	if size <= smpMaxLarge && l.Align.Bytes() <= smpMaxAlign {
		p.mine(op, b, len(b)) // or else that is reported
		return b, false       // Free would look for it in a segment
	}
	r, ok := p.resize(op, b, l, size, move)
	if ok {
		s.huge.count(len(b), size)
	}
	return r, ok
}
