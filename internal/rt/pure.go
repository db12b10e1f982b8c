//go:build !gc || !go1.26 || go1.28 || allod_nolinkname || purego

package rt

import (
	"reflect"
	"unsafe"

	"github.com/allod-dev/allod/internal/rtype"
)

// Linked tells whether the hooks are compiled in.
const Linked = false

func goMemory(uintptr) (is, known bool) { return false, false }

func clearArray(id rtype.ID, p unsafe.Pointer, n int) {
	// Few elements are cleared one by one, which allocates nothing. For many the
	// slice header that reflect allocates is cheaper.
	const few = 16
	t := id.Reflect()
	if n > few {
		reflect.SliceAt(t, p, n).Clear()
		return
	}
	for i := range n {
		reflect.NewAt(t, unsafe.Add(p, i*id.Size())).Elem().SetZero()
	}
}

func newArray(id rtype.ID, n int) unsafe.Pointer {
	t := id.Reflect()
	if n == 1 {
		return reflect.New(t).UnsafePointer()
	}
	return reflect.MakeSlice(reflect.SliceOf(t), n, n).UnsafePointer()
}
