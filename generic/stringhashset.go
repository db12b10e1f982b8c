package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// A StringHashSet is a set of strings of which it keeps copies of its own: a
// [StringHashMap] without values, and all that is said there about keys, memory
// and time holds here. [StringHashSetUnmanaged] is the same without a stored
// allocator.
//
// A set is for one goroutine at a time and must not be copied. The zero
// StringHashSet has no allocator; call [NewStringHashSet].
type StringHashSet struct {
	_ noCopy
	a mem.Allocator
	u StringHashSetUnmanaged
}

// NewStringHashSet returns an empty set, which first calls a when it first grows.
func NewStringHashSet(a mem.Allocator) *StringHashSet {
	if isNil(a) {
		panicNil(a, "generic: NewStringHashSet")
	}
	return &StringHashSet{a: a}
}

// Allocator returns the allocator of the set.
func (s *StringHashSet) Allocator() mem.Allocator { return s.a }

// Close frees every string, gives all memory back, and leaves an empty set, which
// may be used again. It never allocates, and the error is always nil.
func (s *StringHashSet) Close() error {
	s.u.Close(s.a)
	return nil
}

// Clone returns a set with copies of its own of the same strings, in memory of
// the same allocator.
func (s *StringHashSet) Clone() (*StringHashSet, error) {
	u, err := s.u.Clone(s.a)
	if err != nil {
		return nil, err
	}
	return &StringHashSet{a: s.a, u: u}, nil
}

// ToUnmanaged returns the set without its allocator, which every call is handed
// from now on, and leaves s empty, without memory but with the same Context.
func (s *StringHashSet) ToUnmanaged() StringHashSetUnmanaged {
	u := s.u
	s.u = StringHashSetUnmanaged{}
	s.u.m.keepContext(&u.m)
	return u
}

// SetContext has the set compare and hash strings as c says. It panics if the
// set has memory.
func (s *StringHashSet) SetContext(c *Context[string]) { s.u.SetContext(c) }

// Add adds a copy of k, and returns the set's copy and whether it is new.
func (s *StringHashSet) Add(k string) (own string, added bool, err error) { return s.u.Add(s.a, k) }

// Get returns the set's copy of k, and whether the set holds k.
func (s *StringHashSet) Get(k string) (string, bool) { return s.u.Get(k) }

// Contains tells whether the set holds k.
func (s *StringHashSet) Contains(k string) bool { return s.u.Contains(k) }

// Remove removes k, frees the set's copy of it, and tells whether the set held
// it. k may be that copy.
func (s *StringHashSet) Remove(k string) bool { return s.u.Remove(s.a, k) }

// DeleteFunc removes and frees the strings for which del returns true. What del
// may do to the set is what a loop over All may.
func (s *StringHashSet) DeleteFunc(del func(string) bool) { s.u.DeleteFunc(s.a, del) }

// Len returns the number of strings.
func (s *StringHashSet) Len() int { return s.u.Len() }

// Cap returns how many strings fit without more memory than that of themselves.
func (s *StringHashSet) Cap() int { return s.u.Cap() }

// EnsureTotalCapacity makes room for n strings in all, save for the memory of
// themselves. It panics if n is negative.
func (s *StringHashSet) EnsureTotalCapacity(n int) error { return s.u.EnsureTotalCapacity(s.a, n) }

// EnsureUnusedCapacity makes room for n strings more, save for the memory of
// themselves. It panics if n is negative.
func (s *StringHashSet) EnsureUnusedCapacity(n int) error {
	return s.u.EnsureUnusedCapacity(s.a, n)
}

// Clear removes and frees all strings, and keeps the memory of the set itself.
func (s *StringHashSet) Clear() { s.u.Clear(s.a) }

// ClearAndFree removes all strings and gives back all memory.
func (s *StringHashSet) ClearAndFree() { s.u.ClearAndFree(s.a) }

// ShrinkAndFree gives back the memory that the strings do not need, as far as
// whole parts go, and takes back what was reserved. It cannot fail: where there is
// no memory to move to, the set keeps what it has.
func (s *StringHashSet) ShrinkAndFree() { s.u.ShrinkAndFree(s.a) }

// All yields the strings, in no particular order. During the iteration, strings
// may be removed, the one just yielded too, which ends its life; those that are
// removed before they are yielded are not yielded. It panics if the set grows or
// shrinks meanwhile, and a string that is added without that may or may not be
// yielded.
func (s *StringHashSet) All() iter.Seq[string] { return s.u.All() }

// Drain yields the strings, on the terms of All, and removes each before it is
// yielded; it is freed when the body of the loop is done. Those that a loop does
// not get to stay.
func (s *StringHashSet) Drain() iter.Seq[string] { return s.u.Drain(s.a) }

// LockPointers declares that strings of the set are in use: until UnlockPointers
// was called as often, every operation that would end the life of one panics, and
// changes nothing. Adding strings is none as long as the set does not have to
// grow.
func (s *StringHashSet) LockPointers() { s.u.LockPointers() }

// UnlockPointers takes one LockPointers back.
func (s *StringHashSet) UnlockPointers() { s.u.UnlockPointers() }

// Rehash puts every string where it is found soonest. It takes no memory. There
// is no need to call it now and then: removals leave nothing behind.
func (s *StringHashSet) Rehash() { s.u.Rehash() }

// GetAdapted is Get by something else than a string: it returns the string with
// the given hash, in the sense of the set's [Context], for which equal returns
// true. It panics if the set has no Context.
func (s *StringHashSet) GetAdapted(hash uint64, equal func(string) bool) (string, bool) {
	return s.u.GetAdapted(hash, equal)
}

// AddAdapted is Add on the terms of GetAdapted. Only if the set does not hold the
// string, it calls key for it, which must have the hash and must not touch the
// set, and takes a copy. An error of key is returned as it is.
func (s *StringHashSet) AddAdapted(hash uint64, equal func(string) bool, key func() (string, error)) (own string, added bool, err error) {
	return s.u.AddAdapted(s.a, hash, equal, key)
}

// RemoveAdapted is Remove on the terms of GetAdapted.
func (s *StringHashSet) RemoveAdapted(hash uint64, equal func(string) bool) bool {
	return s.u.RemoveAdapted(s.a, hash, equal)
}
