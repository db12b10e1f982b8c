package heap

import (
	"math/bits"
	"runtime"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/rt"
)

// A cache is what makes Alloc fast: for each class, the slab that is in use and,
// taken out of it, the free slots of one word. There is one for each processor,
// whose owner for the moment is whoever runs there and is pinned: nobody else
// touches it, so that nothing in it is atomic. Where the runtime cannot pin,
// there are four for each processor, a goroutine finds one by the address of its
// stack, and holds it with a try-lock.
//
// While a cache is held, nothing blocks, panics or calls what might: code there
// loads, stores, counts bits and swaps words.

// smpCache is a cache without whatever makes it exclusive.
type smpCache [128]smpEntry // smpClasses are used; any 7 bits are an index

// smpEntry is what a cache has of a class.
type smpEntry struct {
	held uint64   // free slots, by their bits in the word
	base *byte    // slot of the lowest bit
	slab *smpSlab // nil at first, and while none could be had
	word int      // index in the slab's words of the one that held came from
}

// An smpShard is a cache with a shelf. Slabs that the cache had are listed on
// the shelf next to it.
type smpShard struct {
	cache smpCache
	_     [128]byte // the shelf is for all
	smpShelf
	busy atomic.Bool // cache is held, where nothing is pinned
	_    [128]byte   // the next shard's cache is for another processor
}

type smpShards []*smpShard

// enter returns the cache of this processor, which is the caller's until leave;
// nil if there is none yet.
//
//go:norace
func (s *SMP) enter() *smpShard {
	t := s.shards.Load()
	if t == nil {
		return nil
	}
	if rt.Pins {
		if i := rt.Pin(); i < len(*t) {
			return (*t)[i]
		}
		rt.Unpin()
		return nil
	}
	return t.lock()
}

// leave ends enter.
//
//go:norace
func (sh *smpShard) leave() {
	if rt.Pins {
		rt.Unpin()
	} else {
		sh.busy.Store(false)
	}
}

// lock finds a shard that nobody has. The goroutine that has one may be
// preempted, so that waiting means to let others run.
//
//go:norace
func (t *smpShards) lock() *smpShard {
	for at := stackHash(); ; runtime.Gosched() {
		for i := range uintptr(len(*t)) {
			sh := (*t)[(at+i)&uintptr(len(*t)-1)]
			if !sh.busy.Load() && sh.busy.CompareAndSwap(false, true) {
				return sh
			}
		}
	}
}

// index returns the number of the calling goroutine's shard, which may be
// another one by the time it is used.
//
//go:norace
func (t *smpShards) index() int {
	if !rt.Pins {
		return int(stackHash() & uintptr(len(*t)-1))
	}
	i := rt.Pin()
	rt.Unpin()
	return min(i, len(*t)-1)
}

// provide makes sure that there are caches for all processors.
//
//go:norace
func (s *SMP) provide() *smpShards {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.shards.Load()
	n := runtime.GOMAXPROCS(0)
	if !rt.Pins {
		n = 1 << bits.Len(uint(4*n-1))
	}
	if t != nil && (len(*t) >= n || !rt.Pins) {
		return t
	}
	more := make(smpShards, n)
	if t != nil {
		for i := range len(*t) { // not copy, which the race detector watches
			more[i] = (*t)[i]
		}
	}
	for i := range more {
		if more[i] == nil {
			more[i] = new(smpShard)
		}
	}
	s.shards.Store(&more)
	return &more
}

// take takes a free slot and returns the size bytes at its start; nil if the
// slab has none left.
//
//go:norace
func (s *SMP) take(class uintptr, size int) []byte {
	sh := s.enter()
	if sh == nil {
		return nil
	}
	b := sh.cache.take(class, size)
	sh.leave()
	return b
}

// take is SMP.take for a cache that the caller holds.
//
//go:norace
func (c *smpCache) take(class uintptr, size int) []byte {
	e := &c[class&127]
	w := e.held
	if w == 0 {
		if w = e.refill(); w == 0 {
			return nil
		}
	}
	e.held = w & (w - 1)
	return slotBytes(e.base, uintptr(bits.TrailingZeros64(w))*smpClassTable[class&127].size, size)
}

