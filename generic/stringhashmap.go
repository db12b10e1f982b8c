package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// A StringHashMap maps strings to values and owns its keys: it keeps a copy of
// each, so that the string that a key was put with may change or die.
// [StringHashMapUnmanaged] is the same without a stored allocator, and says more
// about both.
//
// Memory comes from the allocator given to [NewStringHashMap]: blocks for the
// entries and one for each key. Removing an entry frees its key.
//
// Keys that the map hands out are its own copies and live until their entry is
// removed. Pointers to values end their life then, and when the map grows,
// gives back memory, or is closed.
//
// Close takes time for every entry. A map in memory of an arena may be dropped
// together with it, without Close.
//
// A map is for one goroutine at a time and must not be copied. The zero
// StringHashMap has no allocator; call [NewStringHashMap].
type StringHashMap[V any] struct {
	_ noCopy
	a mem.Allocator
	u StringHashMapUnmanaged[V]
}

// NewStringHashMap returns an empty map, which first calls a when it first
// grows.
func NewStringHashMap[V any](a mem.Allocator) *StringHashMap[V] {
	if isNil(a) {
		panicNil(a, "generic: NewStringHashMap")
	}
	return &StringHashMap[V]{a: a}
}

// Allocator returns the allocator of the map.
func (m *StringHashMap[V]) Allocator() mem.Allocator { return m.a }

// SetContext has the map compare and hash keys as c says. It panics if the map
// has memory.
func (m *StringHashMap[V]) SetContext(c *Context[string]) { m.u.SetContext(c) }

// Close frees every key, gives all memory back, and leaves an empty map, which
// may be used again. It never allocates, and the error is always nil.
func (m *StringHashMap[V]) Close() error {
	m.u.Close(m.a)
	return nil
}

// Clone returns a map with the same entries, and copies of the keys of its own,
// in memory of the same allocator.
func (m *StringHashMap[V]) Clone() (*StringHashMap[V], error) {
	u, err := m.u.Clone(m.a)
	if err != nil {
		return nil, err
	}
	return &StringHashMap[V]{a: m.a, u: u}, nil
}

// ToUnmanaged returns the map without its allocator, which every call is handed
// from now on, and leaves m empty, without memory but with the same Context.
func (m *StringHashMap[V]) ToUnmanaged() StringHashMapUnmanaged[V] {
	u := m.u
	m.u = StringHashMapUnmanaged[V]{}
	m.u.keepContext(&u)
	return u
}

// Put sets the value of k to v, and returns the map's copy of k.
func (m *StringHashMap[V]) Put(k string, v V) (string, error) { return m.u.Put(m.a, k, v) }

// FetchPut sets the value of k to v and returns the value before, and whether
// there was one.
func (m *StringHashMap[V]) FetchPut(k string, v V) (old V, had bool, err error) {
	return m.u.FetchPut(m.a, k, v)
}

// GetOrPut returns the place of k in the map, which it adds with a zero value
// if the map does not hold it. It cannot fail if the map does.
func (m *StringHashMap[V]) GetOrPut(k string) (Slot[string, V], error) { return m.u.GetOrPut(m.a, k) }

// GetOrPutValue is GetOrPut with a value other than zero for a new entry.
func (m *StringHashMap[V]) GetOrPutValue(k string, v V) (Slot[string, V], error) {
	return m.u.GetOrPutValue(m.a, k, v)
}

// PutBytes is Put for a key that is not a string yet.
func (m *StringHashMap[V]) PutBytes(k []byte, v V) (string, error) { return m.u.PutBytes(m.a, k, v) }

// GetBytes is Get for a key that is not a string yet.
func (m *StringHashMap[V]) GetBytes(k []byte) (v V, ok bool) { return m.u.GetBytes(k) }

// Get returns the value of k, and whether the map holds k.
func (m *StringHashMap[V]) Get(k string) (v V, ok bool) {
	if s, _ := m.u.lookup(k); s != nil {
		return s.val, true
	}
	return // inlined, which a value here would prevent
}

// GetPtr returns a pointer to the value of k in the map, or nil if the map does
// not hold k. It lives as long as pointers into the map do.
func (m *StringHashMap[V]) GetPtr(k string) *V { return m.u.GetPtr(k) }

// GetKey returns the map's copy of k, and whether the map holds k.
func (m *StringHashMap[V]) GetKey(k string) (string, bool) { return m.u.GetKey(k) }

// Contains tells whether the map holds k.
func (m *StringHashMap[V]) Contains(k string) bool { return m.u.Contains(k) }

// Remove removes k and its value, frees the map's copy of k, and tells whether
// the map held it. k may be that copy.
func (m *StringHashMap[V]) Remove(k string) bool { return m.u.Remove(m.a, k) }

// FetchRemove is Remove that returns the value.
func (m *StringHashMap[V]) FetchRemove(k string) (v V, ok bool) { return m.u.FetchRemove(m.a, k) }

