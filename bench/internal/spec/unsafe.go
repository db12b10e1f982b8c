package spec

import "unsafe"

// bytesOf returns the memory of s.
func bytesOf[T any](s []T) []byte {
	// Valid: the tables hold numbers only.
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(*new(T))))
}

// View returns b as a slice of Ts, numbers as WriteData left them in a file.
// It panics if b is misaligned.
func View[T uint32 | Op](b []byte) []T {
	var v T
	if uintptr(unsafe.Pointer(unsafe.SliceData(b)))%unsafe.Alignof(v) != 0 {
		panic("spec: View: misaligned")
	}
	// Valid: aligned, as long as b is, and any bytes are valid numbers.
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(v)))
}
