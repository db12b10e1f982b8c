package mem

import (
	"strconv"
	"unsafe"

	"github.com/allod-dev/allod/internal/rtype"
)

// AsBytes returns the bytes of *p, padding included, in the machine's order.
// Writing them changes *p. It panics if T holds pointers, which must not be
// made or changed behind the collector's back.
func AsBytes[T any](p *T) []byte {
	noPointers[T]("mem: AsBytes")
	return bytesAt(p)
}

// SliceAsBytes returns the bytes of s[:len(s)]. Writing them changes the
// elements. It panics if T holds pointers.
func SliceAsBytes[T any](s []T) []byte {
	noPointers[T]("mem: SliceAsBytes")
	var v T
	return bytesOf(s[:len(s):len(s)])[:len(s)*int(unsafe.Sizeof(v))]
}

// BytesAs returns b as a *T. It panics if b is not exactly a T long, is not
// aligned for one, or if T holds pointers or bools: other bits than 0 and 1 in a
// bool miscompile the program that reads it.
func BytesAs[T any](b []byte) *T {
	var v T
	if size := int(unsafe.Sizeof(v)); len(b) != size {
		panic("mem: BytesAs: " + strconv.Itoa(len(b)) + " bytes are not a " + TypeFor[T]().String() +
			" of " + strconv.Itoa(size))
	}
	fromBytes[T]("mem: BytesAs", b)
	if len(b) == 0 {
		return new(T)
	}
	return pointerTo[T](b)
}

// BytesAsSlice returns b as a []T. It panics if b is not a whole number of Ts,
// is not aligned for them, or if T holds pointers or bools. For a T of no size
// the result is empty, and b must be.
func BytesAsSlice[T any](b []byte) []T {
	var v T
	size := int(unsafe.Sizeof(v))
	if size == 0 && len(b) != 0 || size != 0 && len(b)%size != 0 {
		panic("mem: BytesAsSlice: " + strconv.Itoa(len(b)) + " bytes are not a whole number of " +
			TypeFor[T]().String() + " of " + strconv.Itoa(size))
	}
	fromBytes[T]("mem: BytesAsSlice", b)
	if len(b) == 0 {
		return []T{}
	}
	return sliceOf[T](b, len(b)/size)
}

// fromBytes panics unless b may be read as Ts.
func fromBytes[T any](name string, b []byte) {
	noPointers[T](name)
	if rtype.HasBools[T]() {
		panic(name + ": " + TypeFor[T]().String() + " holds bools")
	}
	if len(b) > 0 && !AlignOf[T]().Check(addrOf(b)) {
		panic(name + ": bytes are not aligned for " + TypeFor[T]().String())
	}
}

func noPointers[T any](name string) {
	if rtype.HasPointers[T]() {
		panic(name + ": " + TypeFor[T]().String() + " holds pointers")
	}
}

// Zeroes returns the zero T, where an expression is wanted.
func Zeroes[T any]() (zero T) { return zero }

// CopyForwards copies src to the start of dst, first element first. Where the
// two overlap and dst begins after src, elements are overwritten before they
// are copied, so that a run repeats itself; the builtin copy never does that. It
// panics if dst is shorter than src.
func CopyForwards[T any](dst, src []T) {
	if len(dst) < len(src) {
		panicShort("mem: CopyForwards", len(dst), len(src))
	}
	//lint:ignore S1001 copy would not overwrite what it has yet to copy
	for i := range src {
		dst[i] = src[i]
	}
}

// CopyBackwards is [CopyForwards], last element first: elements are overwritten
// before they are copied where dst begins before src.
func CopyBackwards[T any](dst, src []T) {
	if len(dst) < len(src) {
		panicShort("mem: CopyBackwards", len(dst), len(src))
	}
	for i := len(src) - 1; i >= 0; i-- {
		dst[i] = src[i]
	}
}

//go:noinline
func panicShort(name string, dst, src int) {
	panic(name + ": " + strconv.Itoa(src) + " elements do not fit " + strconv.Itoa(dst))
}
