//go:build gc && go1.26 && !go1.28 && !allod_nolinkname && !purego

package rt

import (
	"runtime"
	_ "unsafe" // for linkname
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
