package generic

import (
	"iter"
	"math"

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
// in [HashMapUnmanaged]: entries in parts that are split when they are full,
// nothing left behind by removals, no particular order. A key has less than 4
// gigabytes; [StringHashMapUnmanaged.SetContext] replaces comparing and hashing.
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
	t   table[ownedKey, V]
	ctx *Context[string]
}

// SetContext has the map compare and hash keys as c says. It panics if the map
// has memory.
func (m *StringHashMapUnmanaged[V]) SetContext(c *Context[string]) {
	checkContext(c, m.t.from, "generic: StringHashMap.SetContext")
	m.ctx, m.t.ctx = c, &ownedContext
}

// keepContext has the map, which is empty, compare and hash keys as o does.
func (m *StringHashMapUnmanaged[V]) keepContext(o *StringHashMapUnmanaged[V]) {
	m.ctx, m.t.ctx = o.ctx, o.t.ctx
}

// An ownedKey is a key: a string with half the length and, in the room that this
// makes, the lower half of its hash, so that a table grows without looking at
// the bytes of its keys.
//
// It points to a block of the same allocator, which is what keeps that alive. An
// allocator whose memory is not scanned is therefore asked for a local block,
// and one that is scanned finds typed pointers.
type ownedKey struct {
	data *byte
	n    uint32
	hash uint32
}

// ownedContext stands in the table of a map that has a context.
var ownedContext Context[ownedKey]

const owned = true // the pointers in keys are to memory of the same allocator

// lookup returns the slot of k, or nil, and the hash of k unless there is no
// memory. It is table.find for keys that are not what they are compared with: it
// looks at the slot where k wants to be, and leaves the rest to search.
func (m *StringHashMapUnmanaged[V]) lookup(k string) (*slot[ownedKey, V], uint64) {
	t := &m.t
	if t.how != hashOwned { // a context, or no memory
		return m.lookupContext(k)
	}
	h := unfold(uint32(hashOf(t.seed, stringBytes(k))))
	p := &t.first
	if len(t.dir) > 0 {
		p = elementAt(t.dir, t.index(h))
	}
	i := t.home(h)
	if *ctrlAt(p.ctrl, i) == tagOf(h) {
		if s := slotAt(p.slots, i); s.key.hash == uint32(h) && s.key.string() == k {
			return s, h
		}
	}
	i >>= groupShift
	if match := matches(wordAt(p.ctrl, i), patternOf(h)); match != 0 {
		if s := slotAt(p.slots, i<<groupShift+slotOf(match)); s.key.hash == uint32(h) && s.key.string() == k {
			return s, h
		}
	} else if *ctrlAt(p.ctrl, uint(t.mask)+1+i) == 0 && t.stray == 0 {
		return nil, h
	}
	return m.search(h, k), h
}

//go:noinline
func (m *StringHashMapUnmanaged[V]) lookupContext(k string) (*slot[ownedKey, V], uint64) {
	if m.t.from == 0 {
		return nil, 0
	}
	h := m.hash(k)
	return m.search(h, k), h
}

// search returns the slot of k, which has the hash h, or nil.
//
//go:noinline
func (m *StringHashMapUnmanaged[V]) search(h uint64, k string) *slot[ownedKey, V] {
	t := &m.t
	p := &t.first
	if len(t.dir) > 0 {
		p = elementAt(t.dir, t.index(h))
	}
	mask := uint(t.mask)
	pattern := patternOf(h)
	i := t.home(h) >> groupShift
	for step := uint(1); ; step++ {
		for match := matches(wordAt(p.ctrl, i), pattern); match != 0; match &= match - 1 {
			if s := slotAt(p.slots, i<<groupShift+slotOf(match)); s.key.hash == uint32(h) && m.equal(s.key, k) {
				return s
			}
		}
		if *ctrlAt(p.ctrl, mask+1+i) == 0 || step > mask>>groupShift {
			break
		}
		i = (i + step) & (mask >> groupShift)
	}
	if t.stray == 0 {
		return nil
	}
	return t.lookupFunc(h, func(x ownedKey) bool { return m.equal(x, k) })
}

// hash returns the hash of k, made of the 32 bits that an ownedKey keeps.
func (m *StringHashMapUnmanaged[V]) hash(k string) uint64 {
	if m.ctx != nil {
		return unfold(uint32(mix(m.ctx.Hash(k) ^ m.t.seed)))
	}
	return unfold(uint32(hashOf(m.t.seed, stringBytes(k))))
}

func (m *StringHashMapUnmanaged[V]) equal(x ownedKey, k string) bool {
	return x.string() == k || m.ctx != nil && m.ctx.Equal(x.string(), k)
}

