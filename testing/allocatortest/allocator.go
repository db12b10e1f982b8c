package allocatortest

import (
	"fmt"
	"runtime"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/rtype"
	"github.com/allod-dev/allod/mem"
)

// TB is what this package needs of a test: [testing.TB] has it, and so has
// whatever other test frameworks hand out.
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
// is still live at the end, and when a block is given back twice, by somebody
// who never got it, or with another size, alignment or type. Make one with
// [New].
//
// Memory comes from [heap.GC] for blocks that may hold pointers and from
// [heap.Page] for plain ones, or from the allocator given with [Child]. Plain
// blocks that were not asked to be zero are filled with 0xAA, the first and last
// 32 KiB of them. Free gives the block to where it came from. What was misused
// stays as it is: the call does nothing, and the test fails.
//
// It is safe for concurrent use if its memory is, and must not be copied. There
// is no zero Allocator.
type Allocator struct {
	_       noCopy
	tb      TB
	plain   mem.Allocator // serves plain blocks
	typed   mem.Allocator // serves all others; == plain if the child was given
	answer  mem.Pointers
	refuses bool // Resize and Remap
	blocks  table
}

var _ mem.Allocator = (*Allocator)(nil)

// Blocks are told by address alone, so that the table works for every child and
// no pointer is ever followed. A record holds the block itself: a managed block
// that the program forgot is then a leak, rather than collected and its address
// served once more.
//
// A local block goes where managed ones go: this allocator answers Scanned, and
// what a local block points at may well be managed.

// Stats counts what an [Allocator] has served.
type Stats struct {
	Blocks, Bytes         int    // live now
	PeakBlocks, PeakBytes int    // the most that were live at once
	Allocs, Frees         uint64 // calls that succeeded
	Resizes, Remaps       uint64 // calls that succeeded
	Failures              uint64 // Alloc calls that did not succeed
}

// An Option changes what [New] returns.
type Option func(*Allocator)

// Child makes the allocator take all its memory from child, and give child's
// answer to Pointers: the way to test on memory that is not scanned, or that is
// short. The child is neither closed nor examined at the end.
func Child(child mem.Allocator) Option {
	if child == nil {
		panic("allocatortest: Child: nil Allocator")
	}
	return func(a *Allocator) { a.plain, a.typed, a.answer = child, child, child.Pointers() }
}

// NoResize makes Resize and Remap refuse every request, so that programs take
// the long way: allocate, copy, free.
func NoResize() Option {
	return func(a *Allocator) { a.refuses = true }
}

// New returns an allocator that fails tb when a block is live at the end of the
// test, or is misused before.
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
	a := &Allocator{
		tb:     tb,
		plain:  heap.Page{},
		typed:  heap.GC{},
		answer: mem.Scanned,
	}
	for _, o := range opts {
		o(a)
	}
	tb.Cleanup(func() {
		tb.Helper()
		if leaks := a.Leaks(); leaks != nil {
			tb.Errorf("allocatortest: %v", leaks)
		}
	})
	return a
}

// Alloc implements [mem.Allocator].
func (a *Allocator) Alloc(size int, l mem.Layout) ([]byte, error) {
	const op = "allocatortest: Allocator.Alloc"
	mem.CheckSize(op, size)
	if hint := wrong(size, l); hint != "" {
		a.misuse(heap.TypeMismatch, op, &heap.Misuse{Size: size, Hint: hint}, nil)
	}
	b, err := a.child(l).Alloc(size, l)
	if err != nil {
		a.blocks.count(&a.blocks.stats.Failures)
		return nil, err
	}
	if hint := lie(b, size, l); hint != "" {
		a.misuse(heap.ChildLied, op, &heap.Misuse{Addr: address(b), Size: len(b), Hint: hint}, nil)
		if len(b) != size {
			return b, nil // nothing that could be kept track of
		}
	}
	if uninit(l) {
		poison(b)
	}
	r := &record{block: b, layout: l, addr: address(b), size: size, alloc: callers()}
	if before := a.blocks.add(r); before != nil {
		a.misuse(heap.ChildLied, op, &heap.Misuse{Addr: r.addr, Size: size, Hint: "the child served a block that is live"}, before)
	}
	a.blocks.count(&a.blocks.stats.Allocs)
	return b, nil
}

// Resize implements [mem.Allocator].
func (a *Allocator) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	const op = "allocatortest: Allocator.Resize"
	mem.CheckSize(op, size)
	return a.resize(op, resize, b, l, size)
}

// Remap implements [mem.Allocator].
func (a *Allocator) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	const op = "allocatortest: Allocator.Remap"
	mem.CheckSize(op, size)
	return a.resize(op, remap, b, l, size)
}

