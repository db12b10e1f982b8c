package allocatortest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// ExpectLeaks calls fn with a new allocator, as [New] makes it, and fails the
// test unless that many blocks are live when fn returns, and no misuse was
// reported. It returns the leak, with the stacks that allocated the blocks: for
// tests of code that finds or makes up for leaks. blocks must be positive; for
// none there is New.
func ExpectLeaks(tb TB, blocks int, fn func(a mem.Allocator), opts ...Option) *heap.LeakError {
	tb.Helper()
	if blocks <= 0 {
		panic("allocatortest: ExpectLeaks: blocks is not positive")
	}
	q := &quiet{}
	a := New(q, opts...)
	fn(a)
	leaks, before := a.Leaks(), len(q.failures())
	a.end()
	for i, f := range q.failures() {
		if i != before || leaks == nil { // that one tells of the leak
			fail(tb, "%s", f)
		}
	}
	switch {
	case leaks == nil:
		fail(tb, "allocatortest: no block leaked, want %d", blocks)
	case leaks.Blocks != blocks:
		fail(tb, "allocatortest: want %d leaked, but: %v", blocks, leaks)
	}
	return leaks
}

// ExpectFault calls fn and fails the test unless fn accesses memory that it must
// not, in the given way: [heap.UseAfterFree], [heap.Overflow] or
// [heap.Underflow]. It returns the fault, with the stacks of the access and of
// the block's allocation and free, or nil.
//
// The block must be one of a guarded [heap.Debug]: that of [New] with the option
//
//	allocatortest.Debug(heap.DebugOptions{Guard: heap.GuardEnd})
//
// is. What fn was about is lost half way; see [heap.Catch].
func ExpectFault(tb TB, kind heap.MisuseKind, fn func()) *heap.Fault {
	tb.Helper()
	var f *heap.Fault
	switch errors.As(heap.Catch(fn), &f); {
	case f == nil:
		fail(tb, "allocatortest: no fault, want %v; is the block guarded?", kind)
	case f.Kind != kind:
		fail(tb, "allocatortest: %s (%v); want %v\n%s", line(f), f.Kind, kind, describeFault(f))
	}
	return f
}

// describeFault prints the stacks of f.
func describeFault(f *heap.Fault) string {
	var b strings.Builder
	fmt.Fprintf(&b, "accessed by\n%sthe block was allocated by\n%s", indent(f.Here), indent(f.Alloc))
	if len(f.Free) > 0 {
		fmt.Fprintf(&b, "and freed by\n%s", indent(f.Free))
	}
	return strings.TrimSuffix(b.String(), "\n")
}
