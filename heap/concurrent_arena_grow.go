package heap

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// The part of a ConcurrentArena that holds the lock: it asks the child. Misuse is
// reported after the lock was given back, since a handler may do what it likes.

// grow serves a request that the newest chunk of n has no room for.
func (a *ConcurrentArena) grow(n *sharedLane, size int, l mem.Layout) (c *sharedChunk, start int, err error) {
	if a.child == nil {
		return nil, 0, zeroValue("heap: ConcurrentArena.Alloc", "NewConcurrentArena")
	}
	c, start, err = a.growLocked(n, size, l)
	if lie, ok := err.(*lieError); ok {
		misuse(ChildLied, "heap: ConcurrentArena.Alloc", lie.b, "the child returned a block of another size, alignment or address than asked")
		return nil, 0, mem.ErrOutOfMemory
	}
	return c, start, err
}

func (a *ConcurrentArena) growLocked(n *sharedLane, size int, l mem.Layout) (c *sharedChunk, start int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock() // also if the child panics
	if a.closed.Load() {
		return nil, 0, mem.ErrClosed
	}
	// Another goroutine may have made room while this one waited.
	if c, start = n.take(size, l.Align); c != nil {
		return c, start, nil
	}
	wish := n.wish(a.child)
	if size > wish/2 || n.typed() && l.Align.Compare(natural(n.elem)) > 0 {
		zero := n.typed() || l.Zero || l.Kind != mem.Plain
		if c, err = a.ask(n, size, l.Align, zero); err != nil {
			return nil, 0, err
		}
		c.exact = true
		c.off.Store(uintptr(size))
		a.insert(c)
		return c, 0, nil
	}
	if a.extend(n, wish) {
		if c, start = n.take(size, l.Align); c != nil {
			return c, start, nil
		}
	}
	align := l.Align.Max(chunkAlign)
	if n.typed() {
		align = l.Align.Max(n.align)
	}
	for want := wish - wish%n.elem; ; want = max(want/2-want/2%n.elem, size) {
		if c, err = a.ask(n, want, align, n.typed() || zeroIsFree(a.child)); err == nil {
			break
		}
		// What was wished for is more than what was asked. A failure that a
		// test induced is passed on all the same, lest it go unnoticed.
		if want == size || !errors.Is(err, mem.ErrOutOfMemory) || errors.Is(err, ErrInduced) {
			return nil, 0, err
		}
	}
	c.off.Store(uintptr(size)) // the first block, before anybody else sees the chunk
	a.insert(c)
	n.align = align
	n.newest.Store(c)
	a.check()
	return c, 0, nil
}

// wish is the size of the next regular chunk, as an Arena's.
func (n *sharedLane) wish(child mem.Allocator) int {
	if n.typed() {
		return slabWish(n.elem, n.regular, n.exact)
	}
	return chunkWish(child, n.regular+n.exact/8)
}

// A lieError is how a broken child gets past the lock.
type lieError struct{ b []byte }

func (*lieError) Error() string { return "the child broke the contract" }

// ask asks the child for a chunk of n, and verifies what would be fatal here.
func (a *ConcurrentArena) ask(n *sharedLane, size int, align mem.Alignment, zero bool) (*sharedChunk, error) {
	b, err := a.child.Alloc(size, n.layout(align, zero))
	if err != nil {
		return nil, err
	}
	if len(b) != size || !align.Check(address(b)) {
		return nil, &lieError{b}
	}
	c := a.blank()
	c.lane, c.align = n, align
	c.hold(b)
	if !zero {
		c.soiled.Store(uintptr(size))
	}
	a.ids++
	c.id = a.ids
	c.publish()
	return c, nil
}

// blank returns a chunk that holds nothing.
func (a *ConcurrentArena) blank() *sharedChunk {
	last := len(a.spare) - 1
	if last < 0 {
		return new(sharedChunk)
	}
	c := a.spare[last]
	a.spare[last] = nil
	a.spare = a.spare[:last]
	return c
}

// hold notes what the child gave.
func (c *sharedChunk) hold(b []byte) {
	c.mem = b[:len(b):len(b)]
	c.first = c.mem
	c.size.Store(uintptr(len(b)))
}

// layout is how the child is asked for c.
func (c *sharedChunk) layout(zero bool) mem.Layout { return c.lane.layout(c.align, zero) }

func (n *sharedLane) layout(align mem.Alignment, zero bool) mem.Layout {
	if n.typed() {
		return mem.Layout{Align: align, Zero: true, Kind: mem.Managed, Type: n.typ}
	}
	return mem.Layout{Align: align, Zero: zero}
}

