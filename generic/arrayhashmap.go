package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// An ArrayHashMap maps keys to values and keeps them in the order in which they
// were added, in two blocks that can be looked at as slices.
// [ArrayHashMapUnmanaged] is the same without a stored allocator, and says more
// about both.
//
// Memory comes from the allocator given to [NewArrayHashMap]. Removing entries
// keeps it for later; ShrinkAndFree, ClearAndFree and Close give it back.
//
// Pointers and slices into the map end their life when it grows, gives back
// memory, or is closed, and refer to another entry when entries are removed.
//
// A map is for one goroutine at a time and must not be copied. The zero
// ArrayHashMap has no allocator; call [NewArrayHashMap].
type ArrayHashMap[K comparable, V any] struct {
	_ noCopy
	a mem.Allocator
	u ArrayHashMapUnmanaged[K, V]
}

// NewArrayHashMap returns an empty map, which first calls a when it first grows.
func NewArrayHashMap[K comparable, V any](a mem.Allocator) *ArrayHashMap[K, V] {
	if isNil(a) {
		panicNil(a, "generic: NewArrayHashMap")
	}
	return &ArrayHashMap[K, V]{a: a}
}

// Allocator returns the allocator of the map.
func (m *ArrayHashMap[K, V]) Allocator() mem.Allocator { return m.a }

// Close gives all memory back and leaves an empty map, which may be used again.
// It never allocates, and the error is always nil.
func (m *ArrayHashMap[K, V]) Close() error {
	m.u.Close(m.a)
	return nil
}

// Clone returns a map with the same entries in the same order, in memory of the
// same allocator.
func (m *ArrayHashMap[K, V]) Clone() (*ArrayHashMap[K, V], error) {
	u, err := m.u.Clone(m.a)
	if err != nil {
		return nil, err
	}
	return &ArrayHashMap[K, V]{a: m.a, u: u}, nil
}

// ToUnmanaged returns the map without its allocator, which every call is handed
// from now on, and leaves m empty, without memory but with the same Context.
func (m *ArrayHashMap[K, V]) ToUnmanaged() ArrayHashMapUnmanaged[K, V] {
	u := m.u
	m.u = ArrayHashMapUnmanaged[K, V]{}
	m.u.ctx = u.ctx
	return u
}

// SetContext has the map compare and hash keys as c says. It panics if the map
// has memory.
func (m *ArrayHashMap[K, V]) SetContext(c *Context[K]) { m.u.SetContext(c) }

// Put sets the value of k to v. If the map holds k already, it keeps the key
// that it has, and its place.
func (m *ArrayHashMap[K, V]) Put(k K, v V) error { return m.u.Put(m.a, k, v) }

// PutAssumeCapacity is Put without growing. It panics if k is new and there is
// no room for it; see EnsureUnusedCapacity.
func (m *ArrayHashMap[K, V]) PutAssumeCapacity(k K, v V) { m.u.PutAssumeCapacity(k, v) }

// FetchPut sets the value of k to v and returns the value before, and whether
// there was one.
func (m *ArrayHashMap[K, V]) FetchPut(k K, v V) (old V, had bool, err error) {
	return m.u.FetchPut(m.a, k, v)
}

// GetOrPut returns the place of k in the map, which it adds with a zero value
// if the map does not hold it. It cannot fail if the map does.
func (m *ArrayHashMap[K, V]) GetOrPut(k K) (Slot[K, V], error) { return m.u.GetOrPut(m.a, k) }

// Index returns the index of k in Keys and Values, or -1.
func (m *ArrayHashMap[K, V]) Index(k K) int { return m.u.Index(k) }

// Get returns the value of k, and whether the map holds k.
func (m *ArrayHashMap[K, V]) Get(k K) (v V, ok bool) { return m.u.Get(k) }

// GetPtr returns a pointer to the value of k in the map, or nil if the map does
// not hold k. It lives as long as pointers into the map do.
func (m *ArrayHashMap[K, V]) GetPtr(k K) *V { return m.u.GetPtr(k) }

// Contains tells whether the map holds k.
func (m *ArrayHashMap[K, V]) Contains(k K) bool { return m.u.Contains(k) }

