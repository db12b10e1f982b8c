package allocatortest

import (
	"fmt"
	"runtime/debug"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// Promises tells the contract suite what an allocator promises beyond the
// contract of [mem.Allocator], and what it is excused from. The zero Promises
// promise nothing.
type Promises struct {
	// Concurrent: all methods may be called from many goroutines at once, and a
	// block may be freed by another goroutine than the one that asked for it.
	Concurrent bool

	// ReusesFreed: memory that is freed serves later requests, so that a program
	// which frees what it allocates can go on for ever.
	ReusesFreed bool

	// MaxSize is how many bytes a new allocator can serve, in one block or in
	// several, with what alignment costs. It is for allocators that end: the
	// suite then asks no more of one before it takes another, and checks what
	// happens when memory runs out. 0 means that there is no such limit, and that
	// blocks of several MiB will do.
	MaxSize int

	// MaxAlign is the largest alignment that is served, 8 bytes or more. One byte,
	// the zero Alignment, means 2 MiB, or a quarter of MaxSize if that is smaller.
	// Beyond it an error is an answer.
	MaxAlign mem.Alignment

	// ForeignUnknown: the allocator cannot tell a foreign block from one of its
	// own, says so in its documentation, and is not tested for it.
	ForeignUnknown bool

	// NoGarbage: Alloc, Resize, Remap and Free of plain blocks allocate nothing
	// in the Go heap, on success and on failure.
	NoGarbage bool
}

// Run tests that allocators keep the contract of [mem.Allocator]. Each clause of
// its documentation is a subtest, and each part of a clause a subtest of that:
//
//	TestRing/clause3/growth_is_zero
//
// The factory is called for each of them, often several times, with the t of the
// subtest. It returns a new allocator, or the one there is if there is only one,
// and may use t.Cleanup to close it. Let it take the memory from [New] where it
// takes memory from an allocator: the suite then sees both of its sides, and
// that it gives everything back.
//
// The suite gives back every block that it was served. What an allocator of this
// package reports in the meantime fails the test, apart from what the suite
// provokes. Failures read like
//
//	Alloc(3, align 8): len 4, want 3
func Run(t *testing.T, factory func(t *testing.T) mem.Allocator) {
	t.Helper()
	RunWith(t, Promises{}, factory)
}

// RunWith is [Run] for an allocator with promises or limits.
func RunWith(t *testing.T, p Promises, factory func(t *testing.T) mem.Allocator) {
	t.Helper()
	runSuite(tester{t}, p, func(h harness) mem.Allocator { return factory(h.(tester).T) })
}

// The suite knows its test as a harness only, so that its own tests can run it
// on allocators that are broken and look at what it found.

// harness is a test: a *testing.T, or what stands for it in the suite's tests.
type harness interface {
	TB
	Skip(args ...any)
	FailNow()
	Failed() bool
	run(name string, f func(harness))
}

// tester is a *testing.T as a harness.
type tester struct{ *testing.T }

func (t tester) run(name string, f func(harness)) {
	t.T.Run(name, func(t *testing.T) { f(tester{t}) })
}

// clauses lists the tests, by the clause of the contract that they are about.
var clauses = []struct {
	name  string
	parts []part
}{
	{"clause1", []part{
		{"size that is not positive panics", testSizeNotPositive},
		{"sizes around powers of two are served", testSizes},
		{"size beyond all memory is an error", testSizeHuge},
		{"alignment beyond all memory is an error", testAlignHuge},
	}},
	{"clause2", []part{
		{"Zero and Kind do not matter after Alloc", testLayoutAfterAlloc},
		{"wrong layout corrupts nothing", testLayoutWrong},
		{"blocks are freed in any order", testFreeOrder},
	}},
	{"clause3", []part{
		{"len and cap are the size", testLenCap},
		{"address is aligned", testAlign},
		{"blocks do not overlap", testOverlap},
		{"Zero is zero in memory used before", testZero},
		{"growth is zero", testGrowthZero},
		{"contents are kept", testContents},
		{"Resize stays in place", testInPlace},
		{"grown block is all there", testGrown},
		{"false leaves the block alone", testRefused},
		{"random operations agree with a model", testModel},
	}},
	{"clause4", []part{
		{"foreign block is reported", testForeign},
		{"foreign block is not looked into", testForeignUnread},
	}},
	{"clause5", []part{
		{"elements start where the type says", testElements},
	}},
	{"clause6", []part{
		{"Remap does not move managed blocks", testManagedMoves},
		{"pointers survive Resize and Remap", testManagedResize},
		{"vacated pointers are not hidden from the collector", testManagedFree},
	}},
	{"clause7", []part{
		{"local blocks read as zero", testLocalZero},
		{"local blocks are scanned if managed ones are", testLocalScanned},
	}},
	{"clause8", []part{
		{"the answer of Pointers never changes", testAnswer},
		{"managed blocks are refused", testRefuse},
		{"managed blocks are scanned", testScanned},
		{"memory is kept apart by type", testApart},
		{"collections go on meanwhile", testCollecting},
	}},
	{"failure", []part{
		{"failed Alloc takes nothing", testFailedAlloc},
		{"running out leaves everything alone", testExhaust},
	}},
	{"abilities", []part{
		{"Owns, UsableSize, GoodSize, Trim and Footprint tell the truth", testAbilities},
	}},
	{"promises", []part{
		{"Concurrent", testConcurrent},
		{"ReusesFreed", testReuse},
		{"NoGarbage", testGarbage},
	}},
}

type part struct {
	name string
	run  func(*probe)
}

func runSuite(h harness, p Promises, factory func(harness) mem.Allocator) {
	h.Helper()
	p = p.withDefaults()
	if given(debugFlag) != "" {
		factory = overDebug(p, factory)
	}
	for _, c := range clauses {
		h.run(c.name, func(h harness) {
			for _, part := range c.parts {
				h.run(part.name, func(h harness) { part.test(h, p, factory) })
			}
		})
	}
}

// overDebug puts a heap.Debug over what the factory makes, which fails the test
// with whatever it reports that the suite did not provoke.
func overDebug(p Promises, factory func(harness) mem.Allocator) func(harness) mem.Allocator {
	return func(h harness) mem.Allocator {
		o := heap.DebugOptions{
			QuarantineBytes: 256 << 10, // there may be another below
			OnMisuse: func(m *heap.Misuse) {
				if !deliver(m) {
					fail(h, "%s\n%s", line(m), describe(m))
				}
			},
			OnLeak: func(e *heap.LeakError) { fail(h, "%v", e) },
		}
		if p.MaxSize > 0 { // which is meant without bytes around blocks
			o.Redzone, o.QuarantineBytes = -1, -1
		}
		d := heap.NewDebug(factory(h), o)
		h.Cleanup(func() { d.Close() })
		return d
	}
}

// test runs the part on a new allocator.
func (t part) test(h harness, p Promises, factory func(harness) mem.Allocator) {
	h.Helper()
	pr := &probe{harness: h, Promises: p, factory: factory}
	pr.renew()
	defer pr.end()
	t.run(pr)
}

const (
	defaultMaxSize  = 4 << 20
	defaultMaxAlign = 2 << 20
)

func (p Promises) withDefaults() Promises {
	if p.MaxAlign == (mem.Alignment{}) {
		p.MaxAlign = mem.Align(defaultMaxAlign)
		for p.MaxSize > 0 && p.MaxAlign.Bytes() > p.MaxSize/4 && p.MaxAlign.Log2() > 0 {
			p.MaxAlign = mem.AlignLog2(p.MaxAlign.Log2() - 1)
		}
	}
	return p
}

// A probe is one part of a clause, in progress.
type probe struct {
	harness
	Promises
	factory func(harness) mem.Allocator

	a      mem.Allocator
	spent  int // bytes asked of a, at most MaxSize if that is set
	errors int
	seed   string   // of the program that it plays, if it does
	live   []*block // what the test has not given back
}

// block is a block that the suite holds.
type block struct {
	b    []byte
	l    mem.Layout
	seed uint64 // of what paint wrote there
	n    int    // bytes when it did
}

// maxErrors is how often a part may fail before it ends.
const maxErrors = 10

// Errorf fails the part, and ends it if that happened often enough.
func (p *probe) Errorf(format string, args ...any) {
	p.Helper()
	p.errors++
	if p.errors >= maxErrors {
		p.Fatalf(format+" (and so on)", args...)
	}
	p.fail(format, args...)
}

// Fatalf fails the part and ends it.
func (p *probe) Fatalf(format string, args ...any) {
	p.Helper()
	p.fail(format, args...)
	p.FailNow()
}

// fail fails the part, from any goroutine.
func (p *probe) fail(format string, args ...any) {
	p.Helper()
	failWith(p.harness, seedFlag, p.seed, format, args...)
}

// end gives back what is live, and turns a panic into a failure, so that the
// other clauses have their turn.
func (p *probe) end() {
	p.Helper()
	if r := recover(); r != nil {
		p.fail("panic: %v\n%s", r, debug.Stack())
		return // an allocator in this state is better left alone
	}
	if !p.Failed() {
		p.freeAll()
	}
}

// renew takes a new allocator from the factory, after giving back the blocks of
// the one before.
func (p *probe) renew() {
	p.Helper()
	p.freeAll()
	p.a = p.factory(p.harness)
	if p.a == nil {
		p.Fatalf("the factory returned a nil Allocator")
	}
	p.spent = 0
}

// scanned tells whether the allocator serves managed blocks.
func (p *probe) scanned() bool { return p.a.Pointers() == mem.Scanned }

// largest is the size up to which every request can be served.
func (p *probe) largest() int {
	if p.MaxSize > 0 {
		return p.MaxSize
	}
	return defaultMaxSize
}

// fits tells whether the allocator can be asked for n bytes more, in blocks that
// are aligned to l, at least after renew.
func (p *probe) fits(size int, l mem.Layout) bool {
	return size <= p.largest()-min(l.Align.Bytes()-1, p.largest())
}

// need makes sure that n blocks of size bytes fit, by taking a new allocator if
// it must, and tells whether they do. Blocks that are live are then given back.
func (p *probe) need(n, size int, l mem.Layout) bool {
	p.Helper()
	if p.MaxSize == 0 {
		return true
	}
	// Allocators that keep records inside round up to something like this.
	each := size + l.Align.Bytes() - 1 + 16
	if each < 0 || each > p.MaxSize/n {
		return n == 1 && p.spent == 0 && p.fits(size, l)
	}
	if p.spent > p.MaxSize-n*each {
		p.renew()
	}
	return true
}

// alloc asks for a block and fails the test if there is none. The block is one
// that can be used: what else is wrong with it is for the caller to say.
func (p *probe) alloc(size int, l mem.Layout) *block {
	p.Helper()
	p.spent += size + l.Align.Bytes() - 1 + 16
	b, err := p.a.Alloc(size, l)
	if err != nil {
		p.Fatalf("%v: %v", request(size, l), err)
	}
	if len(b) < size {
		p.Fatalf("%v: len %d, want %d", request(size, l), len(b), size)
	}
	k := &block{b: b, l: l}
	p.live = append(p.live, k)
	return k
}

// free gives a block of alloc back.
func (p *probe) free(k *block) {
	p.forget(k)
	p.a.Free(k.b, k.l)
}

// forget takes k off the list of those to free.
func (p *probe) forget(k *block) {
	for i := range p.live {
		if p.live[i] == k {
			p.live = append(p.live[:i], p.live[i+1:]...)
			return
		}
	}
}

func (p *probe) freeAll() {
	for len(p.live) > 0 {
		p.free(p.live[len(p.live)-1])
	}
}

// way is Resize or Remap.
type way struct {
	name string
	call func(a mem.Allocator, b []byte, l mem.Layout, size int) ([]byte, bool)
}

var (
	resize = way{"Resize", mem.Allocator.Resize}
	remap  = way{"Remap", mem.Allocator.Remap}
	ways   = []way{resize, remap}
)

// change resizes k and tells whether that was done. Then k is the new block.
func (p *probe) change(w way, k *block, size int) bool {
	p.Helper()
	if size > len(k.b) {
		p.spent += size + k.l.Align.Bytes() - 1 + 16 // a move leaves the old block
	}
	b, ok := w.call(p.a, k.b, k.l, size)
	if !ok {
		if !same(b, k.b) {
			p.Errorf("%s(%d -> %d) = %s, false; want the block as it was, %s",
				w.name, len(k.b), size, show(b), show(k.b))
		}
		return false
	}
	if len(b) != size || cap(b) != size {
		p.Fatalf("%s(%d -> %d): len %d, cap %d; want both %d", w.name, len(k.b), size, len(b), cap(b), size)
	}
	k.b = b
	return true
}

// request is a call of Alloc, for messages.
func request(size int, l mem.Layout) string {
	s := fmt.Sprintf("Alloc(%d, align %v", size, l.Align)
	if l.Zero {
		s += ", zero"
	}
	if l.Kind != mem.Plain {
		s += ", " + l.Kind.String()
	}
	if l.Type != (mem.Type{}) {
		s += fmt.Sprintf(", of %v", l.Type)
	}
	return s + ")"
}

// show is a block, for messages.
func show(b []byte) string {
	if b == nil {
		return "nil"
	}
	return fmt.Sprintf("[%d:%d] at %#x", len(b), cap(b), address(b))
}

// same tells whether x and y are the same block.
func same(x, y []byte) bool {
	return len(x) == len(y) && cap(x) == cap(y) && address(x) == address(y)
}

// overlap tells whether x and y share memory.
func overlap(x, y []byte) bool {
	return len(x) > 0 && len(y) > 0 &&
		(address(y)-address(x) < uintptr(len(x)) || address(x)-address(y) < uintptr(len(y)))
}

// The contents of a large block are looked at in places only: at both ends, and
// on both sides of every page's border. Anything else would make the suite slow.

// paintEnd is how much of either end is looked at.
var paintEnd = func() int {
	if race.Enabled {
		return 256
	}
	return 2 << 10
}()

// next returns the position to look at after i in a block of n bytes.
func next(i, n int) int {
	const page, edge = 4096, 8
	i++
	if i < paintEnd || i >= n-paintEnd || (i+edge)%page < 2*edge {
		return i
	}
	return min((i+edge)/page*page+page-edge, n-paintEnd)
}

// paint writes contents to b that depend on seed and position.
func paint(b []byte, seed uint64) {
	for i := 0; i < len(b); i = next(i, len(b)) {
		b[i] = tint(seed, i)
	}
}

// painted returns the first position of b in which there is not what paint
// wrote, or -1. b may be the beginning of a block that had n bytes then.
func painted(b []byte, n int, seed uint64) int {
	for i := 0; i < len(b); i = next(i, n) {
		if b[i] != tint(seed, i) {
			return i
		}
	}
	return -1
}

// cleared returns the first position of b that is not zero, or -1.
func cleared(b []byte) int {
	for i := 0; i < len(b); i = next(i, len(b)) {
		if b[i] != 0 {
			return i
		}
	}
	return -1
}

// tint is a byte that is never 0, and other than its neighbours.
func tint(seed uint64, i int) byte {
	x := (seed + uint64(i)*0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9
	return byte(x>>56) | 1
}

// dirty fills b with something that is not zero.
func dirty(b []byte) { paint(b, 0xd1d1) }

// dirtyLocal is dirty for a block of pointers, in which no word may look like one
// into the Go heap.
func dirtyLocal(b []byte) {
	if !narrow {
		dirty(b)
		return
	}
	for i := range b {
		b[i] = 0
		if i%4 == 0 {
			b[i] = 1
		}
	}
}

// paint gives k contents of its own.
func (k *block) paint(seed uint64) {
	k.seed, k.n = seed, len(k.b)
	paint(k.b, seed)
}

// intact fails the test if the contents of the n first bytes of k changed.
func (p *probe) intact(k *block, n int, after string) {
	p.Helper()
	if i := painted(k.b[:n], k.n, k.seed); i >= 0 {
		p.Errorf("%s: byte %d of %s changed", after, i, show(k.b))
	}
}