// refill takes the free slots of another word, or of the same if that is worth
// it, and returns them.
//
//go:norace
func (e *smpEntry) refill() uint64 {
	sl := e.slab
	if sl == nil {
		return 0
	}
	words := sl.words()
	if i := e.word; i < len(words) && bits.OnesCount64(words[i].Load()) >= smpDense {
		return e.load(i, words[i].Swap(0))
	}
	for i := range words {
		if words[i].Load() != 0 {
			return e.load(i, words[i].Swap(0))
		}
	}
	return 0
}

// smpDense is how many slots must have been freed in a word that was used up for
// it to be used again rather than another. Their memory is more likely to be in
// the processor's cache.
const smpDense = 16

// load makes w, of word i, what the entry holds.
//
//go:norace
func (e *smpEntry) load(i int, w uint64) uint64 {
	e.word = i
	k := &smpClassTable[e.slab.class&127]
	e.base = &slotBytes(e.slab.seg.base, uintptr(e.slab.first)*smpPageSize+uintptr(i)*smpGroup*k.size, 1)[0]
	return w
}

// adopt makes sl, which the caller owns, the slab that the entry takes slots of,
// and returns the one before, which the caller now owns.
//
//go:norace
func (e *smpEntry) adopt(sl *smpSlab, home *smpShard) (old *smpSlab) {
	old = e.slab
	sl.home.Store(home)
	e.slab, e.word = sl, 0
	return old
}

// allocSlow takes a slot where the cache has none: from a slab on a shelf, this
// one's or another, or from a new slab.
//
//go:norace
func (s *SMP) allocSlow(class uintptr, size int) ([]byte, error) {
	for {
		sl, err := s.findSlab(uint8(class))
		if err != nil {
			return nil, err
		}
		sh := s.enter()
		if sh == nil { // more processors than a moment ago
			s.disown(sl)
			s.provide()
			continue
		}
		// Meanwhile the goroutine may have come to another processor, or another
		// goroutine have found a slab for this one.
		b := sh.cache.take(class, size)
		spare := sl
		if b == nil {
			spare = sh.cache[class&127].adopt(sl, sh)
			b = sh.cache.take(class, size)
		}
		sh.leave()
		if spare != nil {
			s.disown(spare)
		}
		if b != nil {
			return b, nil
		}
	}
}

// findSlab returns a slab of the class, which the caller then owns and which
// most likely has free slots.
//
//go:norace
func (s *SMP) findSlab(class uint8) (*smpSlab, error) {
	t := s.shards.Load()
	if t == nil {
		t = s.provide()
	}
	at := t.index()
	if sl := (*t)[at].take(class); sl != nil {
		return sl, nil
	}
	// Slots that are free for others are free for all: a program whose goroutines
	// wander, or free what others allocate, would grow without end.
	for i := range *t {
		if sl := (*t)[(at+1+i)%len(*t)].take(class); sl != nil {
			return sl, nil
		}
	}
	sl, err := s.newSlab(class)
	if err == nil {
		sl.home.Store((*t)[at])
	}
	return sl, err
}

// empty takes everything out of the entry: its slab, nil if there is none, and
// the free slots of one of its words. The caller holds the cache.
//
//go:norace
func (e *smpEntry) empty() (sl *smpSlab, word int, held uint64) {
	sl, word, held = e.slab, e.word, e.held
	*e = smpEntry{}
	return sl, word, held
}

// giveUp ends the ownership of a slab of which slots are held.
//
//go:norace
func (s *SMP) giveUp(sl *smpSlab, word int, held uint64) {
	if sl == nil {
		return
	}
	if held != 0 {
		w := &sl.words()[word]
		for {
			if old := w.Load(); w.CompareAndSwap(old, old|held) {
				break
			}
		}
	}
	s.disown(sl)
}
