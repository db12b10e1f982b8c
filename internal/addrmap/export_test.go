package addrmap

// Slots returns how many slots m has.
func (m *Map[V]) Slots() int { return len(m.slots) }
