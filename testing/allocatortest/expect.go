package allocatortest

import (
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
			tb.Errorf("%s", f)
		}
	}
	switch {
	case leaks == nil:
		tb.Errorf("allocatortest: no block leaked, want %d", blocks)
	case leaks.Blocks != blocks:
		tb.Errorf("allocatortest: want %d leaked, but: %v", blocks, leaks)
	}
	return leaks
}
