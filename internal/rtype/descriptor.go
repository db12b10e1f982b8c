//go:build !purego

package rtype

import (
	"reflect"
	"sync/atomic"
	"unsafe"
)

// ID names a type in one word. The zero ID names none. IDs of one type are
// equal, within a binary.
type ID struct{ d *descriptor }

// descriptor and ptrDescriptor mirror the leading fields of the runtime's type
// descriptors (internal/abi.Type and PtrType). They are declared as structs so
// that the compiler computes the offsets, which differ on 32-bit machines.
// Descriptors are read-only data or are kept alive by package reflect.
type descriptor struct {
	size     uintptr
	ptrBytes uintptr // how far into a value the last pointer reaches
	_        uint32  // hash
	_        uint8   // flags
	align    uint8
	_        uint8 // alignment as a field
	kind     uint8
	_        func(unsafe.Pointer, unsafe.Pointer) bool // equality
	_        *byte                                     // pointer mask
	_        int32                                     // name
	_        int32                                     // pointer to the type
}

type ptrDescriptor struct {
	descriptor
	elem *descriptor
}

// eface mirrors an interface. With methods the first word is a method table.
type eface struct {
	typ  unsafe.Pointer
	data unsafe.Pointer
}

// trusted tells whether the mirrors agree with package reflect. It is set once,
// when the program starts.
var trusted = verify()

// For returns the ID of T.
func For[T any]() ID {
	if !trusted {
		return Of(reflect.TypeFor[T]())
	}
	return ID{descriptorOf[T]()}
}

// descriptorOf reaches the descriptor of T through that of *T, without making a
// T, whatever its size, and even if T is an interface.
func descriptorOf[T any]() *descriptor {
	p := any((*T)(nil))
	// Valid: an interface without methods begins with the word that points to
	// the descriptor of its dynamic type, here always a pointer type.
	return (*ptrDescriptor)((*eface)(unsafe.Pointer(&p)).typ).elem
}

// HasPointers tells whether a T holds pointers.
func HasPointers[T any]() bool { return For[T]().HasPointers() }

// Plain tells whether it is certain at a glance that a T holds no pointers. It
// is false where only a walk would tell; in return it is always inlined.
func Plain[T any]() bool { return trusted && descriptorOf[T]().ptrBytes == 0 }

// Glances tells whether [Glance], [GlanceAt], [ID.Glance] and [ID.Boolless] may be
// called.
func Glances() bool { return trusted }

// Glance returns the ID of T, and whether T holds no pointers, without a jump. It is
// for generic functions, and given a *T, nil or not: if it were generic itself, a
// dictionary of its own would have to be found first, and another in that.
func Glance(p any) (id ID, plain bool) {
	// Valid: as in descriptorOf. The word is read as the pointer that the compiler
	// takes it for in generic code, or else it would be stored first.
	d := (*ptrDescriptor)(*(*unsafe.Pointer)(unsafe.Pointer(&p))).elem
	return ID{d}, d.ptrBytes == 0
}

// GlanceAt returns the ID of T without a jump. It is for functions that are given a
// *T, nil or not, as any: a word that the compiler knows, so that they need not be
// generic.
func GlanceAt(p any) ID {
	// Valid: as in Glance, but that the compiler takes the word for a number in a
	// parameter; descriptors stay where they are.
	return ID{(*ptrDescriptor)(unsafe.Add(nil, *(*uintptr)(unsafe.Pointer(&p)))).elem}
}

// Glance returns the size in bytes, the binary logarithm of the alignment, and
// whether the type holds no pointers, without a jump.
func (id ID) Glance() (size int, log2 uint8, plain bool) {
	// No type is aligned to more than 8 bytes, which verify knows.
	align := id.d.align
	return int(id.d.size), align>>1 - align>>3, id.d.ptrBytes == 0
}

// Elem is GlanceAt where [Glances] is false, too.
func Elem(p any) ID { return Of(reflect.TypeOf(p).Elem()) }

// HasBools tells whether a T holds a bool.
func HasBools[T any]() bool { return For[T]().HasBools() }

// HasBools tells whether values of the type hold a bool.
func (id ID) HasBools() bool {
	// The commonest types are known without a look at anything else.
	if trusted && boolless>>(id.d.kind&kindMask)&1 != 0 {
		return false
	}
	return id.hasBools()
}

// Boolless tells whether it is known already that HasBools is false, without a call.
// It may be asked where [Glances] is true.
func (id ID) Boolless() bool {
	return boolless>>(id.d.kind&kindMask)&1 != 0 || without.bools.at(id.d).Load() == id.d
}

