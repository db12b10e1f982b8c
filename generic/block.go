package generic

import (
	"fmt"
	"math"
	"strings"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/rtype"
	"github.com/allod-dev/allod/mem"
)

// origin is what an unmanaged container remembers of the allocator that its
// memory came from: 0 as long as it has none, else 1 + what the allocator
// answered to Pointers.
type origin uint8

// borrowed is the origin of memory that the container must not give back.
const borrowed origin = 0xff

func originOf(a mem.Allocator) origin { return 1 + origin(a.Pointers()) }

// check panics unless a may serve the container, or take memory back from it.
func (o origin) check(a mem.Allocator, method string) {
	if isNil(a) {
		panicNil(a, method)
	}
	if o != 0 && o != originOf(a) {
		panicOrigin(o, a, method)
	}
}

// adopt panics unless a may be the allocator of a container from now on, whose
// memory may be borrowed.
func (o origin) adopt(a mem.Allocator, method string) {
	if o == borrowed {
		o = 0
	}
	o.check(a, method)
}

// panicNil panics if a is nil or a nil pointer. It is called where [isNil] says
// that it might be.
//
//go:noinline
func panicNil(a mem.Allocator, method string) {
	if a == nil {
		s := method + ": nil Allocator"
		// A method of a managed form has none to hand on if no constructor made
		// the container.
		if c, _, ok := strings.Cut(strings.TrimPrefix(method, "generic: "), "."); ok {
			s += " (the zero " + c + " has no allocator; call New" + c + ")"
		}
		panic(s)
	}
	if rtype.IsNilPointer(a) {
		panic(fmt.Sprintf("%s: nil %T as Allocator", method, a))
	}
}

//go:noinline
func panicOrigin(o origin, a mem.Allocator, method string) {
	panic(fmt.Sprintf("%s: handed an allocator that answers %v to Pointers; the first one answered %v",
		method, a.Pointers(), mem.Pointers(o-1)))
}

// noCopy makes go vet report copies of the struct that holds it.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// rarely calls f. It is for the slow part of a method that is to be inlined: of
// the 80 that the compiler lets such a method cost, a call takes 57 and more, a
// call of a parameter 17 and the function that is passed 15. Once all of it is
// inlined, neither of them is left: the code has a plain call where f has one.
func rarely(f func() error) error { return f() }

// inPlace calls f, the whole of a method that is to be inlined although it costs
// more than the compiler lets it: a function that is passed costs 15, whatever is
// in it, and one that is called in one place only is inlined there if it costs no
// more than 800. It is for few methods, since all of f is wherever the method is
// called.
func inPlace(f func()) { f() }

// hasPointers tells whether a T holds pointers. Slots of such a T that are
// vacated must be cleared: the collector looks at them, and a slot must be zero
// before the next pointer is stored.
func hasPointers[T any]() bool { return rtype.HasPointers[T]() }

// blockLayout returns the layout of a live block of Ts in memory of a, for
// growing it. The new part is zero only where T needs that: [mem.AllocUninit]
// draws the line at the same place.
func blockLayout[T any](a mem.Allocator, zero bool) mem.Layout {
	l := mem.LayoutOf[T]()
	if l.Kind == mem.Managed && a.Pointers() != mem.Scanned {
		l.Kind = mem.Local
	}
	l.Zero = zero || l.Kind != mem.Plain || rtype.FactsOf(l.Type.Reflect()).Bools
	return l
}

// goodLen returns how many Ts to ask for when n must fit: n, or more if a
// rounds up anyway.
func goodLen[T any](a mem.Allocator, n int) int {
	size := sizeOf[T]()
	if size == 0 || n == 0 || n > math.MaxInt/size {
		return n // the typed layer answers these
	}
	return max(n, mem.GoodSize(a, n*size, blockLayout[T](a, false))/size)
}

// allocBlock returns a block of n Ts with undefined content or, if zero is set,
// zeroes.
func allocBlock[T any](a mem.Allocator, n int, zero bool) ([]T, error) {
	if zero {
		return mem.Alloc[T](a, n)
	}
	return mem.AllocUninit[T](a, n)
}

// remapBlock is [mem.Remap] for the block s[:cap(s)], which has elements, to n
// Ts with n > 0, without the promise of zeroes unless zero is set. The result
// has length n.
func remapBlock[T any](a mem.Allocator, s []T, n int, zero bool) ([]T, bool) {
	size := sizeOf[T]()
	if n > math.MaxInt/size {
		return s, false
	}
	b, ok := a.Remap(bytesOf(s), blockLayout[T](a, zero), n*size)
	if !ok {
		return s, false
	}
	return sliceOf[T](b, n), true
}

// checkZero is for invariants: the elements of s, or the first of them, are zero.
func checkZero[T any](s []T, where string) {
	for i, b := range bytesOf(s)[:min(len(s)*sizeOf[T](), 512)] {
		invariant.Check(b == 0, "%s: byte %d of the spare capacity is %#x", where, i, b)
	}
}

// A badIndex is what a method panics with that has no element i. Methods that
// are to be inlined make it themselves: a call that does would cost them two
// thirds of what the compiler lets an inlined function cost.
type badIndex struct {
	method string
	i, n   int
}

// Error implements error.
func (e badIndex) Error() string {
	return fmt.Sprintf("%s: index %d out of range with length %d", e.method, e.i, e.n)
}

//go:noinline
func panicIndex(method string, i, n int) { panic(badIndex{method, i, n}) }

// allocNodes returns a block of n Ns, zero if they hold pointers or bools. These
// pointers are to memory of the same allocator, which needs nobody's promise, or
// belong to elements, for whose types mayHold has been asked.
func allocNodes[N any](a mem.Allocator, n int) ([]N, error) {
	size := sizeOf[N]()
	if n > math.MaxInt/size {
		return nil, mem.ErrTooLarge
	}
	b, err := a.Alloc(n*size, blockLayout[N](a, false))
	if err != nil {
		return nil, err
	}
	return sliceOf[N](b, n), nil
}
