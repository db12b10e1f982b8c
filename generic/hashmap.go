package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// A HashMap maps keys to values, as Go's map does. [HashMapUnmanaged] is the same
// without a stored allocator, and says more about both.
//
// Memory comes from the allocator given to [NewHashMap]. Removing entries keeps
// it for later; ShrinkAndFree, ClearAndFree and Close give it back.
//
// Strings as keys are Go pointers, which memory off the Go heap must not hold:
// for them there is [StringHashMap], which keeps copies of its keys in its own
// memory.
//
// Keys are compared with ==, as in a Go map; the order of entries is undefined.
// Pointers into the map end their life when their entry is removed, and when
// the map grows, gives back memory, or is closed.
//
// A map is for one goroutine at a time and must not be copied. The zero HashMap
// has no allocator; call [NewHashMap].
type HashMap[K comparable, V any] struct {
	_ noCopy
	a mem.Allocator
	u HashMapUnmanaged[K, V]
}

// NewHashMap returns an empty map, which first calls a when it first grows.
func NewHashMap[K comparable, V any](a mem.Allocator) *HashMap[K, V] {
	if isNil(a) {
		panicNil(a, "generic: NewHashMap")
	}
	return &HashMap[K, V]{a: a}
}

// Allocator returns the allocator of the map.
func (m *HashMap[K, V]) Allocator() mem.Allocator { return m.a }

// SetContext has the map compare and hash keys as c says. It panics if the map
// has memory.
func (m *HashMap[K, V]) SetContext(c *Context[K]) { m.u.SetContext(c) }

// Close gives all memory back and leaves an empty map, which may be used again.
// It never allocates, and the error is always nil.
func (m *HashMap[K, V]) Close() error {
	m.u.Close(m.a)
	return nil
}

// Clone returns a map with the same entries in memory of the same allocator.
func (m *HashMap[K, V]) Clone() (*HashMap[K, V], error) {
	u, err := m.u.Clone(m.a)
	if err != nil {
		return nil, err
	}
	return &HashMap[K, V]{a: m.a, u: u}, nil
}

// ToUnmanaged returns the map without its allocator, which every call is handed
// from now on, and leaves m empty, without memory but with the same Context.
func (m *HashMap[K, V]) ToUnmanaged() HashMapUnmanaged[K, V] {
	u := m.u
	m.u = HashMapUnmanaged[K, V]{}
	m.u.t.ctx = u.t.ctx
	return u
}

// Put sets the value of k to v. If the map holds k already, it keeps the key
// that it has.
func (m *HashMap[K, V]) Put(k K, v V) error { return m.u.Put(m.a, k, v) }

// PutAssumeCapacity is Put without growing. It panics if k is new and there is
// no room for it; see EnsureUnusedCapacity.
func (m *HashMap[K, V]) PutAssumeCapacity(k K, v V) { m.u.PutAssumeCapacity(k, v) }

// FetchPut sets the value of k to v and returns the value before, and whether
// there was one.
func (m *HashMap[K, V]) FetchPut(k K, v V) (old V, had bool, err error) {
	return m.u.FetchPut(m.a, k, v)
}

// GetOrPut returns the place of k in the map, which it adds with a zero value
// if the map does not hold it. It cannot fail if the map does.
func (m *HashMap[K, V]) GetOrPut(k K) (Slot[K, V], error) { return m.u.GetOrPut(m.a, k) }

// GetOrPutValue is GetOrPut with a value other than zero for a new entry.
func (m *HashMap[K, V]) GetOrPutValue(k K, v V) (Slot[K, V], error) {
	return m.u.GetOrPutValue(m.a, k, v)
}

// GetOrPutAssumeCapacity is GetOrPut without growing. It panics if k is new and
// there is no room for it; see EnsureUnusedCapacity.
func (m *HashMap[K, V]) GetOrPutAssumeCapacity(k K) Slot[K, V] { return m.u.GetOrPutAssumeCapacity(k) }

// GetKey returns the key of the map that is equal to k, and whether there is
// one. They may differ if there is a Context.
func (m *HashMap[K, V]) GetKey(k K) (key K, ok bool) { return m.u.GetKey(k) }

// Get returns the value of k, and whether the map holds k.
func (m *HashMap[K, V]) Get(k K) (v V, ok bool) {
	if s := m.u.t.find(k); s != nil {
		return s.val, true
	}
	return // inlined, which a value here would prevent
}

// GetPtr returns a pointer to the value of k in the map, or nil if the map does
// not hold k. It lives as long as pointers into the map do.
func (m *HashMap[K, V]) GetPtr(k K) *V { return m.u.GetPtr(k) }

// Contains tells whether the map holds k.
func (m *HashMap[K, V]) Contains(k K) bool { return m.u.Contains(k) }

// Remove removes k and its value, and tells whether the map held it.
func (m *HashMap[K, V]) Remove(k K) bool { return m.u.Remove(k) }

// FetchRemove removes k and returns its value, and whether the map held it.
func (m *HashMap[K, V]) FetchRemove(k K) (v V, ok bool) { return m.u.FetchRemove(k) }

