package heap

import (
	"math/bits"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// What an arena does with single blocks: which it finds by address, and of
// which it touches only the last of a chunk, and those with a chunk of their
// own. A block that is older than the newest mark is not touched either, unless
// it has its own chunk: Rewind will make the mark the end of what is in use.

const hintLast = "it was freed, shrunk or given up with a mark before"

// free takes b back if it is the last of its chunk.
func (s *ArenaState) free(child mem.Allocator, b []byte, op string) {
	if start := int(address(b) - address(s.cur)); uint(start) < uint(len(s.cur)) {
		if within(b, start, s.off, op) && start+len(b) == s.off && start >= s.floor {
			s.lower(start)
			s.check()
		}
		return
	}
	c, start := s.holder(b, op)
	switch {
	case c == nil:
	case c.exact:
		s.drop(child, s.find(b))
	case c.lane != nil && s.newest(c):
		if t := c.lane; start+len(b) == t.off && start >= t.floor {
			t.lower(start)
		}
	}
	s.check()
}

// resize is Resize, and remap Remap.
func (s *ArenaState) resize(child mem.Allocator, b []byte, l mem.Layout, size int, op string) ([]byte, bool) {
	return s.change(child, b, l, size, mem.Allocator.Resize, op)
}

func (s *ArenaState) remap(child mem.Allocator, b []byte, l mem.Layout, size int, op string) ([]byte, bool) {
	return s.change(child, b, l, size, mem.Allocator.Remap, op)
}

// changer is the method that a chunk of one block is changed with.
type changer func(mem.Allocator, []byte, mem.Layout, int) ([]byte, bool)

func (s *ArenaState) change(child mem.Allocator, b []byte, l mem.Layout, size int, how changer, op string) ([]byte, bool) {
	if start := int(address(b) - address(s.cur)); uint(start) < uint(len(s.cur)) {
		if !within(b, start, s.off, op) {
			return b, false
		}
		if start+len(b) == s.off && start >= s.floor {
			return s.changeLast(child, b, l, start, size)
		}
		return shrunk(b, size)
	}
	c, start := s.holder(b, op)
	switch {
	case c == nil:
		return b, false
	case c.exact:
		return s.changeExact(child, b, l, size, how)
	case c.lane != nil && s.newest(c):
		if t := c.lane; start+len(b) == t.off && start >= t.floor && size%t.size == 0 {
			return t.changeLast(b, start, size)
		}
	}
	return shrunk(b, size)
}

// holder returns the chunk that the block b lies in and where, or reports that
// there is no such block.
func (s *ArenaState) holder(b []byte, op string) (c *chunk, start int) {
	i := s.find(b)
	if i < 0 {
		misuse(ForeignFree, op, b, hintForeign)
		return nil, 0
	}
	c = &s.chunks[i]
	start = int(address(b) - address(c.mem))
	switch {
	case !c.exact:
		if !within(b, start, s.usedOf(c), op) {
			return nil, 0
		}
	case start != 0:
		misuse(InteriorFree, op, b, "the block begins before it")
		return nil, 0
	case len(b) != c.used:
		misuse(SizeMismatch, op, b, "the block has another length")
		return nil, 0
	}
	return c, start
}

// within tells whether b, which starts in a chunk, ends in the used part of it,
// and reports it otherwise.
func within(b []byte, start, used int, op string) bool {
	switch {
	case len(b) <= used-start:
		return true
	case start >= used:
		misuse(DoubleFree, op, b, hintLast)
	default:
		misuse(SizeMismatch, op, b, "it is longer than what is in use there")
	}
	return false
}

// shrunk is the answer for a block that cannot be changed: it shrinks, and what
// it gives up is not reused.
func shrunk(b []byte, size int) ([]byte, bool) {
	if size <= len(b) {
		return b[:size:size], true
	}
	return b, false
}

// changeLast resizes the last block of cur, which starts at start.
func (s *ArenaState) changeLast(child mem.Allocator, b []byte, l mem.Layout, start, size int) ([]byte, bool) {
	if size > len(s.cur)-start {
		need := size - (len(s.cur) - start)
		if !s.extend(child, max(need, s.wish(child))) && !s.extend(child, need) {
			return b, false
		}
	}
	old, end := s.off, start+size
	if end < old {
		s.lower(end)
	} else {
		s.off = end
		if l.Zero || l.Kind != mem.Plain {
			s.wipe(old, end)
		}
	}
	s.check()
	return s.cur[start:end:end], true
}

// changeExact resizes a block that has a chunk of its own.
func (s *ArenaState) changeExact(child mem.Allocator, b []byte, l mem.Layout, size int, how changer) ([]byte, bool) {
	i := s.find(b)
	c := s.chunks[i]
	zero := l.Zero || l.Kind != mem.Plain
	if c.lane != nil {
		if size%c.lane.size != 0 {
			return b, false
		}
		how = mem.Allocator.Resize // nobody may move what the collector scans
	}
	old, had := c.used, len(c.mem)
	if size <= had && size >= old {
		// The child did not take back what an earlier shrinking left.
		s.chunks[i].used = size
		if zero && c.lane == nil {
			clear(c.mem[old:size])
		}
		return c.mem[:size:size], true
	}
	if m, ok := how(child, c.mem, c.layout(zero), size); ok {
		s.chunks = append(s.chunks[:i], s.chunks[i+1:]...)
		s.count(&c, size-had)
		c.mem, c.used, c.dirty = m, size, size
		s.insert(c)
		if zero && c.lane == nil && old < min(had, size) {
			clear(m[old:min(had, size)])
		}
		s.check()
		return m, true
	}
	if size > old {
		return b, false
	}
	if c.lane != nil {
		c.lane.typ.Clear(c.mem[size:old])
	}
	s.chunks[i].used = size
	s.check()
	return c.mem[:size:size], true
}

// vacate ends the life of all blocks in b, which is raw memory that the arena
// keeps. There is no race.Alloc to go with it: an arena changes hands with
// everything in it, by means of the program's own.
func vacate(b []byte) {
	race.Free(b)
	if invariant.Enabled {
		poison(b)
	}
}

// poison overwrites vacated raw memory, so that who reads a block that is no
// more notices. On 32 bits the pattern would be an address that the collector
// might know, should a block have held pointers.
func poison(b []byte) {
	if bits.UintSize == 32 || len(b) == 0 {
		clear(b)
		return
	}
	b[0] = 0xAA
	for n := 1; n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}
