package allocatortest_test

import "unsafe"

// address returns the address of b's first byte.
func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// longer returns b with n bytes more, which are somebody else's.
func longer(b []byte, n int) []byte {
	// Valid as long as the mutants do it within one chunk.
	return unsafe.Slice(unsafe.SliceData(b), len(b)+n)
}

// at returns the byte at position i of b, which may be outside of it.
func at(b []byte, i int) *byte {
	// Valid: the tests ask for positions inside the zones that a heap.Debug puts
	// around its blocks, which are part of the same block of its child.
	return (*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i))
}