// resize takes the block off the table while the child is at it: a child that
// moves it may serve its old address to another goroutine at once.
func (a *Allocator) resize(op string, w way, b []byte, l mem.Layout, size int) ([]byte, bool) {
	r := a.take(op, b, l)
	if r == nil {
		return b, false
	}
	asked := l
	l.Kind = r.layout.Kind // what a request to grow says of it does not count
	if hint := wrong(size, l); hint != "" {
		a.blocks.add(r)
		a.misuse(heap.TypeMismatch, op, &heap.Misuse{Addr: r.addr, Size: size, Hint: hint}, r)
		return b, false
	}
	if a.refuses {
		a.blocks.add(r)
		return b, false
	}
	c, ok := w.call(a.child(r.layout), b, asked, size)
	if !ok {
		a.blocks.add(r)
		return b, false
	}
	m := &heap.Misuse{Addr: address(c), Size: len(c), Hint: lie(c, size, l)}
	if m.Hint == "" && address(c) != r.addr {
		switch {
		case w.name == resize.name:
			m.Hint = "Resize moved the block"
		case l.Kind != mem.Plain && a.answer == mem.Scanned:
			m.Hint = "Remap moved a block with pointers"
		}
	}
	if m.Hint != "" {
		a.misuse(heap.ChildLied, op, m, r)
	}
	if len(c) == size && size > r.size && uninit(l) {
		poison(c[r.size:])
	}
	a.blocks.add(&record{block: c, layout: r.layout, addr: address(c), size: size, alloc: r.alloc})
	if w.name == resize.name {
		a.blocks.count(&a.blocks.stats.Resizes)
	} else {
		a.blocks.count(&a.blocks.stats.Remaps)
	}
	return c, true
}

// Free implements [mem.Allocator].
func (a *Allocator) Free(b []byte, l mem.Layout) {
	r := a.take("allocatortest: Allocator.Free", b, l)
	if r == nil {
		return
	}
	a.blocks.bury(r, callers())
	a.child(r.layout).Free(b, l)
}

// Pointers returns [mem.Scanned], or the answer of the [Child].
func (a *Allocator) Pointers() mem.Pointers { return a.answer }

// Owns implements [mem.Owner]: it tells whether b starts in a live block.
func (a *Allocator) Owns(b []byte) bool { return a.blocks.owns(address(b)) }

// Stats returns what was served so far.
func (a *Allocator) Stats() Stats { return a.blocks.snapshot() }

// Live returns how many blocks and bytes are live.
func (a *Allocator) Live() (blocks, bytes int) {
	s := a.Stats()
	return s.Blocks, s.Bytes
}

// child returns who serves blocks of layout l. For a block that is live, l is
// the layout on record: that of the call may name another Kind.
func (a *Allocator) child(l mem.Layout) mem.Allocator {
	if l.Kind == mem.Plain {
		return a.plain
	}
	return a.typed
}

// take removes the block from the table and returns its record, or reports what
// is wrong with it and returns nil.
func (a *Allocator) take(op string, b []byte, l mem.Layout) *record {
	r, kind := a.blocks.take(b, l)
	if kind != 0 {
		a.misuse(kind, op, &heap.Misuse{Addr: address(b), Size: len(b), Hint: hint(kind, r, b, l)}, r)
		return nil
	}
	return r
}

// misuse fails the test, unless somebody waits for the report; about is the
// record of the block that m is about, if there is one.
func (a *Allocator) misuse(kind heap.MisuseKind, op string, m *heap.Misuse, about *record) {
	m.Kind, m.Op, m.Here = kind, op, callers()
	if about != nil {
		m.Alloc, m.Free = about.alloc, about.free
	}
	if deliver(m) {
		return
	}
	a.tb.Helper()
	a.tb.Errorf("%v\n%s", m, describe(m))
}

// wrong tells what a caller got wrong in a request for size bytes.
func wrong(size int, l mem.Layout) string {
	if l.Kind == mem.Plain {
		return ""
	}
	t := l.Type.Reflect()
	switch {
	case t == nil:
		return fmt.Sprintf("a %v block without a type", l.Kind)
	case size%l.Type.Size() != 0:
		return fmt.Sprintf("%d bytes are not a whole number of %v, of %d bytes each", size, t, l.Type.Size())
	case l.Align.Bytes() < t.Align():
		return fmt.Sprintf("aligned to %v, which %v needs to be to %d", l.Align, t, t.Align())
	}
	return ""
}

// lie tells what the child got wrong in a block.
func lie(b []byte, size int, l mem.Layout) string {
	switch {
	case b == nil:
		return "no block and no error"
	case len(b) != size || cap(b) != size:
		return fmt.Sprintf("asked for %d bytes, got len %d and cap %d", size, len(b), cap(b))
	case !l.Align.Check(address(b)):
		return fmt.Sprintf("asked for alignment %v, got %#x", l.Align, address(b))
	}
	return ""
}

// uninit tells whether the contents of a fresh block are up to the allocator.
// Where a bool may be read, only 0 and 1 will do.
func uninit(l mem.Layout) bool {
	if l.Zero || l.Kind != mem.Plain {
		return false
	}
	t := l.Type.Reflect()
	return t == nil || !rtype.FactsOf(t).Bools && !l.Type.HasPointers()
}

// poison fills the ends of b. The middle of a large block stays untouched, and
// so never costs memory.
func poison(b []byte) {
	const end, pattern = 32 << 10, 0xAA
	if len(b) > 2*end {
		poison(b[:end])
		b = b[len(b)-end:]
	}
	for i := range b {
		b[i] = pattern
	}
}

// callers returns the stack outside this package's allocator.
func callers() heap.Stack {
	var pcs [32]uintptr
	n := runtime.Callers(3, pcs[:])
	return append(heap.Stack(nil), pcs[:n]...)
}

type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}
