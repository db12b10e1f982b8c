package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// A StringConcurrentMap maps strings to values for many goroutines and owns its
// keys: it keeps a copy of each, so that the string that a key was put with may
// change or die. It is a number of [StringHashMapUnmanaged], to which keys are
// distributed by their hash, each with a lock that many may read under. For
// values that are strings of bytes, copied as well, there is [ConcurrentBufMap].
//
// Memory comes from the allocator given to [NewStringConcurrentMap], which must
// be safe for concurrent use: blocks for the entries and one for each key.
// Removing an entry frees its key, and keeps the rest for later; Clear and Close
// give all memory back.
//
// It hands out no memory that another goroutine could free: values are copied,
// or lent under the lock to the functions given to View and Update, and its own
// copies of keys are lent to those given to DeleteFunc and to the bodies of
// loops. What is lent is dead afterwards; clone a key that is to live longer,
// with strings.Clone or [mem.DupeString]. Where values refer to memory that
// whoever removes them frees, only View may look at it.
//
// Functions that the methods call while they hold a lock, and the bodies of
// loops over an iterator, must not call the map: they would wait for themselves.
// A map must not be copied. The zero StringConcurrentMap has no allocator; call
// [NewStringConcurrentMap].
type StringConcurrentMap[V any] struct {
	_      noCopy
	a      mem.Allocator
	ctx    *Context[string]
	seed   uint64
	shards shards[StringHashMapUnmanaged[V]]
}

// NewStringConcurrentMap returns an empty map, which first calls a when it first
// grows.
func NewStringConcurrentMap[V any](a mem.Allocator) *StringConcurrentMap[V] {
	if isNil(a) {
		panicNil(a, "generic: NewStringConcurrentMap")
	}
	return &StringConcurrentMap[V]{a: a, seed: newSeed(), shards: newShards[StringHashMapUnmanaged[V]](shardCount())}
}

// SetContext has the map compare and hash keys as c says. It must be called
// before anything else is, and panics, with nothing changed, if the map has memory.
func (m *StringConcurrentMap[V]) SetContext(c *Context[string]) {
	m.shards.shared(func(u *StringHashMapUnmanaged[V]) bool { // all, before one is changed
		checkContext(c, u.t.from, "generic: StringConcurrentMap.SetContext")
		return true
	})
	m.shards.locked(func(u *StringHashMapUnmanaged[V]) bool {
		u.SetContext(c)
		return true
	})
	m.ctx = c
}

// Allocator returns the allocator of the map.
func (m *StringConcurrentMap[V]) Allocator() mem.Allocator { return m.a }

// shard returns the shard of k.
func (m *StringConcurrentMap[V]) shard(k string) *shard[StringHashMapUnmanaged[V]] {
	if len(m.shards.list) == 0 {
		panic("generic: the zero StringConcurrentMap has no allocator; call NewStringConcurrentMap")
	}
	if m.ctx != nil {
		return m.shards.of(mix(m.ctx.Hash(k) ^ m.seed))
	}
	return m.shards.of(hashOf(m.seed, stringBytes(k)))
}