// entry returns the slot of k, and whether it was there. If it is new, the
// caller sets the value.
func (m *StringHashMapUnmanaged[V]) entry(a mem.Allocator, k string, method string) (*slot[ownedKey, V], bool, error) {
	s, h := m.lookup(k)
	if s != nil {
		return s, true, nil
	}
	return m.addEntry(a, k, h, method)
}

// addEntry adds a copy of k, which is new and has the hash h if there is memory.
func (m *StringHashMapUnmanaged[V]) addEntry(a mem.Allocator, k string, h uint64, method string) (*slot[ownedKey, V], bool, error) {
	m.t.from.check(a, method)
	if uint64(len(k)) > math.MaxUint32 {
		return nil, false, mem.ErrTooLarge
	}
	// The key comes first: it is the one of the two that can be undone.
	key, err := mem.DupeString(a, k)
	if err != nil {
		return nil, false, err
	}
	kept := false
	defer func() { // growing may panic, too
		if !kept {
			mem.FreeString(a, key)
		}
	}()
	if m.t.from == 0 {
		if err = m.t.begin(a, owned, method); err != nil {
			return nil, false, err
		}
		h = m.hash(k)
	}
	if err = m.t.roomFor(a, h, owned, method); err != nil {
		return nil, false, err
	}
	kept = true
	s := m.t.add(h)
	s.key = ownedOf(key, h)
	return s, false, nil
}

// lookupAdapted returns the slot of the key whose hash by the context is hash
// and for which equal returns true, or nil, and the hash in the map.
func (m *StringHashMapUnmanaged[V]) lookupAdapted(hash uint64, equal func(string) bool, method string) (*slot[ownedKey, V], uint64) {
	h := unfold(uint32(m.t.adapted(hash, method)))
	return m.t.lookupFunc(h, func(x ownedKey) bool { return equal(x.string()) }), h
}

// GetAdapted is Get by something else than a string: it returns the value of the
// key with the given hash, in the sense of the map's [Context], for which equal
// returns true. It panics if the map has no Context.
func (m *StringHashMapUnmanaged[V]) GetAdapted(hash uint64, equal func(string) bool) (v V, ok bool) {
	if s, _ := m.lookupAdapted(hash, equal, "generic: StringHashMap.GetAdapted"); s != nil {
		return s.val, true
	}
	return v, false
}

// GetPtrAdapted is GetPtr on the terms of GetAdapted.
func (m *StringHashMapUnmanaged[V]) GetPtrAdapted(hash uint64, equal func(string) bool) *V {
	if s, _ := m.lookupAdapted(hash, equal, "generic: StringHashMap.GetPtrAdapted"); s != nil {
		return &s.val
	}
	return nil
}

// GetKeyAdapted is GetKey on the terms of GetAdapted.
func (m *StringHashMapUnmanaged[V]) GetKeyAdapted(hash uint64, equal func(string) bool) (key string, ok bool) {
	if s, _ := m.lookupAdapted(hash, equal, "generic: StringHashMap.GetKeyAdapted"); s != nil {
		return s.key.string(), true
	}
	return "", false
}

// GetOrPutAdapted is GetOrPut on the terms of GetAdapted. Only if the map does
// not hold the key, it calls key for it, which must have the hash and must not
// touch the map, and takes a copy. An error of key is returned as it is.
func (m *StringHashMapUnmanaged[V]) GetOrPutAdapted(a mem.Allocator, hash uint64, equal func(string) bool, key func() (string, error)) (Slot[string, V], error) {
	const method = "generic: StringHashMap.GetOrPutAdapted"
	s, h := m.lookupAdapted(hash, equal, method)
	if s == nil {
		k, err := key()
		if err != nil {
			return Slot[string, V]{}, err
		}
		if s, _, err = m.addEntry(a, k, h, method); err != nil {
			return Slot[string, V]{}, err
		}
		s.val = *new(V)
		m.check()
		return Slot[string, V]{s.key.string(), &s.val, false}, nil
	}
	return Slot[string, V]{s.key.string(), &s.val, true}, nil
}

// FetchRemoveAdapted is FetchRemove on the terms of GetAdapted.
func (m *StringHashMapUnmanaged[V]) FetchRemoveAdapted(a mem.Allocator, hash uint64, equal func(string) bool) (v V, ok bool) {
	const method = "generic: StringHashMap.FetchRemoveAdapted"
	s, h := m.lookupAdapted(hash, equal, method)
	return m.removeEntry(a, s, h, method)
}

// Put sets the value of k to v, and returns the map's copy of k.
func (m *StringHashMapUnmanaged[V]) Put(a mem.Allocator, k string, v V) (string, error) {
	s, _, err := m.entry(a, k, "generic: StringHashMap.Put")
	if err != nil {
		return "", err
	}
	s.val = v
	m.check()
	return s.key.string(), nil
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
	return Slot[string, V]{s.key.string(), &s.val, found}, nil
}

