package generic

import (
	"cmp"
	"iter"

	"github.com/allod-dev/allod/mem"
)

// A BTreeMap maps keys to values and keeps them in the order of the keys.
// [BTreeMapUnmanaged] is the same without a stored allocator, and says more about
// both.
//
// Memory comes from the allocator given to [NewBTreeMap] or [NewBTreeMapOrder].
//
// A map is for one goroutine at a time and must not be copied. The zero BTreeMap
// has no allocator; call [NewBTreeMap].
type BTreeMap[K, V any, C Order[K]] struct {
	_ noCopy
	a mem.Allocator
	u BTreeMapUnmanaged[K, V, C]
}

// Allocator returns the allocator of the map.
func (m *BTreeMap[K, V, C]) Allocator() mem.Allocator { return m.a }

// Close gives all memory back and leaves an empty map, which may be used
// again. It never allocates, and the error is always nil.
func (m *BTreeMap[K, V, C]) Close() error {
	m.u.Close(m.a)
	return nil
}

// Clone returns a map of the same entries, in nodes that are full.
func (m *BTreeMap[K, V, C]) Clone() (*BTreeMap[K, V, C], error) {
	u, err := m.u.Clone(m.a)
	if err != nil {
		return nil, err
	}
	return &BTreeMap[K, V, C]{a: m.a, u: u}, nil
}

// ToUnmanaged returns the map without its allocator, which every call is handed
// from now on, and leaves m empty, without memory but with the same Order.
func (m *BTreeMap[K, V, C]) ToUnmanaged() BTreeMapUnmanaged[K, V, C] {
	u := m.u
	m.u = BTreeMapUnmanaged[K, V, C]{}
	m.u.Order = u.Order
	return u
}

// Clear removes all entries, which gives back the memory.
func (m *BTreeMap[K, V, C]) Clear() { m.u.Clear(m.a) }

// Load puts the entries of seq, whose keys must ascend, into an empty map. That
// is faster than one Put after the other, and fills all nodes. On an error the
// map is empty. It panics if the map is not empty, or a key does not come after
// the one before it.
func (m *BTreeMap[K, V, C]) Load(seq iter.Seq2[K, V]) error { return m.u.Load(m.a, seq) }

// Len returns the number of entries.
func (m *BTreeMap[K, V, C]) Len() int { return m.u.Len() }

// Get returns the value of k, and whether the map holds k.
func (m *BTreeMap[K, V, C]) Get(k K) (v V, ok bool) { return m.u.Get(k) }

// GetPtr returns a pointer to the value of k in the map, or nil if the map does
// not hold k. It is valid until an entry is put or removed.
func (m *BTreeMap[K, V, C]) GetPtr(k K) *V { return m.u.GetPtr(k) }

// GetKey returns the key in the map that is equivalent to k, and whether there
// is one.
func (m *BTreeMap[K, V, C]) GetKey(k K) (key K, ok bool) { return m.u.GetKey(k) }

// Contains tells whether the map holds k.
func (m *BTreeMap[K, V, C]) Contains(k K) bool { return m.u.Contains(k) }

// Min returns the first entry, and false if there is none.
func (m *BTreeMap[K, V, C]) Min() (k K, v V, ok bool) { return m.u.Min() }

// Max returns the last entry, and false if there is none.
func (m *BTreeMap[K, V, C]) Max() (k K, v V, ok bool) { return m.u.Max() }

// Ceiling returns the first entry whose key is k or comes after it, and false if
// there is none.
func (m *BTreeMap[K, V, C]) Ceiling(k K) (key K, v V, ok bool) { return m.u.Ceiling(k) }

// Floor returns the last entry whose key is k or comes before it, and false if
// there is none.
func (m *BTreeMap[K, V, C]) Floor(k K) (key K, v V, ok bool) { return m.u.Floor(k) }

// Put sets the value of k to v. If the map holds k already, it keeps the key
// that it has.
func (m *BTreeMap[K, V, C]) Put(k K, v V) error { return m.u.Put(m.a, k, v) }