// Get returns a copy of the value of k, and whether the map holds k.
func (m *StringConcurrentMap[V]) Get(k string) (v V, ok bool) {
	s := m.shard(k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.u.Get(k)
}

// GetBytes is Get for a key that is not a string yet.
func (m *StringConcurrentMap[V]) GetBytes(k []byte) (v V, ok bool) { return m.Get(stringFrom(k)) }

// Contains tells whether the map holds k.
func (m *StringConcurrentMap[V]) Contains(k string) bool {
	s := m.shard(k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.u.Contains(k)
}

// View calls f with the value of k, if the map holds k, and tells whether it
// does. f must neither change the value nor keep the pointer; others may read at
// the same time.
func (m *StringConcurrentMap[V]) View(k string, f func(v *V)) bool {
	s := m.shard(k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	v := s.u.GetPtr(k)
	if v != nil {
		f(v)
	}
	return v != nil
}

// Put sets the value of k to v. If k is new, the map takes a copy of it.
func (m *StringConcurrentMap[V]) Put(k string, v V) error {
	s := m.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.u.Put(m.a, k, v)
	return err
}

// PutBytes is Put for a key that is not a string yet.
func (m *StringConcurrentMap[V]) PutBytes(k []byte, v V) error { return m.Put(stringFrom(k), v) }

// FetchPut sets the value of k to v and returns the value before, and whether
// there was one.
func (m *StringConcurrentMap[V]) FetchPut(k string, v V) (old V, had bool, err error) {
	s := m.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.u.FetchPut(m.a, k, v)
}

// GetOrPut returns a copy of the value of k, and true, or sets it to v, if the
// map does not hold k, and returns v and false.
func (m *StringConcurrentMap[V]) GetOrPut(k string, v V) (value V, found bool, err error) {
	if value, found = m.Get(k); found {
		return value, true, nil
	}
	s := m.shard(k)
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
func (m *StringConcurrentMap[V]) Update(k string, f func(v *V, found bool) (keep bool)) error {
	s := m.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.u.GetOrPut(m.a, k)
	if err != nil {
		return err
	}
	keep := e.Found
	defer func() { // f may panic, too
		if !keep {
			s.u.Remove(m.a, k)
		}
	}()
	keep = f(e.Value, e.Found)
	return nil
}

// Remove removes k and its value, frees the map's copy of k, and tells whether
// the map held it.
func (m *StringConcurrentMap[V]) Remove(k string) bool {
	_, ok := m.FetchRemove(k)
	return ok
}

// FetchRemove is Remove that returns the value.
func (m *StringConcurrentMap[V]) FetchRemove(k string) (v V, ok bool) {
	s := m.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.u.FetchRemove(m.a, k)
}

// DeleteFunc removes the entries for which del returns true, and frees their
// keys. It locks one shard after the other.
func (m *StringConcurrentMap[V]) DeleteFunc(del func(k string, v V) bool) {
	m.shards.locked(func(u *StringHashMapUnmanaged[V]) bool {
		u.DeleteFunc(m.a, del)
		return true
	})
}

// Len returns the number of entries: if others change the map meanwhile, one
// that each shard had at some time.
func (m *StringConcurrentMap[V]) Len() int {
	n := 0
	m.shards.shared(func(u *StringHashMapUnmanaged[V]) bool {
		n += u.Len()
		return true
	})
	return n
}

// All yields the map's own copies of keys, which are dead when the body of the
// loop is done, and copies of values, in no particular order. It locks one shard
// after the other for reading, also while the body of the loop runs, which must
// not call the map therefore, nor wait for those who do.
func (m *StringConcurrentMap[V]) All() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		m.each(func(s *slot[ownedKey, V]) bool { return yield(s.key.string(), s.val) })
	}
}

// each calls f with the slots in use, on the terms of All.
func (m *StringConcurrentMap[V]) each(f func(*slot[ownedKey, V]) bool) {
	m.shards.shared(func(u *StringHashMapUnmanaged[V]) (more bool) {
		more = true
		u.t.all(func(s *slot[ownedKey, V]) bool {
			more = f(s)
			return more
		})
		return more
	})
}

// Keys yields the keys, on the terms of All.
func (m *StringConcurrentMap[V]) Keys() iter.Seq[string] {
	return func(yield func(string) bool) {
		m.each(func(s *slot[ownedKey, V]) bool { return yield(s.key.string()) })
	}
}

// Values yields copies of the values, on the terms of All.
func (m *StringConcurrentMap[V]) Values() iter.Seq[V] {
	return func(yield func(V) bool) {
		m.each(func(s *slot[ownedKey, V]) bool { return yield(s.val) })
	}
}

// Drain yields the entries and removes each before it is yielded, on the terms
// of All, but locks for writing; a key is freed when the body of the loop is
// done. Those that a loop does not get to stay.
func (m *StringConcurrentMap[V]) Drain() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		m.shards.locked(func(u *StringHashMapUnmanaged[V]) (more bool) {
			more = true
			u.t.drain("generic: StringConcurrentMap.Drain", func(s slot[ownedKey, V]) bool {
				defer mem.FreeString(m.a, s.key.string())
				more = yield(s.key.string(), s.val)
				return more
			})
			return more
		})
	}
}

// Clone returns a map with the same entries, and copies of the keys of its own,
// in memory of the same allocator: if others change the map meanwhile, those
// that each shard had at some time.
func (m *StringConcurrentMap[V]) Clone() (*StringConcurrentMap[V], error) {
	c := &StringConcurrentMap[V]{a: m.a, ctx: m.ctx, seed: m.seed,
		shards: newShards[StringHashMapUnmanaged[V]](len(m.shards.list))}
	var err error
	i := 0
	m.shards.shared(func(u *StringHashMapUnmanaged[V]) bool {
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
func (m *StringConcurrentMap[V]) Clear() {
	m.shards.locked(func(u *StringHashMapUnmanaged[V]) bool {
		u.Close(m.a)
		return true
	})
}

// Close is Clear. It never allocates, and the error is always nil.
func (m *StringConcurrentMap[V]) Close() error {
	m.Clear()
	return nil
}
