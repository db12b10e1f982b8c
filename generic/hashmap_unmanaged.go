package generic

import (
	"iter"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// A HashMapUnmanaged maps keys to values, as Go's map does, in one block of
// memory, with the allocator handed to every call that may need it. [HashMap]
// is the same with the allocator stored.
//
// Memory comes from the allocator passed in, which must be the same every time.
// The block doubles when it is full to six sevenths; the old one lives until
// all entries have moved. Removing entries keeps the memory for later;
// ShrinkAndFree, ClearAndFree and Close give it back. Keys and values are not
// closed or freed by anything here.
//
// Strings as keys are Go pointers, which memory off the Go heap must not hold:
// for them there is [StringHashMapUnmanaged], which keeps copies of its keys in
// its own memory.
//
// Keys are compared with ==, so that, as in a Go map, a NaN is equal to no key,
// not even itself: it can be put, and seen in an iteration, and is never found.
// A key that is an interface panics if what it holds is not comparable. Each
// map hashes with a seed of its own; the order of entries is undefined.
//
// Get, Put and Remove take constant time, save for the Put that doubles the
// block. Removing leaves nothing behind that would slow down what follows.
//
// Pointers into the map end their life when their entry is removed, and when
// the map grows, gives back memory, or is closed.
//
// A map is for one goroutine at a time. The zero value is an empty map, ready
// for use. Assigning a map moves it: two copies must not both be used.
type HashMapUnmanaged[K comparable, V any] struct {
	t table[K, V]
}

// A Slot is the place of an entry in a map.
type Slot[K comparable, V any] struct {
	// Key is the key that the map holds.
	Key K
	// Value points to the value in the map. It lives as long as pointers into
	// the map do.
	Value *V
	// Found tells that the entry was there before.
	Found bool
}

func slotAt[K comparable, V any](s *slot[K, V], found bool) Slot[K, V] {
	return Slot[K, V]{s.key, &s.val, found}
}

// entry returns the slot of k, and whether it was there. If it is new, the
// caller sets the value.
func (m *HashMapUnmanaged[K, V]) entry(a mem.Allocator, k K, method string) (*slot[K, V], bool, error) {
	if len(m.t.groups) > 0 {
		h := m.t.hash(&k)
		if g, s := m.t.find(h, k); g != nil {
			return &g.slots[s], true, nil
		}
		if m.t.room > 0 {
			s := m.t.add(h)
			s.key = k
			return s, false, nil
		}
	}
	if err := m.t.ensureMore(a, 1, false, method); err != nil {
		return nil, false, err
	}
	s := m.t.add(m.t.hash(&k))
	s.key = k
	return s, false, nil
}

// Put sets the value of k to v. If the map holds k already, it keeps the key
// that it has.
func (m *HashMapUnmanaged[K, V]) Put(a mem.Allocator, k K, v V) error {
	s, _, err := m.entry(a, k, "generic: HashMap.Put")
	if err != nil {
		return err
	}
	s.val = v
	m.check()
	return nil
}

// PutAssumeCapacity is Put without growing. It panics if k is new and there is
// no room for it; see EnsureUnusedCapacity.
func (m *HashMapUnmanaged[K, V]) PutAssumeCapacity(k K, v V) {
	*m.GetOrPutAssumeCapacity(k).Value = v
}

// FetchPut sets the value of k to v and returns the value before, and whether
// there was one.
func (m *HashMapUnmanaged[K, V]) FetchPut(a mem.Allocator, k K, v V) (old V, had bool, err error) {
	s, had, err := m.entry(a, k, "generic: HashMap.FetchPut")
	if err != nil {
		return old, false, err
	}
	if had {
		old = s.val
	}
	s.val = v
	m.check()
	return old, had, nil
}

// GetOrPut returns the place of k in the map, which it adds with a zero value
// if the map does not hold it. It cannot fail if the map does.
func (m *HashMapUnmanaged[K, V]) GetOrPut(a mem.Allocator, k K) (Slot[K, V], error) {
	var zero V
	return m.GetOrPutValue(a, k, zero)
}

// GetOrPutValue is GetOrPut with a value other than zero for a new entry.
func (m *HashMapUnmanaged[K, V]) GetOrPutValue(a mem.Allocator, k K, v V) (Slot[K, V], error) {
	s, found, err := m.entry(a, k, "generic: HashMap.GetOrPut")
	if err != nil {
		return Slot[K, V]{}, err
	}
	if !found {
		s.val = v
	}
	m.check()
	return slotAt(s, found), nil
}

// GetOrPutAssumeCapacity is GetOrPut without growing. It panics if k is new and
// there is no room for it; see EnsureUnusedCapacity.
func (m *HashMapUnmanaged[K, V]) GetOrPutAssumeCapacity(k K) Slot[K, V] {
	if s := m.t.lookup(k); s != nil {
		return slotAt(s, true)
	}
	if m.t.room == 0 {
		panic("generic: HashMap.GetOrPutAssumeCapacity: no room for a new entry")
	}
	s := m.t.add(m.t.hash(&k))
	*s = slot[K, V]{key: k}
	m.check()
	return slotAt(s, false)
}

// Get returns the value of k, and whether the map holds k.
func (m *HashMapUnmanaged[K, V]) Get(k K) (v V, ok bool) {
	if s := m.t.lookup(k); s != nil {
		return s.val, true
	}
	return v, false
}

// GetPtr returns a pointer to the value of k in the map, or nil if the map does
// not hold k.
func (m *HashMapUnmanaged[K, V]) GetPtr(k K) *V {
	if s := m.t.lookup(k); s != nil {
		return &s.val
	}
	return nil
}

// Contains tells whether the map holds k.
func (m *HashMapUnmanaged[K, V]) Contains(k K) bool { return m.t.lookup(k) != nil }

// Remove removes k and its value, and tells whether the map held it.
func (m *HashMapUnmanaged[K, V]) Remove(k K) bool {
	if m.t.n == 0 {
		return false
	}
	h := m.t.hash(&k)
	g, s := m.t.find(h, k)
	if g == nil {
		return false
	}
	m.t.remove(h, g, s)
	m.check()
	return true
}

// FetchRemove removes k and returns its value, and whether the map held it.
func (m *HashMapUnmanaged[K, V]) FetchRemove(k K) (v V, ok bool) {
	if m.t.n == 0 {
		return v, false
	}
	h := m.t.hash(&k)
	g, s := m.t.find(h, k)
	if g == nil {
		return v, false
	}
	v = g.slots[s].val
	m.t.remove(h, g, s)
	m.check()
	return v, true
}

// Len returns the number of entries.
func (m *HashMapUnmanaged[K, V]) Len() int { return m.t.n }

// Cap returns how many entries fit without another call to the allocator.
func (m *HashMapUnmanaged[K, V]) Cap() int { return m.t.n + m.t.room }

// EnsureTotalCapacity makes room for n entries in all. It panics if n is
// negative.
func (m *HashMapUnmanaged[K, V]) EnsureTotalCapacity(a mem.Allocator, n int) error {
	if err := m.t.ensure(a, n, false, "generic: HashMap.EnsureTotalCapacity"); err != nil {
		return err
	}
	m.check()
	return nil
}

// EnsureUnusedCapacity makes room for n entries more. It panics if n is
// negative.
func (m *HashMapUnmanaged[K, V]) EnsureUnusedCapacity(a mem.Allocator, n int) error {
	if err := m.t.ensureMore(a, n, false, "generic: HashMap.EnsureUnusedCapacity"); err != nil {
		return err
	}
	m.check()
	return nil
}

// ClearRetainingCapacity removes all entries and keeps the memory.
func (m *HashMapUnmanaged[K, V]) ClearRetainingCapacity() {
	m.t.clear()
	m.check()
}

// ClearAndFree removes all entries and gives back the memory.
func (m *HashMapUnmanaged[K, V]) ClearAndFree(a mem.Allocator) {
	m.t.close(a, "generic: HashMap.ClearAndFree")
}

// ShrinkAndFree gives back the memory that the entries do not need, as far as
// halving the block goes. It cannot fail: where there is no memory for a smaller
// block, the map keeps the one it has.
func (m *HashMapUnmanaged[K, V]) ShrinkAndFree(a mem.Allocator) {
	m.t.shrink(a, false, "generic: HashMap.ShrinkAndFree")
	m.check()
}

// Clone returns a map with the same entries.
func (m *HashMapUnmanaged[K, V]) Clone(a mem.Allocator) (HashMapUnmanaged[K, V], error) {
	t, err := m.t.copyOf(a, false, "generic: HashMap.Clone")
	return HashMapUnmanaged[K, V]{t}, err
}

// Close gives all memory back and leaves an empty map, which may be used again.
// It never fails, and does nothing to an empty map without memory.
func (m *HashMapUnmanaged[K, V]) Close(a mem.Allocator) { m.t.close(a, "generic: HashMap.Close") }

// All yields the entries, in no particular order. During the iteration, values
// may be set and entries removed; those that are removed before they are
// yielded are not yielded. It panics if the map grows or shrinks meanwhile, and
// an entry that is added without that may or may not be yielded.
func (m *HashMapUnmanaged[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		m.t.all(func(s *slot[K, V]) bool { return yield(s.key, s.val) })
	}
}

// AllPtr is All with pointers to the values in the map, which live as long as
// pointers into the map do.
func (m *HashMapUnmanaged[K, V]) AllPtr() iter.Seq2[K, *V] {
	return func(yield func(K, *V) bool) {
		m.t.all(func(s *slot[K, V]) bool { return yield(s.key, &s.val) })
	}
}

// Keys yields the keys, on the terms of All.
func (m *HashMapUnmanaged[K, V]) Keys() iter.Seq[K] {
	return func(yield func(K) bool) {
		m.t.all(func(s *slot[K, V]) bool { return yield(s.key) })
	}
}

// Values yields the values, on the terms of All.
func (m *HashMapUnmanaged[K, V]) Values() iter.Seq[V] {
	return func(yield func(V) bool) {
		m.t.all(func(s *slot[K, V]) bool { return yield(s.val) })
	}
}

func (m *HashMapUnmanaged[K, V]) check() {
	if invariant.Enabled {
		m.t.check()
	}
}
