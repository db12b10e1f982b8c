package heap

import (
	"errors"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// A lane bumps blocks of one type, which the collector scans, out of chunks
// that the child serves as slices of that type.
type lane struct {
	typ   mem.Type
	size  int           // of an element
	align mem.Alignment // of cur and of every element
	cur   []byte        // newest chunk; what is beyond off is zero
	off   int
	floor int    // blocks of cur below it are older than the newest mark
	id    uint64 // of cur's chunk, 0 if nil
	held  int    // bytes in chunks that are not exact
	exact int    // bytes in chunks that are
	spare uint64 // id of the chunk that Rewind kept, 0 if none
	keep  int    // bytes to keep at this reset
	most  int    // length of the spare chunk, while one is chosen
}

// Mixing types in a chunk is out of the question, since the collector reads a
// chunk as a slice of one type. So each type has its lane, small at first: most
// types of a program have a few objects. Lanes are never taken out of the
// table: a program has as many as it has types, and the next phase will want
// them again.
//
// What a block leaves behind is cleared when it goes, not when the memory is
// used next: until then it would keep alive what it referred to.

const (
	firstSlab = 512
	fewSlab   = 32 << 10 // up to here a first slab holds eight elements
	mostSlab  = 256 << 10
)

// lanes finds the lane of a type.
type lanes struct {
	last  *lane   // found last
	all   []*lane // in order of creation
	table []*lane // open addressing; its length is a power of two
}

// of returns the lane of typ, new if need be.
func (ls *lanes) of(typ mem.Type, align mem.Alignment) *lane {
	if 2*len(ls.all) >= len(ls.table) {
		ls.table = make([]*lane, max(16, 2*len(ls.table)))
		for _, t := range ls.all {
			*ls.slot(t.typ) = t
		}
	}
	at := ls.slot(typ)
	if *at == nil {
		size := typ.Size()
		*at = &lane{typ: typ, size: size, align: align.Min(natural(size))}
		ls.all = append(ls.all, *at)
	}
	ls.last = *at
	return *at
}

// slot returns where typ is, or where it belongs.
func (ls *lanes) slot(typ mem.Type) **lane {
	for i := typeHash(typ); ; i++ {
		at := &ls.table[i&(len(ls.table)-1)]
		if *at == nil || (*at).typ == typ {
			return at
		}
	}
}

// natural returns the alignment that all elements of a size have if the first
// has it.
func natural(size int) mem.Alignment { return mem.Align(size & -size) }

// allocTyped serves a block that the collector must see.
func (s *ArenaState) allocTyped(child mem.Allocator, size int, l mem.Layout) ([]byte, error) {
	t := s.lanes.last
	if t == nil || t.typ != l.Type {
		if n := l.Type.Size(); l.Type == (mem.Type{}) || n == 0 || size%n != 0 {
			panic(notElements)
		}
		t = s.lanes.of(l.Type, l.Align)
	}
	if size != t.size && size%t.size != 0 {
		panic(notElements)
	}
	if size > len(t.cur)-t.off || l.Align.Compare(t.align) > 0 {
		if b, err := s.growLane(child, t, size, l.Align); b != nil || err != nil {
			return b, err
		}
	}
	start, end := t.off, t.off+size
	t.off = end
	s.check()
	return t.cur[start:end:end], nil
}

const notElements = "heap: Arena.Alloc: a block that is not plain must be whole elements of its type"

// growLane makes room in t: it returns a block, or an error, or neither after
// giving t.cur the room.
func (s *ArenaState) growLane(child mem.Allocator, t *lane, size int, align mem.Alignment) ([]byte, error) {
	if s.useLaneSpare(t, size, align) {
		return nil, nil
	}
	wish := slabWish(t.size, t.held, t.exact)
	if size > wish/2 || align.Compare(natural(t.size)) > 0 {
		c := chunk{lane: t, used: size, align: align, exact: true}
		b, err := s.ask(child, size, c.layout(true))
		if err != nil {
			return nil, err
		}
		c.mem = b
		s.add(c)
		s.measure(true)
		s.check()
		return b, nil
	}
	c := chunk{lane: t, align: t.align.Max(align)}
	for n := wish / t.size; ; n = max(n/2, size/t.size) {
		var err error
		if c.mem, err = s.ask(child, n*t.size, c.layout(true)); err == nil {
			break
		}
		if n*t.size == size || !errors.Is(err, mem.ErrOutOfMemory) || errors.Is(err, ErrInduced) {
			return nil, err
		}
	}
	t.align = c.align
	s.enterLane(t, s.add(c))
	s.measure(true)
	return nil, nil
}

// slabWish is the size of the next regular chunk of a lane that holds so many
// bytes in chunks of the two kinds.
func slabWish(elem, held, exact int) int {
	return max(firstSlab, min(8*elem, fewSlab), min(held+exact/8, mostSlab))
}

// useLaneSpare makes the spare chunk of t its newest, if the request fits.
func (s *ArenaState) useLaneSpare(t *lane, size int, align mem.Alignment) bool {
	if t.spare == 0 {
		return false
	}
	i := s.byID(t.spare)
	c := &s.chunks[i]
	if size > len(c.mem) || align.Compare(c.align) > 0 {
		return false
	}
	t.spare = 0
	s.ids++
	c.id = s.ids
	s.enterLane(t, i)
	return true
}

// enterLane makes chunks[i], which is of t, the newest of t.
func (s *ArenaState) enterLane(t *lane, i int) {
	s.leaveLane(t)
	c := &s.chunks[i]
	t.cur, t.off, t.floor, t.id = c.mem, c.used, 0, c.id
	t.align = c.align.Min(natural(t.size)) // of the first element alone, it may be more
	s.check()
}

func (s *ArenaState) leaveLane(t *lane) {
	if t.cur != nil {
		s.chunks[s.find(t.cur)].used = t.off
	}
}

// lower clears t.cur[off:t.off] and gives it back to t.cur.
func (t *lane) lower(off int) {
	t.vacate(t.cur[off:t.off])
	t.off = off
}

// vacate ends the life of all blocks in b, memory of t that the arena keeps.
func (t *lane) vacate(b []byte) {
	race.Free(b)
	t.typ.Clear(b)
}

// changeLast resizes the last block of t.cur to whole elements.
func (t *lane) changeLast(b []byte, start, size int) ([]byte, bool) {
	switch {
	case size > len(t.cur)-start:
		return b, false
	case size < len(b):
		t.lower(start + size)
	default:
		t.off = start + size
	}
	return t.cur[start:t.off:t.off], true
}

// forget leaves the lanes without memory.
func (ls *lanes) forget() {
	for _, t := range ls.all {
		t.cur, t.off, t.floor, t.id, t.spare = nil, 0, 0, 0, 0
	}
}

func (ls *lanes) verify(s *ArenaState) {
	for _, t := range ls.all {
		invariant.Check(*ls.slot(t.typ) == t, "heap: Arena: %v is not in the table", t.typ)
		invariant.Check(0 <= t.off && t.off <= len(t.cur) && 0 <= t.floor && t.floor <= t.off && t.off%t.size == 0,
			"heap: Arena: lane of %v: off %d, floor %d in a chunk of %d", t.typ, t.off, t.floor, len(t.cur))
		invariant.Check(t.align.Compare(natural(t.size)) <= 0 && t.align.Check(address(t.cur)),
			"heap: Arena: lane of %v: aligned to %v at %#x", t.typ, t.align, address(t.cur))
		invariant.Check((t.cur == nil) == (t.id == 0), "heap: Arena: lane of %v: chunk %d is %p", t.typ, t.id, t.cur)
		held, exact := 0, 0
		for i := range s.chunks {
			if c := &s.chunks[i]; c.lane != t {
				continue
			} else if c.exact {
				exact += len(c.mem)
			} else {
				held += len(c.mem)
			}
		}
		invariant.Check(held == t.held && exact == t.exact, "heap: Arena: lane of %v: counted %d+%d, holds %d+%d", t.typ, t.held, t.exact, held, exact)
		for i, v := range t.cur[t.off:min(len(t.cur), t.off+64)] {
			invariant.Check(v == 0, "heap: Arena: lane of %v: byte %d beyond off is %#x", t.typ, i, v)
		}
	}
}
