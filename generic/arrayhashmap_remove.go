package generic

// SwapRemove removes k and its value, which the last entry takes the place of,
// and tells whether the map held it.
func (m *ArrayHashMapUnmanaged[K, V]) SwapRemove(k K) bool {
	i, _ := m.find(k)
	if i >= 0 {
		m.swapRemove(i, "generic: ArrayHashMap.SwapRemove")
	}
	return i >= 0
}

// FetchSwapRemove is SwapRemove that returns the value.
func (m *ArrayHashMapUnmanaged[K, V]) FetchSwapRemove(k K) (v V, ok bool) {
	i, _ := m.find(k)
	if i < 0 {
		return v, false
	}
	v = m.vals.items[i]
	m.swapRemove(i, "generic: ArrayHashMap.FetchSwapRemove")
	return v, true
}

// SwapRemoveAt is SwapRemove of the i-th entry, which it returns. It panics if
// there is none.
func (m *ArrayHashMapUnmanaged[K, V]) SwapRemoveAt(i int) (k K, v V) {
	k, v = m.keys.items[i], m.vals.items[i]
	m.swapRemove(i, "generic: ArrayHashMap.SwapRemoveAt")
	return k, v
}

func (m *ArrayHashMapUnmanaged[K, V]) swapRemove(i int, method string) {
	m.unlocked(method)
	if len(m.index.slots) > 0 {
		m.index.remove(m.index.slotOf(m.hash(&m.keys.items[i]), i))
		if last := len(m.keys.items) - 1; i < last {
			m.index.renumber(m.index.slotOf(m.hash(&m.keys.items[last]), last), i)
		}
	}
	m.keys.SwapRemove(i)
	m.vals.SwapRemove(i)
	m.check()
}

// OrderedRemove removes k and its value, and tells whether the map held it. It
// takes time for every entry.
func (m *ArrayHashMapUnmanaged[K, V]) OrderedRemove(k K) bool {
	i, _ := m.find(k)
	if i >= 0 {
		m.orderedRemove(i, "generic: ArrayHashMap.OrderedRemove")
	}
	return i >= 0
}

// FetchOrderedRemove is OrderedRemove that returns the value.
func (m *ArrayHashMapUnmanaged[K, V]) FetchOrderedRemove(k K) (v V, ok bool) {
	i, _ := m.find(k)
	if i < 0 {
		return v, false
	}
	v = m.vals.items[i]
	m.orderedRemove(i, "generic: ArrayHashMap.FetchOrderedRemove")
	return v, true
}

// OrderedRemoveAt is OrderedRemove of the i-th entry, which it returns. It panics
// if there is none.
func (m *ArrayHashMapUnmanaged[K, V]) OrderedRemoveAt(i int) (k K, v V) {
	k, v = m.keys.items[i], m.vals.items[i]
	m.orderedRemove(i, "generic: ArrayHashMap.OrderedRemoveAt")
	return k, v
}

// OrderedRemoveAtMany removes the entries at the given indexes, which must be
// sorted; one may occur more than once. It takes time for every entry, but once.
// It panics unless they are sorted and 0 <= i < Len holds for each.
func (m *ArrayHashMapUnmanaged[K, V]) OrderedRemoveAtMany(indexes []int) {
	if len(indexes) == 0 {
		return
	}
	m.unlocked("generic: ArrayHashMap.OrderedRemoveAtMany")
	m.keys.OrderedRemoveMany(indexes)
	m.vals.OrderedRemoveMany(indexes)
	m.Reindex()
}

func (m *ArrayHashMapUnmanaged[K, V]) orderedRemove(i int, method string) {
	m.unlocked(method)
	if len(m.index.slots) > 0 {
		m.index.remove(m.index.slotOf(m.hash(&m.keys.items[i]), i))
		m.index.closeGap(i)
	}
	m.keys.OrderedRemove(i)
	m.vals.OrderedRemove(i)
	m.check()
}

// Pop removes the last entry and returns it, or false if there is none.
func (m *ArrayHashMapUnmanaged[K, V]) Pop() (k K, v V, ok bool) {
	n := len(m.keys.items)
	if n == 0 {
		return k, v, false
	}
	k, v = m.keys.items[n-1], m.vals.items[n-1]
	m.swapRemove(n-1, "generic: ArrayHashMap.Pop")
	return k, v, true
}

// ShrinkRetainingCapacity drops the entries from the n-th on and keeps the
// memory. It panics unless 0 <= n <= Len.
func (m *ArrayHashMapUnmanaged[K, V]) ShrinkRetainingCapacity(n int) {
	const method = "generic: ArrayHashMap.ShrinkRetainingCapacity"
	if uint(n) > uint(m.Len()) {
		panicIndex(method, n, m.Len())
	}
	for i := m.Len() - 1; i >= n; i-- {
		m.swapRemove(i, method)
	}
}

// DeleteFunc removes the entries for which del returns true, and keeps the order
// of the others. del must not touch the map. It takes time for every entry, but
// once.
func (m *ArrayHashMapUnmanaged[K, V]) DeleteFunc(del func(K, V) bool) {
	keys, vals := m.keys.items, m.vals.items
	i, n := 0, 0 // of the first i entries n stay, which are in front
	defer func() {
		if n == i {
			return
		}
		if i < len(keys) { // del panicked: it has not decided about the others
			copy(vals[n:], vals[i:])
			n += copy(keys[n:], keys[i:])
		}
		m.keys.ShrinkRetainingCapacity(n)
		m.vals.ShrinkRetainingCapacity(n)
		m.Reindex()
	}()
	for ; i < len(keys); i++ {
		if del(keys[i], vals[i]) {
			m.unlocked("generic: ArrayHashMap.DeleteFunc")
			continue
		}
		keys[n], vals[n] = keys[i], vals[i]
		n++
	}
}
