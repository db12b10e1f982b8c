package heap

import (
	"sync/atomic"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// The part of a ConcurrentArena that takes no lock, as long as the block has no
// chunk of its own.

// A sharedChunk is a block of the child that blocks are bumped from.
type sharedChunk struct {
	off    atomic.Uintptr // bytes handed out; off <= size
	size   atomic.Uintptr // len(mem); only grows, but for the calls that are alone
	soiled atomic.Uintptr // raw chunks read as zero beyond it and beyond off
	lane   *sharedLane
	first  []byte // mem as it was first, for its address
	exact  bool   // holds one block, at its start, of off bytes

	// Under the lock of the arena:
	mem   []byte // as the child gave it
	align mem.Alignment
	id    uint64 // chunks got later have larger ones

	// For the race detector only, which knows moments by addresses:
	grown, freed byte
	reused       atomic.Uintptr // bytes up to here were given back at some time
}

// A sharedLane is where the blocks of one kind live: those of one type that the
// collector scans, or all raw ones.
type sharedLane struct {
	newest atomic.Pointer[sharedChunk] // what blocks are bumped from; nil at first
	typ    mem.Type                    // zero for raw memory
	elem   int                         // size of an element; 1 for raw memory

	// Under the lock of the arena:
	align   mem.Alignment // of typed chunks
	regular int           // bytes in chunks that are not exact
	exact   int           // bytes in chunks that are
}

func (n *sharedLane) typed() bool { return n.typ != mem.Type{} }

// take takes size bytes off the newest chunk and returns the chunk and where in
// it they are, or nil if they do not fit. In typed memory every block starts on
// an element, and what would need padding has to have a chunk of its own.
//
//go:norace
func (n *sharedLane) take(size int, align mem.Alignment) (c *sharedChunk, start int) {
	c = n.newest.Load()
	if c == nil {
		return nil, 0
	}
	for {
		off := c.off.Load()
		pad := uintptr(align.Pad(address(c.first) + off))
		left := c.size.Load() - off
		if pad > left || uintptr(size) > left-pad || pad != 0 && n.elem != 1 {
			return nil, 0
		}
		if c.off.CompareAndSwap(off, off+pad+uintptr(size)) {
			return c, int(off + pad)
		}
	}
}

// stretch moves the end of the chunk's last block from one offset to another,
// larger one, unless the block is not the last or the chunk ends before.
//
//go:norace
func (c *sharedChunk) stretch(from, to int) bool {
	return uintptr(to) <= c.size.Load() && c.off.CompareAndSwap(uintptr(from), uintptr(to))
}

// cut returns the block of size bytes at start, which has been taken.
//
//go:norace
func (c *sharedChunk) cut(start, size int) []byte {
	end := start + size
	return wider(c.first, end)[start:end:end]
}

// zero clears what may not be zero in b, which was just taken at offset start.
func (c *sharedChunk) zero(b []byte, start int) {
	race.Disable()
	soiled := int(c.soiled.Load()) // after the swap that took b
	race.Enable()
	if start < soiled {
		clear(b[:min(len(b), soiled-start)])
	}
}

// acquire tells the race detector what memory at start was before.
func (c *sharedChunk) acquire(start int) {
	race.Acquire(&c.grown)
	race.Disable()
	reused := int(c.reused.Load())
	race.Enable()
	if start < reused {
		race.Acquire(&c.freed)
	}
}

// A place is where a block lies, as far as its address tells. It is a copy: the
// chunk's own fields are not for everybody to read.
type place struct {
	chunk *sharedChunk
	start int // offset of the block's first byte
	used  int // the chunk's offset at that time
	typ   mem.Type
	elem  int
	exact bool
	id    uint64 // of the chunk, if it is exact: the chunk may be another by now
}

// locate looks b up by its address.
func (a *ConcurrentArena) locate(b []byte) place {
	race.Disable()
	p := a.chunkOf(address(b)).place(b)
	race.Enable()
	if p.chunk == nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		if c := holder(a.own, address(b)); c != nil {
			p = c.place(b)
			p.id = c.id
		}
	}
	return p
}

// place tells where in c, which may be nil, b lies.
//
//go:norace
func (c *sharedChunk) place(b []byte) place {
	if c == nil {
		return place{}
	}
	return place{
		chunk: c,
		start: int(address(b) - address(c.first)),
		used:  int(c.off.Load()),
		typ:   c.lane.typ,
		elem:  c.lane.elem,
		exact: c.exact,
	}
}

// chunkOf returns the chunk with many blocks that holds addr, nil if there is
// none. Most blocks are in the newest raw chunk.
//
//go:norace
func (a *ConcurrentArena) chunkOf(addr uintptr) *sharedChunk {
	if c := a.raw.newest.Load(); c != nil && c.holds(addr) {
		return c
	}
	return holder(a.table(), addr)
}

// holder returns which of the chunks in table, by address, holds addr.
//
//go:norace
func holder(table []*sharedChunk, addr uintptr) *sharedChunk {
	low, high := 0, len(table) // table[low-1] starts at or before addr, table[high] after it
	for low < high {
		if mid := int(uint(low+high) / 2); address(table[mid].first) <= addr {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if low > 0 && table[low-1].holds(addr) {
		return table[low-1]
	}
	return nil
}

//go:norace
func (c *sharedChunk) holds(addr uintptr) bool {
	return addr-address(c.first) < c.size.Load()
}

// table returns the chunks with many blocks, by address.
//
//go:norace
func (a *ConcurrentArena) table() []*sharedChunk {
	if t := a.chunks.Load(); t != nil {
		return *t
	}
	return nil
}

// end ends the life of dead, which lies at the end of a block at p that ends at
// the offset end of its chunk. If that block is the last one, the chunk's offset
// goes down to off.
func (p *place) end(dead []byte, off, end int) {
	c := p.chunk
	race.Disable()
	last := c.off.Load() == uintptr(end)
	race.Enable()
	if p.elem == 1 {
		if invariant.Enabled {
			poison(dead)
		}
	} else if last {
		p.typ.Clear(dead)
	}
	race.Free(dead)
	if !last {
		return
	}
	// From here on dead is for others to take, and must not be touched.
	race.Release(&c.freed)
	race.Disable()
	if race.Enabled {
		lift(&c.reused, uintptr(end))
	}
	lift(&c.soiled, uintptr(end))
	c.off.CompareAndSwap(uintptr(end), uintptr(off))
	race.Enable()
}

// lift sets mark to n, if it is less.
func lift(mark *atomic.Uintptr, n uintptr) {
	for {
		old := mark.Load()
		if old >= n || mark.CompareAndSwap(old, n) {
			return
		}
	}
}

// laneFor returns the lane for a block of size bytes that the collector scans.
func (a *ConcurrentArena) laneFor(size int, l mem.Layout) *sharedLane {
	if n := l.Type.Size(); l.Type == (mem.Type{}) || n == 0 || size%n != 0 {
		panic("heap: ConcurrentArena.Alloc: a block that is not plain must be whole elements of its type")
	}
	race.Disable()
	n := a.lane(l.Type)
	race.Enable()
	if n == nil {
		n = a.addLane(l)
	}
	return n
}

// lane returns the lane of typ, nil if there is none yet.
//
//go:norace
func (a *ConcurrentArena) lane(typ mem.Type) *sharedLane {
	t := a.lanes.Load()
	if t == nil {
		return nil
	}
	for i := typeHash(typ); ; i++ {
		n := (*t)[i&(len(*t)-1)]
		if n == nil || n.typ == typ {
			return n
		}
	}
}
