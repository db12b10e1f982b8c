//go:build !(amd64 || arm64) || !gc || !go1.26 || go1.28 || allod_nolinkname || purego

package stack

import (
	"runtime"
	"slices"
)

// Linked tells whether the frame pointers are followed.
const Linked = false

// Callers stores return addresses of the calling goroutine's stack into pcs,
// innermost first, and returns how many. It leaves out skip of them: with skip 0
// the first is in the caller of Callers. Functions that are inlined have no
// address of their own where [Linked] is set, and count where it is not: callers
// that skip any must be marked go:noinline. It allocates nothing.
//
// A stack that enters Go from C a second time ends there. Of a function that was
// interrupted by a fault and had no frame, the caller may be missing.
//
//go:noinline
func Callers(skip int, pcs []uintptr) int {
	return runtime.Callers(skip+2, pcs) // after itself and this function
}

// Logical returns the addresses that [runtime.Callers] gives for the stack of
// which [Callers] gave pcs: inlined functions get an address each, and wrappers
// that the compiler made have none.
func Logical(pcs []uintptr) []uintptr { return slices.Clone(pcs) }
