package heap

import (
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
// which would double the bitmaps of all for the sake of a few.

const (
	smpClasses  = 79
	smpMaxSmall = 32 << 10 // size of a slot of the last class
)

// An smpClass is what is the same for all slabs of a class.
type smpClass struct {
	size  uintptr // of a slot
	recip uint64  // offset*recip >> smpRecipShift is offset/size, in a slab
	slots uintptr // in a slab
	pages int     // of a slab
	keep  uint32  // slots in a magazine, at most
}

// The quotient is exact for offsets below 2^25: recip is too large by less than
// size, which is at most 2^15, and that has to stay below 2^40 after it is
// multiplied by the offset.
const smpRecipShift = 40

// smpClassTable has room for every uint8 below 128, so that indexing with seven
// bits needs no check.
var smpClassTable = func() (t [128]smpClass) {
	for i := range smpClasses {
		size := uintptr(16 + 8*i)
		if i >= 15 {
			size = uintptr(9+(i-15)%8) << (4 + (i-15)/8)
		}
		// A visit to a slab pays off if there are many slots in it.
		pages := 1
		for pages < smpMaxSlab && uintptr(pages)*smpPageSize < smpGroup*size {
			pages *= 2
		}
		t[i] = smpClass{
			size:  size,
			recip: (1<<smpRecipShift + uint64(size) - 1) / uint64(size),
			slots: uintptr(pages) * smpPageSize / size,
			pages: pages,
			keep:  uint32(min(smpMagSlots, max(4, smpMagBytes/size))),
		}
	}
	return t
}()

// smpRound returns the size of a slot that would do for size > 0 bytes: size, or
// more where that makes every slot aligned.
func smpRound(size int, a mem.Alignment) uintptr {
	return (uintptr(size) + a.Mask()) &^ a.Mask()
}

// smpClassOf returns the class whose slots are the smallest with room for n
// bytes, 0 < n <= smpMaxSmall.
func smpClassOf(n uintptr) uintptr {
	if n <= smpStepMax {
		return uintptr(smpStep[(n+smpStepSize-1)/smpStepSize])
	}
	return smpClassBy(n)
}

// smpClassBy is smpClassOf without a table.
func smpClassBy(n uintptr) uintptr {
	// Both rows of classes by one formula: sizes up to 128 are treated as those
	// between 64 and 128.
	n = max(n-1, 8)
	log2 := uintptr(bits.Len64(uint64(n|64))) - 4
	return (log2-3)<<3 + n>>(log2&31) - 1
}

const (
	smpStepMax  = 4 << 10
	smpStepSize = 8
)

// smpStep is the class of every eighth size up to smpStepMax.
var smpStep = func() (t [smpStepMax/smpStepSize + 1]uint8) {
	for i := 1; i < len(t); i++ {
		t[i] = uint8(smpClassBy(uintptr(i) * smpStepSize))
	}
	return t
}()