// PutBytes is Put for a key that is not a string yet.
func (m *StringHashMapUnmanaged[V]) PutBytes(a mem.Allocator, k []byte, v V) (string, error) {
	return m.Put(a, stringFrom(k), v)
}

// GetBytes is Get for a key that is not a string yet.
func (m *StringHashMapUnmanaged[V]) GetBytes(k []byte) (v V, ok bool) { return m.Get(stringFrom(k)) }

// Get returns the value of k, and whether the map holds k.
func (m *StringHashMapUnmanaged[V]) Get(k string) (v V, ok bool) {
	if s, _ := m.lookup(k); s != nil {
		return s.val, true
	}
	return v, false
}

// GetPtr returns a pointer to the value of k in the map, or nil if the map does
// not hold k. It lives as long as pointers into the map do.
func (m *StringHashMapUnmanaged[V]) GetPtr(k string) *V {
	if s, _ := m.lookup(k); s != nil {
		return &s.val
	}
	return nil
}

// GetKey returns the map's copy of k, and whether the map holds k.
func (m *StringHashMapUnmanaged[V]) GetKey(k string) (string, bool) {
	if s, _ := m.lookup(k); s != nil {
		return s.key.string(), true
	}
	return "", false
}

// Contains tells whether the map holds k.
func (m *StringHashMapUnmanaged[V]) Contains(k string) bool {
	s, _ := m.lookup(k)
	return s != nil
}

// Remove removes k and its value, frees the map's copy of k, and tells whether
// the map held it. k may be that copy.
func (m *StringHashMapUnmanaged[V]) Remove(a mem.Allocator, k string) bool {
	_, ok := m.FetchRemove(a, k)
	return ok
}

// FetchRemove is Remove that returns the value.
func (m *StringHashMapUnmanaged[V]) FetchRemove(a mem.Allocator, k string) (v V, ok bool) {
	s, h := m.lookup(k)
	return m.removeEntry(a, s, h, "generic: StringHashMap.Remove")
}

// removeEntry removes the entry in s, unless that is nil, and returns its value.
func (m *StringHashMapUnmanaged[V]) removeEntry(a mem.Allocator, s *slot[ownedKey, V], h uint64, method string) (v V, ok bool) {
	if s == nil {
		return v, false
	}
	m.t.from.check(a, method)
	m.t.unlocked(method)
	e := *s
	m.t.remove(h, s, method)
	mem.FreeString(a, e.key.string())
	m.check()
	return e.val, true
}

// DeleteFunc removes the entries for which del returns true, and frees their
// keys. What del may do to the map is what a loop over All may.
func (m *StringHashMapUnmanaged[V]) DeleteFunc(a mem.Allocator, del func(k string, v V) bool) {
	const method = "generic: StringHashMap.DeleteFunc"
	if m.t.n > 0 {
		m.t.from.check(a, method)
	}
	for c := m.t.walk(); c.group(); {
		for c.more() {
			at, s := slotOf(c.bits), c.next()
			if k := s.key; del(k.string(), s.val) && c.holds(at, k) {
				c.remove(s, method)
				mem.FreeString(a, k.string())
			}
		}
	}
	m.check()
}

// LockPointers declares that pointers into the map and keys of it are in use:
// until UnlockPointers was called as often, every operation that would end the
// life of one panics, and changes nothing. Adding entries is none as long as the
// map does not have to grow, nor is setting values.
func (m *StringHashMapUnmanaged[V]) LockPointers() { m.t.locks++ }

// UnlockPointers takes one LockPointers back.
func (m *StringHashMapUnmanaged[V]) UnlockPointers() {
	m.t.unlock("generic: StringHashMap.UnlockPointers")
}

// Rehash puts every entry where it is found soonest, which it moves for that. It
// takes no memory. There is no need to call it now and then: removals leave
// nothing behind.
func (m *StringHashMapUnmanaged[V]) Rehash() {
	m.t.rehash("generic: StringHashMap.Rehash")
	m.check()
}

// Len returns the number of entries.
func (m *StringHashMapUnmanaged[V]) Len() int { return m.t.n }

// Cap returns how many entries fit without more memory than that of their keys.
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

// Clear removes all entries, frees their keys, and keeps the memory of the entries
// themselves.
func (m *StringHashMapUnmanaged[V]) Clear(a mem.Allocator) {
	const method = "generic: StringHashMap.Clear"
	m.freeKeys(a, method)
	m.t.clear(method)
	m.check()
}

// ClearAndFree removes all entries and gives back all memory.
func (m *StringHashMapUnmanaged[V]) ClearAndFree(a mem.Allocator) { m.Close(a) }

// ShrinkAndFree gives back the memory that the entries do not need, as far as
// whole parts go, and takes back what was reserved. The entries are moved to other
// memory; where there is none, the map keeps what it has, so that it cannot fail.
func (m *StringHashMapUnmanaged[V]) ShrinkAndFree(a mem.Allocator) {
	m.t.shrink(a, owned, "generic: StringHashMap.ShrinkAndFree")
	m.check()
}

