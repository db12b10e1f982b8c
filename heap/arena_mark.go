package heap

import (
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// A Mark is a moment in the life of an arena: [Arena.Rewind] gives back
// everything that was allocated since, [Arena.Keep] keeps it. Every mark is
// ended by one of the two, exactly once, and marks nest: the newest first. What
// breaks the order is reported as a [Misuse] and changes nothing.
//
// A block that is older than the newest mark does not grow, and gives no space
// back when it shrinks or is freed, unless it has a chunk of its own.
type Mark struct {
	state *ArenaState
	id    uint64
}

// Marks live in the arena, and a Mark only names one, so that what a mark has
// to remember may be of any size: one position for raw blocks and one for each
// type. Rewind keeps the largest of the chunks that came since as a spare, for
// the same to happen again without asking the child: loops that mark, allocate
// and rewind are what marks are for.

// mark is an open Mark.
type mark struct {
	id     uint64
	chunks uint64 // id of the last chunk at the time
	first  int    // its positions begin there: raw blocks, then the lanes in order
}

// position is where the next block would have come to be.
type position struct {
	id  uint64 // of the chunk, 0 if there was none
	off int
}

// Mark begins a stretch that [Arena.Rewind] or [Arena.Keep] ends.
func (a *Arena) Mark() Mark {
	return a.state.Mark()
}

// Rewind gives back everything that was allocated since m, which invalidates
// these blocks, and ends m. The memory stays with the arena for what comes next,
// if it came in one chunk, else the largest of them.
func (a *Arena) Rewind(m Mark) {
	a.state.undo(a.child, m, "heap: Arena.Rewind")
}

// Keep ends m and keeps what was allocated since.
func (a *Arena) Keep(m Mark) {
	a.state.keep(m, "heap: Arena.Keep")
}

// Scoped calls f and then gives back everything that was allocated meanwhile,
// also if f panics. It returns the error of f. A mark that f left open is
// reported as a [Misuse].
func (a *Arena) Scoped(f func() error) error {
	return a.state.scoped(a.child, f, "heap: Arena.Scoped")
}

// Mark is [Arena.Mark].
func (s *ArenaState) Mark() Mark {
	if invariant.Enabled {
		s.enter("heap: Arena.Mark")
		defer s.leave()
	}
	s.markIDs++
	s.marks = append(s.marks, mark{s.markIDs, s.ids, len(s.positions)})
	s.positions = append(s.positions, position{s.id, s.off})
	s.floor = s.off
	for _, t := range s.lanes.all {
		s.positions = append(s.positions, position{t.id, t.off})
		t.floor = t.off
	}
	return Mark{s, s.markIDs}
}

// Rewind is [Arena.Rewind].
func (s *ArenaState) Rewind(child mem.Allocator, m Mark) {
	s.mustHave("heap: ArenaState.Rewind", child)
	s.undo(child, m, "heap: ArenaState.Rewind")
}

// Keep is [Arena.Keep].
func (s *ArenaState) Keep(m Mark) {
	s.keep(m, "heap: ArenaState.Keep")
}

// Scoped is [Arena.Scoped].
func (s *ArenaState) Scoped(child mem.Allocator, f func() error) error {
	s.mustHave("heap: ArenaState.Scoped", child)
	return s.scoped(child, f, "heap: ArenaState.Scoped")
}

func (s *ArenaState) undo(child mem.Allocator, m Mark, op string) {
	if invariant.Enabled {
		s.enter(op)
		defer s.leave()
	}
	if s.newestIs(m, op) {
		s.rewind(child, len(s.marks)-1)
	}
}

func (s *ArenaState) keep(m Mark, op string) {
	if invariant.Enabled {
		s.enter(op)
		defer s.leave()
	}
	if s.newestIs(m, op) {
		s.endMark(len(s.marks) - 1)
	}
}

func (s *ArenaState) scoped(child mem.Allocator, f func() error, op string) error {
	m := s.Mark()
	returned := false
	defer func() {
		if i := s.indexOf(m); !returned && i >= 0 {
			s.rewind(child, i) // with the marks that the panic left open
		}
	}()
	err := f()
	returned = true
	s.undo(child, m, op)
	return err
}

// indexOf returns where m is among the open marks, or -1.
func (s *ArenaState) indexOf(m Mark) int {
	for i := len(s.marks) - 1; i >= 0; i-- {
		if s.marks[i].id == m.id {
			return i
		}
	}
	return -1
}

// newestIs tells whether m is the newest open mark, and reports it otherwise.
func (s *ArenaState) newestIs(m Mark, op string) bool {
	i := s.indexOf(m)
	switch {
	case m.state != nil && m.state != s:
		report(&Misuse{Kind: WrongAllocator, Op: op, Hint: "the mark is one of another arena"})
	case i < 0:
		report(&Misuse{Kind: StaleMark, Op: op, Hint: "the mark was ended before"})
	case i < len(s.marks)-1:
		report(&Misuse{Kind: OutOfOrder, Op: op, Hint: "a later mark is still open"})
	default:
		return true
	}
	return false
}

// pending tells whether a mark is open, and reports it.
func (s *ArenaState) pending(op string) bool {
	if len(s.marks) > 0 {
		reportOpen(op)
		return true
	}
	return false
}

func reportOpen(op string) {
	report(&Misuse{Kind: OutOfOrder, Op: op, Hint: "a mark is still open; end it with Rewind or Keep"})
}

// rewind undoes marks[i] and all later ones.
func (s *ArenaState) rewind(child mem.Allocator, i int) {
	m := s.marks[i]
	to := s.positions[m.first:]
	if i+1 < len(s.marks) {
		to = s.positions[m.first:s.marks[i+1].first]
	}
	if s.ids == m.chunks { // no chunk came or went
		s.lower(to[0].off)
		for j, t := range s.lanes.all {
			t.lower(positionOf(to, j).off)
		}
	} else {
		s.measure(true)
		s.leaveAll()
		s.prune(child, m.chunks, false)
		if to[0].id != 0 {
			s.backTo(to[0])
		}
		for j, t := range s.lanes.all {
			if at := positionOf(to, j); at.id != 0 {
				s.laneBackTo(t, at)
			}
		}
	}
	s.endMark(i)
}

// positionOf returns the position of the j-th lane, which is the zero position
// if the lane is younger than the mark.
func positionOf(to []position, j int) position {
	if 1+j < len(to) {
		return to[1+j]
	}
	return position{}
}

// backTo makes an older chunk the newest again.
func (s *ArenaState) backTo(at position) {
	i := s.byID(at.id)
	c := &s.chunks[i]
	vacate(c.mem[at.off:c.used])
	c.dirty = max(c.dirty, c.used)
	c.used = at.off
	s.enterChunk(i)
}

func (s *ArenaState) laneBackTo(t *lane, at position) {
	i := s.byID(at.id)
	c := &s.chunks[i]
	t.vacate(c.mem[at.off:c.used])
	c.used = at.off
	s.enterLane(t, i)
}

// endMark forgets marks[i] and all later ones. The floors are then those of the
// mark before, and only in chunks that are as old as that.
func (s *ArenaState) endMark(i int) {
	s.positions = s.positions[:s.marks[i].first]
	s.marks = s.marks[:i]
	var to []position
	if i > 0 {
		to = s.positions[s.marks[i-1].first:]
	}
	s.floor = 0
	if i > 0 && to[0].id == s.id {
		s.floor = to[0].off
	}
	for j, t := range s.lanes.all {
		t.floor = 0
		if at := positionOf(to, j); at.id == t.id {
			t.floor = at.off
		}
	}
	s.check()
}
