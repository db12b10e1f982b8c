package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// A btreeCursor is where an iteration is. When the map has changed during a step,
// it looks for its place again by the key that it was at.
type btreeCursor[K, V any, C Order[K]] struct {
	m       *BTreeMapUnmanaged[K, V, C]
	l       *btreeLeaf[K, V] // nil at the end
	i, stop int              // i < stop <= l.n
	changes uint
	end     *K // or nil: the iteration ends before it
}

// cursor returns the cursor at entry i of l or, if that is the end of the leaf,
// at the next one.
func (m *BTreeMapUnmanaged[K, V, C]) cursor(l *btreeLeaf[K, V], i int, end *K) btreeCursor[K, V, C] {
	c := btreeCursor[K, V, C]{m: m, l: l, i: i, end: end}
	c.settle()
	return c
}

// leaf returns the entries that are next, all of one leaf.
func (c *btreeCursor[K, V, C]) leaf() ([]K, []V) {
	return c.l.keys[c.i:c.stop], c.l.vals[c.i:c.stop]
}

// leave goes on to the next leaf.
func (c *btreeCursor[K, V, C]) leave() {
	c.i = c.stop
	if c.stop < c.l.n {
		c.l = nil
		return
	}
	c.settle()
}

// moved tells whether the map has changed during the step at the key k. If so,
// it goes on from there.
func (c *btreeCursor[K, V, C]) moved(k *K) bool {
	if c.changes == c.m.changes {
		return false
	}
	c.find(k)
	return true
}

func (c *btreeCursor[K, V, C]) find(k *K) {
	var found bool
	if c.l, c.i, found = c.m.entryOf(k); found {
		c.i++
	}
	c.settle()
}

// settle finds the entry that i stands for, in l or in the leaf after it, and
// where the iteration ends in that leaf.
func (c *btreeCursor[K, V, C]) settle() {
	c.changes = c.m.changes
	if c.l, c.i = after(c.l, c.i); c.l == nil {
		return
	}
	if c.stop = c.l.n; c.end != nil {
		c.stop = below(c.l.keys[:c.l.n], c.end, c.m.kind, c.m.Order)
	}
	if c.i >= c.stop {
		c.l = nil
	}
}

func (c *btreeCursor[K, V, C]) run(yield func(K, V) bool) {
next:
	for c.l != nil {
		keys, vals := c.leaf()
		for i, k := range keys {
			if !yield(k, vals[i]) {
				return
			}
			if c.moved(&k) {
				continue next
			}
		}
		c.leave()
	}
}

func (c *btreeCursor[K, V, C]) runPtr(yield func(K, *V) bool) {
next:
	for c.l != nil {
		keys, vals := c.leaf()
		for i, k := range keys {
			if !yield(k, &vals[i]) {
				return
			}
			if c.moved(&k) {
				continue next
			}
		}
		c.leave()
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
		c := m.cursor(m.edge(false), 0, nil)
		c.run(yield)
	}
}

// AllPtr yields the keys in order with pointers to their values, on the terms of
// All. A pointer is valid until an entry is put or removed.
func (m *BTreeMapUnmanaged[K, V, C]) AllPtr() iter.Seq2[K, *V] {
	return func(yield func(K, *V) bool) {
		c := m.cursor(m.edge(false), 0, nil)
		c.runPtr(yield)
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
		c := m.cursor(l, i, nil)
		c.run(yield)
	}
}

// Range yields the entries from the key low on, up to but without the key high,
// in order, on the terms of All.
func (m *BTreeMapUnmanaged[K, V, C]) Range(low, high K) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		l, i, _ := m.entryOf(&low)
		c := m.cursor(l, i, &high)
		c.run(yield)
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