// boolless has a bit set for each kind whose values have nothing but themselves
// in them, and no bool.
const boolless = (1<<(reflect.Complex128+1) - 1<<reflect.Int) | 1<<reflect.Pointer

// hasBools is HasBools of any type. It stands apart so that its caller stays
// small enough to be inlined.
//
//go:noinline
func (id ID) hasBools() bool {
	if without.bools.at(id.d).Load() == id.d {
		return false
	}
	bools := FactsOf(id.Reflect()).Bools
	if !bools {
		without.bools.at(id.d).Store(id.d)
	}
	return bools
}

// Clear tells whether it is known already that Opaque is false. It is always
// inlined.
func (id ID) Clear() bool { return without.opaque.at(id.d).Load() == id.d }

// Opaque tells whether values of the type hold a map, chan, func or interface.
func (id ID) Opaque() bool {
	if id.Clear() {
		return false
	}
	opaque := id.d != nil && FactsOf(id.Reflect()).Opaque
	if !opaque {
		without.opaque.at(id.d).Store(id.d)
	}
	return opaque
}

// without has types that were found to be without something: what is asked for
// every object that is made.
var without struct{ bools, opaque set }

// A set has some of the types that were added to it. It forgets those that are
// in the way of others.
type set [128]atomic.Pointer[descriptor]

// at returns where d is, if it is there. Descriptors are some dozens of bytes
// apart.
func (s *set) at(d *descriptor) *atomic.Pointer[descriptor] {
	return &s[uintptr(unsafe.Pointer(d))>>5%uintptr(len(s))]
}

// Of returns the ID of t.
func Of(t reflect.Type) ID {
	// Valid: a reflect.Type is an interface over a pointer to the descriptor,
	// and the data word of an interface over a pointer is that pointer.
	return ID{(*descriptor)((*eface)(unsafe.Pointer(&t)).data)}
}

// HasPointers tells whether values of the type hold pointers. The zero ID has
// none.
func (id ID) HasPointers() bool {
	if id.d == nil {
		return false
	}
	if trusted {
		return id.d.ptrBytes != 0
	}
	return id.walked().Pointers
}

// walked answers in place of a descriptor that is not trusted. It stands apart
// so that its callers stay small enough to be inlined.
//
//go:noinline
func (id ID) walked() *Facts { return FactsOf(id.Reflect()) }

// Size returns the size of a value in bytes. The zero ID has size 1, that of a
// raw byte.
func (id ID) Size() int {
	if id.d == nil {
		return 1
	}
	if !trusted {
		return int(id.Reflect().Size())
	}
	return int(id.d.size)
}

// Reflect returns the type, or nil for the zero ID.
func (id ID) Reflect() reflect.Type {
	if id.d == nil {
		return nil
	}
	var v any
	// Valid: reflect.TypeOf reads the first word only. The second stays nil,
	// which is harmless to the collector whatever the type.
	(*eface)(unsafe.Pointer(&v)).typ = unsafe.Pointer(id.d)
	return reflect.TypeOf(v)
}

// Descriptor returns the address of the runtime's descriptor, for functions of
// the runtime that take one; nil for the zero ID.
func (id ID) Descriptor() unsafe.Pointer { return unsafe.Pointer(id.d) }

// verify compares the mirrors with package reflect on types of every shape that
// matters: no pointers, pointers in front, pointers behind, none at all.
func verify() bool {
	type tail struct {
		_ [3]uint16
		_ *int
	}
	type none struct {
		_ bool
		_ [7]float64
	}
	return agrees[int]() && agrees[bool]() && agrees[*int]() && agrees[string]() &&
		agrees[[]byte]() && agrees[map[int]int]() && agrees[chan int]() &&
		agrees[func()]() && agrees[any]() && agrees[error]() &&
		agrees[unsafe.Pointer]() && agrees[uintptr]() && agrees[struct{}]() &&
		agrees[[0]*int]() && agrees[tail]() && agrees[none]() && agrees[[3]tail]()
}

func agrees[T any]() bool {
	t := reflect.TypeFor[T]()
	d := descriptorOf[T]()
	if d != Of(t).d {
		return false // not even the descriptor is where we look for it
	}
	f := Facts{}
	f.walk(t, "")
	return d.size == t.Size() &&
		int(d.align) == t.Align() && d.align <= 8 &&
		reflect.Kind(d.kind&kindMask) == t.Kind() &&
		(d.ptrBytes != 0) == f.Pointers
}

const kindMask = 1<<5 - 1
