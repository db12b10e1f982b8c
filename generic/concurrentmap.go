package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// A ConcurrentMap maps keys to values for many goroutines: a number of
// [HashMapUnmanaged], to which keys are distributed by their hash, each with a
// lock that many may read under. For strings off the Go heap as keys there is
// [StringConcurrentMap], for strings as values, too, [ConcurrentBufMap].
//
// Memory comes from the allocator given to [NewConcurrentMap], which must be
// safe for concurrent use. Removing entries keeps it for later; Clear and Close
// give it back. Keys and values may hold pointers as in a [HashMap].
//
// What it returns are copies of keys and values, and View and Update lend values
// under the lock: it hands out no memory that another goroutine could free. Where
// values refer to memory that whoever removes them frees, only View may look at
// it.
//
// Functions that the methods call while they hold a lock, and the bodies of
// loops over an iterator, must not call the map: they would wait for themselves.
// A map must not be copied. The zero ConcurrentMap has no allocator; call
// [NewConcurrentMap].
type ConcurrentMap[K comparable, V any] struct {
	_      noCopy
	a      mem.Allocator
	h      hasher[K]
	shards shards[HashMapUnmanaged[K, V]]
}

// NewConcurrentMap returns an empty map, which first calls a when it first
// grows.
func NewConcurrentMap[K comparable, V any](a mem.Allocator) *ConcurrentMap[K, V] {
	if isNil(a) {
		panicNil(a, "generic: NewConcurrentMap")
	}
	m := &ConcurrentMap[K, V]{a: a, shards: newShards[HashMapUnmanaged[K, V]](shardCount())}
	m.h.begin(false)
	return m
}

// SetContext has the map compare and hash keys as c says. It must be called
// before anything else is, and panics, with nothing changed, if the map has memory.
func (m *ConcurrentMap[K, V]) SetContext(c *Context[K]) {
	m.shards.shared(func(u *HashMapUnmanaged[K, V]) bool { // all, before one is changed
		checkContext(c, u.t.from, "generic: ConcurrentMap.SetContext")
		return true
	})
	m.shards.locked(func(u *HashMapUnmanaged[K, V]) bool {
		u.SetContext(c)
		return true
	})
	m.h = hasher[K]{ctx: c}
	m.h.begin(false)
}

// Allocator returns the allocator of the map.
func (m *ConcurrentMap[K, V]) Allocator() mem.Allocator { return m.a }

// shard returns the shard of k.
func (m *ConcurrentMap[K, V]) shard(k *K) *shard[HashMapUnmanaged[K, V]] {
	if len(m.shards.list) == 0 {
		panic("generic: the zero ConcurrentMap has no allocator; call NewConcurrentMap")
	}
	return m.shards.of(m.h.hash(k))
}