// FetchPut sets the value of k to v and returns the value before, and whether
// there was one.
func (m *BTreeMap[K, V, C]) FetchPut(k K, v V) (old V, had bool, err error) {
	return m.u.FetchPut(m.a, k, v)
}

// GetOrPut returns a pointer to the value of k in the map, and whether it was
// there before: if not, it is put, with a zero value. It cannot fail for a key
// that is there. The pointer is valid until an entry is put or removed.
func (m *BTreeMap[K, V, C]) GetOrPut(k K) (v *V, found bool, err error) {
	return m.u.GetOrPut(m.a, k)
}

// Remove removes the entry of k and tells whether there was one. It never
// fails.
func (m *BTreeMap[K, V, C]) Remove(k K) bool { return m.u.Remove(m.a, k) }

// FetchRemove removes the entry of k and returns its value, and whether there
// was one.
func (m *BTreeMap[K, V, C]) FetchRemove(k K) (v V, ok bool) { return m.u.FetchRemove(m.a, k) }

// PopMin removes the first entry and returns it, or false if there is none.
func (m *BTreeMap[K, V, C]) PopMin() (k K, v V, ok bool) { return m.u.PopMin(m.a) }

// PopMax removes the last entry and returns it, or false if there is none.
func (m *BTreeMap[K, V, C]) PopMax() (k K, v V, ok bool) { return m.u.PopMax(m.a) }

// All yields the entries in order. Entries may be put and removed during the
// iteration, which goes on with the key that comes next then.
func (m *BTreeMap[K, V, C]) All() iter.Seq2[K, V] { return m.u.All() }

// AllPtr yields the keys in order with pointers to their values, on the terms of
// All. A pointer is valid until an entry is put or removed.
func (m *BTreeMap[K, V, C]) AllPtr() iter.Seq2[K, *V] { return m.u.AllPtr() }

// Keys yields the keys in order, on the terms of All.
func (m *BTreeMap[K, V, C]) Keys() iter.Seq[K] { return m.u.Keys() }

// Values yields the values in the order of their keys, on the terms of All.
func (m *BTreeMap[K, V, C]) Values() iter.Seq[V] { return m.u.Values() }

// From yields the entries from k on, in order, on the terms of All.
func (m *BTreeMap[K, V, C]) From(k K) iter.Seq2[K, V] { return m.u.From(k) }

// Range yields the entries from the key low on, up to but without the key high,
// in order, on the terms of All.
func (m *BTreeMap[K, V, C]) Range(low, high K) iter.Seq2[K, V] { return m.u.Range(low, high) }

// Backward yields the entries from the last to the first. Entries may be put and
// removed during the iteration, which goes on with the key that comes before.
func (m *BTreeMap[K, V, C]) Backward() iter.Seq2[K, V] { return m.u.Backward() }

// BackwardFrom yields the entries from k to the first, in that order, on the
// terms of Backward.
func (m *BTreeMap[K, V, C]) BackwardFrom(k K) iter.Seq2[K, V] { return m.u.BackwardFrom(k) }

// Drain removes the entries one by one, the first one first, and yields them,
// until none is left or the loop ends.
func (m *BTreeMap[K, V, C]) Drain() iter.Seq2[K, V] { return m.u.Drain(m.a) }

// NewBTreeMap returns an empty map in the natural order of the keys, which first
// calls a when an entry is put.
func NewBTreeMap[K cmp.Ordered, V any](a mem.Allocator) *BTreeMap[K, V, Ascending[K]] {
	if isNil(a) {
		panicNil(a, "generic: NewBTreeMap")
	}
	return &BTreeMap[K, V, Ascending[K]]{a: a}
}

// NewBTreeMapOrder is NewBTreeMap with an order of the caller's. The type of the
// values comes first, since the others follow from the order:
//
//	NewBTreeMapOrder[int](a, Descending[string]{})
func NewBTreeMapOrder[V, K any, C Order[K]](a mem.Allocator, order C) *BTreeMap[K, V, C] {
	if isNil(a) {
		panicNil(a, "generic: NewBTreeMapOrder")
	}
	return &BTreeMap[K, V, C]{a: a, u: BTreeMapUnmanaged[K, V, C]{Order: order}}
}
