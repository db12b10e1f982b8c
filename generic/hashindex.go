package generic

import (
	"math"
	"math/bits"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// A hashIndex finds numbers below 1<<32-1 by the hash of what they stand for,
// which only its owner knows. It is a table of words with linear probing, half
// of each the number plus 1, half the hash, so that neither growing nor a search
// that fails looks at anything else. Removing moves entries back, and leaves
// nothing behind.
type hashIndex struct {
	slots []uint64 // none, or a power of two; 0 is empty
}

// maxIndexed is the most that a hashIndex holds. The number of its slots is an
// int.
const maxIndexed = min(math.MaxInt/4, math.MaxUint32-1)

// indexSlots returns how many slots an index of n entries has: a quarter is free
// at least.
func indexSlots(n int) int { return max(8, 1<<bits.Len(uint(n+n/3))) }

// capacity returns how many entries fit.
func (x *hashIndex) capacity() int { return len(x.slots) - len(x.slots)/4 }

// find returns the number with hash h for which is returns true, and the slot
// where it is, or false.
func (x *hashIndex) find(h uint64, is func(i int) bool) (i int, at uint, ok bool) {
	mask := uint(len(x.slots) - 1)
	for at = uint(h) & mask; x.slots[at] != 0; at = (at + 1) & mask {
		s := x.slots[at]
		if s>>32 == h&math.MaxUint32 {
			if i = int(uint32(s)) - 1; is(i) {
				return i, at, true
			}
		}
	}
	return 0, at, false
}

// slotOf returns the slot where i, with hash h, is.
func (x *hashIndex) slotOf(h uint64, i int) uint {
	mask := uint(len(x.slots) - 1)
	for at := uint(h) & mask; x.slots[at] != 0; at = (at + 1) & mask {
		if int(uint32(x.slots[at]))-1 == i {
			return at
		}
	}
	// Its key has not the hash that it had when it was added.
	for at, s := range x.slots {
		if s != 0 && int(uint32(s))-1 == i {
			return uint(at)
		}
	}
	panic("generic: an index has lost an entry") // cannot happen
}

// insert adds i with hash h. There must be room.
func (x *hashIndex) insert(h uint64, i int) {
	x.place(h<<32 | uint64(i+1))
}

func (x *hashIndex) place(s uint64) {
	mask := uint(len(x.slots) - 1)
	at := uint(s>>32) & mask
	for x.slots[at] != 0 {
		at = (at + 1) & mask
	}
	x.slots[at] = s
}

// renumber has slot at stand for i.
func (x *hashIndex) renumber(at uint, i int) {
	x.slots[at] = x.slots[at]&^math.MaxUint32 | uint64(i+1)
}

// remove empties slot at.
func (x *hashIndex) remove(at uint) {
	mask := uint(len(x.slots) - 1)
	for next := (at + 1) & mask; ; next = (next + 1) & mask {
		s := x.slots[next]
		if s == 0 {
			break
		}
		// What stands in next may move to at unless its home is between.
		if home := uint(s>>32) & mask; (next-home)&mask >= (next-at)&mask {
			x.slots[at] = s
			at = next
		}
	}
	x.slots[at] = 0
}

// closeGap has all numbers above i go down by one.
func (x *hashIndex) closeGap(i int) {
	for at, s := range x.slots {
		if int(uint32(s))-1 > i {
			x.slots[at] = s - 1
		}
	}
}

// ensure makes room for n entries.
func (x *hashIndex) ensure(a mem.Allocator, n int) error {
	if n <= x.capacity() {
		return nil
	}
	if n > maxIndexed {
		return mem.ErrTooLarge
	}
	return x.resize(a, indexSlots(n))
}

// resize makes the index one of n slots, which have room for its entries.
func (x *hashIndex) resize(a mem.Allocator, n int) error {
	slots, err := mem.Alloc[uint64](a, n)
	if err != nil {
		return err
	}
	old := x.slots
	x.slots = slots
	for _, s := range old {
		if s != 0 {
			x.place(s)
		}
	}
	mem.Free(a, old)
	return nil
}

func (x *hashIndex) close(a mem.Allocator) {
	mem.Free(a, x.slots)
	x.slots = nil
}

// check is for invariants: there are n entries, each number once, and each is
// found from its home.
func (x *hashIndex) check(n int) {
	if len(x.slots) == 0 || len(x.slots) > 64 {
		return
	}
	var seen [64]bool
	mask := uint(len(x.slots) - 1)
	found := 0
	for at, s := range x.slots {
		if s == 0 {
			continue
		}
		found++
		i := int(uint32(s)) - 1
		invariant.Check(i < n && !seen[i], "generic: index with %d, twice or too large", i)
		seen[i] = true
		for j := uint(s>>32) & mask; j != uint(at); j = (j + 1) & mask {
			invariant.Check(x.slots[j] != 0, "generic: a gap before %d", i)
		}
	}
	invariant.Check(found == n, "generic: index of %d with %d entries", n, found)
}
