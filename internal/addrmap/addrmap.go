// Package addrmap maps addresses to facts about them, for allocators that keep
// their tables outside of the memory that they manage.
package addrmap

import (
	"math/bits"

	"github.com/allod-dev/allod/internal/invariant"
)

// A Map holds one value for each of a set of addresses. Operations take
// constant time on average, and allocate only when the map doubles, or halves
// after it has become nearly empty. The zero Map is empty. It is not safe for
// concurrent use.
type Map[V any] struct {
	slots []slot[V] // a power of two of them, or none
	n     int       // slots in use; at least a quarter is free
	shift uint8     // hash >> shift is an index into slots
}

type slot[V any] struct {
	addr  uintptr // 0: free
	value V
}

// Open addressing with linear probing: a lookup reads one cache line as a rule.
// Deletion moves later entries back over the hole, so there are no tombstones,
// and a map that many entries have passed through is as fast as a new one. Go's
// own map was rejected: it allocates now and then under steady churn.
//
// Allocators lock a Map out of the race detector's sight, so that their own lock
// does not order the program's goroutines. The detector would then take what two
// of them do here for a race: hence no method is instrumented. Nor may one copy
// or append slices, which the runtime tells the detector of by itself.

const (
	minSlots = 8
	// Fibonacci hashing: the bits that tell pages apart, which are in the middle
	// of an address, end up on top of the product.
	multiplier = 0x9E3779B97F4A7C15
)

// Len returns the number of entries.
//
//go:norace
func (m *Map[V]) Len() int { return m.n }

// home returns the slot where the search for addr starts.
//
//go:norace
func (m *Map[V]) home(addr uintptr) int {
	return int(uint64(addr) * multiplier >> m.shift)
}

// find returns the slot of addr, or -1.
//
//go:norace
func (m *Map[V]) find(addr uintptr) int {
	if m.n == 0 || addr == 0 {
		return -1
	}
	for i := m.home(addr); ; i = (i + 1) & (len(m.slots) - 1) {
		switch m.slots[i].addr {
		case addr:
			return i
		case 0:
			return -1
		}
	}
}

// Get returns the value of addr and whether there is one.
//
//go:norace
func (m *Map[V]) Get(addr uintptr) (v V, ok bool) {
	if i := m.find(addr); i >= 0 {
		return m.slots[i].value, true
	}
	return v, false
}

// Put sets the value of addr, which must not be 0.
//
//go:norace
func (m *Map[V]) Put(addr uintptr, v V) {
	if i := m.find(addr); i >= 0 {
		m.slots[i].value = v
		return
	}
	if m.n >= len(m.slots)/4*3 {
		m.rehash(max(minSlots, 2*len(m.slots)))
	}
	m.insert(addr, v)
	m.check()
}

// insert adds addr, which must be missing; there must be a free slot.
//
//go:norace
func (m *Map[V]) insert(addr uintptr, v V) {
	i := m.home(addr)
	for m.slots[i].addr != 0 {
		i = (i + 1) & (len(m.slots) - 1)
	}
	m.slots[i] = slot[V]{addr, v}
	m.n++
}

// Delete removes addr and returns what its value was, and whether it had one.
//
//go:norace
func (m *Map[V]) Delete(addr uintptr) (v V, ok bool) {
	hole := m.find(addr)
	if hole < 0 {
		return v, false
	}
	v = m.slots[hole].value
	mask := len(m.slots) - 1
	for i := (hole + 1) & mask; m.slots[i].addr != 0; i = (i + 1) & mask {
		// The entry may move back to the hole unless its home is past it.
		if home := m.home(m.slots[i].addr); (i-home)&mask >= (i-hole)&mask {
			m.slots[hole] = m.slots[i]
			hole = i
		}
	}
	m.slots[hole] = slot[V]{}
	m.n--
	if len(m.slots) > shrinkFrom && m.n < len(m.slots)/16 {
		m.rehash(len(m.slots) / 4) // a quarter full: far from either end
	}
	m.check()
	return v, true
}

// shrinkFrom is how many slots a map keeps however empty it is.
const shrinkFrom = 4096

// Slots returns how many slots [Map.At] may be asked for.
//
//go:norace
func (m *Map[V]) Slots() int { return len(m.slots) }

// At returns the entry in slot i; ok is false if the slot is free. It is how all
// entries are visited, in no order, while the map does not change.
//
//go:norace
func (m *Map[V]) At(i int) (addr uintptr, v V, ok bool) {
	s := &m.slots[i]
	return s.addr, s.value, s.addr != 0
}

// All calls yield for every entry, in no order, until it returns false. The map
// must not be changed meanwhile. The race detector watches yield: [Map.At] is for
// those who must not be watched.
//
//go:norace
func (m *Map[V]) All(yield func(addr uintptr, v V) bool) {
	for i := range m.slots {
		if s := &m.slots[i]; s.addr != 0 && !yield(s.addr, s.value) {
			return
		}
	}
}

//go:norace
func (m *Map[V]) rehash(slots int) {
	old := m.slots
	m.slots, m.n = make([]slot[V], slots), 0
	m.shift = uint8(64 - bits.Len(uint(slots-1)))
	for i := range old {
		if old[i].addr != 0 {
			m.insert(old[i].addr, old[i].value)
		}
	}
}

// check costs as much as the map is long, so that it looks at small maps only.
//
//go:norace
func (m *Map[V]) check() {
	if invariant.Enabled && len(m.slots) <= 256 {
		n := 0
		for i := range m.slots {
			if addr := m.slots[i].addr; addr != 0 {
				n++
				invariant.Check(m.find(addr) == i, "addrmap: %#x in slot %d is not found there", addr, i)
			}
		}
		invariant.Check(n == m.n, "addrmap: %d entries, counted %d", m.n, n)
		invariant.Check(m.n <= len(m.slots)/4*3, "addrmap: %d entries in %d slots", m.n, len(m.slots))
	}
}
