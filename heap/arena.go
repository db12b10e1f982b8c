package heap

import (
	"math"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// An Arena bump-allocates out of chunks borrowed from a child allocator and
// gives everything back at once. It suits work that has a phase: allocate
// freely during a request, a frame or a parse, then [Arena.Reset].
//
// Memory comes from the child, in chunks that grow geometrically, so that n
// bytes cost O(log n) calls; see [ArenaState] for the policy. A child that
// answers [mem.Scanned] makes an Arena that serves every type: blocks with
// pointers then live in slabs of their type, which the collector scans. Over
// any other child, blocks with pointers are refused, unless the child carries
// the promise of [mem.NoGoPointers].
//
// Free takes back the most recent block, and a block so large that it got a
// chunk of its own; freeing any other is a no-op, and what its pointers refer to
// stays alive until its memory is given up. In every build Free, Resize and
// Remap report a block from elsewhere, and the most recent block freed twice, as
// a [Misuse].
//
// Reset, ResetTo, Release and Close invalidate every block, Rewind and Scoped
// those allocated since the mark. Close need not be preceded by freeing: an
// Arena never reports live blocks.
//
// An Arena is for one goroutine at a time; see [ConcurrentArena] and
// [ThreadSafe]. The zero Arena has no child: call [NewArena], or Init for one
// that is part of a larger struct. It must not be copied after first use.
type Arena struct {
	state    ArenaState
	child    mem.Allocator // nil before Init
	pointers mem.Pointers  // child's answer
	closed   bool
}

var _ mem.Allocator = (*Arena)(nil)

// Alloc is the fast path of whole programs, so it does only what every request
// needs: pad, compare, add. What else there is to ask is folded into the two
// comparisons that most requests pass, against the kinds that may be bumped
// from the current chunk and the end of memory known to be zero there. Slices
// are cut rather than built with unsafe: the bounds checks cost less than the
// call.

// NewArena returns an empty Arena. It first asks child in the first Alloc. It
// panics if child is nil.
func NewArena(child mem.Allocator) *Arena {
	mustChild("heap: NewArena", child)
	a := new(Arena)
	a.Init(child)
	return a
}

// Init makes a an empty Arena over child, as [NewArena] does. It panics if child
// is nil or stands on a, or if a holds memory.
func (a *Arena) Init(child mem.Allocator) {
	mustChild("heap: Arena.Init", child)
	if len(a.state.chunks) != 0 {
		panic("heap: Arena.Init: the arena holds memory; Close it first")
	}
	if standsOn(child, a) {
		panic("heap: Arena.Init: the child takes its memory from the arena")
	}
	a.child, a.pointers, a.closed = child, child.Pointers(), false
	a.state.kinds = mem.Plain
}

// Alloc implements [mem.Allocator].
func (a *Arena) Alloc(size int, l mem.Layout) ([]byte, error) {
	if invariant.Enabled {
		a.state.enter("heap: Arena.Alloc")
		defer a.state.leave()
	}
	s := &a.state
	start := s.off + l.Align.Pad(address(s.cur)+uintptr(s.off))
	if l.Kind <= s.kinds && 0 < size && size <= len(s.cur)-start {
		if end := start + size; end <= s.clean || !l.Zero && l.Kind == mem.Plain {
			s.off = end
			s.check()
			return s.cur[start:end:end], nil
		}
	}
	return a.alloc(size, l)
}

// alloc serves the requests that Alloc does not.
//
//go:noinline
func (a *Arena) alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("heap: Arena.Alloc", size)
	if a.child == nil {
		return nil, zeroValue("heap: Arena.Alloc", "NewArena or Init")
	}
	if a.closed {
		return nil, mem.ErrClosed
	}
	return a.state.alloc(a.child, a.pointers, size, l)
}

// Resize implements [mem.Allocator]. It grows the most recent block into what
// is left of its chunk, which it first asks the child to extend if need be, and
// a block with a chunk of its own as the child can. It shrinks every block, but
// only of these two kinds space comes back.
func (a *Arena) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: Arena.Resize", size)
	if invariant.Enabled {
		a.state.enter("heap: Arena.Resize")
		defer a.state.leave()
	}
	if a.unusable("heap: Arena.Resize", b) {
		return b, false
	}
	return a.state.resize(a.child, b, l, size, "heap: Arena.Resize")
}

// Remap implements [mem.Allocator]. It is Resize, except that a block with a
// chunk of its own may move as the child knows how.
func (a *Arena) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: Arena.Remap", size)
	if invariant.Enabled {
		a.state.enter("heap: Arena.Remap")
		defer a.state.leave()
	}
	if a.unusable("heap: Arena.Remap", b) {
		return b, false
	}
	return a.state.remap(a.child, b, l, size, "heap: Arena.Remap")
}

// Free implements [mem.Allocator].
func (a *Arena) Free(b []byte, l mem.Layout) {
	if invariant.Enabled {
		a.state.enter("heap: Arena.Free")
		defer a.state.leave()
	}
	if a.unusable("heap: Arena.Free", b) {
		return
	}
	a.state.free(a.child, b, "heap: Arena.Free")
}

// Pointers implements [mem.Allocator]: the answer of the child.
func (a *Arena) Pointers() mem.Pointers { return a.pointers }

// Reset invalidates every block and keeps the memory for the next phase, in one
// chunk if the child can give one (per type, for types with pointers), so that
// phases of about one size ask the child for nothing, and resetting takes
// constant time. Only the memory of blocks with pointers is cleared at once, so
// that nothing they referred to is kept alive. A mark that was not undone is
// reported as a [Misuse].
func (a *Arena) Reset() { a.resetTo(math.MaxInt, "heap: Arena.Reset") }

// ResetTo is [Arena.Reset] that keeps limit bytes at most. With limit 0 it is
// [Arena.Release]. It reports false if the child could not give the memory to
// keep in one chunk: the arena then holds what it could keep, which may be more
// than limit, and is as usable as ever. It panics if limit is negative.
func (a *Arena) ResetTo(limit int) bool {
	if limit < 0 {
		panic("heap: Arena.ResetTo: negative limit")
	}
	return a.resetTo(limit, "heap: Arena.ResetTo")
}

func (a *Arena) resetTo(limit int, op string) bool {
	if invariant.Enabled {
		a.state.enter(op)
		defer a.state.leave()
	}
	if a.state.pending(op) {
		return false
	}
	return a.state.resetTo(a.child, limit)
}

// Release invalidates every block and gives all memory back to the child. The
// arena stays usable. A mark that was not undone is reported as a [Misuse].
func (a *Arena) Release() {
	if invariant.Enabled {
		a.state.enter("heap: Arena.Release")
		defer a.state.leave()
	}
	if !a.state.pending("heap: Arena.Release") {
		a.state.release(a.child)
	}
}

// Close invalidates every block and gives all memory back to the child. Alloc
// then fails with [mem.ErrClosed]. Closing again does nothing. The error is
// always nil. A mark that was not undone is reported as a [Misuse], after the
// memory was given back.
func (a *Arena) Close() error {
	if invariant.Enabled {
		a.state.enter("heap: Arena.Close")
		defer a.state.leave()
	}
	if a.closed {
		return nil
	}
	a.closed = true
	open := len(a.state.marks) > 0
	a.state.release(a.child)
	if open {
		reportOpen("heap: Arena.Close")
	}
	return nil
}

// Owns tells whether the first byte of b lies in memory that the arena holds.
// It does not tell whether b is live.
func (a *Arena) Owns(b []byte) bool { return a.state.Owns(b) }

// Stats returns what the arena holds at the moment.
func (a *Arena) Stats() ArenaStats { return a.state.Stats() }

// unusable reports that b cannot be a block of a, if it is clear from a alone.
func (a *Arena) unusable(op string, b []byte) bool {
	switch {
	case a.child == nil:
		_ = zeroValue(op, "NewArena or Init")
	case a.closed:
		misuse(UseAfterClose, op, b, "closing the arena freed every block")
	default:
		return false
	}
	return true
}
