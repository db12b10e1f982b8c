package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// All iterations are of one kind: they hold a leaf and an index in it, and when
// the map has changed during a step, look for their place again by the key that
// they were at.

// forward yields the entries from i on in l and in the leaves after it, up to
// the first that does not come before end, if there is an end.
func (m *BTreeMapUnmanaged[K, V, C]) forward(l *btreeLeaf[K, V], i int, end *K, yield func(*K, *V) bool) {
	for l, i = after(l, i); l != nil; l, i = l.next, 0 {
		stop := l.n
		if end != nil {
			stop = below(l.keys[:l.n], end, m.kind, m.Order)
		}
		for i < stop {
			k, changes := l.keys[i], m.changes
			if !yield(&l.keys[i], &l.vals[i]) {
				return
			}
			i++
			if m.changes == changes {
				continue
			}
			var found bool
			if l, i, found = m.entryOf(&k); found {
				i++
			}
			if l == nil {
				return
			}
			if stop = l.n; end != nil {
				stop = below(l.keys[:l.n], end, m.kind, m.Order)
			}
		}
		if stop < l.n {
			return
		}
	}
}

// backward yields the entries before i in l and in the leaves before it.
func (m *BTreeMapUnmanaged[K, V, C]) backward(l *btreeLeaf[K, V], i int, yield func(*K, *V) bool) {
	for l, i = before(l, i); l != nil; l, i = before(l, i) {
		k, changes := l.keys[i], m.changes
		if !yield(&l.keys[i], &l.vals[i]) {
			return
		}
		if m.changes != changes {
			l, i, _ = m.entryOf(&k)
		}
	}
}

// pairs makes an iteration over pointers one over values.
func pairs[K, V any](yield func(K, V) bool) func(*K, *V) bool {
	return func(k *K, v *V) bool { return yield(*k, *v) }
}

// All yields the entries in order. Entries may be put and removed during the
// iteration, which goes on with the key that comes next then.
func (m *BTreeMapUnmanaged[K, V, C]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) { m.forward(m.edge(false), 0, nil, pairs(yield)) }
}

// AllPtr yields the keys in order with pointers to their values, on the terms of
// All. A pointer is valid until an entry is put or removed.
func (m *BTreeMapUnmanaged[K, V, C]) AllPtr() iter.Seq2[K, *V] {
	return func(yield func(K, *V) bool) {
		m.forward(m.edge(false), 0, nil, func(k *K, v *V) bool { return yield(*k, v) })
	}
}

// Keys yields the keys in order, on the terms of All.
func (m *BTreeMapUnmanaged[K, V, C]) Keys() iter.Seq[K] {
	return func(yield func(K) bool) {
		m.forward(m.edge(false), 0, nil, func(k *K, _ *V) bool { return yield(*k) })
	}
}

// Values yields the values in the order of their keys, on the terms of All.
func (m *BTreeMapUnmanaged[K, V, C]) Values() iter.Seq[V] {
	return func(yield func(V) bool) {
		m.forward(m.edge(false), 0, nil, func(_ *K, v *V) bool { return yield(*v) })
	}
}

// From yields the entries from k on, in order, on the terms of All.
func (m *BTreeMapUnmanaged[K, V, C]) From(k K) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		l, i, _ := m.entryOf(&k)
		m.forward(l, i, nil, pairs(yield))
	}
}

// Range yields the entries from the key low on, up to but without the key high,
// in order, on the terms of All.
func (m *BTreeMapUnmanaged[K, V, C]) Range(low, high K) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		l, i, _ := m.entryOf(&low)
		m.forward(l, i, &high, pairs(yield))
	}
}

// Backward yields the entries from the last to the first. Entries may be put and
// removed during the iteration, which goes on with the key that comes before.
func (m *BTreeMapUnmanaged[K, V, C]) Backward() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		if l := m.edge(true); l != nil {
			m.backward(l, l.n, pairs(yield))
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
			m.backward(l, i, pairs(yield))
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