// Keys returns the keys in order: the map's own memory, dead when the map grows,
// gives back memory, or is closed. Those who change them must call Reindex before
// anything else.
func (m *ArrayHashMap[K, V]) Keys() []K { return m.u.Keys() }

// Values returns the values in the order of their keys: memory of the map, dead
// when that of Keys is, which may be written.
func (m *ArrayHashMap[K, V]) Values() []V { return m.u.Values() }

// Reindex puts the map in order after keys were changed or moved, such as by
// sorting. Keys must be different from one another. It takes no memory.
func (m *ArrayHashMap[K, V]) Reindex() { m.u.Reindex() }

// SwapRemove removes k and its value, which the last entry takes the place of,
// and tells whether the map held it.
func (m *ArrayHashMap[K, V]) SwapRemove(k K) bool { return m.u.SwapRemove(k) }

// FetchSwapRemove is SwapRemove that returns the value.
func (m *ArrayHashMap[K, V]) FetchSwapRemove(k K) (v V, ok bool) { return m.u.FetchSwapRemove(k) }

// SwapRemoveAt is SwapRemove of the i-th entry, which it returns. It panics if
// there is none.
func (m *ArrayHashMap[K, V]) SwapRemoveAt(i int) (k K, v V) { return m.u.SwapRemoveAt(i) }

// OrderedRemove removes k and its value, and tells whether the map held it. It
// takes time for every entry.
func (m *ArrayHashMap[K, V]) OrderedRemove(k K) bool { return m.u.OrderedRemove(k) }

// FetchOrderedRemove is OrderedRemove that returns the value.
func (m *ArrayHashMap[K, V]) FetchOrderedRemove(k K) (v V, ok bool) {
	return m.u.FetchOrderedRemove(k)
}

// OrderedRemoveAt is OrderedRemove of the i-th entry, which it returns. It panics
// if there is none.
func (m *ArrayHashMap[K, V]) OrderedRemoveAt(i int) (k K, v V) { return m.u.OrderedRemoveAt(i) }

// Pop removes the last entry and returns it, or false if there is none.
func (m *ArrayHashMap[K, V]) Pop() (k K, v V, ok bool) { return m.u.Pop() }

// DeleteFunc removes the entries for which del returns true, and keeps the order
// of the others. del must not touch the map. It takes time for every entry, but
// once.
func (m *ArrayHashMap[K, V]) DeleteFunc(del func(K, V) bool) { m.u.DeleteFunc(del) }

// Len returns the number of entries.
func (m *ArrayHashMap[K, V]) Len() int { return m.u.Len() }

// Cap returns how many entries fit without another call to the allocator.
func (m *ArrayHashMap[K, V]) Cap() int { return m.u.Cap() }

// EnsureTotalCapacity makes room for n entries in all. It panics if n is
// negative.
func (m *ArrayHashMap[K, V]) EnsureTotalCapacity(n int) error {
	return m.u.EnsureTotalCapacity(m.a, n)
}

// EnsureUnusedCapacity makes room for n entries more. It panics if n is
// negative.
func (m *ArrayHashMap[K, V]) EnsureUnusedCapacity(n int) error {
	return m.u.EnsureUnusedCapacity(m.a, n)
}

// Clear removes all entries and keeps the memory.
func (m *ArrayHashMap[K, V]) Clear() { m.u.Clear() }

// ClearAndFree removes all entries and gives back the memory.
func (m *ArrayHashMap[K, V]) ClearAndFree() { m.u.ClearAndFree(m.a) }

// ShrinkAndFree gives back the memory that the entries do not need. It cannot
// fail: where there is no memory for a smaller block, the map keeps the one that
// it has.
func (m *ArrayHashMap[K, V]) ShrinkAndFree() { m.u.ShrinkAndFree(m.a) }

// All yields the entries in order. During the iteration, values may be set and
// entries added, which are yielded, too. If entries are removed, the next one
// may be another than it was to be.
func (m *ArrayHashMap[K, V]) All() iter.Seq2[K, V] { return m.u.All() }

// Backward yields the entries from the last to the first. The one just yielded
// may be removed.
func (m *ArrayHashMap[K, V]) Backward() iter.Seq2[K, V] { return m.u.Backward() }