// DeleteFunc removes the entries for which del returns true, and frees their
// keys. What del may do to the map is what a loop over All may.
func (m *StringHashMap[V]) DeleteFunc(del func(k string, v V) bool) { m.u.DeleteFunc(m.a, del) }

// LockPointers declares that pointers into the map and keys of it are in use:
// until UnlockPointers was called as often, every operation that would end the
// life of one panics, and changes nothing. Adding entries is none as long as the
// map does not have to grow, nor is setting values.
func (m *StringHashMap[V]) LockPointers() { m.u.LockPointers() }

// UnlockPointers takes one LockPointers back.
func (m *StringHashMap[V]) UnlockPointers() { m.u.UnlockPointers() }

// Rehash puts every entry where it is found soonest, which it moves for that. It
// takes no memory. There is no need to call it now and then: removals leave
// nothing behind.
func (m *StringHashMap[V]) Rehash() { m.u.Rehash() }

// Len returns the number of entries.
func (m *StringHashMap[V]) Len() int { return m.u.Len() }

// Cap returns how many entries fit without more memory than that of their keys.
func (m *StringHashMap[V]) Cap() int { return m.u.Cap() }

// EnsureTotalCapacity makes room for n entries in all, save for their keys. It
// panics if n is negative.
func (m *StringHashMap[V]) EnsureTotalCapacity(n int) error { return m.u.EnsureTotalCapacity(m.a, n) }

// EnsureUnusedCapacity makes room for n entries more, save for their keys. It
// panics if n is negative.
func (m *StringHashMap[V]) EnsureUnusedCapacity(n int) error { return m.u.EnsureUnusedCapacity(m.a, n) }

// Clear removes all entries, frees their keys, and keeps the memory of the entries
// themselves.
func (m *StringHashMap[V]) Clear() { m.u.Clear(m.a) }

// ClearAndFree removes all entries and gives back all memory.
func (m *StringHashMap[V]) ClearAndFree() { m.u.ClearAndFree(m.a) }

// ShrinkAndFree gives back the memory that the entries do not need, as far as
// whole parts go, and takes back what was reserved. The entries are moved to other
// memory; where there is none, the map keeps what it has, so that it cannot fail.
func (m *StringHashMap[V]) ShrinkAndFree() { m.u.ShrinkAndFree(m.a) }

// All yields the entries, in no particular order. During the iteration, values
// may be set and entries removed, the one just yielded too, which ends the life
// of its key; those that are removed before they are yielded are not yielded.
// It panics if the map grows or shrinks meanwhile, and an entry that is added
// without that may or may not be yielded.
func (m *StringHashMap[V]) All() iter.Seq2[string, V] { return m.u.All() }

// AllPtr is All with pointers to the values in the map, which live as long as
// pointers into the map do.
func (m *StringHashMap[V]) AllPtr() iter.Seq2[string, *V] { return m.u.AllPtr() }

// Drain yields the entries, on the terms of All, and removes each before it is
// yielded; its key is freed when the body of the loop is done. Those that a loop
// does not get to stay.
func (m *StringHashMap[V]) Drain() iter.Seq2[string, V] { return m.u.Drain(m.a) }

// Keys yields the keys, on the terms of All.
func (m *StringHashMap[V]) Keys() iter.Seq[string] { return m.u.Keys() }

// Values yields the values, on the terms of All.
func (m *StringHashMap[V]) Values() iter.Seq[V] { return m.u.Values() }

// GetAdapted is Get by something else than a string: it returns the value of the
// key with the given hash, in the sense of the map's [Context], for which equal
// returns true. It panics if the map has no Context.
func (m *StringHashMap[V]) GetAdapted(hash uint64, equal func(string) bool) (v V, ok bool) {
	return m.u.GetAdapted(hash, equal)
}

// GetPtrAdapted is GetPtr on the terms of GetAdapted.
func (m *StringHashMap[V]) GetPtrAdapted(hash uint64, equal func(string) bool) *V {
	return m.u.GetPtrAdapted(hash, equal)
}

// GetKeyAdapted is GetKey on the terms of GetAdapted.
func (m *StringHashMap[V]) GetKeyAdapted(hash uint64, equal func(string) bool) (key string, ok bool) {
	return m.u.GetKeyAdapted(hash, equal)
}

// GetOrPutAdapted is GetOrPut on the terms of GetAdapted. Only if the map does
// not hold the key, it calls key for it, which must have the hash and must not
// touch the map, and takes a copy. An error of key is returned as it is.
func (m *StringHashMap[V]) GetOrPutAdapted(hash uint64, equal func(string) bool, key func() (string, error)) (Slot[string, V], error) {
	return m.u.GetOrPutAdapted(m.a, hash, equal, key)
}

// FetchRemoveAdapted is FetchRemove on the terms of GetAdapted.
func (m *StringHashMap[V]) FetchRemoveAdapted(hash uint64, equal func(string) bool) (v V, ok bool) {
	return m.u.FetchRemoveAdapted(m.a, hash, equal)
}
