package mem

import "github.com/allod-dev/allod/internal/rt"

// Handles are pointers that the garbage collector does not see: numbers. A type
// whose references are handles holds no pointers, so every allocator serves it.
//
// They keep nothing alive. A handle is valid exactly as long as the memory that
// it was made from, which an allocator or the program's data segment holds; a
// handle into the collected heap would dangle at the next collection, and one
// into a stack when the stack moves. Making one is refused where that can be
// told.

// A Ptr is a *T that the garbage collector does not see: a field of type
// Ptr[Node] instead of *Node lets Node live in any allocator. It is one word,
// comparable, and its zero value is nil.
//
// A Ptr keeps nothing alive and is valid as long as the memory it refers to.
type Ptr[T any] struct {
	_    [0]*T // keeps Ptrs of different types from being converted into one another
	addr uintptr
}

// PtrTo returns a handle for p, which is nil or lies in memory of an allocator
// or in a global variable. It panics if p lies in the collected heap or in a
// stack, where that can be told. The memory of a [heap.FixedBuffer] over a Go
// slice is of the collected heap, too.
//
// [heap.FixedBuffer]: https://pkg.go.dev/github.com/allod-dev/allod/heap#FixedBuffer
func PtrTo[T any](p *T) Ptr[T] {
	return Ptr[T]{addr: handleAddr("mem: PtrTo", addressOf(p))}
}

// Get returns the pointer that the handle was made from.
func (p Ptr[T]) Get() *T { return pointerAt[T](p.addr) }

// IsNil tells whether p is the handle of a nil pointer.
func (p Ptr[T]) IsNil() bool { return p.addr == 0 }

// A String is a string that the garbage collector does not see, a view of bytes
// that somebody else holds: of what [DupeString] returned, or of a constant.
// Two Strings are equal with == if they are the same bytes in the same place;
// compare what [String.Get] returns for contents. The zero String is empty.
//
// A String keeps nothing alive and is valid as long as the memory it refers to.
type String struct {
	addr uintptr
	len  int
}

// StringOf returns a handle for s, whose bytes lie in memory of an allocator or
// are a constant of the program. It panics if they lie in the collected heap or
// in a stack, where that can be told: copy them with [DupeString] first.
func StringOf(s string) String {
	if len(s) == 0 {
		return String{}
	}
	return String{handleAddr("mem: StringOf", addrOf(stringBytes(s))), len(s)}
}

// Get returns the string. It allocates nothing, and is valid as long as s is.
func (s String) Get() string { return stringAt(s.addr, s.len) }

// Len returns the length in bytes.
func (s String) Len() int { return s.len }

// A Slice is a []T that the garbage collector does not see, a view of elements
// that somebody else holds: of what [Alloc] returned, for instance. Its zero
// value is a nil slice.
//
// A Slice keeps nothing alive and is valid as long as the memory it refers to.
type Slice[T any] struct {
	_        [0]*T
	addr     uintptr
	len, cap int
}

// SliceOf returns a handle for s, length and capacity included, whose elements
// lie in memory of an allocator or in a global variable. It panics if they lie
// in the collected heap or in a stack, where that can be told. A slice of no
// capacity becomes the nil slice.
func SliceOf[T any](s []T) Slice[T] {
	if cap(s) == 0 {
		return Slice[T]{}
	}
	return Slice[T]{addr: handleAddr("mem: SliceOf", addrOf(s)), len: len(s), cap: cap(s)}
}

// Get returns the slice that the handle was made from. Changing its elements
// changes the elements of every slice of the same memory.
func (s Slice[T]) Get() []T {
	if s.addr == 0 {
		return nil
	}
	return sliceAt[T](s.addr, s.len, s.cap)
}

// Len returns the number of elements.
func (s Slice[T]) Len() int { return s.len }

// Cap returns the capacity in elements.
func (s Slice[T]) Cap() int { return s.cap }

// handleAddr returns addr, or panics if the collector manages what is there.
func handleAddr(name string, addr uintptr) uintptr {
	if is, _ := rt.GoMemory(addr); is {
		panic(name + ": the address lies in the collected heap or a stack, which a handle does not keep alive")
	}
	return addr
}
