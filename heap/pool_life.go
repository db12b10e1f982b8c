package heap

import (
	"slices"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// Preheat makes room for n more objects, so that creating them does not ask the
// child. On an error, which is that of Create, the pool is as it was. It panics
// if n is negative.
func (p *Pool[T]) Preheat(n int) error {
	if n < 0 {
		panic("heap: Pool.Preheat: negative count")
	}
	if invariant.Enabled {
		p.enter("heap: Pool.Preheat")
		defer p.leave()
		defer p.core.check(true)
	}
	p.settle()
	return p.core.makeRoom(n)
}

func (c *poolCore) makeRoom(n int) error {
	if c.err != nil {
		return c.err
	}
	if c.child == nil {
		return zeroValue("heap: Pool.Preheat", "NewPool")
	}
	if c.stride == 0 {
		return nil
	}
	live := c.len()
	if n > c.most-live {
		return mem.ErrLimit
	}
	before := len(c.slabs)
	for need := n - (c.slots - live); need > 0; {
		k := c.fitting(need)
		if err := c.addSlab(k); err != nil {
			if len(c.slabs) > before {
				c.dropNewest(before)
			}
			return err
		}
		need -= k
	}
	return nil
}

// dropNewest gives back the slabs from the given id on, which are all fresh.
func (c *poolCore) dropNewest(id int) {
	c.dropSlabs(func(s *poolSlab) bool { return s.id >= id })
}

// Reset ends the life of all objects and keeps the memory for new ones.
// Objects with pointers that the collector sees are cleared, which takes time for
// each that was ever created since the last Reset.
func (p *Pool[T]) Reset() {
	if invariant.Enabled {
		p.enter("heap: Pool.Reset")
		defer p.leave()
		defer p.core.check(true)
	}
	p.settle()
	p.core.reset()
}

// ResetTo is [Pool.Reset] that keeps slabs of at most limit bytes together, the
// largest that fit, and gives the others back to the child. It panics if limit
// is negative.
func (p *Pool[T]) ResetTo(limit int) {
	if limit < 0 {
		panic("heap: Pool.ResetTo: negative limit")
	}
	if invariant.Enabled {
		p.enter("heap: Pool.ResetTo")
		defer p.leave()
		defer p.core.check(true)
	}
	p.settle()
	p.core.reset()
	p.core.shrinkTo(limit)
}

// shrinkTo keeps slabs of at most limit bytes. No object is live, so that their
// order is free to choose.
func (c *poolCore) shrinkTo(limit int) {
	slices.SortStableFunc(c.slabs, func(a, b *poolSlab) int { return len(a.block) - len(b.block) })
	c.dropSlabs(func(s *poolSlab) bool {
		if len(s.block) > limit {
			return true
		}
		limit -= len(s.block)
		return false
	})
}

// Release ends the life of all objects and gives all memory back to the child.
// The pool is then as new.
func (p *Pool[T]) Release() {
	if invariant.Enabled {
		p.enter("heap: Pool.Release")
		defer p.leave()
		defer p.core.check(true)
	}
	p.settle()
	p.core.release()
}

func (c *poolCore) release() {
	c.reset()
	c.dropSlabs(func(*poolSlab) bool { return true })
}

// Trim gives slabs in which no object is live back to the child, and returns how
// many bytes that was. It takes time for every slot of the pool, though little.
func (p *Pool[T]) Trim() int {
	if invariant.Enabled {
		p.enter("heap: Pool.Trim")
		defer p.leave()
		defer p.core.check(true)
	}
	p.settle()
	c := &p.core
	c.flush()
	return c.dropSlabs((*poolSlab).empty)
}

// Close ends the life of all objects, gives all memory back to the child and
// returns a [*LeakError] if objects were live. Create then returns
// [mem.ErrClosed]. Closing again does nothing and returns nil. The child stays
// open.
func (p *Pool[T]) Close() error {
	if invariant.Enabled {
		p.enter("heap: Pool.Close")
		defer p.leave()
		defer p.core.check(true)
	}
	p.settle()
	c := &p.core
	if c.err == mem.ErrClosed {
		return nil
	}
	live := c.len()
	if c.child != nil {
		c.release()
	}
	c.err = mem.ErrClosed
	if live == 0 {
		return nil
	}
	e := &LeakError{Op: "heap: Pool.Close", Blocks: live, Bytes: live * c.size}
	e.Groups = []LeakGroup{{Blocks: live, Bytes: e.Bytes, Type: c.layout.Type.String()}}
	return e
}

// Len returns how many objects are live.
func (p *Pool[T]) Len() int {
	p.settle()
	return p.core.len()
}

// Stats returns how many objects are live and what memory is held for them.
func (p *Pool[T]) Stats() PoolStats {
	p.settle()
	c := &p.core
	return PoolStats{Live: c.len(), Slots: c.slots, Slabs: len(c.slabs), Bytes: c.bytes}
}
