package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// A StringHashSetUnmanaged is a set of strings of which it keeps copies of its
// own, with the allocator handed to every call that may need it: a
// [StringHashMapUnmanaged] without values, and all that is said there about
// keys, memory and time holds here. [StringHashSet] is the same with the
// allocator stored.
//
// A set is for one goroutine at a time. The zero value is an empty set, ready
// for use. Assigning a set moves it: two copies must not both be used.
type StringHashSetUnmanaged struct {
	m StringHashMapUnmanaged[struct{}]
}

// SetContext has the set compare and hash strings as c says. It panics if the
// set has memory.
func (s *StringHashSetUnmanaged) SetContext(c *Context[string]) { s.m.SetContext(c) }

// Add adds a copy of k, and returns the set's copy and whether it is new.
func (s *StringHashSetUnmanaged) Add(a mem.Allocator, k string) (own string, added bool, err error) {
	e, found, err := s.m.entry(a, k, "generic: StringHashSet.Add")
	if err != nil {
		return "", false, err
	}
	s.m.check()
	return e.key.string(), !found, nil
}

// Get returns the set's copy of k, and whether the set holds k.
func (s *StringHashSetUnmanaged) Get(k string) (string, bool) { return s.m.GetKey(k) }

// Contains tells whether the set holds k.
func (s *StringHashSetUnmanaged) Contains(k string) bool { return s.m.Contains(k) }

// Remove removes k, frees the set's copy of it, and tells whether the set held
// it. k may be that copy.
func (s *StringHashSetUnmanaged) Remove(a mem.Allocator, k string) bool { return s.m.Remove(a, k) }

// DeleteFunc removes and frees the strings for which del returns true. What del
// may do to the set is what a loop over All may.
func (s *StringHashSetUnmanaged) DeleteFunc(a mem.Allocator, del func(string) bool) {
	s.m.DeleteFunc(a, func(k string, _ struct{}) bool { return del(k) })
}

// Len returns the number of strings.
func (s *StringHashSetUnmanaged) Len() int { return s.m.Len() }

// Cap returns how many strings fit without more memory than that of themselves.
func (s *StringHashSetUnmanaged) Cap() int { return s.m.Cap() }

// EnsureTotalCapacity makes room for n strings in all, save for the memory of
// themselves. It panics if n is negative.
func (s *StringHashSetUnmanaged) EnsureTotalCapacity(a mem.Allocator, n int) error {
	return s.m.t.ensure(a, n, owned, "generic: StringHashSet.EnsureTotalCapacity")
}

// EnsureUnusedCapacity makes room for n strings more, save for the memory of
// themselves. It panics if n is negative.
func (s *StringHashSetUnmanaged) EnsureUnusedCapacity(a mem.Allocator, n int) error {
	return s.m.t.ensureMore(a, n, owned, "generic: StringHashSet.EnsureUnusedCapacity")
}

// Clear removes and frees all strings, and keeps the memory of the set itself.
func (s *StringHashSetUnmanaged) Clear(a mem.Allocator) { s.m.Clear(a) }

// ClearAndFree removes all strings and gives back all memory.
func (s *StringHashSetUnmanaged) ClearAndFree(a mem.Allocator) { s.m.ClearAndFree(a) }

// ShrinkAndFree gives back the memory that the strings do not need, as far as
// whole parts go, and takes back what was reserved. It cannot fail: where there is
// no memory to move to, the set keeps what it has.
func (s *StringHashSetUnmanaged) ShrinkAndFree(a mem.Allocator) { s.m.ShrinkAndFree(a) }

// Clone returns a set with copies of its own of the same strings.
func (s *StringHashSetUnmanaged) Clone(a mem.Allocator) (StringHashSetUnmanaged, error) {
	m, err := s.m.Clone(a)
	return StringHashSetUnmanaged{m}, err
}

// ToManaged returns the set with a, the allocator that it has had so far,
// stored, and leaves s empty, without memory but with the same Context.
func (s *StringHashSetUnmanaged) ToManaged(a mem.Allocator) *StringHashSet {
	s.m.t.from.adopt(a, "generic: StringHashSet.ToManaged")
	c := &StringHashSet{a: a, u: *s}
	*s = StringHashSetUnmanaged{}
	s.m.keepContext(&c.u.m)
	return c
}

// Close frees every string, gives all memory back, and leaves an empty set,
// which may be used again. It never fails, and does nothing to an empty set
// without memory.
func (s *StringHashSetUnmanaged) Close(a mem.Allocator) { s.m.Close(a) }

// LockPointers declares that strings of the set are in use: until UnlockPointers
// was called as often, every operation that would end the life of one panics, and
// changes nothing. Adding strings is none as long as the set does not have to
// grow.
func (s *StringHashSetUnmanaged) LockPointers() { s.m.LockPointers() }

// UnlockPointers takes one LockPointers back.
func (s *StringHashSetUnmanaged) UnlockPointers() { s.m.UnlockPointers() }

// Rehash puts every string where it is found soonest. It takes no memory. There
// is no need to call it now and then: removals leave nothing behind.
func (s *StringHashSetUnmanaged) Rehash() { s.m.Rehash() }

// GetAdapted is Get by something else than a string: it returns the string with
// the given hash, in the sense of the set's [Context], for which equal returns
// true. It panics if the set has no Context.
func (s *StringHashSetUnmanaged) GetAdapted(hash uint64, equal func(string) bool) (string, bool) {
	return s.m.GetKeyAdapted(hash, equal)
}

// AddAdapted is Add on the terms of GetAdapted. Only if the set does not hold the
// string, it calls key for it, which must have the hash and must not touch the
// set, and takes a copy. An error of key is returned as it is.
func (s *StringHashSetUnmanaged) AddAdapted(a mem.Allocator, hash uint64, equal func(string) bool, key func() (string, error)) (own string, added bool, err error) {
	e, err := s.m.GetOrPutAdapted(a, hash, equal, key)
	return e.Key, err == nil && !e.Found, err
}

// RemoveAdapted is Remove on the terms of GetAdapted.
func (s *StringHashSetUnmanaged) RemoveAdapted(a mem.Allocator, hash uint64, equal func(string) bool) bool {
	_, ok := s.m.FetchRemoveAdapted(a, hash, equal)
	return ok
}

// All yields the strings, in no particular order. During the iteration, strings
// may be removed, the one just yielded too, which ends its life; those that are
// removed before they are yielded are not yielded. It panics if the set grows or
// shrinks meanwhile, and a string that is added without that may or may not be
// yielded.
func (s *StringHashSetUnmanaged) All() iter.Seq[string] { return s.m.Keys() }

// Drain yields the strings, on the terms of All, and removes each before it is
// yielded; it is freed when the body of the loop is done. Those that a loop does
// not get to stay.
func (s *StringHashSetUnmanaged) Drain(a mem.Allocator) iter.Seq[string] {
	return func(yield func(string) bool) {
		for k := range s.m.Drain(a) {
			if !yield(k) {
				return
			}
		}
	}
}
