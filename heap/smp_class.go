package heap

import (
	"math"
	"math/bits"

	"github.com/allod-dev/allod/mem"
)

// The size classes of SMP.
//
// Slots of up to 128 bytes differ by 8, from 16 on; above that, each power of
// two is cut into eight steps. A slot is thus at most an eighth larger than what
// lies in it, once that is over 64 bytes. A size that is rounded up to a multiple
// of a power of two finds a class that is one as well, so that alignment needs no
// classes of its own: where classes are further apart than the alignment, all of
// them are multiples of it, and where they are closer, the size is a class.
//
// Four steps were rejected, which waste twice as much; and slots of 8 bytes,
// which would double the bytes of all for the sake of a few.

// Classes are numbered from 1. What is in no class has the number 0.

const (
	smpClasses  = 80
	smpMaxSmall = 32 << 10 // size of a slot of the last class
)

// An smpClass is what is the same for all slabs of a class.
type smpClass struct {
	size  uintptr // of a slot
	recip uint64  // 2^64/size, rounded up: offset/size is the upper word of their product
	keep  uint32  // slots in a magazine, at most
	at    uint32  // slots of other magazines before this one, in the room of a cache
	align int     // pages of which the first of a slab is a multiple
	pages [smpSlabSizes]uint16
}

// How many pages a slab has grows with how many slabs there are: little memory
// is set aside for classes of which little is used, and a visit to a slab of
// one that is much used pays off.
const (
	smpSlabSizes = 5        // each twice the one before
	smpSlabStep  = 8        // slabs of a size, before they become larger
	smpFewSlots  = 4        // in the smallest slabs
	smpFewLarge  = 2        // the same, of slots of more than smpLargeSlot
	smpLargeSlot = 4 << 10  // bytes
	smpSlabBytes = 64 << 10 // of the largest slabs, unless that is too few slots
)

// smpClassTable has room for every uint8 below 128, so that indexing with seven
// bits needs no check.
var smpClassTable = func() (t [128]smpClass) {
	for class := 1; class < smpClasses; class++ {
		size := uintptr(8 + 8*class)
		if i := class - 16; i >= 0 {
			size = uintptr(9+i%8) << (4 + i/8)
		}
		k := &t[class]
		k.size = size
		k.recip = math.MaxUint64/uint64(size) + 1
		k.keep = uint32(min(smpMagSlots, max(2, smpMagBytes/size)))
		k.at = t[class-1].at + t[class-1].keep
		// Slots that are a multiple of more than a page serve alignments of that.
		k.align = max(1, int(size&-size)/smpPageSize)
		slots := uintptr(smpFewSlots)
		if size > smpLargeSlot {
			slots = smpFewLarge
		}
		pages := (slots*size + smpPageSize - 1) / smpPageSize
		for j := range k.pages {
			k.pages[j] = uint16(pages)
			if 2*pages*smpPageSize <= smpSlabBytes {
				pages *= 2
			}
		}
	}
	return t
}()

// smpMagRoom is how many slots all magazines of a cache have, at most.
var smpMagRoom = smpClassTable[smpClasses-1].at + smpClassTable[smpClasses-1].keep

// slabPages returns how many pages the next slab of a class has, of which there
// are n already.
func (k *smpClass) slabPages(n int) int {
	return int(k.pages[min(bits.Len(uint(n/smpSlabStep)), smpSlabSizes-1)])
}

// smpRound returns the size of a slot that would do for size > 0 bytes: size, or
// more where that makes every slot aligned.
func smpRound(size int, a mem.Alignment) uintptr {
	return (uintptr(size) + a.Mask()) &^ a.Mask()
}

// smpLast is smpRound less 1: where the last byte is of what is asked for. It is
// at least smpMaxSmall where that is no small block, or no size at all. Its
// class is smpStep[smpLast/smpStepSize].
func smpLast(size int, a mem.Alignment) uintptr { return uintptr(size-1) | a.Mask() }

// smpClassOf returns the class whose slots are the smallest with room for n
// bytes, 0 < n <= smpMaxSmall.
func smpClassOf(n uintptr) uintptr {
	return uintptr(smpStep[(n-1)/smpStepSize&(smpMaxSmall/smpStepSize-1)])
}

// smpClassBy is smpClassOf without a table.
func smpClassBy(n uintptr) uintptr {
	// Both rows of classes by one formula: sizes up to 128 are treated as those
	// between 64 and 128.
	n = max(n-1, 8)
	log2 := uintptr(bits.Len64(uint64(n|64))) - 4
	return (log2-3)<<3 + n>>(log2&31)
}

const (
	smpStepLog2 = 3
	smpStepSize = 1 << smpStepLog2
)

// smpStep is the class of every eighth size.
var smpStep = func() (t [smpMaxSmall / smpStepSize]uint8) {
	for i := range t {
		t[i] = uint8(smpClassBy(uintptr(i+1) * smpStepSize))
	}
	return t
}()
