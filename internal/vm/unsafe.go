package vm

import "unsafe"

// Conversions between pointers and numbers, other than in system calls.

// address returns the address of b's first byte. The number keeps nothing alive.
func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// resliced returns the n bytes that begin where b does, all of them mapped.
func resliced(b []byte, n int) []byte {
	// Valid: the caller knows that the range goes on for n bytes.
	return unsafe.Slice(unsafe.SliceData(b), n)
}

// at returns the n bytes at addr, which are memory that the Go runtime does not
// know.
func at(addr uintptr, n int) []byte {
	// Valid: addr came from the system or from address; going through memory
	// keeps the number a pointer in the eyes of vet and checkptr, which have no
	// rule for pointers that foreign code made.
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&addr)), n)
}
