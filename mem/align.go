package mem

import (
	"strconv"
	"unsafe"

	"golang.org/x/exp/constraints"
)

// IsValidAlign tells whether n is an alignment: a power of two.
func IsValidAlign[T constraints.Integer](n T) bool { return n > 0 && n&(n-1) == 0 }

// IsAligned tells whether n is a multiple of align. It panics unless align is a
// power of two.
func IsAligned[T constraints.Integer](n, align T) bool {
	checkAlign("mem: IsAligned", align)
	return n&(align-1) == 0
}

// IsAlignedAny tells whether n is a multiple of align, which may be any positive
// number. It panics if align is not positive.
func IsAlignedAny[T constraints.Integer](n, align T) bool {
	checkPositive("mem: IsAlignedAny", align)
	return n%align == 0
}

// AlignForward returns the first multiple of align at or after n. It panics
// unless align is a power of two, and if the result does not fit a T.
func AlignForward[T constraints.Integer](n, align T) T {
	checkAlign("mem: AlignForward", align)
	r := (n + (align - 1)) &^ (align - 1)
	if r < n {
		panic("mem: AlignForward: the result does not fit")
	}
	return r
}

// AlignForwardAny is [AlignForward] to a multiple of any positive number.
func AlignForwardAny[T constraints.Integer](n, align T) T {
	checkPositive("mem: AlignForwardAny", align)
	over := n % align
	if over > 0 {
		over -= align
	}
	if n-over < n {
		panic("mem: AlignForwardAny: the result does not fit")
	}
	return n - over
}

// AlignBackward returns the last multiple of align at or before n. It panics
// unless align is a power of two.
func AlignBackward[T constraints.Integer](n, align T) T {
	checkAlign("mem: AlignBackward", align)
	return n &^ (align - 1)
}

// AlignBackwardAny is [AlignBackward] to a multiple of any positive number. It
// panics if the result does not fit a T.
func AlignBackwardAny[T constraints.Integer](n, align T) T {
	checkPositive("mem: AlignBackwardAny", align)
	over := n % align
	if over < 0 {
		over += align
	}
	if n-over > n {
		panic("mem: AlignBackwardAny: the result does not fit")
	}
	return n - over
}

// AlignInBytes returns the largest part of b that begins and ends at a multiple
// of align; nil if there is none.
func AlignInBytes(b []byte, align Alignment) []byte {
	pad := align.Pad(addrOf(b))
	if pad >= len(b) {
		return nil
	}
	n := (len(b) - pad) &^ (align.Bytes() - 1)
	if n == 0 {
		return nil
	}
	return b[pad : pad+n : pad+n]
}

// AlignInSlice returns the part of s that begins at a multiple of align, to the
// end of s; nil if no element of s does.
func AlignInSlice[T any](s []T, align Alignment) []T {
	var v T
	size := int(unsafe.Sizeof(v))
	for i := range s {
		// The addresses of the elements repeat modulo align after align steps.
		if i >= align.Bytes() {
			break
		}
		if align.Check(addrOf(s) + uintptr(i*size)) {
			return s[i:]
		}
	}
	return nil
}

func checkAlign[T constraints.Integer](name string, align T) {
	if !IsValidAlign(align) {
		panic(name + ": alignment " + strconv.FormatInt(int64(align), 10) + " is not a power of two")
	}
}

func checkPositive[T constraints.Integer](name string, align T) {
	if align <= 0 {
		panic(name + ": alignment " + strconv.FormatInt(int64(align), 10) + " is not positive")
	}
}
