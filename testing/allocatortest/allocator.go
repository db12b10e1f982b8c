package allocatortest

import (
	"fmt"
	"math/bits"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// TB is what this package needs of a test: [testing.TB] has it, and so has
// whatever other test frameworks hand out. If it has a Name as well, which is
// that of a test, failures end with the line that runs it again.
type TB interface {
	// Helper marks the caller as not worth a line number.
	Helper()
	// Cleanup registers a function to call when the test ends.
	Cleanup(func())
	// Errorf fails the test, and lets it go on.
	Errorf(format string, args ...any)
	// Logf notes something.
	Logf(format string, args ...any)
}

// An Allocator is for tests: it fails the test that it was made for when a block
// is still live at the end, and when memory is misused before. Make one with
// [New].
//
// It is a [heap.Debug] whose reports fail the test, and finds all that one
// finds: blocks given back twice, by somebody who never got them, or with another
// size, alignment or type; bytes written past the end of a block, before its
// start, or after it was freed. Memory comes from [heap.GC] for blocks of types
// with pointers and from [heap.Page] for all others, or from the allocator given
// with [Child]. Blocks that were not asked to be zero are filled with 0xAA where
// that may be, and with 0xDD when they are freed, so that code which reads what
// it should not is found out. Free keeps a block for a while before it gives it
// to where it came from. What was misused stays as it is: the call does nothing,
// and the test fails.
//
// It is safe for concurrent use if its memory is, and must not be copied. There
// is no zero Allocator.
type Allocator struct {
	_       noCopy
	tb      TB
	debug   *heap.Debug
	resizes atomic.Uint64 // calls of Resize that succeeded
	remaps  atomic.Uint64
	leak    *heap.LeakError // what Close found
	over    atomic.Bool     // the test is: what leaked was reported
}

var _ mem.Allocator = (*Allocator)(nil)

// A Debug is one allocator for all kinds of blocks, so what it finds wrong with
// a block does not depend on the part of its child that the block is of. It
// holds the blocks that are live: a managed block that the program forgot is a
// leak, rather than collected and its address served once more.
//
// Nothing here makes a goroutine, a timer or a channel: a bubble of
// testing/synctest would take it for its own and wait for it.

// Stats counts what an [Allocator] has served.
type Stats struct {
	Blocks, Bytes         int    // live now
	PeakBlocks, PeakBytes int    // the most that were live at once
	Allocs, Frees         uint64 // calls that succeeded
	Resizes, Remaps       uint64 // calls that succeeded
	Failures              uint64 // Alloc calls that did not succeed
}

// An Option changes what [New] returns.
type Option func(*settings)

// settings are what the options change.
type settings struct {
	child    mem.Allocator
	noResize bool
	debug    heap.DebugOptions
}

// Child makes the allocator take all its memory from child, and give child's
// answer to Pointers: the way to test on memory that is not scanned, or that is
// short. The child is asked for more than the program asks for, because blocks
// lie between bytes that are watched, and gets freed blocks back late: [Exact]
// changes both. It is neither closed nor examined at the end.
func Child(child mem.Allocator) Option {
	if child == nil {
		panic("allocatortest: Child: nil Allocator")
	}
	return func(s *settings) { s.child = child }
}

// NoResize makes Resize and Remap refuse every change of size, so that programs
// take the long way: allocate, copy, free.
func NoResize() Option {
	return func(s *settings) { s.noResize = true }
}

// Debug sets what the allocator watches, and how much that may cost: depths of
// stacks, bytes around blocks, how much freed memory is kept. What is not set is
// as for [heap.NewDebug], but that stacks have 32 frames. OnMisuse and OnLeak
// are not used: the test fails.
func Debug(o heap.DebugOptions) Option {
	return func(s *settings) { s.debug = o }
}

// Exact passes requests to the [Child] byte for byte, and gives blocks back to
// it at once, so that it can be told what the program does. Writes outside of
// blocks are not found then.
func Exact() Option {
	return func(s *settings) { s.debug.Redzone, s.debug.QuarantineBytes = -1, -1 }
}

// New returns an allocator that fails tb when a block is live at the end of the
// test, or memory is misused before.
//
// The end is a function given to tb.Cleanup. Cleanups run last in, first out:
// whatever is made from this allocator is made after it, so that a cleanup which
// closes it runs before the blocks are counted. In a fuzz test and in a
// subtest, make one from the innermost tb. In a bubble of testing/synctest, let
// goroutines end with synctest.Wait: cleanups do not wait for them.
func New(tb TB, opts ...Option) *Allocator {
	if tb == nil {
		panic("allocatortest: New: nil TB")
	}
	tb.Helper() // what is found at the end is then said to be of the line that called New
	s := settings{debug: heap.DebugOptions{StackDepth: stackDepth}}
	for _, o := range opts {
		o(&s)
	}
	if s.child == nil {
		s.child = heap.NewHybrid(heap.Page{})
		if bits.UintSize == 32 {
			// Half of all addresses may be had at once, and Debug writes to what it gets.
			s.child = heap.NewLimit(s.child, 1<<30)
		}
	}
	if s.noResize {
		s.child = refuser{s.child}
	}
	if s.debug.StackDepth == 0 {
		s.debug.StackDepth = stackDepth
	}
	a := &Allocator{tb: tb}
	s.debug.OnMisuse = a.misuse
	s.debug.OnLeak = func(e *heap.LeakError) { a.leak = e }
	a.debug = heap.NewDebug(s.child, s.debug)
	tb.Cleanup(a.end)
	return a
}

const stackDepth = 32

// end looks at what is left. It fails the test itself, rather than in a handler,
// so that the failure is not said to be of a line of package heap.
func (a *Allocator) end() {
	a.tb.Helper()
	found := a.debug.Check()
	a.debug.Close()
	a.over.Store(true)
	if a.leak != nil {
		a.leak.Op = ""
		fail(a.tb, "allocatortest: %v", a.leak)
	}
	for _, m := range found {
		m.Op, m.Here = "allocatortest: the end of the test", nil
		a.misuse(m)
	}
}

// Alloc implements [mem.Allocator].
func (a *Allocator) Alloc(size int, l mem.Layout) ([]byte, error) {
	const op = "allocatortest: Allocator.Alloc"
	mem.CheckSize(op, size)
	if l.Kind != mem.Plain {
		if t := l.Type.Reflect(); t != nil && l.Align.Bytes() < t.Align() {
			a.misuse(&heap.Misuse{Kind: heap.TypeMismatch, Op: op, Size: size, Here: callers(),
				Hint: fmt.Sprintf("aligned to %v, which %v needs to be to %d", l.Align, t, t.Align())})
		}
	}
	return a.debug.Alloc(size, l)
}

// Resize implements [mem.Allocator].
func (a *Allocator) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("allocatortest: Allocator.Resize", size)
	c, ok := a.debug.Resize(b, l, size)
	if ok {
		hiddenAdd(&a.resizes)
	}
	return c, ok
}

