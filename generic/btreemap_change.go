package generic

import (
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// begin makes the root of an empty map.
func (m *BTreeMapUnmanaged[K, V, C]) begin(a mem.Allocator) error {
	if hasPointers[K]() {
		if err := mayHold[K](a); err != nil {
			return err
		}
	}
	if hasPointers[V]() {
		if err := mayHold[V](a); err != nil {
			return err
		}
	}
	s, err := allocNodes[btreeLeaf[K, V]](a, 1)
	if err != nil {
		return err
	}
	m.root, m.height, m.from, m.kind = refOf(&s[0]), 0, originOf(a), naturalKind[K, C]()
	return nil
}

// place returns the leaf and index of k, and whether it was there. If it is new,
// its value is v.
func (m *BTreeMapUnmanaged[K, V, C]) place(a mem.Allocator, k *K, v *V, method string) (*btreeLeaf[K, V], int, bool, error) {
	if m.root == nil {
		m.from.check(a, method)
		if err := m.begin(a); err != nil {
			return nil, 0, false, err
		}
	}
	l, i, found := m.find(k, nil)
	if found {
		return l, i, true, nil
	}
	if l.n == btreeFanout {
		m.from.check(a, method)
		var err error
		var path btreePath[K] // which costs time, and few need it
		m.find(k, &path)
		if l, i, err = m.split(a, &path, l, i, k); err != nil {
			return nil, 0, false, err
		}
	}
	l.insertAt(i, k, v)
	m.n++
	m.changes++
	m.check()
	return l, i, false, nil
}

// split makes room for k as entry i of the full leaf l, and returns where its
// place is then. It allocates all that it needs before it changes anything.
func (m *BTreeMapUnmanaged[K, V, C]) split(a mem.Allocator, path *btreePath[K], l *btreeLeaf[K, V], i int, k *K) (*btreeLeaf[K, V], int, error) {
	inner := 0 // how many inner nodes are full, from the lowest up
	for inner < m.height && path.nodes[inner+1].n == btreeFanout {
		inner++
	}
	if inner == m.height {
		inner++ // a new root
	}
	var spare [btreeDeepest + 2]*btreeInner[K]
	s, err := allocNodes[btreeLeaf[K, V]](a, 1)
	if err != nil {
		return nil, 0, err
	}
	for n := range inner {
		p, err := allocNodes[btreeInner[K]](a, 1)
		if err != nil {
			for _, p := range spare[:n] {
				mem.Destroy(a, p)
			}
			mem.Destroy(a, &s[0])
			return nil, 0, err
		}
		spare[n] = &p[0]
	}

	r := &s[0]
	r.n = 0
	r.prev, r.next = l, l.next
	if r.next != nil {
		r.next.prev = r
	}
	l.next = r
	last := i == btreeFanout && r.next == nil
	switch {
	case last: // r begins with k
	case i == 0 && l.prev == nil:
		l.moveRight(r, btreeFanout)
	default:
		l.moveRight(r, btreeFanout/2)
	}
	lowest := k
	if r.n > 0 {
		lowest = &r.keys[0]
	}
	m.addKid(path, *lowest, refOf(r), spare[:inner], last)
	if i <= l.n && !last {
		return l, i, nil
	}
	return r, i - l.n, nil
}

// addKid makes kid, whose smallest key is k, the next one after that of path on
// the lowest level, and takes new nodes from spare for those that are full.
func (m *BTreeMapUnmanaged[K, V, C]) addKid(path *btreePath[K], k K, kid nodePtr, spare []*btreeInner[K], last bool) {
	for level := 1; level <= m.height; level++ {
		p, at := path.nodes[level], path.kid[level]+1
		if p.n < btreeFanout {
			p.insertAt(at, k, kid)
			return
		}
		r := spare[0]
		spare = spare[1:]
		r.n = 0
		if last { // as in a leaf: what is in order lies close
			r.kids[0], r.n = kid, 1
		} else {
			up := p.moveRight(r, btreeFanout/2, k)
			if at <= p.n {
				p.insertAt(at, k, kid)
			} else {
				r.insertAt(at-p.n, k, kid)
			}
			k = up
		}
		kid = refOf(r)
	}
	root := spare[0]
	root.keys[0] = k
	root.kids[0], root.kids[1] = m.root, kid
	root.n = 2
	m.root = refOf(root)
	m.height++
}

// removeAt removes entry i of the leaf l.
func (m *BTreeMapUnmanaged[K, V, C]) removeAt(a mem.Allocator, l *btreeLeaf[K, V], i int, method string) {
	m.from.check(a, method)
	m.n--
	m.changes++
	switch {
	case m.height == 0:
		if l.removeAt(i); l.n == 0 {
			m.Close(a)
		}
	case i > 0 && l.n > btreeSparse:
		l.removeAt(i)
	default: // something changes above the leaf
		var path btreePath[K]
		m.find(&l.keys[i], &path)
		l.removeAt(i)
		if i == 0 && l.n > 0 {
			m.setLowest(&path, 0, l.keys[0])
		}
		if l.n < btreeSparse {
			m.mendLeaf(a, &path, l)
		}
	}
	m.check()
}

// mendLeaf gives the leaf l more entries, or those that it has to a neighbour.
func (m *BTreeMapUnmanaged[K, V, C]) mendLeaf(a mem.Allocator, path *btreePath[K], l *btreeLeaf[K, V]) {
	p, at := path.nodes[1], path.kid[1]
	if l.n > 0 && p.n > 1 {
		left, r := l, l.next
		if at > 0 {
			left, r = l.prev, l
			at--
		}
		if all := left.n + r.n; all > btreeFanout*3/4 {
			if left.n < r.n {
				left.moveLeft(r, all/2-left.n)
			} else {
				left.moveRight(r, all/2-r.n)
			}
			p.keys[at] = r.keys[0]
			return
		}
		left.moveLeft(r, r.n)
		l = r
		path.kid[1] = at + 1
	} else if l.n > 0 {
		return // it has no neighbour to merge with
	}
	if l.prev != nil {
		l.prev.next = l.next
	}
	if l.next != nil {
		l.next.prev = l.prev
	}
	mem.Destroy(a, l)
	m.removeKid(a, path, 1)
}

// removeKid removes the child that path leads to from the node on the given
// level, and mends that.
func (m *BTreeMapUnmanaged[K, V, C]) removeKid(a mem.Allocator, path *btreePath[K], level int) {
	for ; ; level++ {
		p, i := path.nodes[level], path.kid[level]
		if i == 0 && p.n > 1 {
			m.setLowest(path, level, p.keys[0])
		}
		p.removeAt(i)
		if level == m.height {
			m.lowerRoot(a)
			return
		}
		if p.n >= btreeSparse || !m.mendInner(path, level) {
			return
		}
		mem.Destroy(a, path.nodes[level])
	}
}

// mendInner gives the node on the given level more children, or those that it
// has to a neighbour. If it tells true, the node that path leads to is empty
// then and goes.
func (m *BTreeMapUnmanaged[K, V, C]) mendInner(path *btreePath[K], level int) bool {
	p, up, at := path.nodes[level], path.nodes[level+1], path.kid[level+1]
	if p.n == 0 {
		return true
	}
	if up.n == 1 {
		return false // it has no neighbour to merge with
	}
	if at == up.n-1 {
		at--
	}
	left, r := nodeAt[btreeInner[K]](up.kids[at]), nodeAt[btreeInner[K]](up.kids[at+1])
	switch all := left.n + r.n; {
	case all <= btreeFanout*3/4:
		left.moveLeft(r, r.n, up.keys[at])
		path.nodes[level], path.kid[level+1] = r, at+1
		return true
	case left.n < r.n:
		up.keys[at] = left.moveLeft(r, all/2-left.n, up.keys[at])
	default:
		up.keys[at] = left.moveRight(r, all/2-r.n, up.keys[at])
	}
	return false
}

// lowerRoot takes away a root with one child, as often as there is one.
func (m *BTreeMapUnmanaged[K, V, C]) lowerRoot(a mem.Allocator) {
	for m.height > 0 {
		p := nodeAt[btreeInner[K]](m.root)
		if p.n > 1 {
			return
		}
		m.root = p.kids[0]
		m.height--
		mem.Destroy(a, p)
	}
	// A leaf that became the root has entries: the last one goes in removeAt.
}

func (m *BTreeMapUnmanaged[K, V, C]) check() {
	if !invariant.Enabled || m.n > btreeChecked && m.changes%btreeChecked != 0 {
		return
	}
	if m.root == nil {
		invariant.Check(m.n == 0 && m.height == 0 && m.from == 0, "generic: BTreeMap: %d entries, height %d, without memory", m.n, m.height)
		return
	}
	n := 0
	var before *btreeLeaf[K, V]
	m.checkNode(m.root, m.height, &n, &before)
	invariant.Check(n == m.n && before.next == nil, "generic: BTreeMap: %d entries, counted %d", m.n, n)
}

// checkNode checks what is below at, from left to right; before is the leaf that
// was last. It returns the smallest key.
func (m *BTreeMapUnmanaged[K, V, C]) checkNode(at nodePtr, level int, n *int, before **btreeLeaf[K, V]) *K {
	if level > 0 {
		p := nodeAt[btreeInner[K]](at)
		invariant.Check(p.n > 0 && p.n <= btreeFanout, "generic: BTreeMap: %d children on level %d", p.n, level)
		lowest := m.checkNode(p.kids[0], level-1, n, before)
		for i := 1; i < p.n; i++ {
			k := m.checkNode(p.kids[i], level-1, n, before)
			if m.Order.Compare(*k, p.keys[i-1]) != 0 {
				invariant.Check(false, "generic: BTreeMap: key %v above %v", p.keys[i-1], *k)
			}
		}
		if hasPointers[K]() {
			checkZero(p.keys[p.n-1:], "generic: BTreeMap")
		}
		return lowest
	}
	l := nodeAt[btreeLeaf[K, V]](at)
	invariant.Check(l.n > 0 && l.n <= btreeFanout, "generic: BTreeMap: %d entries in a leaf", l.n)
	invariant.Check(l.prev == *before && (l.prev == nil || l.prev.next == l), "generic: BTreeMap: leaves are not linked in order")
	for i := 1; i < l.n; i++ {
		if m.Order.Compare(l.keys[i-1], l.keys[i]) >= 0 {
			invariant.Check(false, "generic: BTreeMap: %v before %v", l.keys[i-1], l.keys[i])
		}
	}
	if *before != nil {
		last := (*before).keys[(*before).n-1]
		if m.Order.Compare(last, l.keys[0]) >= 0 {
			invariant.Check(false, "generic: BTreeMap: %v before %v", last, l.keys[0])
		}
	}
	if hasPointers[K]() {
		checkZero(l.keys[l.n:], "generic: BTreeMap")
	}
	if hasPointers[V]() {
		checkZero(l.vals[l.n:], "generic: BTreeMap")
	}
	*n += l.n
	*before = l
	return &l.keys[0]
}
