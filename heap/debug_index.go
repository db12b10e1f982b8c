package heap

import "math/bits"

// A debugIndex finds the blocks of a debugTable by address: the one that starts
// somewhere, and those that lie in some range of memory.
//
// Blocks are sorted by size into tiers, each of which has blocks up to 16 times
// as long as the one before, the second up to 4 times. A tier cuts the address
// space into granules as long as its longest block, so that in a granule start at
// most 16 blocks that do not overlap, but in the first tier, and a block reaches
// into one granule more than it starts in. One hash table of all granules of all
// tiers says which block is the first in the chain of a granule. So in each tier
// that has blocks the table is asked for two or three granules to know what lies
// where a block is to be. (A balanced tree, which was here before, took most of
// the time of a call with finding its way through a dozen nodes.)
//
// A slot is a granule's hash, and the first node or 0: a granule keeps its slot
// when its last block goes, since another often comes, until the slots get few.
// Granules of one hash share a chain: nobody minds, since every node of a chain
// is looked at, and no node need be looked at to find the chain. Slots begin at
// what the topmost bits of the hash say and are probed linearly; a few granules
// in a row begin at slots in a row, since they are asked for together.
//
// A large block would have thousands of granules of the small ones to ask for.
// So the small blocks of each region are counted, regions of one hash together,
// and those are left out that have none.
type debugIndex struct {
	slots []uint64
	used  int               // slots that are not 0
	shift uint8             // a hash >> shift is a slot
	some  uint32            // bit for each tier that has blocks
	tiers [debugTiers]int32 // blocks in each
	small []uint32          // blocks of tiers below debugSmall in each region
}

const (
	debugTier0   = 7 // log2 of the granules of the first
	debugTier1   = 9 // and of the second
	debugTiers   = (bits.UintSize-debugTier1)/4 + 3
	debugSlots   = 256
	debugHashing = 0x9E3779B97F4A7C15
	debugRow     = 4 // granules in a row
	debugSmall   = 2
	debugRegion  = 13 // log2 of the length of a region
)

// tierOf returns the tier of a block of n bytes.
//
//go:norace
func tierOf(n int) uint {
	if n <= 1<<debugTier0 {
		return 0
	}
	return uint(bits.Len(uint(n-1))-debugTier1+7) / 4
}

// granule returns the granule that addr is in.
//
//go:norace
func granule(addr uintptr, tier uint) uintptr {
	return addr >> (max(debugTier0, debugTier1-4+4*tier) % bits.UintSize)
}

// region returns the count of blocks in a region.
//
//go:norace
func (x *debugIndex) region(r uintptr) *uint32 {
	return &x.small[int(uint64(r)*debugHashing>>40)&(len(x.small)-1)]
}

// perRegion is the log2 of the granules of a tier below debugSmall in a region.
//
//go:norace
func perRegion(tier uint) uint {
	return debugRegion - debugTier0 - tier*(debugTier1-debugTier0)
}

// hashGranule returns 32 bits, not all 0. The lowest are the place in the row.
//
//go:norace
func hashGranule(g uintptr, tier uint) uint32 {
	x := (uint64(g/debugRow) ^ uint64(tier)<<58) * debugHashing
	return uint32((x^x>>29)*debugHashing>>32)&^(debugRow-1) | debugRow | uint32(g%debugRow)
}

// home returns the slot at which a granule begins to be looked for.
//
//go:norace
func (x *debugIndex) home(h uint32) int {
	return int(h>>x.shift+h%debugRow) & (len(x.slots) - 1)
}

// slot returns where the granule of the hash is, or the empty slot where it
// belongs.
//
//go:norace
func (x *debugIndex) slot(h uint32) int {
	slots := x.slots
	i := x.home(h)
	for {
		i &= len(slots) - 1 // within bounds, as the compiler can tell
		if s := slots[i]; s == 0 || uint32(s>>32) == h {
			return i
		}
		i++
	}
}

// first returns the first node in the chain of the granule of the hash, or 0.
//
//go:norace
func (x *debugIndex) first(h uint32) int32 { return int32(uint32(x.slots[x.slot(h)])) }

