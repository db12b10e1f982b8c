package generic

import (
	"iter"
	"math"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// An ArrayHashMapUnmanaged maps keys to values and keeps them in the order in
// which they were added, in two blocks that can be looked at as slices, with the
// allocator handed to every call that may need it. [ArrayHashMap] is the same
// with the allocator stored.
//
// Memory comes from the allocator passed in, which must be the same every time:
// a block of keys, one of values, and an index of eight bytes per slot once there
// are more than a few entries. Removing entries keeps the memory for later;
// ShrinkAndFree, ClearAndFree and Close give it back. Keys and values are not
// closed or freed by anything here.
//
// Iterating is as fast as over a slice, and finding a key takes constant time.
// So does SwapRemove, which puts the last entry in the place of the removed one;
// OrderedRemove keeps the order and takes time for every entry.
//
// Keys are compared and hashed as in [HashMapUnmanaged], or as SetContext says.
// There may be 1<<32-2.
//
// Pointers and slices into the map end their life when it grows, gives back
// memory, or is closed, and refer to another entry when entries are removed or
// sorted. LockPointers has it panic instead.
//
// A map is for one goroutine at a time. The zero value is an empty map, ready
// for use. Assigning a map moves it: two copies must not both be used.
type ArrayHashMapUnmanaged[K comparable, V any] struct {
	hasher[K]
	keys  ArrayListUnmanaged[K]
	vals  ArrayListUnmanaged[V]
	index hashIndex // of all keys, or none
	cap   int       // what all three have room for
	locks uint16    // entries must not move, unless it is 0
	from  origin
}

// unindexed is how many keys are searched one after the other.
const unindexed = 8

// SetContext has the map compare and hash keys as c says. It panics if the map
// has memory.
func (m *ArrayHashMapUnmanaged[K, V]) SetContext(c *Context[K]) {
	checkContext(c, m.from, "generic: ArrayHashMap.SetContext")
	m.ctx = c
}

func (m *ArrayHashMapUnmanaged[K, V]) equal(i int, k K) bool {
	if m.how == hashContext {
		return m.ctx.Equal(m.keys.items[i], k)
	}
	return m.keys.items[i] == k
}

// find returns the index of k, or -1, and the slot of the index that it is in,
// if there is one.
func (m *ArrayHashMapUnmanaged[K, V]) find(k K) (i int, at uint) {
	if len(m.index.slots) == 0 {
		for i := range m.keys.items {
			if m.equal(i, k) {
				return i, 0
			}
		}
		return -1, 0
	}
	i, at, ok := m.index.find(m.hash(&k), func(i int) bool { return m.equal(i, k) })
	if !ok {
		return -1, 0
	}
	return i, at
}

// add adds k, which is new, with a zero value. There must be room.
func (m *ArrayHashMapUnmanaged[K, V]) add(k K) int {
	i := len(m.keys.items)
	if len(m.index.slots) > 0 {
		m.index.insert(m.hash(&k), i)
	}
	m.keys.AppendAssumeCapacity(k)
	*m.vals.AddOneAssumeCapacity() = *new(V)
	return i
}

// entry returns the index of k, and whether it was there.
func (m *ArrayHashMapUnmanaged[K, V]) entry(a mem.Allocator, k K, method string) (i int, found bool, err error) {
	if i, _ := m.find(k); i >= 0 {
		return i, true, nil
	}
	if err := m.ensure(a, len(m.keys.items)+1, method); err != nil {
		return 0, false, err
	}
	return m.add(k), false, nil
}

// ensure makes room for n entries in all.
func (m *ArrayHashMapUnmanaged[K, V]) ensure(a mem.Allocator, n int, method string) error {
	if n < 0 {
		panic(method + ": negative capacity")
	}
	if n <= m.cap {
		return nil
	}
	m.from.check(a, method)
	m.unlocked(method)
	if err := m.reserve(a, n); err != nil {
		if m.from == 0 {
			m.release(a) // part of it may be there
		}
		return err
	}
	m.from, m.cap = originOf(a), m.held()
	return nil
}

// held returns how many entries there is memory for.
func (m *ArrayHashMapUnmanaged[K, V]) held() int {
	return min(m.keys.Cap(), m.vals.Cap(), max(unindexed, m.index.capacity()))
}

func (m *ArrayHashMapUnmanaged[K, V]) reserve(a mem.Allocator, n int) error {
	if n > maxIndexed {
		return mem.ErrTooLarge
	}
	m.begin(false)
	if err := m.keys.EnsureTotalCapacity(a, n); err != nil {
		return err
	}
	if err := m.vals.EnsureTotalCapacity(a, n); err != nil {
		return err
	}
	if n <= unindexed || n <= m.index.capacity() {
		return nil
	}
	first := len(m.index.slots) == 0
	if err := m.index.ensure(a, n); err != nil {
		return err
	}
	if first {
		m.reindex()
	}
	return nil
}

// reindex fills the index, which is empty.
func (m *ArrayHashMapUnmanaged[K, V]) reindex() {
	for i := range m.keys.items {
		m.index.insert(m.hash(&m.keys.items[i]), i)
	}
}

// release gives all memory back.
func (m *ArrayHashMapUnmanaged[K, V]) release(a mem.Allocator) {
	m.keys.Close(a)
	m.vals.Close(a)
	m.index.close(a)
	*m = ArrayHashMapUnmanaged[K, V]{hasher: hasher[K]{ctx: m.ctx}}
}

// Put sets the value of k to v. If the map holds k already, it keeps the key
// that it has, and its place.
func (m *ArrayHashMapUnmanaged[K, V]) Put(a mem.Allocator, k K, v V) error {
	i, _, err := m.entry(a, k, "generic: ArrayHashMap.Put")
	if err != nil {
		return err
	}
	m.vals.items[i] = v
	m.check()
	return nil
}

// PutAssumeCapacity is Put without growing. It panics if k is new and there is
// no room for it; see EnsureUnusedCapacity.
func (m *ArrayHashMapUnmanaged[K, V]) PutAssumeCapacity(k K, v V) {
	i, _ := m.find(k)
	if i < 0 {
		if len(m.keys.items) == m.cap {
			panic("generic: ArrayHashMap.PutAssumeCapacity: no room for a new entry")
		}
		i = m.add(k)
	}
	m.vals.items[i] = v
	m.check()
}

// FetchPut sets the value of k to v and returns the value before, and whether
// there was one.
func (m *ArrayHashMapUnmanaged[K, V]) FetchPut(a mem.Allocator, k K, v V) (old V, had bool, err error) {
	i, had, err := m.entry(a, k, "generic: ArrayHashMap.FetchPut")
	if err != nil {
		return old, false, err
	}
	old, m.vals.items[i] = m.vals.items[i], v
	m.check()
	return old, had, nil
}

// GetOrPut returns the place of k in the map, which it adds with a zero value
// if the map does not hold it. It cannot fail if the map does.
func (m *ArrayHashMapUnmanaged[K, V]) GetOrPut(a mem.Allocator, k K) (Slot[K, V], error) {
	i, found, err := m.entry(a, k, "generic: ArrayHashMap.GetOrPut")
	if err != nil {
		return Slot[K, V]{}, err
	}
	m.check()
	return m.slot(i, found), nil
}

// GetOrPutValue is GetOrPut with a value other than zero for a new entry.
func (m *ArrayHashMapUnmanaged[K, V]) GetOrPutValue(a mem.Allocator, k K, v V) (Slot[K, V], error) {
	i, found, err := m.entry(a, k, "generic: ArrayHashMap.GetOrPutValue")
	if err != nil {
		return Slot[K, V]{}, err
	}
	if !found {
		m.vals.items[i] = v
	}
	m.check()
	return m.slot(i, found), nil
}

// GetOrPutAssumeCapacity is GetOrPut without growing. It panics if k is new and
// there is no room for it; see EnsureUnusedCapacity.
func (m *ArrayHashMapUnmanaged[K, V]) GetOrPutAssumeCapacity(k K) Slot[K, V] {
	i, _ := m.find(k)
	found := i >= 0
	if !found {
		if len(m.keys.items) == m.cap {
			panic("generic: ArrayHashMap.GetOrPutAssumeCapacity: no room for a new entry")
		}
		i = m.add(k)
	}
	m.check()
	return m.slot(i, found)
}

func (m *ArrayHashMapUnmanaged[K, V]) slot(i int, found bool) Slot[K, V] {
	return Slot[K, V]{m.keys.items[i], &m.vals.items[i], found}
}

// GetKey returns the key of the map that is equal to k, and whether there is
// one. They may differ if there is a Context.
func (m *ArrayHashMapUnmanaged[K, V]) GetKey(k K) (key K, ok bool) {
	if i, _ := m.find(k); i >= 0 {
		return m.keys.items[i], true
	}
	return key, false
}

// IndexAdapted is Index of something else than a K: it returns the index of the
// key with the given hash, in the sense of the map's [Context], for which equal
// returns true, or -1. It panics if the map has no Context.
func (m *ArrayHashMapUnmanaged[K, V]) IndexAdapted(hash uint64, equal func(K) bool) int {
	h := m.adapted(hash, "generic: ArrayHashMap.IndexAdapted")
	if len(m.index.slots) == 0 {
		for i, k := range m.keys.items {
			if equal(k) {
				return i
			}
		}
		return -1
	}
	i, _, ok := m.index.find(h, func(i int) bool { return equal(m.keys.items[i]) })
	if !ok {
		return -1
	}
	return i
}

// GetAdapted is Get on the terms of IndexAdapted.
func (m *ArrayHashMapUnmanaged[K, V]) GetAdapted(hash uint64, equal func(K) bool) (v V, ok bool) {
	if i := m.IndexAdapted(hash, equal); i >= 0 {
		return m.vals.items[i], true
	}
	return v, false
}

// GetPtrAdapted is GetPtr on the terms of IndexAdapted.
func (m *ArrayHashMapUnmanaged[K, V]) GetPtrAdapted(hash uint64, equal func(K) bool) *V {
	if i := m.IndexAdapted(hash, equal); i >= 0 {
		return &m.vals.items[i]
	}
	return nil
}

// GetOrPutAdapted is GetOrPut on the terms of IndexAdapted. Only if the map does
// not hold the key, it calls key for it, which must have the hash and must not
// touch the map. An error of key is returned as it is.
func (m *ArrayHashMapUnmanaged[K, V]) GetOrPutAdapted(a mem.Allocator, hash uint64, equal func(K) bool, key func() (K, error)) (Slot[K, V], error) {
	if i := m.IndexAdapted(hash, equal); i >= 0 {
		return m.slot(i, true), nil
	}
	if err := m.ensure(a, len(m.keys.items)+1, "generic: ArrayHashMap.GetOrPutAdapted"); err != nil {
		return Slot[K, V]{}, err
	}
	k, err := key()
	if err != nil {
		return Slot[K, V]{}, err
	}
	i := m.add(k)
	m.check()
	return m.slot(i, false), nil
}

// SetKey puts the key k in the place of the i-th, which must be equal to no other
// key of the map; its value stays. It panics unless 0 <= i < Len.
func (m *ArrayHashMapUnmanaged[K, V]) SetKey(i int, k K) {
	p := &m.keys.items[i]
	if len(m.index.slots) > 0 {
		old, h := m.hash(p), m.hash(&k) // which panics if k cannot be hashed
		m.index.remove(m.index.slotOf(old, i))
		m.index.insert(h, i)
	}
	*p = k
	m.check()
}

// Index returns the index of k in Keys and Values, or -1.
func (m *ArrayHashMapUnmanaged[K, V]) Index(k K) int {
	i, _ := m.find(k)
	return i
}

// Get returns the value of k, and whether the map holds k.
func (m *ArrayHashMapUnmanaged[K, V]) Get(k K) (v V, ok bool) {
	if i, _ := m.find(k); i >= 0 {
		return m.vals.items[i], true
	}
	return v, false
}

// GetPtr returns a pointer to the value of k in the map, or nil if the map does
// not hold k. It lives as long as pointers into the map do.
func (m *ArrayHashMapUnmanaged[K, V]) GetPtr(k K) *V {
	if i, _ := m.find(k); i >= 0 {
		return &m.vals.items[i]
	}
	return nil
}

// Contains tells whether the map holds k.
func (m *ArrayHashMapUnmanaged[K, V]) Contains(k K) bool { return m.Index(k) >= 0 }

// Keys returns the keys in order: the map's own memory, dead when the map grows,
// gives back memory, or is closed. Those who change them must call Reindex before
// anything else.
func (m *ArrayHashMapUnmanaged[K, V]) Keys() []K {
	k := m.keys.items
	return k[:len(k):len(k)]
}

// Values returns the values in the order of their keys: memory of the map, dead
// when that of Keys is, which may be written.
func (m *ArrayHashMapUnmanaged[K, V]) Values() []V {
	v := m.vals.items
	return v[:len(v):len(v)]
}

// Reindex puts the map in order after keys were changed or moved, such as by
// sorting. Keys must be different from one another. It takes no memory.
func (m *ArrayHashMapUnmanaged[K, V]) Reindex() {
	clear(m.index.slots)
	if len(m.index.slots) > 0 {
		m.reindex()
	}
	m.check()
}

// SortFunc sorts the entries in place, with cmp comparing entries i and j by
// their indexes in Keys and Values. Entries that are equal may change places. It
// takes O(n log n) comparisons and swaps, and no memory.
func (m *ArrayHashMapUnmanaged[K, V]) SortFunc(cmp func(i, j int) int) {
	m.unlocked("generic: ArrayHashMap.SortFunc")
	defer m.Reindex() // also if cmp panics
	heapSort(0, m.Len(), cmp, m.swap)
}

// SortStableFunc is SortFunc that keeps the order of entries that are equal. It
// takes O(n log n) comparisons and O(n log² n) swaps.
func (m *ArrayHashMapUnmanaged[K, V]) SortStableFunc(cmp func(i, j int) int) {
	m.unlocked("generic: ArrayHashMap.SortStableFunc")
	defer m.Reindex() // also if cmp panics
	stableSort(0, m.Len(), cmp, m.swap)
}

func (m *ArrayHashMapUnmanaged[K, V]) swap(i, j int) {
	k, v := m.keys.items, m.vals.items
	k[i], k[j] = k[j], k[i]
	v[i], v[j] = v[j], v[i]
}

// LockPointers declares that pointers and slices into the map are in use: until
// UnlockPointers was called as often, every operation that would end the life of
// one, or have it refer to another entry, panics, and changes nothing. Adding
// entries is none as long as the map does not have to grow, nor is setting
// values.
func (m *ArrayHashMapUnmanaged[K, V]) LockPointers() { m.locks++ }

// UnlockPointers takes one LockPointers back.
func (m *ArrayHashMapUnmanaged[K, V]) UnlockPointers() {
	if m.locks == 0 {
		panic("generic: ArrayHashMap.UnlockPointers: not locked")
	}
	m.locks--
}

// unlocked panics if pointers into the map are locked.
func (m *ArrayHashMapUnmanaged[K, V]) unlocked(method string) {
	if m.locks != 0 {
		panic(method + ": pointers into the container are locked")
	}
}

// Len returns the number of entries.
func (m *ArrayHashMapUnmanaged[K, V]) Len() int { return len(m.keys.items) }

// Cap returns how many entries fit without another call to the allocator.
func (m *ArrayHashMapUnmanaged[K, V]) Cap() int { return m.cap }

// EnsureTotalCapacity makes room for n entries in all. It panics if n is
// negative.
func (m *ArrayHashMapUnmanaged[K, V]) EnsureTotalCapacity(a mem.Allocator, n int) error {
	err := m.ensure(a, n, "generic: ArrayHashMap.EnsureTotalCapacity")
	m.check()
	return err
}

// EnsureUnusedCapacity makes room for n entries more. It panics if n is
// negative.
func (m *ArrayHashMapUnmanaged[K, V]) EnsureUnusedCapacity(a mem.Allocator, n int) error {
	const method = "generic: ArrayHashMap.EnsureUnusedCapacity"
	if n < 0 {
		panic(method + ": negative count")
	}
	if n > math.MaxInt-m.Len() {
		return mem.ErrTooLarge
	}
	err := m.ensure(a, m.Len()+n, method)
	m.check()
	return err
}

// Clear removes all entries and keeps the memory.
func (m *ArrayHashMapUnmanaged[K, V]) Clear() {
	m.unlocked("generic: ArrayHashMap.Clear")
	m.keys.Clear()
	m.vals.Clear()
	clear(m.index.slots)
	m.check()
}

// ClearAndFree removes all entries and gives back the memory.
func (m *ArrayHashMapUnmanaged[K, V]) ClearAndFree(a mem.Allocator) { m.Close(a) }

// ShrinkAndFree gives back the memory that the entries do not need. It cannot
// fail: where there is no memory for a smaller block, the map keeps the one that
// it has.
func (m *ArrayHashMapUnmanaged[K, V]) ShrinkAndFree(a mem.Allocator) {
	if m.from == 0 {
		return
	}
	m.from.check(a, "generic: ArrayHashMap.ShrinkAndFree")
	m.unlocked("generic: ArrayHashMap.ShrinkAndFree")
	n := m.Len()
	switch slots := indexSlots(n); {
	case n == 0:
		m.release(a)
		return
	case n <= unindexed:
		m.index.close(a)
	case slots < len(m.index.slots):
		_ = m.index.resize(a, slots) // without memory, it stays as it is
	}
	m.keys.ShrinkAndFree(a, n)
	m.vals.ShrinkAndFree(a, n)
	m.cap = m.held()
	m.check()
}

// Clone returns a map with the same entries in the same order.
func (m *ArrayHashMapUnmanaged[K, V]) Clone(a mem.Allocator) (ArrayHashMapUnmanaged[K, V], error) {
	c := ArrayHashMapUnmanaged[K, V]{hasher: hasher[K]{ctx: m.ctx}}
	if err := c.ensure(a, m.Len(), "generic: ArrayHashMap.Clone"); err != nil {
		return ArrayHashMapUnmanaged[K, V]{}, err
	}
	c.keys.AppendSliceAssumeCapacity(m.keys.items)
	c.vals.AppendSliceAssumeCapacity(m.vals.items)
	c.Reindex()
	return c, nil
}

// ToManaged returns the map with a, the allocator that it has had so far,
// stored, and leaves m empty, without memory but with the same Context.
func (m *ArrayHashMapUnmanaged[K, V]) ToManaged(a mem.Allocator) *ArrayHashMap[K, V] {
	m.from.adopt(a, "generic: ArrayHashMap.ToManaged")
	c := &ArrayHashMap[K, V]{a: a, u: *m}
	*m = ArrayHashMapUnmanaged[K, V]{}
	m.ctx = c.u.ctx
	return c
}

// Close gives all memory back and leaves an empty map, which may be used again.
// It never fails, and does nothing to an empty map without memory.
func (m *ArrayHashMapUnmanaged[K, V]) Close(a mem.Allocator) {
	if m.from != 0 {
		m.from.check(a, "generic: ArrayHashMap.Close")
		m.unlocked("generic: ArrayHashMap.Close")
		m.release(a)
	}
}

// All yields the entries in order. During the iteration, values may be set and
// entries added, which are yielded, too. If entries are removed, the next one
// may be another than it was to be.
func (m *ArrayHashMapUnmanaged[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for i := 0; i < len(m.keys.items); i++ {
			if !yield(m.keys.items[i], m.vals.items[i]) {
				return
			}
		}
	}
}

// Backward yields the entries from the last to the first. The one just yielded
// may be removed.
func (m *ArrayHashMapUnmanaged[K, V]) Backward() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for i := len(m.keys.items) - 1; i >= 0; i-- {
			if i >= len(m.keys.items) {
				continue // removed
			}
			if !yield(m.keys.items[i], m.vals.items[i]) {
				return
			}
		}
	}
}

// Drain yields the entries from the last to the first and removes each before
// it is yielded. Those that a loop does not get to stay.
func (m *ArrayHashMapUnmanaged[K, V]) Drain() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for k, v, ok := m.Pop(); ok; k, v, ok = m.Pop() {
			if !yield(k, v) {
				return
			}
		}
	}
}

func (m *ArrayHashMapUnmanaged[K, V]) check() {
	if !invariant.Enabled {
		return
	}
	n := len(m.keys.items)
	invariant.Check(n == len(m.vals.items), "generic: %d keys, %d values", n, len(m.vals.items))
	invariant.Check(len(m.index.slots) > 0 || n <= unindexed, "generic: %d entries without an index", n)
	invariant.Check(n <= m.cap && m.cap <= m.held(), "generic: %d entries, room for %d of %d", n, m.cap, m.held())
	invariant.Check((m.from == 0) == (m.how == hashUnknown), "generic: memory from %d, hashed as %d", m.from, m.how)
	m.index.check(n)
}
