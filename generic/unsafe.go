package generic

import (
	"encoding/binary"
	"unsafe"

	"github.com/allod-dev/allod/mem"
)

// Every conversion of package generic between bytes and values is in this file.

// bytesOf returns the bytes of s[:cap(s)], the block that s stands for.
func bytesOf[T any](s []T) []byte {
	var v T
	// Valid: a slice of cap(s) Ts is cap(s)*sizeof(T) bytes of memory, which
	// cannot overflow since it exists.
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), cap(s)*int(unsafe.Sizeof(v)))
}

// sliceOf returns the n Ts that b holds. b must be a block that an allocator
// served for n Ts: aligned, long enough and, if T holds pointers, of its type.
func sliceOf[T any](b []byte, n int) []T {
	// Valid: the caller's duty above. checkptr verifies it.
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

// sizeOf returns the size of a T in bytes.
func sizeOf[T any]() int {
	var v T
	return int(unsafe.Sizeof(v))
}

// overlap tells whether v has elements in the block s[:cap(s)].
func overlap[T any](s, v []T) bool {
	var e T
	if cap(s) == 0 || len(v) == 0 || unsafe.Sizeof(e) == 0 {
		return false
	}
	// The numbers keep nothing alive and are compared only.
	at := uintptr(unsafe.Pointer(unsafe.SliceData(v))) - uintptr(unsafe.Pointer(unsafe.SliceData(s)))
	return at < uintptr(cap(s))*unsafe.Sizeof(e) || -at < uintptr(len(v))*unsafe.Sizeof(e)
}

// isNil tells whether a is nil or holds a nil pointer, in one comparison.
func isNil(a mem.Allocator) bool {
	// Valid: an interface is two words, and the second is the pointer it holds
	// or the address of the value it holds, which is never nil.
	return (*[2]unsafe.Pointer)(unsafe.Pointer(&a))[1] == nil
}

// bytesAt returns the bytes of *p, to be read.
func bytesAt[T any](p *T) []byte {
	// Valid: a T is sizeof(T) bytes of memory.
	return unsafe.Slice((*byte)(unsafe.Pointer(p)), int(unsafe.Sizeof(*p)))
}

// wordOf returns the bytes of *p as a number. A T has 1, 2, 4 or 8 bytes.
func wordOf[T any](p *T) uint64 {
	// Valid: a T has as many bytes as the array that it is read as, and arrays
	// of bytes have no alignment. The compiler makes one load of each.
	switch unsafe.Sizeof(*p) {
	case 8:
		return binary.NativeEndian.Uint64((*[8]byte)(unsafe.Pointer(p))[:])
	case 4:
		return uint64(binary.NativeEndian.Uint32((*[4]byte)(unsafe.Pointer(p))[:]))
	case 2:
		return uint64(binary.NativeEndian.Uint16((*[2]byte)(unsafe.Pointer(p))[:]))
	case 1:
		return uint64(*(*byte)(unsafe.Pointer(p)))
	}
	return 0
}

// stringAt returns *p, whose type has the kind string.
func stringAt[T any](p *T) string {
	// Valid: types of kind string have the representation of string.
	return *(*string)(unsafe.Pointer(p))
}

// stringBytes returns the bytes of s, to be read.
func stringBytes(s string) []byte {
	// Valid: s is len(s) bytes of memory; nil if there are none.
	return unsafe.Slice(unsafe.StringData(s), len(s))
}
