package mem

import (
	"reflect"
	"sync"

	"github.com/allod-dev/allod/internal/rtype"
)

// NoGoPointers returns a with a promise attached: whatever pointers the program
// stores in memory from a, none of them is what keeps a Go object alive. They
// refer to other memory of allocators, to globals, or to nothing. The typed
// layer then serves types with pointers, strings and slices in them from memory
// that the collector does not see; types with a map, chan, func or interface
// are refused even so, because only Go can make these.
//
// Breaking the promise corrupts memory silently: the collector frees the target
// and the pointer reads whatever comes next.
//
// Make it once and keep it, it allocates. An allocator that is [Scanned] or
// [Promised] already is returned as it is. The promise changes the answer of
// Pointers and nothing else.
func NoGoPointers(a Allocator) Allocator {
	if isNil(a) {
		panicNil("mem: NoGoPointers", a)
	}
	if a.Pointers() != PlainOnly {
		return a
	}
	return &promise{a}
}

// promise embeds its child: every method but Pointers is the child's, unchanged.
type promise struct{ Allocator }

func (p *promise) Pointers() Pointers { return Promised }
func (p *promise) Unwrap() Allocator  { return p.Allocator }

// Refuse returns nil if a block of layout l may live in memory that the
// collector does not see, and the error to return if not. Every allocator whose
// memory is not scanned calls it in Alloc:
//
//	if l.Kind == mem.Managed {
//		return nil, mem.Refuse(l)
//	}
func Refuse(l Layout) error {
	if l.Kind != Managed {
		return nil
	}
	return pointerError(l.Type.Reflect(), false)
}

// kindOf returns the kind of a block of ts, which hold pointers, in memory of a,
// and whom to ask for it: instead of a promise, its child.
func kindOf(a Allocator, t Type) (Allocator, Kind, error) {
	switch a.Pointers() {
	case Scanned:
		return a, Managed, nil
	case Promised:
		if t.id.Opaque() {
			return a, Plain, pointerError(t.Reflect(), true)
		}
		if p, ok := a.(*promise); ok {
			a = p.Allocator
		}
		return a, Local, nil
	}
	return a, Plain, pointerError(t.Reflect(), false)
}

// liveKindOf is kindOf for blocks that a served.
func liveKindOf(a Allocator) (Allocator, Kind) {
	if a.Pointers() == Scanned {
		return a, Managed
	}
	return a, Local
}

// One error per type, so that refusing a type allocates only the first time.
var plainErrors, promisedErrors sync.Map // reflect.Type -> *PointerError

func pointerError(t reflect.Type, promised bool) error {
	if t == nil {
		return errManagedBytes
	}
	errs := &plainErrors
	if promised {
		errs = &promisedErrors
	}
	if e, ok := errs.Load(t); ok {
		return e.(*PointerError)
	}
	f := rtype.FactsOf(t)
	e := &PointerError{Type: t, Path: f.Path, Field: f.Field, Promised: promised}
	if f.Opaque {
		// The field that leaves the fewest ways out is the one to name.
		e.Path, e.Field = f.OpaquePath, f.OpaqueField
	}
	got, _ := errs.LoadOrStore(t, e)
	return got.(*PointerError)
}

var errManagedBytes error = &PointerError{}
