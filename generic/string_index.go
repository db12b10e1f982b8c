package generic

import (
	"math"

	"github.com/allod-dev/allod/mem"
)

// A stringIndex finds strings that its owner keeps in a row, by their numbers.
// It is a hash table of open addressing with linear probing, a power of two of
// words, each with half of a hash and the number of a string. So growing looks at
// no string, and a search at hardly any but the one it is for. What is removed
// leaves no mark: those behind it close up.
type stringIndex struct {
	slots []uint64 // hash<<32 | number+1; 0 is free
	n     int
	seed  uint64
}

const maxStrings = min(math.MaxUint32-1, math.MaxInt) // numbers that a slot has room for

func (x *stringIndex) hash(s string) uint32 { return uint32(hashOf(x.seed, stringBytes(s)) >> 32) }

// home is the slot where a search begins, from the upper bits of the hash.
func (x *stringIndex) home(hash uint32) uint {
	return uint(uint64(hash) * uint64(len(x.slots)) >> 32)
}

// find returns the number of s among the keys of rows, and its slot, or -1 and
// the slot that is free for it, if there are any.
func (x *stringIndex) find(hash uint32, s string, rows []stringRow) (number int, slot uint) {
	if len(x.slots) == 0 {
		return -1, 0
	}
	mask := uint(len(x.slots) - 1)
	for i := x.home(hash); ; i = (i + 1) & mask {
		w := x.slots[i]
		if w == 0 {
			return -1, i
		}
		if uint32(w>>32) == hash {
			if n := int(uint32(w)) - 1; rows[n].key == s {
				return n, i
			}
		}
	}
}

// set notes the number of a string with the given hash in a free slot.
func (x *stringIndex) set(slot uint, hash uint32, number int) {
	x.slots[slot] = uint64(hash)<<32 | uint64(number+1)
}

// slotOf returns the slot of a number whose string has the given hash.
func (x *stringIndex) slotOf(hash uint32, number int) uint {
	mask := uint(len(x.slots) - 1)
	i := x.home(hash)
	for x.slots[i] != uint64(hash)<<32|uint64(number+1) {
		i = (i + 1) & mask
	}
	return i
}

// remove frees a slot, and moves those behind it up that may come nearer to
// where their search begins.
func (x *stringIndex) remove(slot uint) {
	mask := uint(len(x.slots) - 1)
	for i := (slot + 1) & mask; x.slots[i] != 0; i = (i + 1) & mask {
		if home := x.home(uint32(x.slots[i] >> 32)); (i-home)&mask >= (i-slot)&mask {
			x.slots[slot] = x.slots[i]
			slot = i
		}
	}
	x.slots[slot] = 0
	x.n--
}

// ensure makes room for n strings in all, with a quarter of the slots free.
func (x *stringIndex) ensure(a mem.Allocator, n int) error {
	if n > maxStrings || n > math.MaxInt/16 {
		return mem.ErrTooLarge
	}
	size := max(8, len(x.slots))
	for n > size/4*3 {
		size *= 2
	}
	if size == len(x.slots) {
		return nil
	}
	slots, err := mem.Alloc[uint64](a, size)
	if err != nil {
		return err
	}
	if x.seed == 0 {
		x.seed = newSeed() | 1
	}
	old := x.slots
	x.slots = slots
	mask := uint(size - 1)
	for _, w := range old {
		if w != 0 {
			i := x.home(uint32(w >> 32))
			for slots[i] != 0 {
				i = (i + 1) & mask
			}
			slots[i] = w
		}
	}
	mem.Free(a, old)
	return nil
}

// A stringRow is a string that an index finds, and one that belongs to it.
type stringRow struct {
	key, val string
}

// ensureRows returns rows with room for n, at the same place or another, which
// are strings in memory of a.
func ensureRows(a mem.Allocator, rows []stringRow, n int) ([]stringRow, error) {
	if n <= cap(rows) {
		return rows, nil
	}
	n = growth[stringRow](cap(rows), n)
	if cap(rows) > 0 {
		if r, ok := remapBlock(a, rows, n, false); ok {
			return r[:len(rows)], nil
		}
	}
	r, err := allocNodes[stringRow](a, n)
	if err != nil {
		return rows, err
	}
	r = r[:copy(r, rows)]
	mem.Free(a, rows)
	return r, nil
}
