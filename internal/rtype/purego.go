//go:build purego

package rtype

import (
	"math/bits"
	"reflect"
	"sync"
	"unsafe"
)

// ID names a type in one word. The zero ID names none. IDs of one type are
// equal, within a binary.
type ID struct{ d *descriptor }

type descriptor struct {
	typ      reflect.Type
	size     int
	pointers bool
	opaque   bool
}

var descriptors sync.Map // reflect.Type -> *descriptor

// For returns the ID of T.
func For[T any]() ID { return Of(reflect.TypeFor[T]()) }

// Plain tells whether it is certain at a glance that a T holds no pointers. It
// is false where only a walk would tell.
func Plain[T any]() bool { return !HasPointers[T]() }

// HasPointers tells whether a T holds pointers.
func HasPointers[T any]() bool { return For[T]().HasPointers() }

// Glances tells whether what needs it to be true may be called.
func Glances() bool { return true }

// Glance returns the ID of T, given a *T, nil or not, and whether T holds no pointers.
func Glance(p any) (id ID, plain bool) {
	id = Elem(p)
	return id, !id.HasPointers()
}

// GlanceAt returns the ID of T, given a *T, nil or not.
func GlanceAt(p any) ID { return Elem(p) }

// Glance returns the size in bytes, the binary logarithm of the alignment, and
// whether the type holds no pointers.
func (id ID) Glance() (size int, log2 uint8, plain bool) {
	return id.d.size, uint8(bits.TrailingZeros(uint(id.d.typ.Align()))), !id.d.pointers
}

// Elem is GlanceAt.
func Elem(p any) ID { return Of(reflect.TypeOf(p).Elem()) }

// HasBools tells whether a T holds a bool.
func HasBools[T any]() bool { return FactsOf(reflect.TypeFor[T]()).Bools }

// HasBools tells whether values of the type hold a bool.
func (id ID) HasBools() bool { return FactsOf(id.d.typ).Bools }

// Boolless is the opposite of HasBools.
func (id ID) Boolless() bool { return !id.HasBools() }

// Of returns the ID of t.
func Of(t reflect.Type) ID {
	d, ok := descriptors.Load(t)
	if !ok {
		f := FactsOf(t)
		d, _ = descriptors.LoadOrStore(t, &descriptor{t, int(t.Size()), f.Pointers, f.Opaque})
	}
	return ID{d.(*descriptor)}
}

// HasPointers tells whether values of the type hold pointers. The zero ID has
// none.
func (id ID) HasPointers() bool { return id.d != nil && id.d.pointers }

// Clear tells whether it is known already that Opaque is false.
func (id ID) Clear() bool { return !id.Opaque() }

// Opaque tells whether values of the type hold a map, chan, func or interface.
func (id ID) Opaque() bool { return id.d != nil && id.d.opaque }

// Size returns the size of a value in bytes. The zero ID has size 1, that of a
// raw byte.
func (id ID) Size() int {
	if id.d == nil {
		return 1
	}
	return id.d.size
}

// Reflect returns the type, or nil for the zero ID.
func (id ID) Reflect() reflect.Type {
	if id.d == nil {
		return nil
	}
	return id.d.typ
}

// Descriptor returns nil: there is no descriptor to be had in pure Go.
func (id ID) Descriptor() unsafe.Pointer { return nil }
