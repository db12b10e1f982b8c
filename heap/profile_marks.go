package heap

import (
	"math"
	"math/bits"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/addrmap"
	"github.com/allod-dev/allod/internal/race"
)

// profileMarks knows by a hash of their addresses where the blocks of the sample
// of a [Profile] may be: where a bit is 0, there is none. The table is replaced by a
// larger one as the sample grows, so that nearly all bits are 0.
//
// It is written under the sampler's lock and read without. Who frees a block that
// is in the sample was told of it by whoever allocated it, and so sees a table in
// which its bit is set; and what others do to the same word meanwhile does not
// clear it.
type profileMarks struct {
	now atomic.Pointer[profileTable] // nil in a zero Profile
}

type profileTable struct {
	shift uint8
	bits  []uint64
	count []uint8 // blocks for each bit; one that reaches the greatest uint8 stays there
}

const (
	profileTableMin = 4 << 10 // bits
	profileSpread   = 128     // bits for each block in the sample, at least
)

//go:norace
func newProfileTable(n int) *profileTable {
	return &profileTable{shift: uint8(64 - bits.Len(uint(n-1))), bits: make([]uint64, n/64), count: make([]uint8, n)}
}

// at returns the number of the bit for an address.
//
//go:norace
func (t *profileTable) at(addr uintptr) uint {
	const multiplier = 0x9E3779B97F4A7C15 // Fibonacci hashing, as in package addrmap
	return uint(uint64(addr) * multiplier >> (t.shift & 63))
}

// some tells whether b may be in the sample. Of a zero Profile it says so.
//
//go:norace
func (m *profileMarks) some(b []byte) bool {
	race.Disable()
	t := m.now.Load()
	race.Enable()
	if t == nil {
		return true
	}
	i := t.at(address(b))
	return t.bits[i/64]&(1<<(i%64)) != 0
}

// add marks the block at addr, one of those that are live.
//
//go:norace
func (m *profileMarks) add(addr uintptr, live *addrmap.Map[sampled]) {
	t := m.now.Load()
	if live.Len() <= len(t.count)/profileSpread {
		t.add(addr)
		return
	}
	t = newProfileTable(2 * len(t.count))
	for i := range live.Slots() {
		if addr, _, ok := live.At(i); ok {
			t.add(addr)
		}
	}
	m.now.Store(t)
}

//go:norace
func (t *profileTable) add(addr uintptr) {
	i := t.at(addr)
	if t.count[i] < math.MaxUint8 {
		t.count[i]++
	}
	t.bits[i/64] |= 1 << (i % 64)
}

// remove undoes add.
//
//go:norace
func (m *profileMarks) remove(addr uintptr) {
	t := m.now.Load()
	i := t.at(addr)
	if t.count[i] == math.MaxUint8 {
		return
	}
	if t.count[i]--; t.count[i] == 0 {
		t.bits[i/64] &^= 1 << (i % 64)
	}
}
