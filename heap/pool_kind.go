package heap

import (
	"errors"

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

// unscanned tells whether the collector never looks at what child has for objects
// with pointers. That there is a promise does not tell: who has several places may
// use one that the collector sees. It does if the promise was made for a child that
// has none.
func unscanned(child mem.Allocator) bool {
	if child.Pointers() != mem.Promised {
		return false
	}
	u, ok := child.(mem.Unwrapper)
	if !ok {
		return false
	}
	below := u.Unwrap()
	return below != nil && below.Pointers() == mem.PlainOnly
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