// extend asks the child to let the newest chunk of n grow where it is.
func (a *ConcurrentArena) extend(n *sharedLane, more int) bool {
	c := n.newest.Load()
	if c == nil || n.typed() || more > math.MaxInt-len(c.mem) {
		return false
	}
	zero := zeroIsFree(a.child)
	b, ok := a.child.Resize(c.mem, c.layout(zero), len(c.mem)+more)
	if !ok {
		return false
	}
	a.count(c, len(b)-len(c.mem))
	c.mem = b
	if !zero {
		c.soiled.Store(uintptr(len(b))) // before anybody can take these bytes
	}
	c.publish()
	c.size.Store(uintptr(len(b)))
	a.check()
	return true
}

// extendFor stretches the block at p, for which its chunk is too short, with the
// help of the child.
func (a *ConcurrentArena) extendFor(p place, old, size int) bool {
	c := p.chunk
	race.Disable()
	might := p.elem == 1 && c == a.raw.newest.Load() && c.off.Load() == uintptr(p.start+old)
	race.Enable()
	if !might {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if c != a.raw.newest.Load() || c.off.Load() != uintptr(p.start+old) {
		return false
	}
	if left := len(c.mem) - p.start; size > left {
		need := size - left
		if !a.extend(&a.raw, max(need, a.raw.wish(a.child))) && !a.extend(&a.raw, need) {
			return false
		}
	}
	return c.stretch(p.start+old, p.start+size)
}

// resizeExact changes a block that has a chunk of its own.
func (a *ConcurrentArena) resizeExact(op string, p place, b []byte, l mem.Layout, size int, how changer) ([]byte, bool) {
	r, ok, live := a.resizeExactLocked(p, b, l, size, how)
	if !live {
		misuse(DoubleFree, op, b, "it was freed before")
	}
	return r, ok
}

func (a *ConcurrentArena) resizeExactLocked(p place, b []byte, l mem.Layout, size int, how changer) (r []byte, ok, live bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := p.chunk
	if !a.still(p, b) {
		return b, false, false
	}
	zero := l.Zero || l.Kind != mem.Plain
	typed := c.lane.typed()
	if typed {
		how = mem.Allocator.Resize // nobody may move what the collector scans
	}
	old, had := len(b), len(c.mem)
	if old < size && size <= had {
		// The child did not take back what an earlier shrinking left.
		if zero && !typed {
			clear(c.mem[old:size])
		}
		c.off.Store(uintptr(size))
		return c.mem[:size:size], true, true
	}
	if m, ok := how(a.child, c.mem, c.layout(zero), size); ok {
		if address(m) != address(c.mem) {
			a.remove(c)
			c.hold(m)
			c.publish()
			a.insert(c)
		} else {
			a.count(c, len(m)-had)
			c.mem = m
			c.size.Store(uintptr(size))
		}
		c.off.Store(uintptr(size))
		c.soiled.Store(uintptr(size))
		if zero && !typed && old < min(had, size) {
			clear(m[old:min(had, size)])
		}
		a.check()
		return m[:size:size], true, true
	}
	if size > old {
		return b, false, true
	}
	if typed {
		c.lane.typ.Clear(c.mem[size:old])
	}
	lift(&c.soiled, uintptr(old)) // the chunk keeps what the block gives up
	c.off.Store(uintptr(size))
	return c.mem[:size:size], true, true
}

// freeExact gives a chunk that holds only b back to the child.
func (a *ConcurrentArena) freeExact(op string, p place, b []byte) {
	if !a.freeExactLocked(p, b) {
		misuse(DoubleFree, op, b, "it was freed before")
	}
}

func (a *ConcurrentArena) freeExactLocked(p place, b []byte) (live bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.still(p, b) {
		return false
	}
	a.drop(p.chunk)
	a.check()
	return true
}

// still tells whether b lies where it was located, in a chunk of its own:
// another goroutine may have freed or moved it, and even got the chunk, which is
// empty in between, for another block.
func (a *ConcurrentArena) still(p place, b []byte) bool {
	c := p.chunk
	return c.id == p.id && c.exact && address(c.first) == address(b)
}

// lists tells whether c is one of the chunks.
func (a *ConcurrentArena) lists(c *sharedChunk) bool {
	table := a.table()
	if c.exact {
		table = a.own
	}
	i, ok := slices.BinarySearchFunc(table, address(c.first), byFirst)
	return ok && table[i] == c
}

// all yields every chunk.
func (a *ConcurrentArena) all(yield func(*sharedChunk) bool) {
	for _, c := range a.table() {
		if !yield(c) {
			return
		}
	}
	for _, c := range a.own {
		if !yield(c) {
			return
		}
	}
}

func byFirst(c *sharedChunk, addr uintptr) int { return cmp.Compare(address(c.first), addr) }

// insert adds c to its table.
func (a *ConcurrentArena) insert(c *sharedChunk) {
	old := a.table()
	if c.exact {
		old = a.own
	}
	i, _ := slices.BinarySearchFunc(old, address(c.first), byFirst)
	if c.exact {
		a.own = slices.Insert(old, i, c)
	} else {
		table := make([]*sharedChunk, 0, len(old)+1)
		table = append(append(append(table, old[:i]...), c), old[i:]...)
		a.chunks.Store(&table)
	}
	a.count(c, len(c.mem))
}

// remove takes c out of its table.
func (a *ConcurrentArena) remove(c *sharedChunk) {
	if c.exact {
		i, _ := slices.BinarySearchFunc(a.own, address(c.first), byFirst)
		a.own = slices.Delete(a.own, i, i+1)
	} else {
		table := slices.Clone(a.table())
		i, _ := slices.BinarySearchFunc(table, address(c.first), byFirst)
		table = slices.Delete(table, i, i+1)
		a.chunks.Store(&table)
	}
	a.count(c, -len(c.mem))
}

// drop gives c back to the child.
func (a *ConcurrentArena) drop(c *sharedChunk) {
	a.remove(c)
	a.child.Free(c.mem, c.layout(false))
	if c.exact {
		*c = sharedChunk{} // lest it keep the memory from the collector
		a.spare = append(a.spare, c)
	}
}

// count adds n to what is held of c's kind.
func (a *ConcurrentArena) count(c *sharedChunk, n int) {
	if c.exact {
		c.lane.exact += n
	} else {
		c.lane.regular += n
	}
	a.held += n
	a.peak = max(a.peak, a.held)
}

// addLane adds a lane for l.Type, unless another goroutine did.
func (a *ConcurrentArena) addLane(l mem.Layout) *sharedLane {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := a.lane(l.Type); n != nil {
		return n
	}
	n := &sharedLane{typ: l.Type, elem: l.Type.Size()}
	n.align = l.Align.Min(natural(n.elem))
	a.types++
	size := 16
	for size < 2*a.types {
		size *= 2
	}
	table := make([]*sharedLane, size)
	add := func(n *sharedLane) {
		i := typeHash(n.typ)
		for table[i&(size-1)] != nil {
			i++
		}
		table[i&(size-1)] = n
	}
	for n := range a.typedLanes {
		add(n)
	}
	add(n)
	a.lanes.Store(&table)
	return n
}

// typedLanes yields the lanes of the table.
func (a *ConcurrentArena) typedLanes(yield func(*sharedLane) bool) {
	t := a.lanes.Load()
	if t == nil {
		return
	}
	for _, n := range *t {
		if n != nil && !yield(n) {
			return
		}
	}
}

// check re-derives what is known twice. It holds the lock, while others bump.
func (a *ConcurrentArena) check() {
	if !invariant.Enabled {
		return
	}
	held := 0
	sums := map[*sharedLane][2]int{}
	chunks := slices.SortedFunc(a.all, func(c, d *sharedChunk) int { return byFirst(c, address(d.first)) })
	var end uintptr
	for _, c := range chunks {
		invariant.Check(a.lists(c), "heap: ConcurrentArena: chunk %d is not to be found", c.id)
		at := address(c.mem)
		invariant.Check(at >= end && address(c.first) == at && len(c.mem) > 0, "heap: ConcurrentArena: chunk %d overlaps or is out of order", c.id)
		end = at + uintptr(len(c.mem))
		off, size := c.off.Load(), c.size.Load()
		invariant.Check(off <= size && size == uintptr(len(c.mem)) && c.soiled.Load() <= size,
			"heap: ConcurrentArena: chunk %d: off %d, soiled %d, size %d of %d", c.id, off, c.soiled.Load(), size, len(c.mem))
		invariant.Check(off%uintptr(c.lane.elem) == 0, "heap: ConcurrentArena: chunk %d: off %d in elements of %d", c.id, off, c.lane.elem)
		held += len(c.mem)
		s := sums[c.lane]
		if c.exact {
			s[1] += len(c.mem)
		} else {
			s[0] += len(c.mem)
		}
		sums[c.lane] = s
	}
	invariant.Check(held == a.held && held <= a.peak, "heap: ConcurrentArena: counted %d, holds %d, peak %d", a.held, held, a.peak)
	types := 0
	one := func(n *sharedLane) bool {
		invariant.Check(sums[n] == [2]int{n.regular, n.exact}, "heap: ConcurrentArena: lane of %v: counted %d+%d, holds %v", n.typ, n.regular, n.exact, sums[n])
		c := n.newest.Load()
		invariant.Check(c == nil || a.lists(c) && !c.exact && c.lane == n, "heap: ConcurrentArena: lane of %v: the newest chunk is not one of its own", n.typ)
		return true
	}
	one(&a.raw)
	for n := range a.typedLanes {
		types++
		invariant.Check(a.lane(n.typ) == n, "heap: ConcurrentArena: lane of %v is not to be found", n.typ)
		one(n)
	}
	invariant.Check(types == a.types, "heap: ConcurrentArena: %d types in the table, counted %d", types, a.types)
}
