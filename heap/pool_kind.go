package heap

import (
	"errors"

	"github.com/allod-dev/allod/internal/rt"
	"github.com/allod-dev/allod/mem"
)

// poolLayout returns the layout with which package mem would ask child for a
// T, or the error with which it would refuse. The child is not asked for
// anything but its Pointers.
func poolLayout[T any](child mem.Allocator) (mem.Layout, error) {
	if sizeOf[T]() == 0 {
		return mem.LayoutOf[T](), nil
	}
	q := layoutProbe{pointers: child.Pointers()}
	if _, err := mem.Create[T](&q); err != errProbed {
		return mem.LayoutOf[T](), err
	}
	return q.layout, nil
}

// unscanned tells whether the collector never looks at b, a block for objects with
// pointers that was asked for under a promise. The promise does not tell: who has
// several places may use one that the collector sees, for all such blocks.
func unscanned(b []byte) bool {
	is, known := rt.GoMemory(address(b))
	return known && !is
}

// layoutProbe is an allocator that keeps the layout it is asked for, and serves
// nothing. The decision what to ask for is that of package mem alone.
type layoutProbe struct {
	mem.NoResize
	pointers mem.Pointers
	layout   mem.Layout
}

var errProbed = errors.New("heap: layout probed")

func (q *layoutProbe) Alloc(_ int, l mem.Layout) ([]byte, error) {
	q.layout = l
	return nil, errProbed
}

func (q *layoutProbe) Free([]byte, mem.Layout) {}

func (q *layoutProbe) Pointers() mem.Pointers { return q.pointers }
