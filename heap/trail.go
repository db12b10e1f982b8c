package heap

import "github.com/allod-dev/allod/internal/stack"

// A trail is the stack of a call that others may meet.
type trail struct {
	depth int
	pcs   [16]uintptr
}

// sign notes who calls.
//
//go:norace
func (t *trail) sign() { t.depth = stack.Callers(1, t.pcs[:]) }

// signed returns the stack of who signed, who may be leaving, and another
// entering.
//
//go:norace
func (t *trail) signed() Stack {
	pcs := make([]uintptr, min(t.depth, len(t.pcs)))
	for i := range pcs {
		pcs[i] = t.pcs[i]
	}
	return stack.Logical(pcs)
}
