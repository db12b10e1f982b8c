package generic

import (
	"iter"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// A HashMapUnmanaged maps keys to values, as Go's map does, with the allocator
// handed to every call that may need it. [HashMap] is the same with the allocator
// stored.
//
// Memory comes from the allocator passed in, which must be the same every time.
// A small map is one block, of slots for entries and nine bytes for every eight
// of them, or two if slots hold pointers. It doubles when it is full, or with more
// than eight slots, full to seven eighths. A large map consists of parts of up to
// a third of a megabyte, or of a few hundred groups of large entries. Where two of
// them are full there will be three, and where three are, four: growing needs no
// second copy of the map, and the longest Put takes the time of three parts. From
// ten parts on an entry takes about one and a half times what a slot does at any
// number of entries, in a small map 1.1 to 2.3 times. Removing entries keeps the
// memory for later; ShrinkAndFree, ClearAndFree and Close give it back. Keys and
// values are not closed or freed by anything here.
//
// Growing frees the blocks that were there, but for parts. In a buffer or an
// arena, where only the last block is used again, the one block of a small map
// grows in place if it is that; where it may not be, reserve room with
// EnsureTotalCapacity.
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
// [HashMapUnmanaged.SetContext] replaces both == and hashing.
//
// Get, Put and Remove take constant time, save for a Put that has parts
// split. Removing leaves nothing behind that would slow down what follows, unless
// keys were NaNs, or there were hundreds at a time that hash alike.
//
// Pointers into the map end their life when their entry is removed, and when
// the map grows, gives back memory, or is closed. LockPointers has it panic
// instead.
//
// A map is for one goroutine at a time. The zero value is an empty map, ready
// for use. Assigning a map moves it: two copies must not both be used.
type HashMapUnmanaged[K comparable, V any] struct {
	t table[K, V]
}

// SetContext has the map compare and hash keys as c says. It panics if the map
// has memory.
func (m *HashMapUnmanaged[K, V]) SetContext(c *Context[K]) {
	checkContext(c, m.t.from, "generic: HashMap.SetContext")
	m.t.ctx = c
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

func slotView[K comparable, V any](s *slot[K, V], found bool) Slot[K, V] {
	return Slot[K, V]{s.key, &s.val, found}
}

// Put sets the value of k to v. If the map holds k already, it keeps the key
// that it has.
func (m *HashMapUnmanaged[K, V]) Put(a mem.Allocator, k K, v V) error {
	s, _ := m.t.entryWord(k)
	if s == nil {
		var err error
		if s, _, err = m.t.entryRest(a, k, "generic: HashMap.Put"); err != nil {
			return err
		}
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
	s, had, err := m.t.entry(a, k, "generic: HashMap.FetchPut")
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
	s, found, err := m.t.entry(a, k, "generic: HashMap.GetOrPut")
	if err != nil {
		return Slot[K, V]{}, err
	}
	if !found {
		s.val = v
	}
	m.check()
	return slotView(s, found), nil
}

// GetOrPutAssumeCapacity is GetOrPut without growing. It panics if k is new and
// there is no room for it; see EnsureUnusedCapacity.
func (m *HashMapUnmanaged[K, V]) GetOrPutAssumeCapacity(k K) Slot[K, V] {
	s, found := m.t.entryReserved(k)
	if s == nil {
		panic("generic: HashMap.GetOrPutAssumeCapacity: no room for a new entry")
	}
	m.check()
	return slotView(s, found)
}

// GetKey returns the key of the map that is equal to k, and whether there is
// one. They may differ if there is a Context.
func (m *HashMapUnmanaged[K, V]) GetKey(k K) (key K, ok bool) {
	if s := m.t.find(k); s != nil {
		return s.key, true
	}
	return key, false
}

// Get returns the value of k, and whether the map holds k.
func (m *HashMapUnmanaged[K, V]) Get(k K) (v V, ok bool) {
	if s := m.t.find(k); s != nil {
		return s.val, true
	}
	return v, false
}

// GetPtr returns a pointer to the value of k in the map, or nil if the map does
// not hold k. It lives as long as pointers into the map do.
func (m *HashMapUnmanaged[K, V]) GetPtr(k K) *V {
	if s := m.t.find(k); s != nil {
		return &s.val
	}
	return nil
}

// Contains tells whether the map holds k.
func (m *HashMapUnmanaged[K, V]) Contains(k K) bool {
	return m.t.find(k) != nil
}

// Remove removes k and its value, and tells whether the map held it.
func (m *HashMapUnmanaged[K, V]) Remove(k K) bool {
	ok := m.t.take(k, nil, "generic: HashMap.Remove")
	m.check()
	return ok
}

// FetchRemove removes k and returns its value, and whether the map held it.
func (m *HashMapUnmanaged[K, V]) FetchRemove(k K) (v V, ok bool) {
	ok = m.t.take(k, &v, "generic: HashMap.FetchRemove")
	m.check()
	return v, ok
}

// DeleteFunc removes the entries for which del returns true. What del may do to
// the map is what a loop over All may.
func (m *HashMapUnmanaged[K, V]) DeleteFunc(del func(K, V) bool) {
	for c := m.t.walk(); c.group(); {
		for c.more() {
			at, s := slotOf(c.bits), c.next()
			if k := s.key; del(k, s.val) && c.holds(at, k) {
				c.remove(s, "generic: HashMap.DeleteFunc")
			}
		}
	}
	m.check()
}

// GetAdapted is Get by something else than a K: it returns the value of the key
// with the given hash, in the sense of the map's [Context], for which equal
// returns true. It panics if the map has no Context.
func (m *HashMapUnmanaged[K, V]) GetAdapted(hash uint64, equal func(K) bool) (v V, ok bool) {
	if s := m.t.lookupFunc(m.t.adapted(hash, "generic: HashMap.GetAdapted"), equal); s != nil {
		return s.val, true
	}
	return v, false
}

// GetPtrAdapted is GetPtr on the terms of GetAdapted.
func (m *HashMapUnmanaged[K, V]) GetPtrAdapted(hash uint64, equal func(K) bool) *V {
	if s := m.t.lookupFunc(m.t.adapted(hash, "generic: HashMap.GetPtrAdapted"), equal); s != nil {
		return &s.val
	}
	return nil
}

// GetKeyAdapted is GetKey on the terms of GetAdapted.
func (m *HashMapUnmanaged[K, V]) GetKeyAdapted(hash uint64, equal func(K) bool) (key K, ok bool) {
	if s := m.t.lookupFunc(m.t.adapted(hash, "generic: HashMap.GetKeyAdapted"), equal); s != nil {
		return s.key, true
	}
	return key, false
}

// GetOrPutAdapted is GetOrPut on the terms of GetAdapted. Only if the map does
// not hold the key, it calls key for it, which must have the hash and must not
// touch the map. An error of key is returned as it is.
func (m *HashMapUnmanaged[K, V]) GetOrPutAdapted(a mem.Allocator, hash uint64, equal func(K) bool, key func() (K, error)) (Slot[K, V], error) {
	s, found, err := m.t.entryAdapted(a, hash, equal, key, "generic: HashMap.GetOrPutAdapted")
	if err != nil {
		return Slot[K, V]{}, err
	}
	m.check()
	return slotView(s, found), nil
}

// FetchRemoveAdapted is FetchRemove on the terms of GetAdapted, and returns the
// key as well, which may have to be freed.
func (m *HashMapUnmanaged[K, V]) FetchRemoveAdapted(hash uint64, equal func(K) bool) (k K, v V, ok bool) {
	const method = "generic: HashMap.FetchRemoveAdapted"
	h := m.t.adapted(hash, method)
	s := m.t.lookupFunc(h, equal)
	if s == nil {
		return k, v, false
	}
	k, v = s.key, s.val
	m.t.remove(h, s, method)
	m.check()
	return k, v, true
}

// LockPointers declares that pointers into the map are in use: until
// UnlockPointers was called as often, every operation that would end the life of
// one panics, and changes nothing. Adding entries is none as long as the map
// does not have to grow, nor is setting values.
func (m *HashMapUnmanaged[K, V]) LockPointers() { m.t.locks++ }

// UnlockPointers takes one LockPointers back.
func (m *HashMapUnmanaged[K, V]) UnlockPointers() { m.t.unlock("generic: HashMap.UnlockPointers") }

// Rehash puts every entry where it is found soonest, which it moves for that. It
// takes no memory. There is no need to call it now and then: removals leave
// nothing behind.
func (m *HashMapUnmanaged[K, V]) Rehash() {
	m.t.rehash("generic: HashMap.Rehash")
	m.check()
}

// Len returns the number of entries.
func (m *HashMapUnmanaged[K, V]) Len() int { return m.t.n }

// Cap returns how many entries fit: as long as there are fewer, no Put fails. A
// map that was not told in advance may ask for memory before, to be faster with
// it, and does without where there is none.
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

// Clear removes all entries and keeps the memory.
func (m *HashMapUnmanaged[K, V]) Clear() {
	m.t.clear("generic: HashMap.Clear")
	m.check()
}

// ClearAndFree removes all entries and gives back the memory.
func (m *HashMapUnmanaged[K, V]) ClearAndFree(a mem.Allocator) {
	m.t.close(a, "generic: HashMap.ClearAndFree")
}

// ShrinkAndFree gives back the memory that the entries do not need, as far as
// whole parts go, and takes back what was reserved. The entries are moved to other
// memory; where there is none, the map keeps what it has, so that it cannot fail.
func (m *HashMapUnmanaged[K, V]) ShrinkAndFree(a mem.Allocator) {
	m.t.shrink(a, false, "generic: HashMap.ShrinkAndFree")
	m.check()
}

// Clone returns a map with the same entries.
func (m *HashMapUnmanaged[K, V]) Clone(a mem.Allocator) (HashMapUnmanaged[K, V], error) {
	t, err := m.t.copyOf(a, "generic: HashMap.Clone")
	return HashMapUnmanaged[K, V]{t}, err
}

// ToManaged returns the map with a, the allocator that it has had so far,
// stored, and leaves m empty, without memory but with the same Context.
func (m *HashMapUnmanaged[K, V]) ToManaged(a mem.Allocator) *HashMap[K, V] {
	m.t.from.adopt(a, "generic: HashMap.ToManaged")
	c := &HashMap[K, V]{a: a, u: *m}
	*m = HashMapUnmanaged[K, V]{}
	m.t.ctx = c.u.t.ctx
	return c
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
		for c := m.t.walk(); c.group(); {
			for c.more() {
				if s := c.next(); !yield(s.key, s.val) {
					return
				}
			}
		}
	}
}

// AllPtr is All with pointers to the values in the map, which live as long as
// pointers into the map do.
func (m *HashMapUnmanaged[K, V]) AllPtr() iter.Seq2[K, *V] {
	return func(yield func(K, *V) bool) {
		for c := m.t.walk(); c.group(); {
			for c.more() {
				if s := c.next(); !yield(s.key, &s.val) {
					return
				}
			}
		}
	}
}

// Drain yields the entries and removes each before it is yielded, on the terms of
// All. Those that a loop does not get to stay.
func (m *HashMapUnmanaged[K, V]) Drain() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		m.t.drain("generic: HashMap.Drain", func(s slot[K, V]) bool { return yield(s.key, s.val) })
		m.check()
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
