//go:build go1.27

package heap

import "unsafe"

// These belong to unsafe.go, but only generic methods use them.

// valueAt returns the T that b holds, which is aligned and long enough for it,
// and has no pointers.
func valueAt[T any](b []byte) *T {
	// Valid: the caller's duty. checkptr verifies it for the Go heap.
	return (*T)(unsafe.Pointer(unsafe.SliceData(b)))
}

// valuesAt returns the n Ts that b holds, under the duty of valueAt.
func valuesAt[T any](b []byte, n int) []T {
	// Valid: the caller's duty.
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)
}
