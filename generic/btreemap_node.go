package generic

import (
	"cmp"
	"reflect"

	"github.com/allod-dev/allod/mem"
)

// The map is a B+ tree: all entries are in leaves, which are linked in order,
// and the inner nodes above them hold keys to search by. An inner key is always
// the smallest key below it, so that no key which has been removed is ever
// looked at again: its owner may free what it refers to.
//
// A leaf that is full is split into halves, save for one at either end of the
// map that grows at that end: that one stays full, so that entries put in order
// lie close. Nodes merge when they are a quarter full. The ends therefore may
// have small nodes, down to an inner node with a single child, and nothing here
// relies on a smallest number of entries.
//
// Beyond what is in use, keys and values are zero if they hold pointers.

const (
	btreeFanout  = 64              // entries of a leaf, children of an inner node
	btreeSparse  = btreeFanout / 4 // with fewer, a node looks for one to merge with
	btreeDeepest = 24              // levels of inner nodes; no memory has room for more
	btreeChecked = 4 * btreeFanout // entries of a map that is checked after every change
)

type btreeLeaf[K, V any] struct {
	n          int
	next, prev *btreeLeaf[K, V]
	vals       [btreeFanout]V // in front: an array of no size at the end costs padding
	keys       [btreeFanout]K
}

type btreeInner[K any] struct {
	n    int // children
	keys [btreeFanout - 1]K
	kids [btreeFanout]nodePtr // leaves or inner nodes, as the level says
}

// A btreePath is the way from the root to a leaf: at each level above the
// leaves, 1 being the lowest, the node and which of its children was taken.
type btreePath[K any] struct {
	nodes [btreeDeepest + 1]*btreeInner[K]
	kid   [btreeDeepest + 1]int
}

// insertAt makes room for entry i.
func (l *btreeLeaf[K, V]) insertAt(i int, k *K, v *V) {
	copy(l.keys[i+1:l.n+1], l.keys[i:l.n])
	copy(l.vals[i+1:l.n+1], l.vals[i:l.n])
	l.keys[i], l.vals[i] = *k, *v
	l.n++
}

// removeAt removes entry i.
func (l *btreeLeaf[K, V]) removeAt(i int) {
	copy(l.keys[i:], l.keys[i+1:l.n])
	copy(l.vals[i:], l.vals[i+1:l.n])
	l.truncate(l.n - 1)
}

// truncate drops the entries from n on.
func (l *btreeLeaf[K, V]) truncate(n int) {
	if hasPointers[K]() {
		clear(l.keys[n:l.n])
	}
	if hasPointers[V]() {
		clear(l.vals[n:l.n])
	}
	l.n = n
}

// moveRight moves the last m entries of l to the beginning of r.
func (l *btreeLeaf[K, V]) moveRight(r *btreeLeaf[K, V], m int) {
	copy(r.keys[m:m+r.n], r.keys[:r.n])
	copy(r.vals[m:m+r.n], r.vals[:r.n])
	copy(r.keys[:m], l.keys[l.n-m:l.n])
	copy(r.vals[:m], l.vals[l.n-m:l.n])
	r.n += m
	l.truncate(l.n - m)
}

// moveLeft moves the first m entries of r to the end of l.
func (l *btreeLeaf[K, V]) moveLeft(r *btreeLeaf[K, V], m int) {
	copy(l.keys[l.n:], r.keys[:m])
	copy(l.vals[l.n:], r.vals[:m])
	l.n += m
	copy(r.keys[:], r.keys[m:r.n])
	copy(r.vals[:], r.vals[m:r.n])
	r.truncate(r.n - m)
}

// insertAt makes kid child i, i > 0, whose smallest key is k.
func (p *btreeInner[K]) insertAt(i int, k K, kid nodePtr) {
	copy(p.keys[i:p.n], p.keys[i-1:p.n-1])
	copy(p.kids[i+1:p.n+1], p.kids[i:p.n])
	p.keys[i-1], p.kids[i] = k, kid
	p.n++
}

// removeAt removes child i. If that is the first, the smallest key below the
// node is a new one, which was keys[0], if there is a child left.
func (p *btreeInner[K]) removeAt(i int) {
	if p.n > 1 {
		copy(p.keys[max(i-1, 0):], p.keys[max(i, 1):p.n-1])
	}
	copy(p.kids[i:], p.kids[i+1:p.n])
	p.truncate(p.n - 1)
}

// truncate drops the children from n on, and the keys that divide them.
func (p *btreeInner[K]) truncate(n int) {
	if hasPointers[K]() {
		clear(p.keys[max(n-1, 0):max(p.n-1, 0)])
	}
	clear(p.kids[n:p.n])
	p.n = n
}

// moveRight moves the last m children of p to the beginning of r, whose smallest
// key was sep, and returns what it is now.
func (p *btreeInner[K]) moveRight(r *btreeInner[K], m int, sep K) K {
	copy(r.kids[m:m+r.n], r.kids[:r.n])
	if r.n > 0 {
		copy(r.keys[m:m+r.n-1], r.keys[:r.n-1])
		r.keys[m-1] = sep
	}
	copy(r.kids[:m], p.kids[p.n-m:p.n])
	copy(r.keys[:m-1], p.keys[p.n-m:p.n-1])
	if m < p.n {
		sep = p.keys[p.n-m-1]
	}
	r.n += m
	p.truncate(p.n - m)
	return sep
}

