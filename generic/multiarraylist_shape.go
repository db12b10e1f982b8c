package generic

import (
	"reflect"
	"sync"

	"github.com/allod-dev/allod/internal/rtype"
	"github.com/allod-dev/allod/mem"
)

// A shape is how a struct type falls apart into columns.
type shape struct {
	fields []field
}

// A field is one that has a size: others need no column.
type field struct {
	colType
	off   int
	typ   mem.Type
	align mem.Alignment
	bools bool
}

// shapes are kept for ever, so that lists may refer to them from memory that
// the collector does not see.
var shapes sync.Map // reflect.Type -> *shape

func shapeOf[T any]() *shape {
	t := reflect.TypeFor[T]()
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s := &shape{}
	if t.Kind() == reflect.Struct {
		for i := range t.NumField() {
			s.add(t.Field(i).Type, int(t.Field(i).Offset))
		}
	} else {
		s.add(t, 0)
	}
	got, _ := shapes.LoadOrStore(t, s)
	return got.(*shape)
}

func (s *shape) add(t reflect.Type, off int) {
	if t.Size() == 0 {
		return
	}
	s.fields = append(s.fields, field{
		colType: colType{int(t.Size()), pointersOf(nil, t, 0)},
		off:     off,
		typ:     mem.TypeOf(t),
		align:   mem.Align(t.Align()),
		bools:   rtype.FactsOf(t).Bools,
	})
}

// pointersOf appends where in a value of type t, which is at off, there are
// pointers.
func pointersOf(ptrs []int, t reflect.Type, off int) []int {
	switch t.Kind() {
	case reflect.Pointer, reflect.UnsafePointer, reflect.Map, reflect.Chan, reflect.Func, reflect.String, reflect.Slice:
		ptrs = append(ptrs, off)
	case reflect.Interface:
		ptrs = append(ptrs, off, off+int(t.Size())/2)
	case reflect.Array:
		if rtype.FactsOf(t.Elem()).Pointers {
			for i := range t.Len() {
				ptrs = pointersOf(ptrs, t.Elem(), off+i*int(t.Elem().Size()))
			}
		}
	case reflect.Struct:
		for i := range t.NumField() {
			ptrs = pointersOf(ptrs, t.Field(i).Type, off+int(t.Field(i).Offset))
		}
	}
	return ptrs
}

// layout returns the layout of a block of the field's column in memory of a.
func (f *field) layout(a mem.Allocator) mem.Layout {
	l := mem.Layout{Align: f.align, Zero: f.bools, Type: f.typ}
	if len(f.ptrs) > 0 {
		l.Zero, l.Kind = true, mem.Local
		if a.Pointers() == mem.Scanned {
			l.Kind = mem.Managed
		}
	}
	return l
}

// clear sets elements i to j-1 of the column b to zero.
func (f *field) clear(b []byte, i, j int) { f.typ.Clear(b[i*f.size : j*f.size]) }

// A MultiArray is a list of structs kept as columns, in one of its two forms:
// [MultiArrayList] or [MultiArrayListUnmanaged].
type MultiArray[T any] interface {
	// unmanaged returns the list, or the one that it wraps.
	unmanaged() *MultiArrayListUnmanaged[T]
}

// A Column stands for a field of the struct type T, and of type F, in the lists
// that keep T as columns. It is made once by [ColumnOf] and belongs to no
// particular list. The zero Column stands for the first field.
type Column[T, F any] struct {
	index int // among the fields with a size
	empty bool
}

// ColumnOf returns the column of the field that field points out:
//
//	var speed = generic.ColumnOf(func(c *car) *float32 { return &c.speed })
//
// It panics if that is not a field of T. It allocates, and is best called once.
func ColumnOf[T, F any](at func(*T) *F) Column[T, F] {
	v := new(T)
	off := int(offsetOf(v, at(v)))
	typ := mem.TypeFor[F]()
	if typ.Size() == 0 {
		return Column[T, F]{empty: true}
	}
	for i, f := range shapeOf[T]().fields {
		if f.off == off && f.typ == typ {
			return Column[T, F]{index: i}
		}
	}
	panic("generic: ColumnOf: that is no field of " + reflect.TypeFor[T]().String() + ", of type " + typ.String())
}

// Items returns the values of the field in l, in order of the rows. The slice is
// the list's own memory: it may be read and written, and it is dead when the
// list grows, gives back memory or is closed.
func (c Column[T, F]) Items(l MultiArray[T]) []F {
	u := l.unmanaged()
	if u.n == 0 || c.empty || len(u.cols) == 0 {
		return make([]F, u.n*b2i(c.empty))
	}
	if u.shape.fields[c.index].typ != mem.TypeFor[F]() {
		panic("generic: Column.Items: the zero Column stands for a field of another type")
	}
	return sliceOf[F](u.cols[c.index].block, u.n)
}
