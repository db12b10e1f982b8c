package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// A BufMap maps strings to strings and owns both. [BufMapUnmanaged] is the same
// without a stored allocator, and says more about both.
//
// Memory comes from the allocator given to [NewBufMap].
//
// A map is for one goroutine at a time and must not be copied. The zero BufMap
// has no allocator; call [NewBufMap].
type BufMap struct {
	_ noCopy
	a mem.Allocator
	u BufMapUnmanaged
}

// NewBufMap returns an empty map, which first calls a when it first grows.
func NewBufMap(a mem.Allocator) *BufMap {
	if isNil(a) {
		panicNil(a, "generic: NewBufMap")
	}
	return &BufMap{a: a}
}

// Allocator returns the allocator of the map.
func (m *BufMap) Allocator() mem.Allocator { return m.a }

// Close gives all memory back and leaves an empty map, which may be used
// again. It never allocates, and the error is always nil.
func (m *BufMap) Close() error {
	m.u.Close(m.a)
	return nil
}

// Clone returns a map of copies of the entries.
func (m *BufMap) Clone() (*BufMap, error) {
	u, err := m.u.Clone(m.a)
	if err != nil {
		return nil, err
	}
	return &BufMap{a: m.a, u: u}, nil
}

// ToUnmanaged returns the map without its allocator, which every call is handed
// from now on, and leaves m empty, without memory.
func (m *BufMap) ToUnmanaged() BufMapUnmanaged {
	u := m.u
	m.u = BufMapUnmanaged{}
	return u
}

// Clear removes all entries, which frees their strings, and keeps the rest of
// the memory.
func (m *BufMap) Clear() { m.u.Clear(m.a) }

// Len returns the number of entries.
func (m *BufMap) Len() int { return m.u.Len() }

// Get returns the value of k, and whether the map holds k. The value is dead
// when it is put again, or removed.
func (m *BufMap) Get(k string) (v string, ok bool) { return m.u.Get(k) }

// GetKey returns the map's copy of k, and whether it holds k.
func (m *BufMap) GetKey(k string) (key string, ok bool) { return m.u.GetKey(k) }

// Contains tells whether the map holds k.
func (m *BufMap) Contains(k string) bool { return m.u.Contains(k) }

// Put sets the value of k to a copy of v. If k is new, it is copied, too.
func (m *BufMap) Put(k, v string) error { return m.u.Put(m.a, k, v) }

// PutMove sets the value of k to v and takes both over, which must have come
// from the allocator of the map by [mem.DupeString]: if the map holds k already,
// it frees the value that it had and the k that it was given. On an error they
// stay the caller's.
func (m *BufMap) PutMove(k, v string) error { return m.u.PutMove(m.a, k, v) }

// EnsureUnusedCapacity makes room for n entries more, except for their strings.
// It panics if n is negative.
func (m *BufMap) EnsureUnusedCapacity(n int) error { return m.u.EnsureUnusedCapacity(m.a, n) }

// Remove removes the entry of k, which frees its strings, and tells whether
// there was one. It never fails.
func (m *BufMap) Remove(k string) bool { return m.u.Remove(m.a, k) }

// All yields the entries in order. Entries may be put during the iteration, and
// the one that it is at removed: the last one, which takes its place, is then
// not yielded, unless the iteration is one Backward. A value is dead when it is
// put again, and both strings are when the entry is removed.
func (m *BufMap) All() iter.Seq2[string, string] { return m.u.All() }

// Backward yields the entries from the last to the first. Entries may be put
// during the iteration, and those removed that it has yielded. Strings live as
// long as with All.
func (m *BufMap) Backward() iter.Seq2[string, string] { return m.u.Backward() }

// Keys yields the keys in order, on the terms of All.
func (m *BufMap) Keys() iter.Seq[string] { return m.u.Keys() }

// Values yields the values in order, on the terms of All.
func (m *BufMap) Values() iter.Seq[string] { return m.u.Values() }

// Drain yields the entries from the last to the first and removes each before it
// is yielded; its strings are freed when the body of the loop is done. Those that
// a loop does not get to stay.
func (m *BufMap) Drain() iter.Seq2[string, string] { return m.u.Drain(m.a) }