// Remap implements [mem.Allocator].
func (a *Allocator) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("allocatortest: Allocator.Remap", size)
	c, ok := a.debug.Remap(b, l, size)
	if ok {
		hiddenAdd(&a.remaps)
	}
	return c, ok
}

// Free implements [mem.Allocator].
func (a *Allocator) Free(b []byte, l mem.Layout) { a.debug.Free(b, l) }

// Pointers returns [mem.Scanned], or the answer of the [Child].
func (a *Allocator) Pointers() mem.Pointers { return a.debug.Pointers() }

// Unwrap returns the [heap.Debug] that does the work. It is closed when the test
// ends.
func (a *Allocator) Unwrap() mem.Allocator { return a.debug }

// Owns implements [mem.Owner]: it tells whether b starts in a live block.
func (a *Allocator) Owns(b []byte) bool { return a.debug.Owns(b) }

// Check looks for bytes that were written outside of blocks, or after they were
// freed, and fails the test for each that it finds. The end of the test does the
// same; a call in between narrows down who did it.
func (a *Allocator) Check() {
	a.tb.Helper()
	for _, m := range a.debug.Check() {
		a.misuse(m)
	}
}

// Leaks returns what is live now, or nil if nothing is: those of one stack in
// one group, the largest group first. It may be called at any time; at the end
// of the test it is what the test fails with.
func (a *Allocator) Leaks() *heap.LeakError {
	leaks := a.debug.Leaks()
	if leaks != nil {
		leaks.Op = ""
	}
	return leaks
}

// Stats returns what was served so far.
func (a *Allocator) Stats() Stats {
	s := a.debug.Stats()
	return Stats{
		Blocks: s.Blocks, Bytes: s.Bytes, PeakBlocks: s.PeakBlocks, PeakBytes: s.PeakBytes,
		Allocs: s.Allocs, Frees: s.Frees, Failures: s.Failures,
		Resizes: a.resizes.Load(), Remaps: a.remaps.Load(),
	}
}

// Live returns how many blocks and bytes are live.
func (a *Allocator) Live() (blocks, bytes int) {
	s := a.Stats()
	return s.Blocks, s.Bytes
}

// misuse fails the test, unless somebody waits for the report.
func (a *Allocator) misuse(m *heap.Misuse) {
	if method, ok := strings.CutPrefix(m.Op, "heap: Debug."); ok {
		m.Op = "allocatortest: Allocator." + method
	}
	if deliver(m) || m.Kind == heap.UseAfterClose && a.over.Load() {
		// A block that is freed after the test was reported as a leak at its end,
		// and a test that is over cannot fail.
		return
	}
	a.tb.Helper()
	fail(a.tb, "%s\n%s", line(m), describe(m))
}

// hiddenAdd adds 1 to n and orders nobody in the race detector's eyes.
func hiddenAdd(n *atomic.Uint64) {
	race.Disable()
	n.Add(1)
	race.Enable()
}

// callers returns the stack outside this package's allocator.
func callers() heap.Stack {
	var pcs [32]uintptr
	n := runtime.Callers(3, pcs[:])
	return append(heap.Stack(nil), pcs[:n]...)
}

// refuser refuses to change the size of a block.
type refuser struct{ mem.Allocator }

// Resize implements [mem.Allocator].
func (refuser) Resize(b []byte, _ mem.Layout, size int) ([]byte, bool) { return b, false }

// Remap implements [mem.Allocator].
func (refuser) Remap(b []byte, _ mem.Layout, size int) ([]byte, bool) { return b, false }

type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}
