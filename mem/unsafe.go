package mem

import (
	"unsafe"

	"github.com/allod-dev/allod/internal/rt"
)

// Every conversion of package mem between bytes and values is in this file, but
// for the results of request, which must be inlined with it.

// sliceOf returns the n Ts that b holds. b must be a block that an allocator
// served for n Ts: aligned, long enough and, if T holds pointers, of its type.
func sliceOf[T any](b []byte, n int) []T {
	// Valid: the caller's duty above. checkptr verifies it.
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

// pointerTo returns the T that b holds, under the duty of sliceOf.
func pointerTo[T any](b []byte) *T {
	// Valid: the caller's duty.
	return (*T)(unsafe.Pointer(unsafe.SliceData(b)))
}

// bytesOf returns the bytes of s[:cap(s)], the block that s stands for.
func bytesOf[T any](s []T) []byte {
	var v T
	// Valid: a slice of cap(s) Ts is cap(s)*sizeof(T) bytes of memory, which
	// cannot overflow since it exists.
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), cap(s)*int(unsafe.Sizeof(v)))
}

// bytesIn returns the n bytes from where p, a pointer, points to.
func bytesIn(p any, n int) []byte {
	// Valid: an interface is two words, and the second is the pointer it holds.
	// The caller knows that there are n bytes.
	return unsafe.Slice((*byte)((*[2]unsafe.Pointer)(unsafe.Pointer(&p))[1]), n)
}

// bytesAt returns the bytes of *p.
func bytesAt[T any](p *T) []byte {
	// Valid: a T is sizeof(T) bytes of memory.
	return unsafe.Slice((*byte)(unsafe.Pointer(p)), int(unsafe.Sizeof(*p)))
}

// addrOf returns the address of b's first byte. The number keeps nothing alive.
func addrOf[T any](s []T) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(s))) }

// isNil tells, in one comparison, whether a may be nil or hold a nil pointer. It
// is never wrong in saying no; panicNil makes sure of a yes.
func isNil(a Allocator) bool {
	// Valid: an interface is two words, and the second is the pointer it holds
	// or the address of the value it holds. Values that are one pointer inside,
	// such as a struct of one pointer field, are held like pointers.
	return (*[2]unsafe.Pointer)(unsafe.Pointer(&a))[1] == nil
}

// clearTyped sets n elements of type t at b to zero with write barriers.
func clearTyped(t Type, b []byte, n int) {
	// Valid: the caller of Type.Clear promises that b is memory of type t.
	rt.ClearArray(t.id, unsafe.Pointer(unsafe.SliceData(b)), n)
}

// stringOf returns b as a string without copying it.
func stringOf(b []byte) string {
	// Valid: the callers are done writing b and hand it out as a string only.
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// stringBytes returns the bytes of s, to be given back and not to be written.
func stringBytes(s string) []byte {
	// Valid: s is len(s) bytes of memory that stringOf made a string of.
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

// pointerAt returns the T at addr, which a handle holds.
func pointerAt[T any](addr uintptr) *T {
	// Valid: the handle was made of a *T into memory that no collector moves or
	// frees, and its contract ends the handle's life with that memory. Reading
	// the number as a pointer keeps vet and checkptr out of an address that they
	// cannot know.
	return *(**T)(unsafe.Pointer(&addr))
}

// sliceAt returns the slice of n Ts at addr with the given capacity, under the
// terms of pointerAt.
func sliceAt[T any](addr uintptr, n, capacity int) []T {
	return unsafe.Slice(pointerAt[T](addr), capacity)[:n]
}

// stringAt returns the string of n bytes at addr, under the terms of pointerAt.
func stringAt(addr uintptr, n int) string { return unsafe.String(pointerAt[byte](addr), n) }

// addressOf returns the address of *p. The number keeps nothing alive.
func addressOf[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }
