package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// A btreeCursor is where an iteration is:
//
//	for keys, vals := c.next(); len(keys) > 0; keys, vals = c.next() {
//		for i, k := range keys {
//			...
//			if m.changes != c.changes {
//				c.find(k)
//				break
//			}
//		}
//	}
//
// When the map has changed during a step, it looks for its place again by the
// key that it was at. Iterators have these loops written out, so that they are
// inlined where they are used, with the body of the loop in them.
type btreeCursor[K, V any, C Order[K]] struct {
	m       *BTreeMapUnmanaged[K, V, C]
	l       *btreeLeaf[K, V] // nil at the end
	i       int              // of the first entry to come, in l
	changes uint
	end     K // if bounded is set, the iteration ends before it
	bounded bool
}

// next returns the entries that are next, all of one leaf, and none at the end.
func (c *btreeCursor[K, V, C]) next() ([]K, []V) {
	c.changes = c.m.changes
	if c.l, c.i = after(c.l, c.i); c.l == nil {
		return nil, nil
	}
	l, i, stop := c.l, c.i, c.l.n
	if c.bounded {
		stop = below(l.keys[:stop], &c.end, c.m.kind, c.m.Order)
		if stop < l.n {
			c.l = nil // the last of them
		}
		if i >= stop {
			return nil, nil
		}
	}
	c.i = stop
	return l.keys[i:stop], l.vals[i:stop:stop]
}

// find goes to the entry behind k.
func (c *btreeCursor[K, V, C]) find(k K) {
	var found bool
	if c.l, c.i, found = c.m.entryOf(&k); found {
		c.i++
	}
}

// backward yields the entries before i in l and in the leaves before it.
func (m *BTreeMapUnmanaged[K, V, C]) backward(l *btreeLeaf[K, V], i int, yield func(K, V) bool) {
	for l, i = before(l, i); l != nil; l, i = before(l, i) {
		k, changes := l.keys[i], m.changes
		if !yield(k, l.vals[i]) {
			return
		}
		if m.changes != changes {
			l, i, _ = m.entryOf(&k)
		}
	}
}

// All yields the entries in order. Entries may be put and removed during the
// iteration, which goes on with the key that comes next then.
func (m *BTreeMapUnmanaged[K, V, C]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		c := btreeCursor[K, V, C]{m: m, l: m.edge(false)}
		for keys, vals := c.next(); len(keys) > 0; keys, vals = c.next() {
			vals = vals[:len(keys)]
			for i, k := range keys {
				if !yield(k, vals[i]) {
					return
				}
				if c.changes != m.changes {
					c.find(k)
					break
				}
			}
		}
	}
}

// AllPtr yields the keys in order with pointers to their values, on the terms of
// All. A pointer is valid until an entry is put or removed.
func (m *BTreeMapUnmanaged[K, V, C]) AllPtr() iter.Seq2[K, *V] {
	return func(yield func(K, *V) bool) {
		c := btreeCursor[K, V, C]{m: m, l: m.edge(false)}
		for keys, vals := c.next(); len(keys) > 0; keys, vals = c.next() {
			vals = vals[:len(keys)]
			for i, k := range keys {
				if !yield(k, &vals[i]) {
					return
				}
				if c.changes != m.changes {
					c.find(k)
					break
				}
			}
		}
	}
}

// Keys yields the keys in order, on the terms of All.
func (m *BTreeMapUnmanaged[K, V, C]) Keys() iter.Seq[K] {
	return func(yield func(K) bool) {
		for k := range m.AllPtr() {
			if !yield(k) {
				return
			}
		}
	}
}

// Values yields the values in the order of their keys, on the terms of All.
func (m *BTreeMapUnmanaged[K, V, C]) Values() iter.Seq[V] {
	return func(yield func(V) bool) {
		for _, v := range m.AllPtr() {
			if !yield(*v) {
				return
			}
		}
	}
}

// From yields the entries from k on, in order, on the terms of All.
func (m *BTreeMapUnmanaged[K, V, C]) From(k K) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		l, i, _ := m.entryOf(&k)
		c := btreeCursor[K, V, C]{m: m, l: l, i: i}
		for keys, vals := c.next(); len(keys) > 0; keys, vals = c.next() {
			vals = vals[:len(keys)]
			for i, k := range keys {
				if !yield(k, vals[i]) {
					return
				}
				if c.changes != m.changes {
					c.find(k)
					break
				}
			}
		}
	}
}

// Range yields the entries from the key low on, up to but without the key high,
// in order, on the terms of All.
func (m *BTreeMapUnmanaged[K, V, C]) Range(low, high K) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		l, i, _ := m.entryOf(&low)
		c := btreeCursor[K, V, C]{m: m, l: l, i: i, end: high, bounded: true}
		for keys, vals := c.next(); len(keys) > 0; keys, vals = c.next() {
			vals = vals[:len(keys)]
			for i, k := range keys {
				if !yield(k, vals[i]) {
					return
				}
				if c.changes != m.changes {
					c.find(k)
					break
				}
			}
		}
	}
}

// Backward yields the entries from the last to the first. Entries may be put and
// removed during the iteration, which goes on with the key that comes before.
func (m *BTreeMapUnmanaged[K, V, C]) Backward() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		if l := m.edge(true); l != nil {
			m.backward(l, l.n, yield)
		}
	}
}

// BackwardFrom yields the entries from k to the first, in that order, on the
// terms of Backward.
func (m *BTreeMapUnmanaged[K, V, C]) BackwardFrom(k K) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		l, i, found := m.entryOf(&k)
		if found {
			i++
		}
		if l != nil {
			m.backward(l, i, yield)
		}
	}
}

// Drain removes the entries one by one, the first one first, and yields them,
// until none is left or the loop ends.
func (m *BTreeMapUnmanaged[K, V, C]) Drain(a mem.Allocator) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for {
			k, v, ok := m.PopMin(a)
			if !ok || !yield(k, v) {
				return
			}
		}
	}
}
