//go:build !gc || !go1.26 || go1.28 || allod_nolinkname || purego

package rt

import (
	"math/rand/v2"
	"unsafe"
)

// Pins tells whether [Pin] pins. Where it does not, whoever wants memory of a
// processor's own has to lock it.
const Pins = false

// Pin does nothing in this build.
func Pin() int { return 0 }

// Unpin does nothing in this build.
func Unpin() {}

// ProcessorAt is 0: nothing is known here.
const ProcessorAt uintptr = 0

// ThisM returns nil.
func ThisM() unsafe.Pointer { return nil }

// StopWorld does nothing in this build, where nobody is pinned.
func StopWorld() {}

// Rand returns a random number, from the cheapest generator there is.
func Rand() uint32 { return rand.Uint32() }
