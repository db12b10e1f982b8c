package allodarrow

import (
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// A Checked is an [Allocator] that watches what is done with its blocks. Want it
// in tests, in place of arrow's CheckedAllocator: beside leaks, with the stacks
// that allocated them, it finds buffers that are written to past their end or
// after they were freed, freed twice, or freed here though they came from
// elsewhere, and fills freed memory, so that who reads it sees 0xDD.
//
// Memory comes from the child by way of a [heap.Debug], to which misuse and its
// handlers belong. Free keeps blocks in quarantine before the child gets them
// back. Blocks live until they are freed. Close frees what is in quarantine, and
// reports what is live as a leak but leaves it alone.
//
// A Checked is safe for concurrent use if its child is. It must not be copied.
// The zero Checked has no child; call [NewChecked].
type Checked struct {
	*Allocator // every method is right as it is
	debug      *heap.Debug
}

// NewChecked returns a Checked that takes memory from child. With options that
// are not zero, the Debug differs from the one that NewDebug makes by default.
func NewChecked(child mem.Allocator, o heap.DebugOptions) *Checked {
	d := heap.NewDebug(child, o)
	return &Checked{Allocator: New(d), debug: d}
}

// CurrentAlloc returns how many bytes are allocated, by the capacity of their
// blocks.
func (c *Checked) CurrentAlloc() int { return c.debug.Stats().Bytes }

// AssertSize reports an error to t unless size bytes are allocated: with a size
// of 0, unless all was freed. The error tells what was not, by the stacks that
// allocated it. [testing.T] is a TestingT.
func (c *Checked) AssertSize(t TestingT, size int) {
	t.Helper()
	for _, m := range c.debug.Check() {
		t.Errorf("%v", m)
	}
	now := c.CurrentAlloc()
	if now == size {
		return
	}
	t.Errorf("allodarrow: %d bytes are allocated, want %d", now, size)
	if leak := c.debug.Leaks(); leak != nil {
		t.Errorf("%v", leak)
	}
}

// TestingT is the part of [testing.T] that AssertSize needs, as arrow has it.
type TestingT interface {
	Errorf(format string, args ...any)
	Helper()
}

// Debug returns the Debug that watches.
func (c *Checked) Debug() *heap.Debug { return c.debug }

// Close ends c: it returns a [*heap.LeakError], which the Debug reports as well,
// if blocks are live.
func (c *Checked) Close() error { return c.debug.Close() }
