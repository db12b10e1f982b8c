package heap

import (
	"sync"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// A ConcurrentArena is an [Arena] that many goroutines allocate from at once. It
// suits a phase that is split among workers and ends for all of them together.
// For a phase of one goroutine an Arena costs less, and so do arenas of their
// own for workers that share nothing.
//
// Memory comes from the child, in chunks that grow as an Arena's do. A child
// that answers [mem.Scanned] makes a ConcurrentArena that serves every type,
// with chunks for each type; over any other child, blocks with pointers are
// refused, unless the child carries the promise of [mem.NoGoPointers].
//
// Free takes back the most recent block of a chunk, and a block so large that
// it got a chunk of its own; freeing any other is a no-op. In every build Free,
// Resize and Remap report a block from elsewhere as a [Misuse].
//
// Reset, ResetTo, Release and Close invalidate every block. They must not run
// at the same time as any other method: the caller sees to it that all workers
// are done, with a WaitGroup for instance. There are no marks: what other
// goroutines allocated in between would die with what is rewound.
//
// All other methods are safe for concurrent use. The child may be asked to resize
// a chunk in place while others write to blocks in it. As long as the newest chunk
// has room, no call waits for another, but for those that concern blocks with a
// chunk of their own. Otherwise one goroutine at a time asks the child, which
// therefore may be one for a single goroutine if nobody else uses it meanwhile.
//
// The zero ConcurrentArena has no child; call [NewConcurrentArena]. It must not
// be copied after first use.
type ConcurrentArena struct {
	copies   noCopy
	solo     solo  // for the calls that must be alone
	crowd    crowd // for all calls
	child    mem.Allocator
	pointers mem.Pointers

	raw    sharedLane                     // plain blocks, and local ones if the child is not scanned
	lanes  atomic.Pointer[[]*sharedLane]  // where blocks with pointers live, if it is: an open table
	chunks atomic.Pointer[[]*sharedChunk] // those that blocks were bumped from, by address
	closed atomic.Bool

	mu    sync.Mutex     // held to change the above and what follows, and to ask the child
	own   []*sharedChunk // those of one block each, by address
	spare []*sharedChunk // for blocks with a chunk of their own to come; they hold nothing
	ids   uint64         // of the newest chunk
	held  int            // bytes from the child
	peak  int            // most that held has been
	types int            // lanes in the table
	byAge []*sharedChunk // scratch of reset
}

var (
	_ mem.Allocator = (*ConcurrentArena)(nil)
	_ mem.Owner     = (*ConcurrentArena)(nil)
)

// Every chunk has an offset of its own, which blocks are taken off and given
// back to by compare-and-swap. The offset alone says which bytes are free: all
// from there on. So a swap that succeeds is right whatever happened between the
// load and the swap, also if the offset went up and came back down: there is no
// ABA to guard against, and no tag beside the offset. A goroutine that still
// bumps from a chunk while another makes a new one the newest takes a block that
// is as good as any.
//
// Compare-and-swap was preferred to an addition, which never has to be tried
// again, but may add past the end: the offset would then be wrong, so that the
// last block could neither grow nor be freed, and padding would need sizes
// rounded up to the largest alignment.
//
// Which bytes are zero is known by a mark that only goes up: what lies beyond it
// and beyond the offset was never handed out since the child gave it as zero.
// Whoever gives bytes back raises the mark over them before he lowers the
// offset; whoever takes bytes reads the mark after his swap. If some of them
// were in use before, the swap saw an offset that was lowered, and so the mark
// is seen raised. A mark of what was ever handed out, raised after every swap,
// was rejected: it doubles the contention of the common case, and between the
// swap and the raise it is out of date.
//
// The chunks, and the tables of them by which a block finds its own, lie in Go
// memory. The table of the chunks that are bumped from is never changed but
// replaced, so that Free and Resize read it without a lock: there are few, and
// none are new in a phase like the one before. A chunk of one block may come and
// go with every call. Its table is changed in place under the lock, which Free
// of such a block needs anyhow, and the chunk's bookkeeping is used again, so
// that large blocks make no garbage either.
//
// The race detector sees neither the offsets nor the table: functions that read
// these are marked go:norace, and stand between race.Disable and race.Enable,
// lest every Alloc order the goroutines. What it is told is this: who grew a
// chunk comes before all who get blocks of it, since the child may have written
// to the memory; and who gives bytes back comes before those who get bytes that
// were used before. The lock orders those who take it, since the child behind it
// may know nothing of other goroutines.

// NewConcurrentArena returns an empty ConcurrentArena. It first asks child in the
// first Alloc. It panics if child is nil.
func NewConcurrentArena(child mem.Allocator) *ConcurrentArena {
	mustChild("heap: NewConcurrentArena", child)
	return &ConcurrentArena{child: child, pointers: child.Pointers(), raw: sharedLane{elem: 1}}
}

const hintAlone = "Reset, ResetTo, Release and Close must wait until all other calls are over"

// Alloc implements [mem.Allocator].
func (a *ConcurrentArena) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("heap: ConcurrentArena.Alloc", size)
	a.copies.check("heap: ConcurrentArena.Alloc")
	if invariant.Enabled {
		a.crowd.enter("heap: ConcurrentArena.Alloc", many, hintAlone)
		defer a.crowd.leave(many)
	}
	n := &a.raw
	if l.Kind != mem.Plain {
		if a.pointers == mem.Scanned {
			n = a.laneFor(size, l)
		} else if l.Kind == mem.Managed {
			return nil, mem.Refuse(l)
		}
	}
	race.Disable()
	c, start := n.take(size, l.Align)
	race.Enable()
	if c == nil {
		var err error
		if c, start, err = a.grow(n, size, l); err != nil {
			return nil, err
		}
	}
	b := c.cut(start, size)
	if race.Enabled {
		c.acquire(start)
	}
	if (l.Zero || l.Kind != mem.Plain) && n.elem == 1 { // typed memory is zero
		c.zero(b, start)
	}
	return b, nil
}

