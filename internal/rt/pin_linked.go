//go:build gc && go1.26 && !go1.28 && !allod_nolinkname && !purego

package rt

import (
	"runtime"
	"unsafe"
)

// Pins tells whether [Pin] pins. Where it does not, whoever wants memory of a
// processor's own has to lock it.
const Pins = true

//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()

// Pin keeps the calling goroutine on the processor that it runs on, and nobody
// else there, until [Unpin]; it returns the number of the processor, from 0 to
// one less than GOMAXPROCS. In between, the caller must not block, panic or call
// code that might.
func Pin() int { return procPin() }

// Unpin undoes [Pin].
func Unpin() { procUnpin() }

// A function that is marked go:nosplit is not preempted: the compiler makes all
// of it an unsafe point, as it does with the runtime (IsUnsafe in its package
// liveness), since such functions were relied on to have no safe points before
// there were signals. So what such a function does without a call, from the moment
// when it knows on which processor it runs, it does as if it were pinned, and need
// not write to anything to be so. Two conditions: that stretch has no calls, not
// even of functions that are small enough to be inlined, as a build without
// inlining makes them calls, unless they are marked go:nosplit too; and the function
// is not inlined itself, so that it is marked go:noinline as well, as a build with a
// profile may inline what is large.
//
// The number of the processor, there, is
//
//	**(**int32)(unsafe.Add(rt.ThisM(), rt.ProcessorAt))

// ThisM returns the address of what the runtime knows of the thread. To call it is
// the last call before the stretch.
//
//go:linkname ThisM runtime.getm
func ThisM() unsafe.Pointer

// ProcessorAt is the offset of a pointer to the processor, which begins with its
// number; 0 if that is not known: use [Pin].
var ProcessorAt = findProcessor()

// findProcessor looks for the processor in what the runtime knows of the thread.
// It is the one thing there, in memory of the Go heap, that begins with the number
// that it must have and the status of a processor that runs, and that points back.
//
//go:norace
//go:nocheckptr
func findProcessor() (at uintptr) {
	const (
		word    = unsafe.Sizeof(at)
		words   = 48 // how far to look, which both have more than
		running = 1
	)
	number := procPin()
	m := ThisM()
	for off := word; off < words*word; off += word {
		// A number, until it is known to be a pointer.
		p := *(*uintptr)(unsafe.Add(m, off))
		if p%word != 0 || p == 0 || verifyNotInHeapPtr(p) || verifyNotInHeapPtr(p+words*word) {
			continue
		}
		head := **(**[2]int32)(unsafe.Add(m, off))
		if head != [2]int32{int32(number), running} {
			continue
		}
		for back := word; back < words*word; back += word {
			if *(*unsafe.Pointer)(unsafe.Add(*(*unsafe.Pointer)(unsafe.Add(m, off)), back)) != m {
				continue
			}
			if at != 0 {
				procUnpin()
				return 0 // which of them?
			}
			at = off
			break
		}
	}
	procUnpin()
	return at
}

//go:linkname cheaprand runtime.cheaprand
func cheaprand() uint32

// Rand returns a random number, from the cheapest generator there is.
func Rand() uint32 { return cheaprand() }

// StopWorld returns after every goroutine that was pinned when it was called has
// been unpinned, at least once. The caller must not be pinned.
func StopWorld() {
	// It stops the world, which waits for all that cannot be preempted.
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
}
