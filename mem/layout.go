package mem

import (
	"math/bits"
	"reflect"
	"strconv"
	"unsafe"

	"github.com/allod-dev/allod/internal/rtype"
)

// Layout is all that an allocator needs to know of a block beside its size. It
// travels through wrappers untouched. The zero Layout asks for raw bytes at any
// address with any content.
type Layout struct {
	// Align is the alignment of the block's address.
	Align Alignment
	// Zero asks that the block read as zero. Blocks that are not [Plain] read
	// as zero whether it is set or not.
	Zero bool
	// Kind says which pointers the block may hold.
	Kind Kind
	// Type is the element type; the zero Type means raw bytes. A block that is
	// not [Plain] has a Type, and its size is a multiple of the Type's size.
	Type Type
}

// LayoutOf returns the layout of a block of Ts: aligned for T, zeroed, of T's
// type. Its Kind is [Plain] if T holds no pointers. For a T that does, the kind
// depends on the allocator asked; the Kind is then [Managed], which is the safe
// answer and which unscanned allocators refuse.
func LayoutOf[T any]() Layout {
	l := Layout{Align: AlignOf[T](), Zero: true, Type: TypeFor[T]()}
	if rtype.HasPointers[T]() {
		l.Kind = Managed
	}
	return l
}

// Kind says which pointers a block may hold.
type Kind uint8

const (
	// Plain blocks hold no pointers. Every allocator serves them.
	Plain Kind = iota
	// Local blocks hold pointers whose targets an allocator keeps alive, not
	// these pointers. It is a permission, not an instruction: allocators whose
	// memory is not scanned serve them as zeroed raw memory, scanned ones type
	// them as if they were Managed.
	Local
	// Managed blocks may hold any Go pointer. Only an allocator that answers
	// [Scanned] serves them; every other refuses them with a [*PointerError].
	Managed
)

// String returns the name of the kind.
func (k Kind) String() string {
	switch k {
	case Plain:
		return "plain"
	case Local:
		return "local"
	case Managed:
		return "managed"
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// Pointers is an allocator's answer to which blocks with pointers may be asked
// of it. The zero answer is the safe one.
type Pointers uint8

const (
	// PlainOnly: managed requests are refused.
	PlainOnly Pointers = iota
	// Promised: as PlainOnly, but the owner promised with [NoGoPointers] that
	// pointers stored in the memory never are what keeps a Go object alive. The
	// typed layer makes Local requests where it would make Managed ones.
	Promised
	// Scanned: the collector sees the pointers kept in typed blocks.
	Scanned
)

// String returns the name of the answer.
func (p Pointers) String() string {
	switch p {
	case PlainOnly:
		return "plain only"
	case Promised:
		return "promised"
	case Scanned:
		return "scanned"
	}
	return "Pointers(" + strconv.Itoa(int(p)) + ")"
}

// Alignment is a power of two of bytes. The zero Alignment is one byte. Every
// Alignment fits an int, so Bytes never overflows.
type Alignment struct {
	log2 uint8 // < bits.UintSize - 1
}

// Align returns the alignment of n bytes. It panics unless n is a power of two.
func Align(n int) Alignment {
	if n <= 0 || n&(n-1) != 0 {
		panic("mem: Align: " + strconv.Itoa(n) + " is not a power of two")
	}
	return Alignment{uint8(bits.TrailingZeros(uint(n)))}
}

// AlignLog2 returns the alignment of 1<<log2 bytes. It panics unless that is a
// positive int.
func AlignLog2(log2 int) Alignment {
	if log2 < 0 || log2 >= bits.UintSize-1 {
		notLog2(log2)
	}
	return Alignment{uint8(log2)}
}

// notLog2 is a function of its own so that AlignLog2 can be inlined.
//
//go:noinline
func notLog2(n int) { panic("mem: AlignLog2: " + strconv.Itoa(n) + " is out of range") }

// AlignOf returns the alignment that T needs.
func AlignOf[T any]() Alignment {
	var v T
	return Alignment{uint8(bits.TrailingZeros(uint(unsafe.Alignof(v))))}
}

// Bytes returns the alignment in bytes.
func (a Alignment) Bytes() int { return 1 << (a.log2 & (bits.UintSize - 1)) }

// Log2 returns the binary logarithm of the alignment.
func (a Alignment) Log2() int { return int(a.log2) }

// Mask returns the bits that are zero in an aligned address.
func (a Alignment) Mask() uintptr { return 1<<(a.log2&(bits.UintSize-1)) - 1 }

// Pad returns how many bytes to skip from addr to the next aligned address.
func (a Alignment) Pad(addr uintptr) int { return int(-addr & a.Mask()) }

// Check tells whether addr is aligned.
func (a Alignment) Check(addr uintptr) bool { return addr&a.Mask() == 0 }

// Forward returns the first aligned address at or after addr. Past the last
// aligned address it wraps to zero.
func (a Alignment) Forward(addr uintptr) uintptr { return (addr + a.Mask()) &^ a.Mask() }

// Backward returns the last aligned address at or before addr.
func (a Alignment) Backward(addr uintptr) uintptr { return addr &^ a.Mask() }

// Compare returns -1, 0 or +1 as a is smaller than, equal to or larger than b.
func (a Alignment) Compare(b Alignment) int {
	switch {
	case a.log2 < b.log2:
		return -1
	case a.log2 > b.log2:
		return +1
	}
	return 0
}

// Max returns the larger of a and b.
func (a Alignment) Max(b Alignment) Alignment { return Alignment{max(a.log2, b.log2)} }

// Min returns the smaller of a and b.
func (a Alignment) Min(b Alignment) Alignment { return Alignment{min(a.log2, b.log2)} }

// String returns the alignment in bytes, in decimal.
func (a Alignment) String() string { return strconv.Itoa(a.Bytes()) }

// Type is the element type of a block, in one word. The zero Type stands for
// raw bytes. Types are comparable: equal exactly if they are identical.
type Type struct{ id rtype.ID }

// TypeFor returns the Type of T.
func TypeFor[T any]() Type { return Type{rtype.For[T]()} }

// TypeOf returns the Type that t stands for; the zero Type for nil.
func TypeOf(t reflect.Type) Type {
	if t == nil {
		return Type{}
	}
	return Type{rtype.Of(t)}
}

// Size returns the size of an element in bytes; 1 for the zero Type.
func (t Type) Size() int { return t.id.Size() }

// HasPointers tells whether an element holds pointers.
func (t Type) HasPointers() bool { return t.id.HasPointers() }

// Reflect returns the type, or nil for the zero Type.
func (t Type) Reflect() reflect.Type { return t.id.Reflect() }

// String returns the type's name, or "bytes" for the zero Type.
func (t Type) String() string {
	if r := t.Reflect(); r != nil {
		return r.String()
	}
	return "bytes"
}

// Clear sets the elements of b to zero, as the collector wants it: a block that
// holds pointers in scanned memory must never be cleared, copied or filled
// through its bytes, which would hide from the collector what is overwritten.
// The block must be memory that was served with this type. It panics if the type
// holds pointers and b is not a whole number of elements.
func (t Type) Clear(b []byte) {
	if len(b) == 0 {
		return
	}
	if !t.HasPointers() {
		clear(b)
		return
	}
	size := t.Size()
	if len(b)%size != 0 {
		panic("mem: Type.Clear: " + strconv.Itoa(len(b)) + " bytes are not a whole number of " + t.String())
	}
	clearTyped(t, b, len(b)/size)
}