// Resize implements [mem.Allocator]. The most recent block of a chunk grows as
// far as the chunk does, and gives back what it shrinks by; a block with a chunk
// of its own changes as the child can; others only shrink, which frees nothing.
func (a *ConcurrentArena) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: ConcurrentArena.Resize", size)
	return a.resize("heap: ConcurrentArena.Resize", b, l, size, mem.Allocator.Resize)
}

// Remap implements [mem.Allocator]. It is Resize, except that a block with a
// chunk of its own may move as the child knows how.
func (a *ConcurrentArena) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: ConcurrentArena.Remap", size)
	return a.resize("heap: ConcurrentArena.Remap", b, l, size, mem.Allocator.Remap)
}

func (a *ConcurrentArena) resize(op string, b []byte, l mem.Layout, size int, how changer) ([]byte, bool) {
	if invariant.Enabled {
		a.crowd.enter(op, many, hintAlone)
		defer a.crowd.leave(many)
	}
	p, ok := a.find(op, b)
	switch {
	case !ok:
		return b, false
	case size == len(b):
		return b[:size:size], true
	case size%p.elem != 0:
		return b, false
	case p.exact:
		return a.resizeExact(op, p, b, l, size, how)
	case size < len(b):
		p.end(b[size:], p.start+size, p.start+len(b))
		return b[:size:size], true
	}
	race.Disable()
	ok = p.chunk.stretch(p.start+len(b), p.start+size)
	race.Enable()
	if !ok && !a.extendFor(p, len(b), size) {
		return b, false
	}
	grown := p.chunk.cut(p.start, size)
	if race.Enabled {
		p.chunk.acquire(p.start + len(b))
	}
	if (l.Zero || l.Kind != mem.Plain) && p.elem == 1 {
		p.chunk.zero(grown[len(b):], p.start+len(b))
	}
	return grown, true
}

// Free implements [mem.Allocator].
func (a *ConcurrentArena) Free(b []byte, _ mem.Layout) {
	if invariant.Enabled {
		a.crowd.enter("heap: ConcurrentArena.Free", many, hintAlone)
		defer a.crowd.leave(many)
	}
	p, ok := a.find("heap: ConcurrentArena.Free", b)
	switch {
	case !ok:
	case p.exact:
		a.freeExact("heap: ConcurrentArena.Free", p, b)
	default:
		p.end(b, p.start, p.start+len(b))
	}
}

// Pointers implements [mem.Allocator]: the answer of the child.
func (a *ConcurrentArena) Pointers() mem.Pointers { return a.pointers }

// Owns implements [mem.Owner].
func (a *ConcurrentArena) Owns(b []byte) bool {
	return a.locate(b).chunk != nil
}

// Stats returns what the arena holds at the moment. While others allocate, the
// figures may be of slightly different moments.
func (a *ConcurrentArena) Stats() ArenaStats {
	a.mu.Lock()
	defer a.mu.Unlock()
	st := ArenaStats{Capacity: a.held, Peak: a.peak}
	for c := range a.all {
		used := int(c.off.Load())
		st.Chunks++
		st.InUse += used
		if c.lane.newest.Load() != c {
			st.Wasted += int(c.size.Load()) - used
		}
	}
	return st
}

// find returns where the block b lies, or reports why it cannot be one of a's.
func (a *ConcurrentArena) find(op string, b []byte) (place, bool) {
	p := a.locate(b)
	switch {
	case p.chunk != nil && p.start >= p.used:
		misuse(DoubleFree, op, b, "nothing is live there; it was freed, shrunk or reset before")
	case p.chunk != nil && (p.start%p.elem != 0 || p.exact && p.start != 0):
		misuse(InteriorFree, op, b, "no block begins there")
	case p.chunk != nil && (len(b) == 0 || len(b) > p.used-p.start || len(b)%p.elem != 0 || p.exact && len(b) != p.used):
		misuse(SizeMismatch, op, b, "no block there has this size")
	case p.chunk != nil:
		return p, true
	case a.child == nil:
		zeroValue(op, "NewConcurrentArena")
	case a.isClosed():
		misuse(UseAfterClose, op, b, "closing the arena freed every block")
	default:
		misuse(ForeignFree, op, b, hintForeign)
	}
	return place{}, false
}

func (a *ConcurrentArena) isClosed() bool {
	race.Disable()
	defer race.Enable()
	return a.closed.Load()
}