// insert adds node i.
//
//go:norace
func (t *debugTable) insert(i int32) {
	x := &t.index
	if x.used >= len(x.slots)/8*5 {
		t.expand()
	}
	n := t.node(i)
	tier := tierOf(n.length())
	h := hashGranule(granule(n.from, tier), tier)
	s := &x.slots[x.slot(h)]
	if *s == 0 {
		x.used++
	}
	n.next = int32(uint32(*s))
	*s = uint64(h)<<32 | uint64(uint32(i))
	x.tiers[tier]++
	x.some |= 1 << tier
	if tier < debugSmall {
		*x.region(n.from >> debugRegion)++
	}
}

// remove takes node i out.
//
//go:norace
func (t *debugTable) remove(i int32) {
	x := &t.index
	n := t.node(i)
	tier := tierOf(n.length())
	if x.tiers[tier]--; x.tiers[tier] == 0 {
		x.some &^= 1 << tier
	}
	if tier < debugSmall {
		*x.region(n.from >> debugRegion)--
	}
	s := &x.slots[x.slot(hashGranule(granule(n.from, tier), tier))]
	if first := int32(uint32(*s)); first != i {
		before := t.node(first)
		for before.next != i {
			before = t.node(before.next)
		}
		before.next = n.next
	} else {
		*s = *s>>32<<32 | uint64(uint32(n.next))
	}
	n.next = 0
}

// expand drops the granules without blocks, and doubles the slots if these were
// few: a quarter of the slots at least are there to be used before the next time.
//
//go:norace
func (t *debugTable) expand() {
	x := &t.index
	old := x.slots
	x.used = 0
	for _, s := range old {
		if uint32(s) != 0 {
			x.used++
		}
	}
	n := max(debugSlots, len(old))
	if x.used > n/8*3 {
		n *= 2
	}
	x.slots = make([]uint64, n)
	x.shift = uint8(32 - bits.Len(uint(n-1)))
	x.small = make([]uint32, n/8)
	for _, s := range old {
		if uint32(s) != 0 {
			x.slots[x.slot(uint32(s>>32))] = s
		}
		for i := int32(uint32(s)); i != 0; {
			k := t.node(i)
			if tierOf(k.length()) < debugSmall {
				*x.region(k.from >> debugRegion)++
			}
			i = k.next
		}
	}
}

// exact returns the node of a block whose memory begins at from and has length
// bytes, or one of that tier, or 0. It may be vacant.
//
//go:norace
func (t *debugTable) exact(from uintptr, length int) (int32, *debugNode) {
	tier := tierOf(length)
	if t.index.tiers[tier] == 0 {
		return 0, nil
	}
	for i := t.index.first(hashGranule(granule(from, tier), tier)); i != 0; {
		n := t.node(i)
		if n.from == from {
			return i, n
		}
		i = n.next
	}
	return 0, nil
}

// around returns the node whose memory addr is in, or 0.
//
//go:norace
func (t *debugTable) around(addr uintptr) int32 { return t.overlapping(addr, 1, 0) }

// overlapping returns a node other than but whose memory has bytes in common
// with the length bytes from an address on, or 0. Vacant ones are given up.
//
//go:norace
func (t *debugTable) overlapping(from uintptr, length int, but int32) int32 {
	for some := t.index.some; some != 0; some &= some - 1 {
		tier := uint(bits.TrailingZeros32(some))
		// A block that begins in the granule before may reach into the range.
		low, high := granule(from, tier), granule(from+uintptr(length-1), tier)
		if low > 0 {
			low--
		}
		if high-low >= uintptr(t.index.used) {
			return t.overlappingAny(from, length, but)
		}
		wide, h := tier < debugSmall && high-low > 2*debugRow, hashGranule(low, tier)
		for g := low; ; {
			if wide && *t.index.region(g >> perRegion(tier)) == 0 {
				if g = (g>>perRegion(tier) + 1) << perRegion(tier); g > high {
					break
				}
				h = hashGranule(g, tier)
				continue
			}
			for i := t.index.first(h); i != 0; {
				n := t.node(i)
				next := n.next
				if i != but && n.overlaps(from, length) {
					if n.is() != debugVacant {
						return i
					}
					t.forgo(i)
				}
				i = next
			}
			if g++; g > high {
				break
			}
			if h++; g%debugRow == 0 { // not of one row with the one before
				h = hashGranule(g, tier)
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
			next := n.next
			if i != but && n.overlaps(from, length) {
				if n.is() != debugVacant {
					return i
				}
				t.forgo(i)
			}
			i = next
		}
	}
	return 0
}

//go:norace
func (n *debugNode) overlaps(from uintptr, length int) bool {
	return n.from-from < uintptr(length) || from-n.from < uintptr(n.length())
}
