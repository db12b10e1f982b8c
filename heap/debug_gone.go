package heap

import "github.com/allod-dev/allod/internal/stack"

// What went back to the child is remembered for a while, so that to free it again
// is told as what it is.

const debugGone = 512 // blocks that are remembered by default

// debugRemains is what is remembered of a block that went back to the child.
type debugRemains struct {
	addr        uintptr
	size        int
	alloc, free stack.ID
}

// bury remembers a block that goes back to the child.
//
//go:norace
func (t *debugTable) bury(addr uintptr, size int, alloc, free stack.ID) {
	switch {
	case t.goner < len(t.gone):
	case len(t.gone) < t.remember:
		all := make([]debugRemains, min(t.remember, max(debugGone, 2*len(t.gone))))
		//lint:ignore S1001 copy is instrumented
		for i := range t.gone {
			all[i] = t.gone[i] // the oldest is the first: it was never full before
		}
		t.gone = all
	case t.remember <= 0:
		return
	default:
		t.goner = 0
	}
	t.gone[t.goner] = debugRemains{addr, size, alloc, free}
	t.goner++
}
