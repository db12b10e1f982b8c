package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// A ConcurrentBufMap maps strings to strings of bytes for many goroutines and
// owns both: a number of [BufMapUnmanaged], to which keys are distributed by
// their hash, each with a lock that many may read under. Where entries may be
// given up when there are too many, there is [Cache].
//
// Memory comes from the allocator given to [NewConcurrentBufMap], which must be
// safe for concurrent use: a block for each key and each value, and a little for
// finding them. Removing an entry frees its key and value, and keeps the rest for
// later; Clear and Close give all memory back.
//
// It hands out no memory that another goroutine could free: AppendGet copies, and
// View, DeleteFunc and the iterators lend under the lock. What is lent is dead
// when the function, or the body of the loop, is done, and must not be changed.
//
// Functions that the methods call while they hold a lock, and the bodies of
// loops over an iterator, must not call the map: they would wait for themselves.
// A map must not be copied. The zero ConcurrentBufMap has no allocator; call
// [NewConcurrentBufMap].
type ConcurrentBufMap struct {
	_      noCopy
	a      mem.Allocator
	seed   uint64
	shards shards[BufMapUnmanaged]
}

// NewConcurrentBufMap returns an empty map, which first calls a when it first
// grows.
func NewConcurrentBufMap(a mem.Allocator) *ConcurrentBufMap {
	if isNil(a) {
		panicNil(a, "generic: NewConcurrentBufMap")
	}
	return &ConcurrentBufMap{a: a, seed: newSeed(), shards: newShards[BufMapUnmanaged](shardCount())}
}

// Allocator returns the allocator of the map.
func (m *ConcurrentBufMap) Allocator() mem.Allocator { return m.a }

// shard returns the shard of k.
func (m *ConcurrentBufMap) shard(k string) *shard[BufMapUnmanaged] {
	if len(m.shards.list) == 0 {
		panic("generic: the zero ConcurrentBufMap has no allocator; call NewConcurrentBufMap")
	}
	return m.shards.of(hashOf(m.seed, stringBytes(k)))
}

// Put sets the value of k to a copy of v. If k is new, it is copied, too.
func (m *ConcurrentBufMap) Put(k string, v []byte) error {
	s := m.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.u.Put(m.a, k, stringFrom(v))
}

// AppendGet appends the value of k to dst and returns the result, and true, or
// dst as it is, and false, if the map does not hold k.
func (m *ConcurrentBufMap) AppendGet(dst []byte, k string) ([]byte, bool) {
	s := m.shard(k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, ok := s.u.Get(k)
	return append(dst, v...), ok
}

// View calls f with the value of k, if the map holds k, and tells whether it
// does. f must neither change nor keep it; others may read at the same time.
func (m *ConcurrentBufMap) View(k string, f func(v []byte)) bool {
	s := m.shard(k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	v, ok := s.u.Get(k)
	if ok {
		f(stringBytes(v))
	}
	return ok
}

// Contains tells whether the map holds k.
func (m *ConcurrentBufMap) Contains(k string) bool {
	s := m.shard(k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.u.Contains(k)
}

// Remove removes the entry of k, which frees both, and tells whether there was
// one.
func (m *ConcurrentBufMap) Remove(k string) bool {
	s := m.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.u.Remove(m.a, k)
}

// DeleteFunc removes the entries for which del returns true. It locks one shard
// after the other.
func (m *ConcurrentBufMap) DeleteFunc(del func(k string, v []byte) bool) {
	m.shards.locked(func(u *BufMapUnmanaged) bool {
		for k, v := range u.Backward() { // which allows to remove
			if del(k, stringBytes(v)) {
				u.Remove(m.a, k)
			}
		}
		return true
	})
}

// Len returns the number of entries: if others change the map meanwhile, one
// that each shard had at some time.
func (m *ConcurrentBufMap) Len() int {
	n := 0
	m.shards.shared(func(u *BufMapUnmanaged) bool {
		n += u.Len()
		return true
	})
	return n
}

// All lends keys and values to the body of the loop, in no particular order. It
// locks one shard after the other for reading, also while the body of the loop
// runs, which must not call the map therefore, nor wait for those who do.
func (m *ConcurrentBufMap) All() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		m.each(func(r *stringRow) bool { return yield(r.key, stringBytes(r.val)) })
	}
}

// each calls f with the entries, on the terms of All.
func (m *ConcurrentBufMap) each(f func(*stringRow) bool) {
	m.shards.shared(func(u *BufMapUnmanaged) bool {
		for i := range u.rows {
			if !f(&u.rows[i]) {
				return false
			}
		}
		return true
	})
}

// Keys lends the keys, on the terms of All.
func (m *ConcurrentBufMap) Keys() iter.Seq[string] {
	return func(yield func(string) bool) {
		m.each(func(r *stringRow) bool { return yield(r.key) })
	}
}

// Values lends the values, on the terms of All.
func (m *ConcurrentBufMap) Values() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		m.each(func(r *stringRow) bool { return yield(stringBytes(r.val)) })
	}
}

// Drain yields the entries and removes each before it is yielded, on the terms
// of All, but locks for writing; key and value are freed when the body of the
// loop is done. Those that a loop does not get to stay.
func (m *ConcurrentBufMap) Drain() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		lent := func(k, v string) bool { return yield(k, stringBytes(v)) }
		m.shards.locked(func(u *BufMapUnmanaged) bool {
			for len(u.rows) > 0 {
				if !u.pop().lend(m.a, lent) {
					return false
				}
			}
			return true
		})
	}
}

// Clone returns a map of copies of the entries in memory of the same allocator:
// if others change the map meanwhile, those that each shard had at some time.
func (m *ConcurrentBufMap) Clone() (*ConcurrentBufMap, error) {
	c := &ConcurrentBufMap{a: m.a, seed: m.seed, shards: newShards[BufMapUnmanaged](len(m.shards.list))}
	var err error
	i := 0
	m.shards.shared(func(u *BufMapUnmanaged) bool {
		c.shards.list[i].u, err = u.Clone(m.a)
		i++
		return err == nil
	})
	if err != nil {
		c.Clear()
		return nil, err
	}
	return c, nil
}

// Clear removes all entries and gives all memory back. The map may be used
// again.
func (m *ConcurrentBufMap) Clear() {
	m.shards.locked(func(u *BufMapUnmanaged) bool {
		u.Close(m.a)
		return true
	})
}

// Close is Clear. It never allocates, and the error is always nil.
func (m *ConcurrentBufMap) Close() error {
	m.Clear()
	return nil
}
