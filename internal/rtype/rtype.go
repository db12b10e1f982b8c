// Package rtype answers questions about Go types that allocators ask on every
// call: does the type hold pointers, how large is it, what is it called.
//
// Package reflect answers the same questions, hundreds of nanoseconds later.
// Here an answer is a load from the runtime's type descriptor, which the
// compiler folds into a constant where the type is known. The layout of the
// descriptor is compared with what reflect says when the program starts; where
// they disagree, and under the build tag purego, the answers come from reflect
// and a cache.
package rtype

import (
	"reflect"
	"sync"
)

// Facts is what a walk over a type finds.
type Facts struct {
	// Type is the type that was walked.
	Type reflect.Type
	// Pointers tells whether a value holds a pointer of any kind.
	Pointers bool
	// Bools tells whether a value holds a bool. A bool read from memory that is
	// neither 0 nor 1 miscompiles the program that reads it.
	Bools bool
	// Path and Field name the first pointer: "main.Node.next" and *Node. Path
	// is empty if there is none.
	Path  string
	Field reflect.Type
	// Opaque is set if a value holds a map, chan, func or interface: pointers
	// that only the Go runtime can make, into the collected heap.
	Opaque bool
	// OpaquePath and OpaqueField name the first of these.
	OpaquePath  string
	OpaqueField reflect.Type
}

// IsNilPointer tells whether v holds a nil pointer.
func IsNilPointer(v any) bool {
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}

var facts sync.Map // reflect.Type -> *Facts

// FactsOf walks t, or recalls an earlier walk.
func FactsOf(t reflect.Type) *Facts {
	if f, ok := facts.Load(t); ok {
		return f.(*Facts)
	}
	f := &Facts{Type: t}
	f.walk(t, t.String())
	got, _ := facts.LoadOrStore(t, f)
	return got.(*Facts)
}

func (f *Facts) walk(t reflect.Type, path string) {
	switch t.Kind() {
	case reflect.Bool:
		f.Bools = true
	case reflect.Array:
		if t.Len() > 0 {
			f.walk(t.Elem(), path+"[0]")
		}
	case reflect.Struct:
		for i := range t.NumField() {
			sf := t.Field(i)
			f.walk(sf.Type, path+"."+sf.Name)
		}
	case reflect.Pointer, reflect.UnsafePointer, reflect.String, reflect.Slice:
		f.pointer(t, path)
	case reflect.Map, reflect.Chan, reflect.Func, reflect.Interface:
		f.pointer(t, path)
		if !f.Opaque {
			f.Opaque, f.OpaquePath, f.OpaqueField = true, path, t
		}
	}
}

func (f *Facts) pointer(t reflect.Type, path string) {
	if !f.Pointers {
		f.Pointers, f.Path, f.Field = true, path, t
	}
}
