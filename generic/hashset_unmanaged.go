package generic

import (
	"iter"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// A HashSetUnmanaged is a set of keys, with the allocator handed to every call
// that may need it: a [HashMapUnmanaged] without values, and all that is said
// there about keys, memory and time holds here. A set hands out copies of keys and
// no pointers into itself, so that there is nothing to lock. [HashSet] is the same
// with the allocator stored.
//
// A set is for one goroutine at a time. The zero value is an empty set, ready
// for use. Assigning a set moves it: two copies must not both be used.
type HashSetUnmanaged[K comparable] struct {
	t table[K, struct{}]
}

// SetContext has the set compare and hash keys as c says. It panics if the set
// has memory.
func (s *HashSetUnmanaged[K]) SetContext(c *Context[K]) {
	checkContext(c, s.t.from, "generic: HashSet.SetContext")
	s.t.ctx = c
}

// Add adds k, and tells whether it is new. If the set holds k already, it keeps
// the key that it has, and cannot fail.
func (s *HashSetUnmanaged[K]) Add(a mem.Allocator, k K) (added bool, err error) {
	_, found, err := s.t.entry(a, k, "generic: HashSet.Add")
	if err != nil {
		return false, err
	}
	s.check()
	return !found, nil
}

// AddAssumeCapacity is Add without growing. It panics if k is new and there is
// no room for it; see EnsureUnusedCapacity.
func (s *HashSetUnmanaged[K]) AddAssumeCapacity(k K) (added bool) {
	e, found := s.t.entryReserved(k)
	if e == nil {
		panic("generic: HashSet.AddAssumeCapacity: no room for a new key")
	}
	s.check()
	return !found
}

// Get returns the key of the set that is equal to k, and whether there is one.
// They may differ if there is a Context.
func (s *HashSetUnmanaged[K]) Get(k K) (key K, ok bool) {
	if e := s.t.find(k); e != nil {
		return e.key, true
	}
	return key, false
}

// Contains tells whether the set holds k.
func (s *HashSetUnmanaged[K]) Contains(k K) bool {
	return s.t.find(k) != nil
}

// Remove removes k, and tells whether the set held it.
func (s *HashSetUnmanaged[K]) Remove(k K) bool {
	ok := s.t.take(k, nil, "generic: HashSet.Remove")
	s.check()
	return ok
}

// DeleteFunc removes the keys for which del returns true. What del may do to the
// set is what a loop over All may.
func (s *HashSetUnmanaged[K]) DeleteFunc(del func(K) bool) {
	for c := s.t.walk(); c.group(); {
		for c.more() {
			at, e := slotOf(c.bits), c.next()
			if k := e.key; del(k) && c.holds(at, k) {
				c.remove(e, "generic: HashSet.DeleteFunc")
			}
		}
	}
	s.check()
}

// GetAdapted is Get by something else than a K: it returns the key with the given
// hash, in the sense of the set's [Context], for which equal returns true. It
// panics if the set has no Context.
func (s *HashSetUnmanaged[K]) GetAdapted(hash uint64, equal func(K) bool) (key K, ok bool) {
	if e := s.t.lookupFunc(s.t.adapted(hash, "generic: HashSet.GetAdapted"), equal); e != nil {
		return e.key, true
	}
	return key, false
}

// AddAdapted is Add on the terms of GetAdapted. Only if the set does not hold the
// key, it calls key for it, which must have the hash and must not touch the set.
// An error of key is returned as it is.
func (s *HashSetUnmanaged[K]) AddAdapted(a mem.Allocator, hash uint64, equal func(K) bool, key func() (K, error)) (added bool, err error) {
	_, found, err := s.t.entryAdapted(a, hash, equal, key, "generic: HashSet.AddAdapted")
	if err != nil {
		return false, err
	}
	s.check()
	return !found, nil
}

// RemoveAdapted is Remove on the terms of GetAdapted, and returns the key, which
// may have to be freed.
func (s *HashSetUnmanaged[K]) RemoveAdapted(hash uint64, equal func(K) bool) (key K, ok bool) {
	const method = "generic: HashSet.RemoveAdapted"
	h := s.t.adapted(hash, method)
	e := s.t.lookupFunc(h, equal)
	if e == nil {
		return key, false
	}
	key = e.key
	s.t.remove(h, e, method)
	s.check()
	return key, true
}

// Rehash puts every key where it is found soonest. It takes no memory. There is
// no need to call it now and then: removals leave nothing behind.
func (s *HashSetUnmanaged[K]) Rehash() {
	s.t.rehash("generic: HashSet.Rehash")
	s.check()
}

// Len returns the number of keys.
func (s *HashSetUnmanaged[K]) Len() int { return s.t.n }

// Cap returns how many keys fit: as long as there are fewer, no Add fails.
func (s *HashSetUnmanaged[K]) Cap() int { return s.t.n + s.t.room }

// EnsureTotalCapacity makes room for n keys in all. It panics if n is negative.
func (s *HashSetUnmanaged[K]) EnsureTotalCapacity(a mem.Allocator, n int) error {
	if err := s.t.ensure(a, n, false, "generic: HashSet.EnsureTotalCapacity"); err != nil {
		return err
	}
	s.check()
	return nil
}

// EnsureUnusedCapacity makes room for n keys more. It panics if n is negative.
func (s *HashSetUnmanaged[K]) EnsureUnusedCapacity(a mem.Allocator, n int) error {
	if err := s.t.ensureMore(a, n, false, "generic: HashSet.EnsureUnusedCapacity"); err != nil {
		return err
	}
	s.check()
	return nil
}

// Clear removes all keys and keeps the memory.
func (s *HashSetUnmanaged[K]) Clear() {
	s.t.clear("generic: HashSet.Clear")
	s.check()
}

// ClearAndFree removes all keys and gives back the memory.
func (s *HashSetUnmanaged[K]) ClearAndFree(a mem.Allocator) {
	s.t.close(a, "generic: HashSet.ClearAndFree")
}

// ShrinkAndFree gives back the memory that the keys do not need, as far as
// whole parts go, and takes back what was reserved. The keys are moved to other
// memory; where there is none, the set keeps what it has, so that it cannot fail.
func (s *HashSetUnmanaged[K]) ShrinkAndFree(a mem.Allocator) {
	s.t.shrink(a, false, "generic: HashSet.ShrinkAndFree")
	s.check()
}

// Clone returns a set of the same keys.
func (s *HashSetUnmanaged[K]) Clone(a mem.Allocator) (HashSetUnmanaged[K], error) {
	t, err := s.t.copyOf(a, "generic: HashSet.Clone")
	return HashSetUnmanaged[K]{t}, err
}

// ToManaged returns the set with a, the allocator that it has had so far,
// stored, and leaves s empty, without memory but with the same Context.
func (s *HashSetUnmanaged[K]) ToManaged(a mem.Allocator) *HashSet[K] {
	s.t.from.adopt(a, "generic: HashSet.ToManaged")
	c := &HashSet[K]{a: a, u: *s}
	*s = HashSetUnmanaged[K]{}
	s.t.ctx = c.u.t.ctx
	return c
}

// Close gives all memory back and leaves an empty set, which may be used again.
// It never fails, and does nothing to an empty set without memory.
func (s *HashSetUnmanaged[K]) Close(a mem.Allocator) { s.t.close(a, "generic: HashSet.Close") }

// All yields the keys, in no particular order. During the iteration, keys may be
// removed; those that are removed before they are yielded are not yielded. It
// panics if the set grows or shrinks meanwhile, and a key that is added without
// that may or may not be yielded.
func (s *HashSetUnmanaged[K]) All() iter.Seq[K] {
	return func(yield func(K) bool) {
		for c := s.t.walk(); c.group(); {
			for c.more() {
				if !yield(c.next().key) {
					return
				}
			}
		}
	}
}

// Drain yields the keys and removes each before it is yielded, on the terms of
// All. Those that a loop does not get to stay.
func (s *HashSetUnmanaged[K]) Drain() iter.Seq[K] {
	return func(yield func(K) bool) {
		s.t.drain("generic: HashSet.Drain", func(e slot[K, struct{}]) bool { return yield(e.key) })
		s.check()
	}
}

func (s *HashSetUnmanaged[K]) check() {
	if invariant.Enabled {
		s.t.check()
	}
}
