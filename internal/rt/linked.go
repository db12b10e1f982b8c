//go:build gc && go1.26 && !go1.28 && !allod_nolinkname && !purego

package rt

import (
	"unsafe"

	"github.com/allod-dev/allod/internal/rtype"
)

// Linked tells whether the hooks are compiled in.
const Linked = true

//go:linkname verifyNotInHeapPtr reflect.verifyNotInHeapPtr
func verifyNotInHeapPtr(addr uintptr) bool

//go:linkname typedarrayclear reflect.typedarrayclear
//go:noescape
func typedarrayclear(typ, p unsafe.Pointer, n int)

func goMemory(addr uintptr) (is, known bool) {
	// -1 answers false whatever the heap holds; no memory is there.
	return addr != ^uintptr(0) && !verifyNotInHeapPtr(addr), true
}

func clearArray(id rtype.ID, p unsafe.Pointer, n int) {
	typedarrayclear(id.Descriptor(), p, n)
}

//go:linkname unsafe_NewArray reflect.unsafe_NewArray
func unsafe_NewArray(typ unsafe.Pointer, n int) unsafe.Pointer

func newArray(id rtype.ID, n int) unsafe.Pointer {
	return unsafe_NewArray(id.Descriptor(), n)
}