// DeleteFunc removes the entries for which del returns true. What del may do to
// the map is what a loop over All may.
func (m *HashMap[K, V]) DeleteFunc(del func(K, V) bool) { m.u.DeleteFunc(del) }

// GetAdapted is Get by something else than a K: it returns the value of the key
// with the given hash, in the sense of the map's [Context], for which equal
// returns true. It panics if the map has no Context.
func (m *HashMap[K, V]) GetAdapted(hash uint64, equal func(K) bool) (v V, ok bool) {
	return m.u.GetAdapted(hash, equal)
}

// GetPtrAdapted is GetPtr on the terms of GetAdapted.
func (m *HashMap[K, V]) GetPtrAdapted(hash uint64, equal func(K) bool) *V {
	return m.u.GetPtrAdapted(hash, equal)
}

// GetOrPutAdapted is GetOrPut on the terms of GetAdapted. Only if the map does
// not hold the key, it calls key for it, which must have the hash and must not
// touch the map. An error of key is returned as it is.
func (m *HashMap[K, V]) GetOrPutAdapted(hash uint64, equal func(K) bool, key func() (K, error)) (Slot[K, V], error) {
	return m.u.GetOrPutAdapted(m.a, hash, equal, key)
}

// FetchRemoveAdapted is FetchRemove on the terms of GetAdapted, and returns the
// key as well, which may have to be freed.
func (m *HashMap[K, V]) FetchRemoveAdapted(hash uint64, equal func(K) bool) (k K, v V, ok bool) {
	return m.u.FetchRemoveAdapted(hash, equal)
}

// LockPointers declares that pointers into the map are in use: until
// UnlockPointers was called as often, every operation that would end the life of
// one panics, and changes nothing. Adding entries is none as long as the map
// does not have to grow, nor is setting values.
func (m *HashMap[K, V]) LockPointers() { m.u.LockPointers() }

// UnlockPointers takes one LockPointers back.
func (m *HashMap[K, V]) UnlockPointers() { m.u.UnlockPointers() }

// Rehash puts every entry where it is found soonest, which it moves for that. It
// takes no memory. There is no need to call it now and then: removals leave
// nothing behind.
func (m *HashMap[K, V]) Rehash() { m.u.Rehash() }

// Len returns the number of entries.
func (m *HashMap[K, V]) Len() int { return m.u.Len() }

// Cap returns how many entries fit: as long as there are fewer, no Put fails. A
// map that was not told in advance may ask for memory before, to be faster with
// it, and does without where there is none.
func (m *HashMap[K, V]) Cap() int { return m.u.Cap() }

// EnsureTotalCapacity makes room for n entries in all. It panics if n is
// negative.
func (m *HashMap[K, V]) EnsureTotalCapacity(n int) error { return m.u.EnsureTotalCapacity(m.a, n) }

// EnsureUnusedCapacity makes room for n entries more. It panics if n is
// negative.
func (m *HashMap[K, V]) EnsureUnusedCapacity(n int) error { return m.u.EnsureUnusedCapacity(m.a, n) }

// Clear removes all entries and keeps the memory.
func (m *HashMap[K, V]) Clear() { m.u.Clear() }

// ClearAndFree removes all entries and gives back the memory.
func (m *HashMap[K, V]) ClearAndFree() { m.u.ClearAndFree(m.a) }

// ShrinkAndFree gives back the memory that the entries do not need, as far as
// whole parts go, and takes back what was reserved. The entries are moved to other
// memory; where there is none, the map keeps what it has, so that it cannot fail.
func (m *HashMap[K, V]) ShrinkAndFree() { m.u.ShrinkAndFree(m.a) }

// All yields the entries, in no particular order. During the iteration, values
// may be set and entries removed; those that are removed before they are
// yielded are not yielded. It panics if the map grows or shrinks meanwhile, and
// an entry that is added without that may or may not be yielded.
func (m *HashMap[K, V]) All() iter.Seq2[K, V] { return m.u.All() }

// AllPtr is All with pointers to the values in the map, which live as long as
// pointers into the map do.
func (m *HashMap[K, V]) AllPtr() iter.Seq2[K, *V] { return m.u.AllPtr() }

// Drain yields the entries and removes each before it is yielded, on the terms of
// All. Those that a loop does not get to stay.
func (m *HashMap[K, V]) Drain() iter.Seq2[K, V] { return m.u.Drain() }

// Keys yields the keys, on the terms of All.
func (m *HashMap[K, V]) Keys() iter.Seq[K] { return m.u.Keys() }

// Values yields the values, on the terms of All.
func (m *HashMap[K, V]) Values() iter.Seq[V] { return m.u.Values() }

// GetKeyAdapted is GetKey on the terms of GetAdapted.
func (m *HashMap[K, V]) GetKeyAdapted(hash uint64, equal func(K) bool) (key K, ok bool) {
	return m.u.GetKeyAdapted(hash, equal)
}
