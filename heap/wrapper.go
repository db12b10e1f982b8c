package heap

import (
	"errors"
	"fmt"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/rtype"
	"github.com/allod-dev/allod/mem"
)

// What the wrappers share: allocators that add one property to a child. Each
// names its child and writes every method out, since a method that a struct
// promotes is one that nobody looked at. Their own counters are atomic, and
// stand between race.Disable and race.Enable: a counter that two goroutines
// touch would otherwise order them in the race detector's eyes, and hide the
// race of a program that is observed rather than changed.

// standsOn tells whether a is b, or stands on it as far as can be told.
func standsOn(a mem.Allocator, b *Arena) bool {
	for a != nil {
		switch x := a.(type) {
		case *Arena:
			if x == b {
				return true
			}
			a = x.child
		case mem.Unwrapper:
			a = x.Unwrap()
		default:
			return false
		}
	}
	return false
}

// mustChild panics unless child is an allocator that can be called.
func mustChild(function string, child mem.Allocator) {
	if child == nil {
		panic(function + ": nil Allocator")
	}
	if rtype.IsNilPointer(child) {
		panic(fmt.Sprintf("%s: nil %T as Allocator", function, child))
	}
}

// errZeroValue is what Alloc of a wrapper without a child returns, should the
// misuse handler.
var errZeroValue = errors.New("heap: allocator has no child")

// zeroValue reports a call to a wrapper that no constructor made.
func zeroValue(op, constructor string) error {
	report(&Misuse{Kind: Uninitialised, Op: op, Hint: "the zero value has no child; call " + constructor})
	return errZeroValue
}

// freeTo gives b to child and tells whether the child took it. It did not if it
// reported a misuse and the handler returned; Free itself has no result. Since
// only the number of reports is looked at, a report on another goroutine in the
// same moment is mistaken for one on b, which is rarer than a handler that
// returns.
func freeTo(child mem.Allocator, b []byte, l mem.Layout) bool {
	before := reportCount()
	child.Free(b, l)
	return reportCount() == before
}

// reportCount returns how many misuses were reported so far.
func reportCount() uint64 {
	race.Disable()
	n := reports.Load()
	race.Enable()
	return n
}