// moveLeft moves the first m children of r, whose smallest key was sep, to the
// end of p, and returns what that is now, if r has children left.
func (p *btreeInner[K]) moveLeft(r *btreeInner[K], m int, sep K) K {
	p.keys[p.n-1] = sep
	copy(p.keys[p.n:], r.keys[:m-1])
	copy(p.kids[p.n:], r.kids[:m])
	p.n += m
	if m < r.n {
		sep = r.keys[m-1]
		copy(r.keys[:], r.keys[m:r.n-1])
	}
	copy(r.kids[:], r.kids[m:r.n])
	r.truncate(r.n - m)
	return sep
}

// find returns the leaf and index of k, or of the first entry after it, and
// whether k is there. The index may be the end of the leaf. There must be a
// root. It notes the way in path, unless that is nil.
//
// A map whose keys the machine compares is searched as one of the basic type
// that the keys have, of which nodes look the same: that way the search is one
// loop without a call.
func (m *BTreeMapUnmanaged[K, V, C]) find(k *K, path *btreePath[K]) (l *btreeLeaf[K, V], i int, found bool) {
	switch m.kind {
	case reflect.Int:
		return findNatural[int, K, V](m.root, m.height, k, path)
	case reflect.Uint64:
		return findNatural[uint64, K, V](m.root, m.height, k, path)
	case reflect.Int64:
		return findNatural[int64, K, V](m.root, m.height, k, path)
	case reflect.Uint32:
		return findNatural[uint32, K, V](m.root, m.height, k, path)
	case reflect.Int32:
		return findNatural[int32, K, V](m.root, m.height, k, path)
	case reflect.Uint:
		return findNatural[uint, K, V](m.root, m.height, k, path)
	case reflect.String:
		return findNatural[string, K, V](m.root, m.height, k, path)
	case reflect.Float64:
		return findNatural[float64, K, V](m.root, m.height, k, path)
	}
	at := m.root
	for level := m.height; level > 0; level-- {
		p := nodeAt[btreeInner[K]](at)
		i := below(p.keys[:p.n-1], k, m.kind, m.Order)
		if i < p.n-1 && m.Order.Compare(p.keys[i], *k) == 0 {
			i++
		}
		if path != nil {
			path.nodes[level], path.kid[level] = p, i
		}
		at = p.kids[i]
	}
	l = nodeAt[btreeLeaf[K, V]](at)
	i = below(l.keys[:l.n], k, m.kind, m.Order)
	return l, i, i < l.n && m.Order.Compare(l.keys[i], *k) == 0
}

// findNatural is find for keys of the kind of N.
func findNatural[N cmp.Ordered, K, V any](root nodePtr, height int, key *K, path *btreePath[K]) (*btreeLeaf[K, V], int, bool) {
	k, at := valueAs[N](key), root
	for level := height; level > 0; level-- {
		p := nodeAt[btreeInner[N]](at)
		i := upToNatural(p.keys[:p.n-1], k)
		if path != nil {
			path.nodes[level], path.kid[level] = nodeAt[btreeInner[K]](at), i
		}
		at = p.kids[i]
	}
	l := nodeAt[btreeLeaf[N, V]](at)
	i := belowNatural(l.keys[:l.n], k)
	return nodeAt[btreeLeaf[K, V]](at), i, i < l.n && !cmp.Less(k, l.keys[i])
}

// entryOf is find for a map that may have no root, and for those who do not ask
// for the way. There is no leaf then.
func (m *BTreeMapUnmanaged[K, V, C]) entryOf(k *K) (l *btreeLeaf[K, V], i int, found bool) {
	if m.root == nil {
		return nil, 0, false
	}
	return m.find(k, nil)
}

// edge returns the first leaf or the last one, or nil.
func (m *BTreeMapUnmanaged[K, V, C]) edge(last bool) *btreeLeaf[K, V] {
	at := m.root
	for level := m.height; level > 0; level-- {
		p := nodeAt[btreeInner[K]](at)
		if last {
			at = p.kids[p.n-1]
		} else {
			at = p.kids[0]
		}
	}
	return nodeAt[btreeLeaf[K, V]](at)
}

// pathToEdge is edge with the way there. There must be a root.
func (m *BTreeMapUnmanaged[K, V, C]) pathToEdge(last bool, path *btreePath[K]) *btreeLeaf[K, V] {
	at := m.root
	for level := m.height; level > 0; level-- {
		p := nodeAt[btreeInner[K]](at)
		i := 0
		if last {
			i = p.n - 1
		}
		path.nodes[level], path.kid[level] = p, i
		at = p.kids[i]
	}
	return nodeAt[btreeLeaf[K, V]](at)
}

// setLowest sets the key that says what the smallest one is below the node that
// path leads to on the given level. There is none to set at the left edge.
func (m *BTreeMapUnmanaged[K, V, C]) setLowest(path *btreePath[K], level int, k K) {
	for level++; level <= m.height; level++ {
		if i := path.kid[level]; i > 0 {
			path.nodes[level].keys[i-1] = k
			return
		}
	}
}

// free gives back the node at, on the given level, and all below it.
func (m *BTreeMapUnmanaged[K, V, C]) free(a mem.Allocator, at nodePtr, level int) {
	// No node is given back with pointers to nodes that are gone.
	if level == 0 {
		l := nodeAt[btreeLeaf[K, V]](at)
		l.prev, l.next = nil, nil
		mem.Destroy(a, l)
		return
	}
	p := nodeAt[btreeInner[K]](at)
	for i, kid := range p.kids[:p.n] {
		p.kids[i] = nil
		m.free(a, kid, level-1)
	}
	mem.Destroy(a, p)
}
