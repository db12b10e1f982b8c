package allocatortest

import (
	"fmt"
	"reflect"

	"github.com/allod-dev/allod/mem"
)

// CheckAllFailures calls fn many times, each time with a new allocator, and
// fails tb unless fn can do without every single request that it makes. It
// returns in how many calls a request failed. fn must succeed when none does,
// give back all that it allocates in any case, and make the same requests in
// every call.
//
// Of each request for memory it finds out what happens when only this one fails,
// as after a spike, and when this one and all later ones do. If fn resizes, it
// does both once more while Resize and Remap refuse, and has each Resize and
// Remap refused in turn, which fn need not survive with success. It reports,
// with the stack of the request that failed:
//
//   - blocks that are live when fn returns: leaks;
//   - a nil error although a request for memory failed: it was swallowed;
//   - an error that does not wrap [mem.ErrOutOfMemory];
//   - panics;
//   - requests that differ from those of the first call;
//   - that there were none: fn then used another allocator.
//
// What fails ends with the line that runs this case and no other:
//
//	go test -run '^TestIndex$' -allod.fail=17
//
// The allocator answers [mem.Scanned]; see [FailureOptions] for others. What it
// costs grows with the square of the number of requests.
func CheckAllFailures(tb TB, fn func(a mem.Allocator) error) int {
	tb.Helper()
	return CheckFailures(tb, FailureOptions{}, fn)
}

// FailureOptions change what [CheckFailures] does.
type FailureOptions struct {
	// Child is where memory comes from, and answers Pointers. nil means, as for
	// [New], [heap.GC] for blocks of types with pointers, and memory off the Go
	// heap for all others, which handles may lead to.
	Child mem.Allocator

	// MaySwallow allows fn to return nil although a request for memory failed:
	// for programs that can do with less.
	MaySwallow bool

	// Optional names functions that can do without what they ask for, and so need
	// not report that it failed: a request with one of them on its stack may
	// fail and fn return nil. The full name of the function
	// ("main.(*Index).Compact") must contain the text. What is known of the
	// packages of allod is always among them: resetting an arena, shrinking a
	// container.
	Optional []string

	// MaxPoints is the most requests that are made to fail in each of the ways,
	// chosen evenly from all that there are. 0 means 500.
	MaxPoints int

	// MinSize and Caller, where not zero, choose the requests that may fail: those
	// for at least so many bytes, and those with a function on their stack whose
	// full name ("main.(*Index).Add") contains Caller.
	MinSize int
	Caller  string

	// Pairs also makes every two requests for memory fail in one run, where fn
	// goes on after the first of them: to find what goes wrong on the way back.
	Pairs bool

	// Seeds is in how many more runs requests of all kinds fail by chance, each
	// with the given Probability, of which 0 stands for 0.1. Seed is the first
	// seed, and the runs are the same for the same seed on every machine.
	Seeds       int
	Seed        uint64
	Probability float64
}

// CheckFailures is [CheckAllFailures] with options.
func CheckFailures(tb TB, o FailureOptions, fn func(a mem.Allocator) error) int {
	tb.Helper()
	c := &checker{tb: tb, o: o, run: func(in *injector) error {
		in.armed = true
		return fn(in)
	}}
	n := c.check()
	if n == 0 && c.failures == 0 && !c.one {
		fail(tb, "allocatortest: nothing was asked of the allocator, so that nothing could fail: does the function use the one it is given?")
	}
	return n
}

// An Operation is one step of a program, which should happen completely or not
// at all. See [CheckUnchanged].
type Operation[S any] struct {
	// Setup makes what the operation works on; a request of it never fails.
	Setup func(a mem.Allocator) (S, error)

	// Run is the operation.
	Run func(s S) error

	// Snapshot returns what is to be unchanged after Run failed: usually a copy of
	// the contents, as Go values. It must not refer to memory that Run changes.
	Snapshot func(s S) any

	// Equal compares two snapshots. nil means [reflect.DeepEqual].
	Equal func(before, after any) bool

	// Teardown gives everything back. It may be nil.
	Teardown func(s S)

	// Options are as for [CheckFailures].
	Options FailureOptions
}

// CheckUnchanged is [CheckAllFailures] for an operation that promises to change
// nothing when it fails. It calls Setup, takes a snapshot, calls Run while a
// request fails, and compares with another snapshot if Run failed. Then it calls
// Run once more, with all the memory there is, which must succeed, and Teardown.
func CheckUnchanged[S any](tb TB, op Operation[S]) int {
	tb.Helper()
	equal := op.Equal
	if equal == nil {
		equal = reflect.DeepEqual
	}
	c := &checker{tb: tb, o: op.Options}
	c.run = func(in *injector) error {
		tb.Helper()
		s, err := op.Setup(in)
		if err != nil {
			c.fail(in, "Setup: %v", err)
			return nil
		}
		if op.Teardown != nil {
			defer op.Teardown(s)
		}
		before := op.Snapshot(s)
		in.armed = true
		err = op.Run(s)
		in.armed = false
		if err == nil {
			return nil
		}
		if after := op.Snapshot(s); !equal(before, after) {
			c.fail(in, "Run failed and left something changed:\nbefore %s\nafter  %s", brief(before), brief(after))
		}
		if again := op.Run(s); again != nil {
			c.fail(in, "Run failed, and failed again when there was memory: %v", again)
		}
		return err
	}
	return c.check()
}

func brief(v any) string {
	const most = 500
	s := fmt.Sprintf("%+v", v)
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
