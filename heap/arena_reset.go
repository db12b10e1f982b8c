package heap

import (
	"slices"

	"github.com/allod-dev/allod/mem"
)

// Reset leaves one chunk of each kind. The largest survives, the others go back
// to the child first, so that it can make room where the survivor lies; then
// the survivor is changed to the size to keep, which over pages copies nothing.
// Only if the child knows no way, a new chunk takes its place.

// resetTo is ResetTo with no marks open.
func (s *ArenaState) resetTo(child mem.Allocator, limit int) bool {
	if limit == 0 || len(s.chunks) == 0 {
		s.release(child)
		return true
	}
	s.measure(true)
	if len(s.chunks) == 1 && s.cur != nil && len(s.cur) <= limit {
		s.lower(0)
		s.check()
		return true
	}
	raw := min(limit, s.regular+s.exact)
	limit -= raw
	for _, t := range s.lanes.all {
		t.keep = min(limit, t.held+t.exact)
		t.keep -= t.keep % t.size
		limit -= t.keep
	}
	s.leaveAll()
	s.prune(child, 0, true)
	ok := true
	if s.spare != 0 {
		if raw == 0 {
			s.drop(child, s.byID(s.spare))
		} else {
			i, fits := s.shape(child, s.byID(s.spare), raw)
			s.enterChunk(i)
			ok = fits
		}
		s.spare, s.phase = 0, 0
	}
	for _, t := range s.lanes.all {
		if t.spare == 0 {
			continue
		}
		if t.keep == 0 {
			s.drop(child, s.byID(t.spare))
		} else {
			i, fits := s.shape(child, s.byID(t.spare), t.keep)
			s.enterLane(t, i)
			ok = ok && fits
		}
		t.spare = 0
	}
	s.check()
	return ok
}

// leaveAll writes down what is known of the newest chunks, and leaves none.
func (s *ArenaState) leaveAll() {
	s.leaveChunk()
	s.cur, s.off, s.clean, s.dirty, s.step, s.floor, s.id = nil, 0, 0, 0, 0, 0, 0
	for _, t := range s.lanes.all {
		s.leaveLane(t)
		t.cur, t.off, t.floor, t.id = nil, 0, 0, 0
	}
}

// prune gives the chunks with an id beyond since back, newest first, but keeps
// the largest of each kind as its spare, vacated. There are no newest chunks.
// Exact chunks are kept only if exact is set; they are regular from then on.
func (s *ArenaState) prune(child mem.Allocator, since uint64, exact bool) {
	most := 0
	s.phase = 0
	s.unspare(&s.spare)
	for _, t := range s.lanes.all {
		t.most = 0
		s.unspare(&t.spare)
	}
	for i := range s.chunks {
		c := &s.chunks[i]
		if c.id <= since || c.exact && !exact {
			continue
		}
		if c.lane == nil {
			s.phase += len(c.mem)
		}
		if t := c.lane; t == nil && len(c.mem) > most {
			s.spare, most = c.id, len(c.mem)
		} else if t != nil && len(c.mem) > t.most {
			t.spare, t.most = c.id, len(c.mem)
		}
	}
	slices.SortFunc(s.chunks, byAge)
	for i := len(s.chunks) - 1; i >= 0 && s.chunks[i].id > since; i-- {
		if c := &s.chunks[i]; c.id != s.spareOf(c) {
			s.drop(child, i)
		} else {
			s.retire(c)
		}
	}
	slices.SortFunc(s.chunks, byPlace)
}

// unspare makes the chunk of that id, if there is one, the youngest of all, which
// no mark stands in the way of.
func (s *ArenaState) unspare(id *uint64) {
	if *id != 0 {
		s.ids++
		s.chunks[s.byID(*id)].id, *id = s.ids, 0
	}
}

// retire empties c, which is kept.
func (s *ArenaState) retire(c *chunk) {
	if c.lane != nil {
		c.lane.vacate(c.mem[:c.used])
	} else {
		vacate(c.mem[:c.used])
		c.dirty = max(c.dirty, c.used)
	}
	c.used = 0
	if c.exact {
		s.count(c, -len(c.mem))
		c.exact = false
		s.count(c, len(c.mem))
	}
}

// shape changes chunks[i], which is empty, to want bytes, or gets a chunk of so
// many instead. It returns where the chunk is now, and false, with everything
// as it was, if the child could do neither.
func (s *ArenaState) shape(child mem.Allocator, i, want int) (int, bool) {
	c := s.chunks[i]
	had := len(c.mem)
	if had == want {
		return i, true
	}
	zero := c.lane == nil && zeroIsFree(child)
	how := child.Remap
	if c.lane != nil {
		how = child.Resize
	}
	if m, ok := how(c.mem, c.layout(zero), want); ok {
		s.chunks = slices.Delete(s.chunks, i, i+1)
		s.count(&c, want-had)
		c.mem, c.dirty = m, min(c.dirty, want)
		if want > had && !zero {
			c.dirty = want
		}
		return s.insert(c), true
	}
	n := chunk{lane: c.lane, align: c.align}
	m, err := s.ask(child, want, n.layout(zero))
	if err != nil {
		return i, false
	}
	n.mem = m
	if n.lane == nil && !zero {
		n.dirty = want
	}
	s.drop(child, i)
	return s.add(n), true
}
