package mem

import "strconv"

// An Allocator hands out blocks of memory and takes them back.
//
// Programs call the functions of this package ([Create], [Alloc], [Free] and
// the rest) rather than the methods, and take an Allocator by value wherever
// they need memory. The methods are for those who write an allocator or wrap
// one. The interface is frozen: more abilities are interfaces of one method,
// found with [As].
//
// # The contract
//
// The caller of a method, and so every allocator that has a child, must keep to
// what the clauses ask of callers; breaking it panics where that can be told
// cheaply, and is otherwise undefined. Every allocator must keep to what they
// ask of allocators; allocatortest.Run has a test for each.
//
//  1. Sizes are in bytes. Alloc, Resize and Remap panic if size <= 0, and
//     return an error (or false) for a size that cannot be served, however
//     large, without overflow. The functions of this package answer size 0
//     themselves.
//  2. Free, Resize and Remap get exactly the block last agreed on: the same
//     address and length, and a layout that agrees in Align and Type. Zero and
//     Kind are ignored there. An allocator's memory safety never rests on the
//     layout being right.
//  3. A block has len == cap == size, is aligned to Align, overlaps no other
//     live block, and reads as zero if Zero is set or Kind is not [Plain].
//     After growth the added bytes are as Alloc would give them; up to the
//     smaller of both sizes, contents are kept.
//  4. Ownership is told by address, in every build: an allocator that reuses or
//     unmaps memory decides from tables outside its blocks whether a block is
//     its own, without dereferencing the pointer. A foreign block is a misuse
//     that is reported, never a munmap or a free-list entry. An allocator that
//     cannot know says so.
//  5. A block that is not [Plain] is a positive multiple of Type.Size() and
//     starts on an element boundary of memory typed as a slice of Type. A
//     wrapper may add whole elements to such a request, never bytes.
//  6. The bytes of a [Managed] block, and of a [Local] one in scanned memory,
//     are never cleared, copied or filled through []byte: that skips the write
//     barrier and can crash the collector. Vacated memory is cleared with
//     [Type.Clear] before reuse. Remap never moves such a block; only the typed
//     layer copies elements. Free-list links of managed objects live elsewhere.
//  7. [Local] is a permission: whatever the pointers in the block refer to is
//     kept alive by an allocator, not by these pointers. An allocator that
//     answers [Scanned] treats it as [Managed]. A composite sends all Local
//     requests to one place and, if that could be mixed, to the scanned part.
//  8. Answer [Scanned] only if every typed block comes from a scanned child in
//     a request with that Type. A wrapper that serves Alloc from memory of its
//     own writes Pointers itself, and passes requests that are not Plain down
//     or refuses them; one that recycles keeps blocks apart by Type. Every
//     unscanned allocator refuses Managed with [Refuse].
//
// A failed Alloc, Resize or Remap leaves the allocator and the block exactly as
// they were. Allocators are not safe for concurrent use unless they say so.
type Allocator interface {
	// Alloc returns a block of exactly size bytes laid out as l says, or an
	// error and no block. The error wraps [ErrOutOfMemory] if memory, a limit
	// or the size was the reason, and [ErrPointers] if l.Kind was.
	Alloc(size int, l Layout) ([]byte, error)

	// Resize grows or shrinks b in place and returns it with its new length and
	// true. Otherwise nothing happened, and it returns b and false: b is still
	// live, and shrinking may be refused too.
	Resize(b []byte, l Layout, size int) ([]byte, bool)

	// Remap is Resize that may move the block, where the allocator knows a way
	// cheaper than to allocate, copy and free. On true b is dead, its contents
	// are in the result. On false nothing happened, which does not mean that
	// memory ran out: the caller may still allocate, copy and free.
	Remap(b []byte, l Layout, size int) ([]byte, bool)

	// Free gives b back: exactly the block that Alloc, Resize or Remap last
	// agreed on. It invalidates b and cannot fail.
	Free(b []byte, l Layout)

	// Pointers says which blocks with pointers may be asked for. The answer
	// never changes.
	Pointers() Pointers
}

// NoResize is for embedding in allocators that cannot resize: its Resize and
// Remap refuse, and its Pointers gives the safe answer, [PlainOnly]. An
// allocator that embeds it writes Alloc and Free, and Alloc passes managed
// requests to [Refuse].
type NoResize struct{}

// Resize refuses: it returns b and false.
func (NoResize) Resize(b []byte, _ Layout, size int) ([]byte, bool) {
	CheckSize("mem: NoResize.Resize", size)
	return b, false
}

// Remap refuses: it returns b and false.
func (NoResize) Remap(b []byte, _ Layout, size int) ([]byte, bool) {
	CheckSize("mem: NoResize.Remap", size)
	return b, false
}

// Pointers returns [PlainOnly].
func (NoResize) Pointers() Pointers { return PlainOnly }

// CheckSize panics unless size is positive. Allocators call it first in Alloc,
// Resize and Remap, with the name of the method: "heap: Arena.Alloc".
func CheckSize(method string, size int) {
	if size <= 0 {
		panicSize(method, size)
	}
}

//go:noinline
func panicSize(method string, size int) {
	panic(method + ": size " + strconv.Itoa(size) + " is not positive")
}

// Unwrapper is implemented by allocators that wrap one child and lets [As] look
// through them.
type Unwrapper interface {
	// Unwrap returns the child, or nil if there is none to speak for.
	Unwrap() Allocator
}

// As returns the first allocator in the chain of a and its children that is a
// T, following Unwrap. It is how optional abilities are found:
//
//	if o, ok := mem.As[mem.Owner](a); ok && o.Owns(b) {
//
// The answer of a child speaks for a wrapper only where wrapping changes
// nothing of it; wrappers that change it implement T themselves.
func As[T any](a Allocator) (T, bool) {
	for a != nil {
		if t, ok := a.(T); ok {
			return t, true
		}
		u, ok := a.(Unwrapper)
		if !ok {
			break
		}
		a = u.Unwrap()
	}
	var none T
	return none, false
}

// Owner is implemented by allocators that can tell whether memory is theirs.
type Owner interface {
	// Owns tells whether the first byte of b lies in memory that the allocator
	// holds. It does not dereference b, and does not tell whether b is live.
	Owns(b []byte) bool
}

// UsableSizer is implemented by allocators that know the size of a block from
// its address.
type UsableSizer interface {
	// UsableSize returns how many bytes may be used at the start of the live
	// block b: at least the size that was asked for.
	UsableSize(b []byte) int
}

// GoodSizer is implemented by allocators that round sizes up.
type GoodSizer interface {
	// GoodSize returns the largest size that costs no more memory than size.
	GoodSize(size int, l Layout) int
}

// GoodSize returns the largest size that costs no more memory than size: what
// a container that is about to grow to at least size should ask for. Without a
// [GoodSizer] in the chain it is size.
func GoodSize(a Allocator, size int, l Layout) int {
	if g, ok := As[GoodSizer](a); ok {
		return g.GoodSize(size, l)
	}
	return size
}

// Trimmer is implemented by allocators that keep free memory for later.
type Trimmer interface {
	// Trim gives memory that is free but kept back to where it came from, and
	// returns how many bytes that was.
	Trim() int
}

// Trim calls Trim of the first [Trimmer] in the chain of a, and returns 0 if
// there is none.
func Trim(a Allocator) int {
	if t, ok := As[Trimmer](a); ok {
		return t.Trim()
	}
	return 0
}
