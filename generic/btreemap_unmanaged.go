package generic

import (
	"iter"
	"reflect"

	"github.com/allod-dev/allod/mem"
)

// A BTreeMapUnmanaged maps keys to values and keeps them in the order of the
// keys, as C says, with the allocator handed to every call that may need it:
// BTreeMapUnmanaged[string, int, Ascending[string]] for instance. [BTreeMap] is
// the same with the allocator stored.
//
// It is a B+ tree. Memory comes from the allocator passed in, which must be the
// same every time: a node for up to 64 entries at a time, given back when its
// entries are gone or fit into a neighbour. Keys and values are not closed or
// freed by anything here. Large values, of hundreds of bytes, are better kept
// elsewhere and referred to, since they move when their neighbours come and go.
//
// Get, Put and Remove take O(log n) time, and so does finding the place where an
// iteration begins; a step of one takes constant time. Keys that are put in
// ascending or descending order fill the nodes, and Load is the fastest way to
// put many.
//
// It is what to take in place of a skip list, or a balanced binary tree: all
// need one cache line or more for each step of a search and a pointer or more
// for each entry, where this one needs a step for 64 entries and a fraction of a
// pointer.
//
// Pointers into the map end their life with the next Put of a new key, and with
// the next removal.
//
// A map is for one goroutine at a time. The zero value is an empty map, ready
// for use if the zero C is. Assigning a map moves it: two copies must not both
// be used.
type BTreeMapUnmanaged[K, V any, C Order[K]] struct {
	root    nodePtr
	n       int
	changes uint // so that iterations notice
	height  int  // levels of inner nodes above the leaves
	kind    reflect.Kind
	from    origin // 0 as long as there is no root

	// Order is how keys compare. It must be set before the first key is put, if
	// its zero value is not meant.
	Order C
}

// Close gives all memory back and leaves an empty map, which may be used again.
// It never fails, and does nothing to an empty map.
func (m *BTreeMapUnmanaged[K, V, C]) Close(a mem.Allocator) {
	if m.root == nil {
		return
	}
	m.from.check(a, "generic: BTreeMap.Close")
	m.free(a, m.root, m.height)
	m.root, m.n, m.height, m.from = nil, 0, 0, 0
	m.changes++
}

// Clear removes all entries, which gives back the memory.
func (m *BTreeMapUnmanaged[K, V, C]) Clear(a mem.Allocator) { m.Close(a) }

// Clone returns a map of the same entries, in nodes that are full.
func (m *BTreeMapUnmanaged[K, V, C]) Clone(a mem.Allocator) (BTreeMapUnmanaged[K, V, C], error) {
	c := BTreeMapUnmanaged[K, V, C]{Order: m.Order}
	err := c.load(a, m.All(), "generic: BTreeMap.Clone")
	return c, err
}

// ToManaged returns the map with a, the allocator that it has had so far,
// stored, and leaves m empty, without memory but with the same Order.
func (m *BTreeMapUnmanaged[K, V, C]) ToManaged(a mem.Allocator) *BTreeMap[K, V, C] {
	m.from.adopt(a, "generic: BTreeMap.ToManaged")
	c := &BTreeMap[K, V, C]{a: a, u: *m}
	*m = BTreeMapUnmanaged[K, V, C]{}
	m.Order = c.u.Order
	return c
}

// Load puts the entries of seq, whose keys must ascend, into an empty map. That
// is faster than one Put after the other, and fills all nodes. On an error the
// map is empty. It panics if the map is not empty, or a key does not come after
// the one before it.
func (m *BTreeMapUnmanaged[K, V, C]) Load(a mem.Allocator, seq iter.Seq2[K, V]) error {
	const method = "generic: BTreeMap.Load"
	if m.n > 0 {
		panic(method + ": the map is not empty")
	}
	return m.load(a, seq, method)
}

func (m *BTreeMapUnmanaged[K, V, C]) load(a mem.Allocator, seq iter.Seq2[K, V], method string) (err error) {
	m.from.check(a, method)
	done := false
	defer func() {
		if !done {
			m.Close(a)
		}
	}()
	var l *btreeLeaf[K, V] // the last
	for k, v := range seq {
		if m.root == nil {
			if err := m.begin(a); err != nil {
				return err
			}
			l = m.edge(true)
		} else if m.Order.Compare(l.keys[l.n-1], k) >= 0 {
			panic(method + ": the keys do not ascend")
		}
		if l.n == btreeFanout {
			var path btreePath[K]
			m.pathToEdge(true, &path)
			if l, _, err = m.split(a, &path, l, btreeFanout, &k); err != nil {
				return err
			}
		}
		l.keys[l.n], l.vals[l.n] = k, v
		l.n++
		m.n++
	}
	done = true
	m.changes++
	m.check()
	return nil
}

// Len returns the number of entries.
func (m *BTreeMapUnmanaged[K, V, C]) Len() int { return m.n }

// Get returns the value of k, and whether the map holds k.
func (m *BTreeMapUnmanaged[K, V, C]) Get(k K) (v V, ok bool) {
	if l, i, found := m.entryOf(&k); found {
		return l.vals[i], true
	}
	return v, false
}

// GetPtr returns a pointer to the value of k in the map, or nil if the map does
// not hold k. It is valid until an entry is put or removed.
func (m *BTreeMapUnmanaged[K, V, C]) GetPtr(k K) *V {
	if l, i, found := m.entryOf(&k); found {
		return &l.vals[i]
	}
	return nil
}

// GetKey returns the key in the map that is equivalent to k, and whether there
// is one.
func (m *BTreeMapUnmanaged[K, V, C]) GetKey(k K) (key K, ok bool) {
	if l, i, found := m.entryOf(&k); found {
		return l.keys[i], true
	}
	return key, false
}

// Contains tells whether the map holds k.
func (m *BTreeMapUnmanaged[K, V, C]) Contains(k K) bool {
	_, _, found := m.entryOf(&k)
	return found
}

// Min returns the first entry, and false if there is none.
func (m *BTreeMapUnmanaged[K, V, C]) Min() (k K, v V, ok bool) { return entryAt(m.edge(false), 0) }

// Max returns the last entry, and false if there is none.
func (m *BTreeMapUnmanaged[K, V, C]) Max() (k K, v V, ok bool) {
	l := m.edge(true)
	if l == nil {
		return k, v, false
	}
	return entryAt(l, l.n-1)
}

// Ceiling returns the first entry whose key is k or comes after it, and false if
// there is none.
func (m *BTreeMapUnmanaged[K, V, C]) Ceiling(k K) (key K, v V, ok bool) {
	l, i, _ := m.entryOf(&k)
	return entryAt(after(l, i))
}

// Floor returns the last entry whose key is k or comes before it, and false if
// there is none.
func (m *BTreeMapUnmanaged[K, V, C]) Floor(k K) (key K, v V, ok bool) {
	l, i, found := m.entryOf(&k)
	if found {
		return entryAt(l, i)
	}
	return entryAt(before(l, i))
}

// after returns the place of the entry at i, which may be the end of the leaf.
func after[K, V any](l *btreeLeaf[K, V], i int) (*btreeLeaf[K, V], int) {
	if l != nil && i == l.n {
		return l.next, 0
	}
	return l, i
}

// before returns the place of the entry in front of the one at i.
func before[K, V any](l *btreeLeaf[K, V], i int) (*btreeLeaf[K, V], int) {
	if l == nil || i > 0 {
		return l, i - 1
	}
	if l = l.prev; l == nil {
		return nil, 0
	}
	return l, l.n - 1
}

func entryAt[K, V any](l *btreeLeaf[K, V], i int) (k K, v V, ok bool) {
	if l == nil {
		return k, v, false
	}
	return l.keys[i], l.vals[i], true
}

// Put sets the value of k to v. If the map holds k already, it keeps the key
// that it has.
func (m *BTreeMapUnmanaged[K, V, C]) Put(a mem.Allocator, k K, v V) error {
	l, i, found, err := m.place(a, &k, &v, "generic: BTreeMap.Put")
	if err != nil {
		return err
	}
	if found {
		l.vals[i] = v
	}
	return nil
}

// FetchPut sets the value of k to v and returns the value before, and whether
// there was one.
func (m *BTreeMapUnmanaged[K, V, C]) FetchPut(a mem.Allocator, k K, v V) (old V, had bool, err error) {
	l, i, found, err := m.place(a, &k, &v, "generic: BTreeMap.FetchPut")
	if err != nil {
		return old, false, err
	}
	if found {
		old, l.vals[i] = l.vals[i], v
	}
	return old, found, nil
}

// GetOrPut returns a pointer to the value of k in the map, and whether it was
// there before: if not, it is put, with a zero value. It cannot fail for a key
// that is there. The pointer is valid until an entry is put or removed.
func (m *BTreeMapUnmanaged[K, V, C]) GetOrPut(a mem.Allocator, k K) (v *V, found bool, err error) {
	var zero V
	l, i, found, err := m.place(a, &k, &zero, "generic: BTreeMap.GetOrPut")
	if err != nil {
		return nil, false, err
	}
	return &l.vals[i], found, nil
}

// Remove removes the entry of k and tells whether there was one. It never
// fails.
func (m *BTreeMapUnmanaged[K, V, C]) Remove(a mem.Allocator, k K) bool {
	_, ok := m.FetchRemove(a, k)
	return ok
}

// FetchRemove removes the entry of k and returns its value, and whether there
// was one.
func (m *BTreeMapUnmanaged[K, V, C]) FetchRemove(a mem.Allocator, k K) (v V, ok bool) {
	l, i, found := m.entryOf(&k)
	if !found {
		return v, false
	}
	v = l.vals[i]
	m.removeAt(a, l, i, "generic: BTreeMap.Remove")
	return v, true
}

// PopMin removes the first entry and returns it, or false if there is none.
func (m *BTreeMapUnmanaged[K, V, C]) PopMin(a mem.Allocator) (k K, v V, ok bool) {
	return m.pop(a, false, "generic: BTreeMap.PopMin")
}

// PopMax removes the last entry and returns it, or false if there is none.
func (m *BTreeMapUnmanaged[K, V, C]) PopMax(a mem.Allocator) (k K, v V, ok bool) {
	return m.pop(a, true, "generic: BTreeMap.PopMax")
}

func (m *BTreeMapUnmanaged[K, V, C]) pop(a mem.Allocator, last bool, method string) (k K, v V, ok bool) {
	if m.root == nil {
		return k, v, false
	}
	l, i := m.edge(last), 0
	if last {
		i = l.n - 1
	}
	k, v = l.keys[i], l.vals[i]
	m.removeAt(a, l, i, method)
	return k, v, true
}
