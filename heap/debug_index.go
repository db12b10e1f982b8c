package heap

import "math/bits"

// A debugIndex finds the blocks of a debugTable by address: the one that starts
// somewhere, and those that lie in some range of memory.
//
// Blocks are sorted by size into tiers, each of which has blocks up to 16 times
// as long as the one before. A tier cuts the address space into granules as long
// as its longest block, so that in a granule start at most 16 blocks that do not
// overlap, but in the first tier, and a block reaches into one granule more than
// it starts in. One hash table of all granules of all tiers says which block is
// the first in the chain of a granule. So in each tier that has blocks the table
// is asked for two or three granules to know what lies where a block is to be.
// (A balanced tree, which was here before, took most of the time of a call with
// finding its way through a dozen nodes.)
//
// A slot is the upper half of a granule's hash, and the first node. Slots begin
// at what the topmost bits say, and are probed linearly.
type debugIndex struct {
	slots []uint64
	used  int
	shift uint8             // a hash >> shift is a slot
	tiers [debugTiers]int32 // blocks in each
}

const (
	debugTiers   = (bits.UintSize-debugTier0)/4 + 2
	debugTier0   = 9 // log2 of the granules of the first
	debugSlots   = 256
	debugHashing = 0x9E3779B97F4A7C15
)

// tierOf returns the tier of a block of n bytes.
//
//go:norace
func tierOf(n int) uint {
	if n <= 1<<debugTier0 {
		return 0
	}
	return uint(bits.Len(uint(n-1))-debugTier0+3) / 4
}

// granule returns the granule that addr is in.
//
//go:norace
func granule(addr uintptr, tier uint) uintptr { return addr >> (debugTier0 + 4*tier) }

// hashGranule returns 32 bits, of which the topmost choose the slot.
//
//go:norace
func hashGranule(g uintptr, tier uint) uint32 {
	x := (uint64(g) ^ uint64(tier)<<58) * debugHashing
	return uint32((x ^ x>>29) * debugHashing >> 32)
}

// slot returns where the granule is, or the empty slot where it belongs.
//
//go:norace
func (t *debugTable) slot(g uintptr, tier uint) int {
	x := &t.index
	h := hashGranule(g, tier)
	mask := len(x.slots) - 1
	for i := int(h >> x.shift); ; i = (i + 1) & mask {
		s := x.slots[i]
		if s == 0 {
			return i
		}
		if uint32(s>>32) == h {
			if n := t.node(int32(uint32(s))); granule(n.from(), tier) == g && tierOf(n.length()) == tier {
				return i
			}
		}
	}
}

// insert adds node i.
//
//go:norace
func (t *debugTable) insert(i int32) {
	x := &t.index
	if x.used >= len(x.slots)/4*3 {
		x.grow()
	}
	n := t.node(i)
	tier := tierOf(n.length())
	g := granule(n.from(), tier)
	at := t.slot(g, tier)
	n.next = int32(uint32(x.slots[at]))
	if n.next == 0 {
		x.used++
	}
	x.slots[at] = uint64(hashGranule(g, tier))<<32 | uint64(uint32(i))
	x.tiers[tier]++
}

// remove takes node i out.
//
//go:norace
func (t *debugTable) remove(i int32) {
	x := &t.index
	n := t.node(i)
	tier := tierOf(n.length())
	at := t.slot(granule(n.from(), tier), tier)
	x.tiers[tier]--
	first := int32(uint32(x.slots[at]))
	switch {
	case first != i:
		before := t.node(first)
		for before.next != i {
			before = t.node(before.next)
		}
		before.next = n.next
	case n.next != 0:
		x.slots[at] = x.slots[at]>>32<<32 | uint64(uint32(n.next))
	default:
		x.vacate(at)
	}
	n.next = 0
}

// vacate empties a slot, and moves what was probed past it.
//
//go:norace
func (x *debugIndex) vacate(hole int) {
	mask := len(x.slots) - 1
	for i := (hole + 1) & mask; x.slots[i] != 0; i = (i + 1) & mask {
		home := int(uint32(x.slots[i]>>32) >> x.shift)
		if (i-home)&mask >= (i-hole)&mask {
			x.slots[hole] = x.slots[i]
			hole = i
		}
	}
	x.slots[hole] = 0
	x.used--
}

// grow doubles the slots.
//
//go:norace
func (x *debugIndex) grow() {
	old := x.slots
	n := max(debugSlots, 2*len(old))
	x.slots = make([]uint64, n)
	x.shift = uint8(32 - bits.Len(uint(n-1)))
	for _, s := range old {
		if s != 0 {
			i := int(uint32(s>>32) >> x.shift)
			for x.slots[i] != 0 {
				i = (i + 1) & (n - 1)
			}
			x.slots[i] = s
		}
	}
}

// exact returns the node of a block whose memory begins at from and has length
// bytes, or one of that tier.
//
//go:norace
func (t *debugTable) exact(from uintptr, length int) int32 {
	tier := tierOf(length)
	if t.index.tiers[tier] == 0 {
		return 0
	}
	i := int32(uint32(t.index.slots[t.slot(granule(from, tier), tier)]))
	for i != 0 {
		n := t.node(i)
		if n.from() == from {
			return i
		}
		i = n.next
	}
	return 0
}

// around returns the node whose memory addr is in, or 0.
//
//go:norace
func (t *debugTable) around(addr uintptr) int32 { return t.overlapping(addr, 1, 0) }

// overlapping returns a node other than but whose memory has bytes in common
// with the length bytes from an address on, or 0.
//
//go:norace
func (t *debugTable) overlapping(from uintptr, length int, but int32) int32 {
	for tier := range uint(debugTiers) {
		if t.index.tiers[tier] == 0 {
			continue
		}
		// A block that begins in the granule before may reach into the range.
		low, high := granule(from, tier), granule(from+uintptr(length-1), tier)
		if low > 0 {
			low--
		}
		if high-low >= uintptr(t.index.used) {
			return t.overlappingAny(from, length, but)
		}
		for g := low; g <= high; g++ {
			for i := int32(uint32(t.index.slots[t.slot(g, tier)])); i != 0; {
				n := t.node(i)
				if i != but && n.overlaps(from, length) {
					return i
				}
				i = n.next
			}
		}
	}
	return 0
}

// overlappingAny is overlapping for a range of more granules than have blocks.
//
//go:norace
func (t *debugTable) overlappingAny(from uintptr, length int, but int32) int32 {
	for _, s := range t.index.slots {
		for i := int32(uint32(s)); i != 0; {
			n := t.node(i)
			if i != but && n.overlaps(from, length) {
				return i
			}
			i = n.next
		}
	}
	return 0
}

//go:norace
func (n *debugNode) overlaps(from uintptr, length int) bool {
	return n.from()-from < uintptr(length) || from-n.from() < uintptr(n.length())
}
