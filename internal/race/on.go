//go:build race

package race

import (
	"runtime"
	"unsafe"
)

// Enabled tells whether the race detector is part of this build.
const Enabled = true

// Alloc tells that b begins a new life, after everything that happened to its
// memory before [Free].
func Alloc(b []byte) {
	if len(b) > 0 {
		runtime.RaceAcquire(unsafe.Pointer(unsafe.SliceData(b)))
	}
}

// Free tells that the caller ends the life of b. It counts as a write to all of
// b, so that an unsynchronised reader is reported.
func Free(b []byte) {
	if len(b) > 0 {
		p := unsafe.Pointer(unsafe.SliceData(b))
		runtime.RaceWriteRange(p, len(b))
		runtime.RaceReleaseMerge(p)
	}
}

// Disable makes the detector ignore synchronisation of the calling goroutine,
// until [Enable]. Pairs nest.
func Disable() { runtime.RaceDisable() }

// Enable ends [Disable].
func Enable() { runtime.RaceEnable() }

// Acquire orders the caller after all that called [Release] on p before. It is
// for memory that changes hands in pieces other than it was freed in.
func Acquire(p *byte) { runtime.RaceAcquire(unsafe.Pointer(p)) }

// Release is the other side of [Acquire].
func Release(p *byte) { runtime.RaceReleaseMerge(unsafe.Pointer(p)) }