// Clone returns a map with the same entries and with copies of the keys of its
// own.
func (m *StringHashMapUnmanaged[V]) Clone(a mem.Allocator) (StringHashMapUnmanaged[V], error) {
	const method = "generic: StringHashMap.Clone"
	if m.t.isSmall() {
		return m.cloneFew(a, method)
	}
	t, err := m.t.copyOfMany(a, owned, method)
	if err != nil {
		return StringHashMapUnmanaged[V]{}, err
	}
	copied := 0
	for s := range t.all {
		key, err := mem.DupeString(a, s.key.string())
		if err != nil {
			for s := range t.all {
				if copied == 0 {
					break
				}
				mem.FreeString(a, s.key.string())
				copied--
			}
			t.close(a, method)
			return StringHashMapUnmanaged[V]{}, err
		}
		s.key = ownedOf(key, uint64(s.key.hash))
		copied++
	}
	c := StringHashMapUnmanaged[V]{t, m.ctx}
	c.check()
	return c, nil
}

// cloneFew is Clone of a small map, whose entries have another order in the copy,
// see table.copyOf.
func (m *StringHashMapUnmanaged[V]) cloneFew(a mem.Allocator, method string) (StringHashMapUnmanaged[V], error) {
	t, err := m.t.copyWithout(a, owned, method)
	if err != nil {
		return StringHashMapUnmanaged[V]{}, err
	}
	c := StringHashMapUnmanaged[V]{t, m.ctx}
	for s := range m.t.all {
		key, err := mem.DupeString(a, s.key.string())
		if err != nil {
			c.Close(a)
			return StringHashMapUnmanaged[V]{}, err
		}
		h := c.hash(key)
		e := c.t.add(h)
		e.key, e.val = ownedOf(key, h), s.val
	}
	c.check()
	return c, nil
}

// ToManaged returns the map with a, the allocator that it has had so far,
// stored, and leaves m empty, without memory but with the same Context.
func (m *StringHashMapUnmanaged[V]) ToManaged(a mem.Allocator) *StringHashMap[V] {
	m.t.from.adopt(a, "generic: StringHashMap.ToManaged")
	c := &StringHashMap[V]{a: a, u: *m}
	*m = StringHashMapUnmanaged[V]{}
	m.keepContext(&c.u)
	return c
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
	m.t.unlocked(method)
	for s := range m.t.all {
		mem.FreeString(a, s.key.string())
	}
}

// All yields the entries, in no particular order. During the iteration, values
// may be set and entries removed, the one just yielded too, which ends the life
// of its key; those that are removed before they are yielded are not yielded.
// It panics if the map grows or shrinks meanwhile, and an entry that is added
// without that may or may not be yielded.
func (m *StringHashMapUnmanaged[V]) All() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for c := m.t.walk(); c.group(); {
			for c.more() {
				if s := c.next(); !yield(s.key.string(), s.val) {
					return
				}
			}
		}
	}
}

// AllPtr is All with pointers to the values in the map, which live as long as
// pointers into the map do.
func (m *StringHashMapUnmanaged[V]) AllPtr() iter.Seq2[string, *V] {
	return func(yield func(string, *V) bool) {
		for c := m.t.walk(); c.group(); {
			for c.more() {
				if s := c.next(); !yield(s.key.string(), &s.val) {
					return
				}
			}
		}
	}
}

// Drain yields the entries, on the terms of All, and removes each before it is
// yielded; its key is freed when the body of the loop is done. Those that a loop
// does not get to stay.
func (m *StringHashMapUnmanaged[V]) Drain(a mem.Allocator) iter.Seq2[string, V] {
	const method = "generic: StringHashMap.Drain"
	return func(yield func(string, V) bool) {
		if m.t.n > 0 {
			m.t.from.check(a, method)
		}
		m.t.drain(method, func(s slot[ownedKey, V]) bool {
			defer mem.FreeString(a, s.key.string())
			return yield(s.key.string(), s.val)
		})
		m.check()
	}
}

// Keys yields the keys, on the terms of All.
func (m *StringHashMapUnmanaged[V]) Keys() iter.Seq[string] {
	return func(yield func(string) bool) {
		m.t.all(func(s *slot[ownedKey, V]) bool { return yield(s.key.string()) })
	}
}

// Values yields the values, on the terms of All.
func (m *StringHashMapUnmanaged[V]) Values() iter.Seq[V] {
	return func(yield func(V) bool) {
		m.t.all(func(s *slot[ownedKey, V]) bool { return yield(s.val) })
	}
}

func (m *StringHashMapUnmanaged[V]) check() {
	if invariant.Enabled {
		m.t.check()
	}
}