// Drain yields the entries from the last to the first and removes each before
// it is yielded. Those that a loop does not get to stay.
func (m *ArrayHashMap[K, V]) Drain() iter.Seq2[K, V] { return m.u.Drain() }

// OrderedRemoveAtMany removes the entries at the given indexes, which must be
// sorted; one may occur more than once. It takes time for every entry, but once.
// It panics unless they are sorted and 0 <= i < Len holds for each.
func (m *ArrayHashMap[K, V]) OrderedRemoveAtMany(indexes []int) { m.u.OrderedRemoveAtMany(indexes) }

// ShrinkRetainingCapacity drops the entries from the n-th on and keeps the
// memory. It panics unless 0 <= n <= Len.
func (m *ArrayHashMap[K, V]) ShrinkRetainingCapacity(n int) { m.u.ShrinkRetainingCapacity(n) }

// SortFunc sorts the entries in place, with cmp comparing entries i and j by
// their indexes in Keys and Values. Entries that are equal may change places. It
// takes O(n log n) comparisons and swaps, and no memory.
func (m *ArrayHashMap[K, V]) SortFunc(cmp func(i, j int) int) { m.u.SortFunc(cmp) }

// SortStableFunc is SortFunc that keeps the order of entries that are equal. It
// takes O(n log n) comparisons and O(n log² n) swaps.
func (m *ArrayHashMap[K, V]) SortStableFunc(cmp func(i, j int) int) { m.u.SortStableFunc(cmp) }

// LockPointers declares that pointers and slices into the map are in use: until
// UnlockPointers was called as often, every operation that would end the life of
// one, or have it refer to another entry, panics, and changes nothing. Adding
// entries is none as long as the map does not have to grow, nor is setting
// values.
func (m *ArrayHashMap[K, V]) LockPointers() { m.u.LockPointers() }

// UnlockPointers takes one LockPointers back.
func (m *ArrayHashMap[K, V]) UnlockPointers() { m.u.UnlockPointers() }

// GetOrPutValue is GetOrPut with a value other than zero for a new entry.
func (m *ArrayHashMap[K, V]) GetOrPutValue(k K, v V) (Slot[K, V], error) {
	return m.u.GetOrPutValue(m.a, k, v)
}

// GetOrPutAssumeCapacity is GetOrPut without growing. It panics if k is new and
// there is no room for it; see EnsureUnusedCapacity.
func (m *ArrayHashMap[K, V]) GetOrPutAssumeCapacity(k K) Slot[K, V] {
	return m.u.GetOrPutAssumeCapacity(k)
}

// GetKey returns the key of the map that is equal to k, and whether there is
// one. They may differ if there is a Context.
func (m *ArrayHashMap[K, V]) GetKey(k K) (key K, ok bool) { return m.u.GetKey(k) }

// IndexAdapted is Index of something else than a K: it returns the index of the
// key with the given hash, in the sense of the map's [Context], for which equal
// returns true, or -1. It panics if the map has no Context.
func (m *ArrayHashMap[K, V]) IndexAdapted(hash uint64, equal func(K) bool) int {
	return m.u.IndexAdapted(hash, equal)
}

// GetAdapted is Get on the terms of IndexAdapted.
func (m *ArrayHashMap[K, V]) GetAdapted(hash uint64, equal func(K) bool) (v V, ok bool) {
	return m.u.GetAdapted(hash, equal)
}

// GetPtrAdapted is GetPtr on the terms of IndexAdapted.
func (m *ArrayHashMap[K, V]) GetPtrAdapted(hash uint64, equal func(K) bool) *V {
	return m.u.GetPtrAdapted(hash, equal)
}

// GetOrPutAdapted is GetOrPut on the terms of IndexAdapted. Only if the map does
// not hold the key, it calls key for it, which must have the hash and must not
// touch the map. An error of key is returned as it is.
func (m *ArrayHashMap[K, V]) GetOrPutAdapted(hash uint64, equal func(K) bool, key func() (K, error)) (Slot[K, V], error) {
	return m.u.GetOrPutAdapted(m.a, hash, equal, key)
}

// SetKey puts the key k in the place of the i-th, which must be equal to no other
// key of the map; its value stays. It panics unless 0 <= i < Len.
func (m *ArrayHashMap[K, V]) SetKey(i int, k K) { m.u.SetKey(i, k) }
