package generic

import (
	"iter"
	"math"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// A BufMapUnmanaged maps strings to strings and owns both, with the allocator
// handed to every call that may need it: environment variables, headers,
// attributes. [BufMap] is the same with the allocator stored. For values that are
// not strings there is [StringHashMapUnmanaged].
//
// It keeps a copy of every key and value, a block of its own of exactly the
// length, in memory of the allocator passed in, which must be the same every
// time; and two blocks that grow, one of the entries in a row and one to find
// them by. Its strings need nobody's promise. The entries come in the order in
// which they were put, until one is removed: the last one takes its place.
//
// Put, Get and Remove take constant time, save for the Put that grows a block.
// Strings that the map hands out are its own copies: a value is dead when its
// key is put again, and both are when the entry is removed.
//
// A map is for one goroutine at a time. The zero value is an empty map, ready
// for use. Assigning a map moves it: two copies must not both be used.
type BufMapUnmanaged struct {
	rows  []stringRow // rows[:cap] is the block
	index stringIndex
	from  origin // 0 as long as there are no blocks
}

// Close gives all memory back and leaves an empty map, which may be used again.
// It never fails, and does nothing to an empty map without memory.
func (m *BufMapUnmanaged) Close(a mem.Allocator) {
	if m.from != 0 {
		m.Clear(a)
		mem.Free(a, m.rows)
		mem.Free(a, m.index.slots)
	}
	*m = BufMapUnmanaged{}
}

// Clear removes all entries, which frees their strings, and keeps the rest of
// the memory.
func (m *BufMapUnmanaged) Clear(a mem.Allocator) {
	if m.from == 0 {
		return
	}
	m.from.check(a, "generic: BufMap.Clear")
	for _, r := range m.rows {
		mem.FreeString(a, r.key)
		mem.FreeString(a, r.val)
	}
	clear(m.rows)
	clear(m.index.slots)
	m.rows, m.index.n = m.rows[:0], 0
	m.check()
}

// Clone returns a map of copies of the entries.
func (m *BufMapUnmanaged) Clone(a mem.Allocator) (BufMapUnmanaged, error) {
	return m.clone(a, "generic: BufMap.Clone")
}

func (m *BufMapUnmanaged) clone(a mem.Allocator, method string) (BufMapUnmanaged, error) {
	var c BufMapUnmanaged
	if err := c.ensure(a, len(m.rows), method); err != nil {
		return c, err
	}
	for _, r := range m.rows {
		if err := c.Put(a, r.key, r.val); err != nil {
			c.Close(a)
			return c, err
		}
	}
	return c, nil
}

// ToManaged returns the map with a, the allocator that it has had so far,
// stored, and leaves m empty, without memory.
func (m *BufMapUnmanaged) ToManaged(a mem.Allocator) *BufMap {
	m.from.adopt(a, "generic: BufMap.ToManaged")
	c := &BufMap{a: a, u: *m}
	*m = BufMapUnmanaged{}
	return c
}

// Len returns the number of entries.
func (m *BufMapUnmanaged) Len() int { return len(m.rows) }

// row returns the number of the entry of k, or -1.
func (m *BufMapUnmanaged) row(k string) int {
	if len(m.rows) == 0 {
		return -1
	}
	i, _ := m.index.find(m.index.hash(k), k, m.rows)
	return i
}

// Get returns the value of k, and whether the map holds k. The value is dead
// when it is put again, or removed.
func (m *BufMapUnmanaged) Get(k string) (v string, ok bool) {
	if i := m.row(k); i >= 0 {
		return m.rows[i].val, true
	}
	return "", false
}

// GetKey returns the map's copy of k, and whether it holds k.
func (m *BufMapUnmanaged) GetKey(k string) (key string, ok bool) {
	if i := m.row(k); i >= 0 {
		return m.rows[i].key, true
	}
	return "", false
}

// Contains tells whether the map holds k.
func (m *BufMapUnmanaged) Contains(k string) bool { return m.row(k) >= 0 }

// Put sets the value of k to a copy of v. If k is new, it is copied, too.
func (m *BufMapUnmanaged) Put(a mem.Allocator, k, v string) error {
	return m.put(a, k, v, "generic: BufMap.Put")
}

func (m *BufMapUnmanaged) put(a mem.Allocator, k, v, method string) error {
	m.from.check(a, method)
	val, err := mem.DupeString(a, v)
	if err != nil {
		return err
	}
	i := m.row(k)
	if i < 0 {
		var key string
		if key, err = mem.DupeString(a, k); err == nil {
			if err = m.putMove(a, key, val, method); err == nil {
				return nil
			}
			mem.FreeString(a, key)
		}
		mem.FreeString(a, val)
		return err
	}
	old := m.rows[i].val
	m.rows[i].val = val
	mem.FreeString(a, old)
	m.check()
	return nil
}

// PutMove sets the value of k to v and takes both over, which must have come
// from the allocator of the map by [mem.DupeString]: if the map holds k already,
// it frees the value that it had and the k that it was given. On an error they
// stay the caller's.
func (m *BufMapUnmanaged) PutMove(a mem.Allocator, k, v string) error {
	const method = "generic: BufMap.PutMove"
	m.from.check(a, method)
	if i := m.row(k); i >= 0 {
		mem.FreeString(a, k)
		mem.FreeString(a, m.rows[i].val)
		m.rows[i].val = v
		m.check()
		return nil
	}
	return m.putMove(a, k, v, method)
}

// putMove adds an entry whose key is new.
func (m *BufMapUnmanaged) putMove(a mem.Allocator, k, v, method string) error {
	if err := m.ensure(a, len(m.rows)+1, method); err != nil {
		return err
	}
	h := m.index.hash(k)
	_, slot := m.index.find(h, k, m.rows)
	m.index.set(slot, h, len(m.rows))
	m.index.n++
	m.rows = append(m.rows, stringRow{k, v}) // for which there is room
	m.check()
	return nil
}

// EnsureUnusedCapacity makes room for n entries more, except for their strings.
// It panics if n is negative.
func (m *BufMapUnmanaged) EnsureUnusedCapacity(a mem.Allocator, n int) error {
	return m.ensureUnused(a, n, "generic: BufMap.EnsureUnusedCapacity")
}

func (m *BufMapUnmanaged) ensureUnused(a mem.Allocator, n int, method string) error {
	if n < 0 {
		panic(method + ": negative count")
	}
	if n > math.MaxInt-len(m.rows) {
		return mem.ErrTooLarge
	}
	return m.ensure(a, len(m.rows)+n, method)
}

func (m *BufMapUnmanaged) ensure(a mem.Allocator, n int, method string) error {
	m.from.check(a, method)
	if n == 0 {
		return nil
	}
	if err := m.index.ensure(a, n); err != nil {
		return err
	}
	rows, err := ensureRows(a, m.rows, n)
	if err != nil {
		if cap(m.rows) == 0 { // then the index is new as well
			mem.Free(a, m.index.slots)
			m.index = stringIndex{}
		}
		return err
	}
	m.rows, m.from = rows, originOf(a)
	return nil
}

// Remove removes the entry of k, which frees its strings, and tells whether
// there was one. It never fails.
func (m *BufMapUnmanaged) Remove(a mem.Allocator, k string) bool {
	if len(m.rows) == 0 {
		return false
	}
	i, slot := m.index.find(m.index.hash(k), k, m.rows)
	if i < 0 {
		return false
	}
	m.from.check(a, "generic: BufMap.Remove")
	gone := m.rows[i]
	m.index.remove(slot)
	last := len(m.rows) - 1
	if i < last {
		h := m.index.hash(m.rows[last].key)
		m.index.set(m.index.slotOf(h, last), h, i)
		m.rows[i] = m.rows[last]
	}
	m.rows[last] = stringRow{}
	m.rows = m.rows[:last]
	mem.FreeString(a, gone.key)
	mem.FreeString(a, gone.val)
	m.check()
	return true
}

// All yields the entries in order. Entries may be put during the iteration, and
// the one that it is at removed: the last one, which takes its place, is then
// not yielded, unless the iteration is one Backward. A value is dead when it is
// put again, and both strings are when the entry is removed.
func (m *BufMapUnmanaged) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i := 0; i < len(m.rows); i++ {
			if !yield(m.rows[i].key, m.rows[i].val) {
				return
			}
		}
	}
}

