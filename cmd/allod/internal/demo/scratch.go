package demo

import (
	"slices"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// scratch is memory that is dead when the document or the request is done. The
// zero scratch is plain Go: buffers of documents are kept and used again, and
// the rest is left to the collector. With an arena, everything comes from there
// and goes at once in reset.
type scratch struct {
	a     mem.Allocator // nil: the Go heap
	arena *heap.Arena

	buf    []byte // for the next document; only on the Go heap
	tokens []token
}

// newArenaScratch returns a scratch with an arena over child.
func newArenaScratch(child mem.Allocator) *scratch {
	arena := heap.NewArena(child)
	return &scratch{a: arena, arena: arena}
}

// reset ends the life of all that came from s.
func (s *scratch) reset() {
	if s.arena != nil {
		s.arena.Reset()
	}
}

func (s *scratch) close() error {
	if s.arena == nil {
		return nil
	}
	return s.arena.Close()
}

// content returns n bytes for the contents of a document.
func (s *scratch) content(n int) ([]byte, error) {
	if s.a != nil {
		return mem.AllocUninit[byte](s.a, n)
	}
	s.buf = slices.Grow(s.buf[:0], n)[:n]
	return s.buf, nil
}

// push appends v to s: with append if a is nil, in memory of a otherwise. On an
// error s is what it was.
func push[T any](a mem.Allocator, s []T, v T) ([]T, error) {
	if a == nil || len(s) < cap(s) {
		return append(s, v), nil
	}
	return mem.Append(a, s, v)
}
