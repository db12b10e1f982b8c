package generic

import (
	"iter"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// A StringHashMapUnmanaged maps strings to values and owns its keys, with the
// allocator handed to every call that may need it. [StringHashMap] is the same
// with the allocator stored.
//
// It keeps a copy of every key, a block of its own of exactly the key's length,
// in memory of the allocator passed in, which must be the same every time. So
// the string that a key was put with may change or die. Everything else is as
// in [HashMapUnmanaged]: one block for the entries that doubles when it is full
// to six sevenths, nothing left behind by removals, no particular order.
//
// Removing an entry frees its key, and so the strings that the map handed out
// for it are dead. Keys that an iteration or a [Slot] yields are the map's own
// copies, valid until then; clone what is to live longer, with
// [mem.DupeString] or strings.Clone.
//
// Close takes time for every entry, since it frees every key. A map in memory
// of an arena may be dropped together with it, without Close. An allocator that
// spends a page on each block, as heap.Page does, is no place for small keys:
// put an arena or a general allocator in between.
//
// A map is for one goroutine at a time. The zero value is an empty map, ready
// for use. Assigning a map moves it: two copies must not both be used.
type StringHashMapUnmanaged[V any] struct {
	t table[string, V]
}

// The keys are Go strings: pointers to blocks of the same allocator, which is
// what keeps them alive. An allocator whose memory is not scanned is therefore
// asked for a local block, and one that is scanned finds typed strings.

const owned = true // the pointers in keys are to memory of the same allocator

// entry returns the slot of k, and whether it was there. If it is new, the
// caller sets the value.
func (m *StringHashMapUnmanaged[V]) entry(a mem.Allocator, k string, method string) (*slot[string, V], bool, error) {
	if s := m.t.lookup(k); s != nil {
		return s, true, nil
	}
	m.t.from.check(a, method)
	// The key comes first: it is the one of the two that can be undone.
	key, err := mem.DupeString(a, k)
	if err != nil {
		return nil, false, err
	}
	if err := m.t.ensureMore(a, 1, owned, method); err != nil {
		mem.FreeString(a, key)
		return nil, false, err
	}
	s := m.t.add(m.t.hash(&key))
	s.key = key
	return s, false, nil
}

// Put sets the value of k to v, and returns the map's copy of k.
func (m *StringHashMapUnmanaged[V]) Put(a mem.Allocator, k string, v V) (string, error) {
	s, _, err := m.entry(a, k, "generic: StringHashMap.Put")
	if err != nil {
		return "", err
	}
	s.val = v
	m.check()
	return s.key, nil
}

// FetchPut sets the value of k to v and returns the value before, and whether
// there was one.
func (m *StringHashMapUnmanaged[V]) FetchPut(a mem.Allocator, k string, v V) (old V, had bool, err error) {
	s, had, err := m.entry(a, k, "generic: StringHashMap.FetchPut")
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
func (m *StringHashMapUnmanaged[V]) GetOrPut(a mem.Allocator, k string) (Slot[string, V], error) {
	var zero V
	return m.GetOrPutValue(a, k, zero)
}

// GetOrPutValue is GetOrPut with a value other than zero for a new entry.
func (m *StringHashMapUnmanaged[V]) GetOrPutValue(a mem.Allocator, k string, v V) (Slot[string, V], error) {
	s, found, err := m.entry(a, k, "generic: StringHashMap.GetOrPut")
	if err != nil {
		return Slot[string, V]{}, err
	}
	if !found {
		s.val = v
	}
	m.check()
	return slotAt(s, found), nil
}

// Get returns the value of k, and whether the map holds k.
func (m *StringHashMapUnmanaged[V]) Get(k string) (v V, ok bool) {
	if s := m.t.lookup(k); s != nil {
		return s.val, true
	}
	return v, false
}

// GetPtr returns a pointer to the value of k in the map, or nil if the map does
// not hold k.
func (m *StringHashMapUnmanaged[V]) GetPtr(k string) *V {
	if s := m.t.lookup(k); s != nil {
		return &s.val
	}
	return nil
}

// GetKey returns the map's copy of k, and whether the map holds k.
func (m *StringHashMapUnmanaged[V]) GetKey(k string) (string, bool) {
	if s := m.t.lookup(k); s != nil {
		return s.key, true
	}
	return "", false
}

// Contains tells whether the map holds k.
func (m *StringHashMapUnmanaged[V]) Contains(k string) bool { return m.t.lookup(k) != nil }

// Remove removes k and its value, frees the map's copy of k, and tells whether
// the map held it. k may be that copy.
func (m *StringHashMapUnmanaged[V]) Remove(a mem.Allocator, k string) bool {
	_, ok := m.FetchRemove(a, k)
	return ok
}

// FetchRemove is Remove that returns the value.
func (m *StringHashMapUnmanaged[V]) FetchRemove(a mem.Allocator, k string) (v V, ok bool) {
	if m.t.n == 0 {
		return v, false
	}
	h := m.t.hash(&k)
	g, i := m.t.find(h, k)
	if g == nil {
		return v, false
	}
	m.t.from.check(a, "generic: StringHashMap.Remove")
	s := g.slots[i]
	m.t.remove(h, g, i)
	mem.FreeString(a, s.key)
	m.check()
	return s.val, true
}

// Len returns the number of entries.
func (m *StringHashMapUnmanaged[V]) Len() int { return m.t.n }

// Cap returns how many entries fit into the block that there is.
func (m *StringHashMapUnmanaged[V]) Cap() int { return m.t.n + m.t.room }

// EnsureTotalCapacity makes room for n entries in all, save for their keys. It
// panics if n is negative.
func (m *StringHashMapUnmanaged[V]) EnsureTotalCapacity(a mem.Allocator, n int) error {
	if err := m.t.ensure(a, n, owned, "generic: StringHashMap.EnsureTotalCapacity"); err != nil {
		return err
	}
	m.check()
	return nil
}

// EnsureUnusedCapacity makes room for n entries more, save for their keys. It
// panics if n is negative.
func (m *StringHashMapUnmanaged[V]) EnsureUnusedCapacity(a mem.Allocator, n int) error {
	if err := m.t.ensureMore(a, n, owned, "generic: StringHashMap.EnsureUnusedCapacity"); err != nil {
		return err
	}
	m.check()
	return nil
}

// ClearRetainingCapacity removes all entries, frees their keys, and keeps the
// block of the entries.
func (m *StringHashMapUnmanaged[V]) ClearRetainingCapacity(a mem.Allocator) {
	m.freeKeys(a, "generic: StringHashMap.ClearRetainingCapacity")
	m.t.clear()
	m.check()
}

// ClearAndFree removes all entries and gives back all memory.
func (m *StringHashMapUnmanaged[V]) ClearAndFree(a mem.Allocator) { m.Close(a) }

// ShrinkAndFree gives back the memory that the entries do not need, as far as
// halving their block goes. It cannot fail: where there is no memory for a
// smaller block, the map keeps the one it has.
func (m *StringHashMapUnmanaged[V]) ShrinkAndFree(a mem.Allocator) {
	m.t.shrink(a, owned, "generic: StringHashMap.ShrinkAndFree")
	m.check()
}

// Clone returns a map with the same entries and with copies of the keys of its
// own.
func (m *StringHashMapUnmanaged[V]) Clone(a mem.Allocator) (StringHashMapUnmanaged[V], error) {
	t, err := m.t.copyOf(a, owned, "generic: StringHashMap.Clone")
	if err != nil {
		return StringHashMapUnmanaged[V]{}, err
	}
	copied := 0
	for s := range t.all {
		key, err := mem.DupeString(a, s.key)
		if err != nil {
			for s := range t.all {
				if copied == 0 {
					break
				}
				mem.FreeString(a, s.key)
				copied--
			}
			t.close(a, "generic: StringHashMap.Clone")
			return StringHashMapUnmanaged[V]{}, err
		}
		s.key = key
		copied++
	}
	c := StringHashMapUnmanaged[V]{t}
	c.check()
	return c, nil
}

// Close frees every key, gives all memory back, and leaves an empty map, which
// may be used again. It never fails, and does nothing to an empty map without
// memory.
func (m *StringHashMapUnmanaged[V]) Close(a mem.Allocator) {
	const method = "generic: StringHashMap.Close"
	m.freeKeys(a, method)
	m.t.close(a, method)
}

func (m *StringHashMapUnmanaged[V]) freeKeys(a mem.Allocator, method string) {
	if m.t.n == 0 {
		return
	}
	m.t.from.check(a, method)
	for s := range m.t.all {
		mem.FreeString(a, s.key)
	}
}

// All yields the entries, in no particular order. During the iteration, values
// may be set and entries removed, the one just yielded too, which ends the life
// of its key; those that are removed before they are yielded are not yielded.
// It panics if the map grows or shrinks meanwhile, and an entry that is added
// without that may or may not be yielded.
func (m *StringHashMapUnmanaged[V]) All() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		m.t.all(func(s *slot[string, V]) bool { return yield(s.key, s.val) })
	}
}

// AllPtr is All with pointers to the values in the map, which live as long as
// pointers into the map do.
func (m *StringHashMapUnmanaged[V]) AllPtr() iter.Seq2[string, *V] {
	return func(yield func(string, *V) bool) {
		m.t.all(func(s *slot[string, V]) bool { return yield(s.key, &s.val) })
	}
}

// Keys yields the keys, on the terms of All.
func (m *StringHashMapUnmanaged[V]) Keys() iter.Seq[string] {
	return func(yield func(string) bool) {
		m.t.all(func(s *slot[string, V]) bool { return yield(s.key) })
	}
}

// Values yields the values, on the terms of All.
func (m *StringHashMapUnmanaged[V]) Values() iter.Seq[V] {
	return func(yield func(V) bool) {
		m.t.all(func(s *slot[string, V]) bool { return yield(s.val) })
	}
}

func (m *StringHashMapUnmanaged[V]) check() {
	if invariant.Enabled {
		m.t.check()
	}
}
