package mem

import (
	"errors"
	"reflect"
	"strings"

	"github.com/allod-dev/allod/internal/rtype"
)

// ErrOutOfMemory reports that an allocator could not satisfy a request. Every
// other error that means "no memory" wraps it.
var ErrOutOfMemory = errors.New("mem: out of memory")

// The errors below are made once, so that reporting a failure never allocates.
var (
	// ErrTooLarge reports a request that no amount of free memory could
	// satisfy: the size overflows an int, or exceeds what the allocator can
	// serve at all. It wraps [ErrOutOfMemory].
	ErrTooLarge = NewError("mem: request too large", ErrOutOfMemory)

	// ErrLimit reports that a limit set by the program was reached. It wraps
	// [ErrOutOfMemory].
	ErrLimit = NewError("mem: memory limit reached", ErrOutOfMemory)

	// ErrClosed reports a request to an allocator that was closed. It does not
	// wrap [ErrOutOfMemory]: no memory that is freed will help.
	ErrClosed = errors.New("mem: allocator is closed")

	// ErrPointers reports a request for memory that may hold Go pointers from an
	// allocator whose memory the garbage collector does not see. The error
	// returned is a [*PointerError], which wraps it.
	ErrPointers = errors.New("mem: Go pointers are not allowed here")
)

// NewError returns an error with the given text that wraps the given errors.
// Allocators make the errors of their failing paths with it once, in advance, so
// that reporting a failure allocates nothing.
func NewError(text string, wraps ...error) error {
	return &wrapped{text, wraps}
}

type wrapped struct {
	text  string
	wraps []error
}

func (e *wrapped) Error() string   { return e.text }
func (e *wrapped) Unwrap() []error { return e.wraps }

// A PointerError reports a type that an allocator must not be asked for: its
// values hold Go pointers, and the allocator's memory is invisible to the
// garbage collector, which would free what they point to. It wraps
// [ErrPointers]. Errors of one type are one value; they must not be changed.
type PointerError struct {
	// Type is the type that was asked for, nil if the request did not tell.
	Type reflect.Type
	// Path leads to the first pointer that stands in the way: "main.Node.next".
	Path string
	// Field is the type of that pointer: *Node.
	Field reflect.Type
	// Promised tells that the allocator carries the promise of [NoGoPointers],
	// which does not cover Field: only Go itself can make a map, a channel, a
	// func or an interface.
	Promised bool
}

// Error names the type, the field and the ways out that can work for it.
func (e *PointerError) Error() string {
	var b strings.Builder
	b.WriteString("mem: ")
	if e.Type == nil {
		b.WriteString("a managed block was asked of memory that the garbage collector does not see; use heap.GC or heap.Hybrid")
		return b.String()
	}
	if e.Path == e.Type.String() {
		b.WriteString(e.Path + " is a Go pointer")
	} else {
		b.WriteString(e.Path + " is " + withArticle(e.Field))
	}
	b.WriteString(", which the garbage collector would not see in this memory")
	if e.Promised {
		b.WriteString(" and which mem.NoGoPointers cannot vouch for")
	}
	b.WriteString("; use " + strings.Join(e.WaysOut(), " or "))
	return b.String()
}

// WaysOut lists what can be used instead, each a phrase of Go.
func (e *PointerError) WaysOut() []string {
	if e.Field == nil {
		return []string{"heap.GC"}
	}
	const promise = "the promise mem.NoGoPointers(allocator)"
	// A type that holds a map somewhere has one way out, whatever comes first.
	if e.Type != nil && rtype.FactsOf(e.Type).Opaque {
		return []string{"heap.GC"}
	}
	switch e.Field.Kind() {
	case reflect.Pointer:
		return []string{"heap.GC", "mem.Ptr[" + e.Field.Elem().String() + "]", promise}
	case reflect.UnsafePointer:
		return []string{"heap.GC", "a uintptr", promise}
	case reflect.String:
		return []string{"heap.GC", "mem.String", promise}
	case reflect.Slice:
		return []string{"heap.GC", "mem.Slice[" + e.Field.Elem().String() + "]", promise}
	}
	return []string{"heap.GC"}
}

// Unwrap returns [ErrPointers].
func (e *PointerError) Unwrap() error { return ErrPointers }

func withArticle(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return t.String() // "is *main.Node", "is []int"
	case reflect.Interface, reflect.UnsafePointer:
		return "an " + t.Kind().String() + " (" + t.String() + ")"
	}
	return "a " + t.Kind().String() + named(t)
}

func named(t reflect.Type) string {
	if t.Name() == "" || t.Name() == t.Kind().String() {
		return ""
	}
	return " (" + t.String() + ")"
}
