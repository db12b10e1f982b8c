// Package invariant checks the bookkeeping of allod itself.
//
// The checks exist in builds with the tag invariants and under the race
// detector. In every other build [Enabled] is the constant false, so that code
// guarded by it is not even compiled.
package invariant

import "fmt"

// Check panics with a message unless ok. Call it only where [Enabled] holds:
//
//	if invariant.Enabled {
//		invariant.Check(off <= len(chunk), "heap: Arena: off %d of %d", off, len(chunk))
//	}
func Check(ok bool, format string, args ...any) {
	if !ok {
		panic("invariant broken: " + fmt.Sprintf(format, args...))
	}
}
