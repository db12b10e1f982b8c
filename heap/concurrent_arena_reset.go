package heap

import (
	"cmp"
	"math"
	"slices"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
)

// The calls that end every block. The lock that they hold is for Stats, and to
// come after the last who asked the child; nobody bumps meanwhile.

// Reset invalidates every block and keeps the memory for the next phase, in one
// chunk if the child can give one (per type, for types with pointers), so that
// phases of about one size ask the child for nothing. It must not run at the
// same time as another call.
func (a *ConcurrentArena) Reset() { a.resetTo("heap: ConcurrentArena.Reset", math.MaxInt) }

// ResetTo is [ConcurrentArena.Reset] that keeps limit bytes at most. With limit 0
// it is [ConcurrentArena.Release]. It reports false if the child could not give
// the memory to keep in one chunk: the arena then holds what it could keep,
// which may be more than limit, and is as usable as ever. It panics if limit is
// negative.
func (a *ConcurrentArena) ResetTo(limit int) bool {
	if limit < 0 {
		panic("heap: ConcurrentArena.ResetTo: negative limit")
	}
	return a.resetTo("heap: ConcurrentArena.ResetTo", limit)
}

// Release invalidates every block and gives all memory back to the child. The
// arena stays usable. It must not run at the same time as another call.
func (a *ConcurrentArena) Release() { a.resetTo("heap: ConcurrentArena.Release", 0) }

// Close invalidates every block and gives all memory back to the child. Alloc
// then fails with [mem.ErrClosed]. Closing again does nothing. The error is
// always nil. It must not run at the same time as another call.
func (a *ConcurrentArena) Close() error {
	const op = "heap: ConcurrentArena.Close"
	if a.child == nil || a.isClosed() || !a.enterAlone(op) {
		return nil
	}
	defer a.leaveAlone()
	a.closed.Store(true)
	a.reset(0)
	return nil
}

func (a *ConcurrentArena) resetTo(op string, limit int) bool {
	if a.child == nil {
		zeroValue(op, "NewConcurrentArena")
		return false
	}
	if !a.enterAlone(op) {
		return false
	}
	defer a.leaveAlone()
	return a.reset(limit)
}

// enterAlone tells whether no other call is under way; it looks only in builds
// with invariants.
func (a *ConcurrentArena) enterAlone(op string) bool {
	if invariant.Enabled {
		a.solo.enter(op)
		if !a.crowd.enter(op, alone, hintAlone) {
			a.leaveAlone()
			return false
		}
	}
	return true
}

func (a *ConcurrentArena) leaveAlone() {
	if invariant.Enabled {
		a.crowd.leave(alone)
		a.solo.leave()
	}
}

func (a *ConcurrentArena) reset(limit int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	chunks := append(append(a.byAge[:0], a.table()...), a.own...)
	slices.SortFunc(chunks, func(c, d *sharedChunk) int { return cmp.Compare(d.id, c.id) })
	ok, left := a.resetLane(&a.raw, chunks, limit)
	for n := range a.typedLanes {
		var kept bool
		kept, left = a.resetLane(n, chunks, left)
		ok = ok && kept
	}
	clear(chunks) // lest they keep the dropped ones
	a.byAge = chunks
	a.check()
	return ok
}

// resetLane leaves n with one chunk of as many bytes as it held, limit at most,
// and gives its other chunks back, newest first. It returns what is left of
// limit.
func (a *ConcurrentArena) resetLane(n *sharedLane, chunks []*sharedChunk, limit int) (ok bool, left int) {
	want := min(limit, n.regular+n.exact)
	want -= want % n.elem
	n.newest.Store(nil)
	var survivor *sharedChunk
	if want > 0 {
		for _, c := range chunks {
			if c.lane == n && (survivor == nil || len(c.mem) > len(survivor.mem)) {
				survivor = c
			}
		}
	}
	a.dropAll(n, chunks, survivor)
	if survivor == nil {
		return true, limit
	}
	a.retire(survivor)
	survivor, ok = a.reshape(survivor, want)
	n.newest.Store(survivor)
	n.align = survivor.align
	return ok, limit - want
}

// dropAll gives those of chunks that are n's back to the child, but for survivor.
// The tables are cut once for all of them.
func (a *ConcurrentArena) dropAll(n *sharedLane, chunks []*sharedChunk, survivor *sharedChunk) {
	gone := func(c *sharedChunk) bool { return c.lane == nil }
	defer func() { // also if the child panics
		a.own = slices.DeleteFunc(a.own, func(c *sharedChunk) bool {
			if gone(c) {
				a.spare = append(a.spare, c)
			}
			return gone(c)
		})
		if slices.ContainsFunc(a.table(), gone) {
			table := slices.DeleteFunc(slices.Clone(a.table()), gone)
			a.chunks.Store(&table)
		}
	}()
	for _, c := range chunks {
		if c.lane == n && c != survivor {
			a.count(c, -len(c.mem))
			b, l := c.mem, c.layout(false)
			*c = sharedChunk{}
			a.child.Free(b, l)
		}
	}
}

// retire empties c, which is kept.
func (a *ConcurrentArena) retire(c *sharedChunk) {
	used := c.mem[:c.off.Load()]
	if c.lane.typed() {
		c.lane.typ.Clear(used)
	} else if invariant.Enabled {
		poison(used)
	}
	race.Free(used)
	lift(&c.soiled, uintptr(len(used)))
	c.off.Store(0)
	if c.exact {
		a.remove(c)
		c.exact = false
		a.insert(c)
	}
}

// reshape changes the empty chunk c to want bytes, or gets another one of that
// size for it. It returns c as it is, and false, if the child can do neither.
func (a *ConcurrentArena) reshape(c *sharedChunk, want int) (*sharedChunk, bool) {
	had := len(c.mem)
	if had == want {
		return c, true
	}
	zero := c.lane.typed() || zeroIsFree(a.child)
	how := a.child.Remap
	if c.lane.typed() {
		how = a.child.Resize
	}
	if m, ok := how(c.mem, c.layout(zero), want); ok {
		a.remove(c)
		soiled := min(int(c.soiled.Load()), want)
		if want > had && !zero {
			soiled = want
		}
		c.hold(m)
		c.soiled.Store(uintptr(soiled))
		c.publish()
		a.insert(c)
		return c, true
	}
	d, err := a.ask(c.lane, want, c.align, zero)
	if err != nil {
		return c, false
	}
	a.drop(c)
	a.insert(d)
	return d, true
}

// publish tells the race detector that whatever happened to the memory of c so
// far comes before those who get blocks of it.
func (c *sharedChunk) publish() { race.Release(&c.grown) }
