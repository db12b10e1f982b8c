package allocatortest_test

import "unsafe"

// address returns the address of b's first byte.
func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// longer returns b with n bytes more, which are somebody else's.
func longer(b []byte, n int) []byte {
	// Valid as long as the mutants do it within one chunk.
	return unsafe.Slice(unsafe.SliceData(b), len(b)+n)
}
