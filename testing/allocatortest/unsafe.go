package allocatortest

import "unsafe"

// Every conversion of this package between bytes, values and numbers is in this
// file.

// address returns the address of b's first byte. The number keeps nothing alive.
func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// view returns b as a slice of Ts.
func view[T any](b []byte) []T {
	var v T
	// Valid: the suite calls it on blocks that it asked for with the layout of
	// T; checkptr verifies the alignment and that the elements lie in one block.
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(v)))
}

// longer returns the n bytes of which b is the beginning.
func longer(b []byte, n int) []byte {
	// Valid: the allocator of b says that they may be used; see mem.UsableSizer.
	return unsafe.Slice(unsafe.SliceData(b), max(n, len(b)))
}

// textOf returns a string of the bytes of p.
func textOf(p *target) string {
	// Valid: p points to that many bytes, which nobody writes while it is read.
	return unsafe.String((*byte)(unsafe.Pointer(p)), unsafe.Sizeof(*p))
}

// targetOf returns the target whose bytes s is.
func targetOf(s string) *target {
	// Valid: s was made by textOf.
	return (*target)(unsafe.Pointer(unsafe.StringData(s)))
}

// number returns the address of p as a number, which keeps nothing alive.
func number(p *target) uintptr { return uintptr(unsafe.Pointer(p)) }