// Get returns a copy of the value of k, and whether the map holds k.
func (m *ConcurrentMap[K, V]) Get(k K) (v V, ok bool) {
	s := m.shard(&k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.u.Get(k)
}

// Contains tells whether the map holds k.
func (m *ConcurrentMap[K, V]) Contains(k K) bool {
	s := m.shard(&k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.u.Contains(k)
}

// View calls f with the value of k, if the map holds k, and tells whether it
// does. f must neither change the value nor keep the pointer; others may read at
// the same time.
func (m *ConcurrentMap[K, V]) View(k K, f func(v *V)) bool {
	s := m.shard(&k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	v := s.u.GetPtr(k)
	if v != nil {
		f(v)
	}
	return v != nil
}

// Put sets the value of k to v.
func (m *ConcurrentMap[K, V]) Put(k K, v V) error {
	s := m.shard(&k)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.u.Put(m.a, k, v)
}

// FetchPut sets the value of k to v and returns the value before, and whether
// there was one.
func (m *ConcurrentMap[K, V]) FetchPut(k K, v V) (old V, had bool, err error) {
	s := m.shard(&k)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.u.FetchPut(m.a, k, v)
}

// GetOrPut returns a copy of the value of k, and true, or sets it to v, if the
// map does not hold k, and returns v and false.
func (m *ConcurrentMap[K, V]) GetOrPut(k K, v V) (value V, found bool, err error) {
	if value, found = m.Get(k); found {
		return value, true, nil
	}
	s := m.shard(&k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.u.GetOrPutValue(m.a, k, v)
	if err != nil {
		return value, false, err
	}
	return *e.Value, e.Found, nil
}

// Update calls f with the value of k, which it may change: a zero value, with
// found unset, if the map did not hold k. The map holds k afterwards if f returns
// true, else it does not. No other goroutine sees what is between. If there is
// no memory for a new entry, f is not called.
func (m *ConcurrentMap[K, V]) Update(k K, f func(v *V, found bool) (keep bool)) error {
	s := m.shard(&k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.u.GetOrPut(m.a, k)
	if err != nil {
		return err
	}
	keep := e.Found
	defer func() { // f may panic, too
		if !keep && !s.u.Remove(k) { // a NaN, which is not found
			s.u.t.removeValue(e.Value, "generic: ConcurrentMap.Update")
		}
	}()
	keep = f(e.Value, e.Found)
	return nil
}

// Remove removes k and its value, and tells whether the map held it.
func (m *ConcurrentMap[K, V]) Remove(k K) bool {
	_, ok := m.FetchRemove(k)
	return ok
}

// FetchRemove removes k and returns its value, and whether the map held it.
func (m *ConcurrentMap[K, V]) FetchRemove(k K) (v V, ok bool) {
	s := m.shard(&k)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.u.FetchRemove(k)
}

// DeleteFunc removes the entries for which del returns true. It locks one shard
// after the other.
func (m *ConcurrentMap[K, V]) DeleteFunc(del func(K, V) bool) {
	m.shards.locked(func(u *HashMapUnmanaged[K, V]) bool {
		u.DeleteFunc(del)
		return true
	})
}

// Len returns the number of entries: if others change the map meanwhile, one
// that each shard had at some time.
func (m *ConcurrentMap[K, V]) Len() int {
	n := 0
	m.shards.shared(func(u *HashMapUnmanaged[K, V]) bool {
		n += u.Len()
		return true
	})
	return n
}

// All yields copies of the entries, in no particular order. It locks one shard
// after the other for reading, also while the body of the loop runs, which must
// not call the map therefore, nor wait for those who do.
func (m *ConcurrentMap[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		m.each(func(s *slot[K, V]) bool { return yield(s.key, s.val) })
	}
}

// each calls f with the slots in use, on the terms of All. Iterators within one
// another would cost memory for each shard.
func (m *ConcurrentMap[K, V]) each(f func(*slot[K, V]) bool) {
	m.shards.shared(func(u *HashMapUnmanaged[K, V]) (more bool) {
		more = true
		u.t.all(func(s *slot[K, V]) bool {
			more = f(s)
			return more
		})
		return more
	})
}

// Keys yields copies of the keys, on the terms of All.
func (m *ConcurrentMap[K, V]) Keys() iter.Seq[K] {
	return func(yield func(K) bool) {
		m.each(func(s *slot[K, V]) bool { return yield(s.key) })
	}
}

// Values yields copies of the values, on the terms of All.
func (m *ConcurrentMap[K, V]) Values() iter.Seq[V] {
	return func(yield func(V) bool) {
		m.each(func(s *slot[K, V]) bool { return yield(s.val) })
	}
}

// Drain yields the entries and removes each before it is yielded, on the terms
// of All, but locks for writing. Those that a loop does not get to stay.
func (m *ConcurrentMap[K, V]) Drain() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		m.shards.locked(func(u *HashMapUnmanaged[K, V]) (more bool) {
			more = true
			u.t.drain("generic: ConcurrentMap.Drain", func(s slot[K, V]) bool {
				more = yield(s.key, s.val)
				return more
			})
			return more
		})
	}
}

// Clone returns a map with the same entries in memory of the same allocator: if
// others change the map meanwhile, those that each shard had at some time.
func (m *ConcurrentMap[K, V]) Clone() (*ConcurrentMap[K, V], error) {
	c := &ConcurrentMap[K, V]{a: m.a, h: m.h, shards: newShards[HashMapUnmanaged[K, V]](len(m.shards.list))}
	var err error
	i := 0
	m.shards.shared(func(u *HashMapUnmanaged[K, V]) bool {
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
func (m *ConcurrentMap[K, V]) Clear() {
	m.shards.locked(func(u *HashMapUnmanaged[K, V]) bool {
		u.Close(m.a)
		return true
	})
}

// Close is Clear. It never allocates, and the error is always nil.
func (m *ConcurrentMap[K, V]) Close() error {
	m.Clear()
	return nil
}
