package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// A BufSet is a set of strings that owns copies of them. [BufSetUnmanaged] is the
// same without a stored allocator, and says more about both.
//
// Memory comes from the allocator given to [NewBufSet].
//
// A set is for one goroutine at a time and must not be copied. The zero BufSet
// has no allocator; call [NewBufSet].
type BufSet struct {
	_ noCopy
	a mem.Allocator
	u BufSetUnmanaged
}

// NewBufSet returns an empty set, which first calls a when it first grows.
func NewBufSet(a mem.Allocator) *BufSet {
	if isNil(a) {
		panicNil(a, "generic: NewBufSet")
	}
	return &BufSet{a: a}
}

// Allocator returns the allocator of the set.
func (s *BufSet) Allocator() mem.Allocator { return s.a }

// Close gives all memory back and leaves an empty set, which may be used
// again. It never allocates, and the error is always nil.
func (s *BufSet) Close() error {
	s.u.Close(s.a)
	return nil
}

// Clone returns a set of copies of the strings.
func (s *BufSet) Clone() (*BufSet, error) {
	u, err := s.u.Clone(s.a)
	if err != nil {
		return nil, err
	}
	return &BufSet{a: s.a, u: u}, nil
}

// ToUnmanaged returns the set without its allocator, which every call is handed
// from now on, and leaves s empty, without memory.
func (s *BufSet) ToUnmanaged() BufSetUnmanaged {
	u := s.u
	s.u = BufSetUnmanaged{}
	return u
}

// Clear removes all strings, and keeps the memory that is not theirs.
func (s *BufSet) Clear() { s.u.Clear(s.a) }

// Len returns the number of strings.
func (s *BufSet) Len() int { return s.u.Len() }

// Contains tells whether k is in the set.
func (s *BufSet) Contains(k string) bool { return s.u.Contains(k) }

// Get returns the set's copy of k, and whether k is in the set.
func (s *BufSet) Get(k string) (string, bool) { return s.u.Get(k) }

// Insert adds a copy of k, unless k is in the set already.
func (s *BufSet) Insert(k string) error { return s.u.Insert(s.a, k) }

// Remove removes k, which frees the copy, and tells whether it was in the set.
// It never fails.
func (s *BufSet) Remove(k string) bool { return s.u.Remove(s.a, k) }

// EnsureUnusedCapacity makes room for n strings more, except for their bytes. It
// panics if n is negative.
func (s *BufSet) EnsureUnusedCapacity(n int) error { return s.u.EnsureUnusedCapacity(s.a, n) }

// All yields the strings in order. Strings may be added during the iteration,
// and the one that it is at removed: the last one, which takes its place, is
// then not yielded. A string is dead when it is removed.
func (s *BufSet) All() iter.Seq[string] { return s.u.All() }

// Backward yields the strings from the last to the first. Strings may be added
// during the iteration, and those removed that it has yielded. A string is dead
// when it is removed.
func (s *BufSet) Backward() iter.Seq[string] { return s.u.Backward() }

// Drain yields the strings from the last to the first and removes each before it
// is yielded; it is freed when the body of the loop is done. Those that a loop
// does not get to stay.
func (s *BufSet) Drain() iter.Seq[string] { return s.u.Drain(s.a) }