// Backward yields the entries from the last to the first. Entries may be put
// during the iteration, and those removed that it has yielded. Strings live as
// long as with All.
func (m *BufMapUnmanaged) Backward() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i := len(m.rows) - 1; i >= 0; i = min(i, len(m.rows)) - 1 {
			if !yield(m.rows[i].key, m.rows[i].val) {
				return
			}
		}
	}
}

// Keys yields the keys in order, on the terms of All.
func (m *BufMapUnmanaged) Keys() iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := 0; i < len(m.rows) && yield(m.rows[i].key); i++ {
		}
	}
}

// Values yields the values in order, on the terms of All.
func (m *BufMapUnmanaged) Values() iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := 0; i < len(m.rows) && yield(m.rows[i].val); i++ {
		}
	}
}

// Drain yields the entries from the last to the first and removes each before it
// is yielded; its strings are freed when the body of the loop is done. Those that
// a loop does not get to stay.
func (m *BufMapUnmanaged) Drain(a mem.Allocator) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		if len(m.rows) > 0 {
			m.from.check(a, "generic: BufMap.Drain")
		}
		for len(m.rows) > 0 {
			if !m.pop().lend(a, yield) {
				return
			}
		}
	}
}

// pop removes the last entry, whose strings the caller frees.
func (m *BufMapUnmanaged) pop() stringRow {
	last := len(m.rows) - 1
	r := m.rows[last]
	m.index.remove(m.index.slotOf(m.index.hash(r.key), last))
	m.rows[last] = stringRow{}
	m.rows = m.rows[:last]
	m.check()
	return r
}

// lend yields the strings of r, and frees them then.
func (r stringRow) lend(a mem.Allocator, yield func(string, string) bool) bool {
	defer func() {
		mem.FreeString(a, r.key)
		mem.FreeString(a, r.val)
	}()
	return yield(r.key, r.val)
}

func (m *BufMapUnmanaged) check() {
	if !invariant.Enabled {
		return
	}
	invariant.Check(m.index.n == len(m.rows), "generic: BufMap: %d entries, %d in the index", len(m.rows), m.index.n)
	for i := range min(len(m.rows), 64) {
		n, _ := m.index.find(m.index.hash(m.rows[i].key), m.rows[i].key, m.rows)
		invariant.Check(n == i, "generic: BufMap: entry %d is found as %d", i, n)
	}
	checkZero(m.rows[len(m.rows):cap(m.rows)], "generic: BufMap")
}
