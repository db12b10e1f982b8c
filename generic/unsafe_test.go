package generic_test

import "unsafe"

// bytesAt returns n bytes at p, memory that the caller made.
func bytesAt(p unsafe.Pointer, n int) []byte { return unsafe.Slice((*byte)(p), n) }

// stringOf returns b as a string, which changes when b does.
func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bytesOf returns the bytes of s.
func bytesOf(s []uint64) []byte { return bytesAt(unsafe.Pointer(unsafe.SliceData(s)), 8*len(s)) }
