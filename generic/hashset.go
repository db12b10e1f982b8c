package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// A HashSet is a set of keys: a [HashMap] without values, and all that is said
// there about keys, memory, time and pointers holds here. [HashSetUnmanaged] is
// the same without a stored allocator.
//
// Memory comes from the allocator given to [NewHashSet]. Removing keys keeps it
// for later; ShrinkAndFree, ClearAndFree and Close give it back. For strings off
// the Go heap there is [StringHashSet].
//
// A set is for one goroutine at a time and must not be copied. The zero HashSet
// has no allocator; call [NewHashSet].
type HashSet[K comparable] struct {
	_ noCopy
	a mem.Allocator
	u HashSetUnmanaged[K]
}

// NewHashSet returns an empty set, which first calls a when it first grows.
func NewHashSet[K comparable](a mem.Allocator) *HashSet[K] {
	if isNil(a) {
		panicNil(a, "generic: NewHashSet")
	}
	return &HashSet[K]{a: a}
}

// Allocator returns the allocator of the set.
func (s *HashSet[K]) Allocator() mem.Allocator { return s.a }

// Close gives all memory back and leaves an empty set, which may be used again.
// It never allocates, and the error is always nil.
func (s *HashSet[K]) Close() error {
	s.u.Close(s.a)
	return nil
}

// Clone returns a set of the same keys in memory of the same allocator.
func (s *HashSet[K]) Clone() (*HashSet[K], error) {
	u, err := s.u.Clone(s.a)
	if err != nil {
		return nil, err
	}
	return &HashSet[K]{a: s.a, u: u}, nil
}

// ToUnmanaged returns the set without its allocator, which every call is handed
// from now on, and leaves s empty, without memory but with the same Context.
func (s *HashSet[K]) ToUnmanaged() HashSetUnmanaged[K] {
	u := s.u
	s.u = HashSetUnmanaged[K]{}
	s.u.t.ctx = u.t.ctx
	return u
}

// SetContext has the set compare and hash keys as c says. It panics if the set
// has memory.
func (s *HashSet[K]) SetContext(c *Context[K]) { s.u.SetContext(c) }

// Add adds k, and tells whether it is new. If the set holds k already, it keeps
// the key that it has, and cannot fail.
func (s *HashSet[K]) Add(k K) (added bool, err error) { return s.u.Add(s.a, k) }

// AddAssumeCapacity is Add without growing. It panics if k is new and there is
// no room for it; see EnsureUnusedCapacity.
func (s *HashSet[K]) AddAssumeCapacity(k K) (added bool) { return s.u.AddAssumeCapacity(k) }

// Get returns the key of the set that is equal to k, and whether there is one.
// They may differ if there is a Context.
func (s *HashSet[K]) Get(k K) (key K, ok bool) { return s.u.Get(k) }

// Contains tells whether the set holds k.
func (s *HashSet[K]) Contains(k K) bool { return s.u.Contains(k) }

// Remove removes k, and tells whether the set held it.
func (s *HashSet[K]) Remove(k K) bool { return s.u.Remove(k) }

// DeleteFunc removes the keys for which del returns true. What del may do to the
// set is what a loop over All may.
func (s *HashSet[K]) DeleteFunc(del func(K) bool) { s.u.DeleteFunc(del) }

// Rehash puts every key where it is found soonest. It takes no memory. There is
// no need to call it now and then: removals leave nothing behind.
func (s *HashSet[K]) Rehash() { s.u.Rehash() }

// Len returns the number of keys.
func (s *HashSet[K]) Len() int { return s.u.Len() }

// Cap returns how many keys fit: as long as there are fewer, no Add fails.
func (s *HashSet[K]) Cap() int { return s.u.Cap() }

// EnsureTotalCapacity makes room for n keys in all. It panics if n is negative.
func (s *HashSet[K]) EnsureTotalCapacity(n int) error { return s.u.EnsureTotalCapacity(s.a, n) }

// EnsureUnusedCapacity makes room for n keys more. It panics if n is negative.
func (s *HashSet[K]) EnsureUnusedCapacity(n int) error { return s.u.EnsureUnusedCapacity(s.a, n) }

// Clear removes all keys and keeps the memory.
func (s *HashSet[K]) Clear() { s.u.Clear() }

// ClearAndFree removes all keys and gives back the memory.
func (s *HashSet[K]) ClearAndFree() { s.u.ClearAndFree(s.a) }

// ShrinkAndFree gives back the memory that the keys do not need, as far as
// whole parts go, and takes back what was reserved. The keys are moved to other
// memory; where there is none, the set keeps what it has, so that it cannot fail.
func (s *HashSet[K]) ShrinkAndFree() { s.u.ShrinkAndFree(s.a) }

// All yields the keys, in no particular order. During the iteration, keys may be
// removed; those that are removed before they are yielded are not yielded. It
// panics if the set grows or shrinks meanwhile, and a key that is added without
// that may or may not be yielded.
func (s *HashSet[K]) All() iter.Seq[K] { return s.u.All() }

// Drain yields the keys and removes each before it is yielded, on the terms of
// All. Those that a loop does not get to stay.
func (s *HashSet[K]) Drain() iter.Seq[K] { return s.u.Drain() }

// GetAdapted is Get by something else than a K: it returns the key with the given
// hash, in the sense of the set's [Context], for which equal returns true. It
// panics if the set has no Context.
func (s *HashSet[K]) GetAdapted(hash uint64, equal func(K) bool) (key K, ok bool) {
	return s.u.GetAdapted(hash, equal)
}

// AddAdapted is Add on the terms of GetAdapted. Only if the set does not hold the
// key, it calls key for it, which must have the hash and must not touch the set.
// An error of key is returned as it is.
func (s *HashSet[K]) AddAdapted(hash uint64, equal func(K) bool, key func() (K, error)) (added bool, err error) {
	return s.u.AddAdapted(s.a, hash, equal, key)
}

// RemoveAdapted is Remove on the terms of GetAdapted, and returns the key, which
// may have to be freed.
func (s *HashSet[K]) RemoveAdapted(hash uint64, equal func(K) bool) (key K, ok bool) {
	return s.u.RemoveAdapted(hash, equal)
}
