package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// A BufSetUnmanaged is a set of strings that owns copies of them, with the
// allocator handed to every call that may need it. [BufSet] is the same with the
// allocator stored. It is a [BufMapUnmanaged] whose values are empty, and what
// that says of memory, order and the life of strings holds for it.
//
// A set is for one goroutine at a time. The zero value is an empty set, ready
// for use. Assigning a set moves it: two copies must not both be used.
type BufSetUnmanaged struct {
	m BufMapUnmanaged
}

// Close gives all memory back and leaves an empty set, which may be used again.
// It never fails.
func (s *BufSetUnmanaged) Close(a mem.Allocator) { s.m.Close(a) }

// Clear removes all strings, and keeps the memory that is not theirs.
func (s *BufSetUnmanaged) Clear(a mem.Allocator) { s.m.Clear(a) }

// Clone returns a set of copies of the strings.
func (s *BufSetUnmanaged) Clone(a mem.Allocator) (BufSetUnmanaged, error) {
	m, err := s.m.clone(a, "generic: BufSet.Clone")
	return BufSetUnmanaged{m}, err
}

// ToManaged returns the set with a, the allocator that it has had so far,
// stored, and leaves s empty, without memory.
func (s *BufSetUnmanaged) ToManaged(a mem.Allocator) *BufSet {
	s.m.from.adopt(a, "generic: BufSet.ToManaged")
	c := &BufSet{a: a, u: *s}
	*s = BufSetUnmanaged{}
	return c
}

// Len returns the number of strings.
func (s *BufSetUnmanaged) Len() int { return s.m.Len() }

// Contains tells whether k is in the set.
func (s *BufSetUnmanaged) Contains(k string) bool { return s.m.Contains(k) }

// Get returns the set's copy of k, and whether k is in the set.
func (s *BufSetUnmanaged) Get(k string) (string, bool) { return s.m.GetKey(k) }

// Insert adds a copy of k, unless k is in the set already.
func (s *BufSetUnmanaged) Insert(a mem.Allocator, k string) error {
	return s.m.put(a, k, "", "generic: BufSet.Insert")
}

// Remove removes k, which frees the copy, and tells whether it was in the set.
// It never fails.
func (s *BufSetUnmanaged) Remove(a mem.Allocator, k string) bool { return s.m.Remove(a, k) }

// EnsureUnusedCapacity makes room for n strings more, except for their bytes. It
// panics if n is negative.
func (s *BufSetUnmanaged) EnsureUnusedCapacity(a mem.Allocator, n int) error {
	return s.m.ensureUnused(a, n, "generic: BufSet.EnsureUnusedCapacity")
}

// All yields the strings in order. Strings may be added during the iteration,
// and the one that it is at removed: the last one, which takes its place, is
// then not yielded. A string is dead when it is removed.
func (s *BufSetUnmanaged) All() iter.Seq[string] { return s.m.Keys() }

// Backward yields the strings from the last to the first. Strings may be added
// during the iteration, and those removed that it has yielded. A string is dead
// when it is removed.
func (s *BufSetUnmanaged) Backward() iter.Seq[string] {
	return func(yield func(string) bool) {
		for k := range s.m.Backward() {
			if !yield(k) {
				return
			}
		}
	}
}

// Drain yields the strings from the last to the first and removes each before it
// is yielded; it is freed when the body of the loop is done. Those that a loop
// does not get to stay.
func (s *BufSetUnmanaged) Drain(a mem.Allocator) iter.Seq[string] {
	return func(yield func(string) bool) {
		for k := range s.m.Drain(a) {
			if !yield(k) {
				return
			}
		}
	}
}
