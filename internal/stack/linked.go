//go:build (amd64 || arm64) && gc && go1.26 && !go1.28 && !allod_nolinkname && !purego

package stack

import (
	"runtime"
	"unsafe"
)

// Linked tells whether the frame pointers are followed.
const Linked = true

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
//go:norace
func Callers(skip int, pcs []uintptr) int {
	return walk(unsafe.SliceData(pcs), len(pcs), skip)
}

// walk follows the frame pointers from that of its caller up, leaves out skip
// return addresses and stores the next n at pcs. It stops where the chain ends,
// does not rise, is not aligned or leaves the goroutine's stack. The compiler
// calls it without a wrapper, as a function of its own package, so that the first
// address is the one that its caller returns to.
//
// It is written in assembly because the runtime never preempts that: the stack
// stays where it is meanwhile.
//
//go:noescape
func walk(pcs *uintptr, n, skip int) int

// Logical returns the addresses that [runtime.Callers] gives for the stack of
// which [Callers] gave pcs: inlined functions get an address each, and wrappers
// that the compiler made have none.
func Logical(pcs []uintptr) []uintptr {
	if len(pcs) == 0 {
		return nil
	}
	// The 0 is no address. It is there because what the last address was inlined
	// into is found only if another one follows.
	frames := runtime.CallersFrames(append(append(make([]uintptr, 0, len(pcs)+1), pcs...), 0))
	all := make([]uintptr, 0, 2*len(pcs))
	callee := ""
	for {
		f, more := frames.Next()
		if f.PC != 0 && (!isWrapper(f.Func) || panics(callee)) {
			all = append(all, f.PC+1)
		}
		callee = f.Function
		if !more {
			return all
		}
	}
}

// isWrapper tells whether the compiler made up f, for a method value, a promoted
// method, a go statement and the like, or the runtime for a call by reflection.
// It is nil for a function that was inlined; wrappers among these are left out
// by [runtime.Frames].
func isWrapper(f *runtime.Func) bool {
	// Valid: a *runtime.Func is the address of the runtime's description of the
	// function, read only and longer than this. See _func in runtime/runtime2.go
	// and FuncIDWrapper in internal/abi/symtab.go, in which the releases that this
	// is compiled for agree.
	const funcIDOffset, funcIDWrapper = 40, 23
	return f != nil && *(*uint8)(unsafe.Add(unsafe.Pointer(f), funcIDOffset)) == funcIDWrapper
}

// panics tells whether a function begins a panic: the runtime shows wrappers
// that call one.
func panics(function string) bool {
	return function == "runtime.gopanic" || function == "runtime.sigpanic" || function == "runtime.panicwrap"
}
