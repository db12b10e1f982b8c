package heap

import (
	"errors"
	"log/slog"
	"math"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/stack"
	"github.com/allod-dev/allod/mem"
)

// Debug wraps an allocator and tells the truth about what a program does with
// its memory: what it forgot to free, freed twice, freed with the wrong size,
// alignment or type, or through the wrong allocator, and where it wrote past
// the end of a block, before its start, or after it was freed. Every report has
// the stacks of the allocation, of the free if there was one, and of the call
// that found out. Want it while testing and while hunting a bug.
//
// Memory comes from the child, which is asked for more than the program asks
// for: each block lies between two zones that nobody may write to. The child may
// be any allocator, and a Debug serves every kind of block that its child does.
//
// Free checks the block, fills it, and keeps it in quarantine for a while before
// the child gets it back, so that a write to it in the meantime is found when it
// leaves. When the child has no memory left, the quarantine is given up first.
//
// Blocks live until they are freed. Close frees what is in quarantine, and
// reports what is live as a leak but leaves it alone.
//
// A Debug is safe for concurrent use if its child is. It must not be copied. The
// zero Debug has no child; call [NewDebug].
//
// What is found goes to the handler in [DebugOptions]. When a call is wrong and
// the handler returns, the call returns as if nothing had happened. When a block
// is found to be damaged, the call that found it does its work all the same; the
// damage is repaired, so that it is reported once. If the handler panics then, as
// it does unless told otherwise, Free has freed the block, Resize and Remap have
// left it as it was, and what else a call found is reported as well, with a panic
// each, of which recover returns the last.
//
// An overflow or underflow is found in Free, Resize, Remap, [Debug.Check] and
// Close, if it changed a byte within the zone. The zones begin right at the
// block, for any size. Blocks that the collector scans, which are those with
// pointers over a child that answers [mem.Scanned], can have no other zones than
// elements that are zero, and are zero in quarantine: writing a zero there is
// not found. Blocks of elements larger than 64 KiB have no zones, and blocks
// aligned to more than 4 MiB none before them. A read is found only of guarded
// blocks, see below.
//
// A local block, which is one with pointers that the collector does not see,
// must not hold a pointer to a Go object that nothing else keeps alive. One that
// leads into memory of the Go runtime, other than what an allocator is known to
// hold, is reported when the block is freed, and by Check and Close, with the
// name of its field. In builds that do not ask the runtime, with the tags
// allod_nolinkname or purego, that cannot be told.
//
// In builds with -asan blocks in quarantine are poisoned, so that the sanitizer
// reports who reads them.
//
// A Debug that nobody closes is told of on standard error, when the collector
// finds out, with the stack that made it. Its blocks stay as they are.
//
// # Guarded blocks
//
// With the option Guard each block lies against a page that nobody can access,
// and a block that was freed is inaccessible until its place is needed for
// another, after quarantine: a read or write there is a fault, which ends the
// process, or is returned by [Catch] as a [*Fault] with the stacks of the
// allocation and the free. Where a fault ends the process, [RecordGuarded]
// keeps these for [ReadCrash], and an error of the operating system, which does
// not touch such memory either, is explained by [BadAddress]. What is left of
// the last page on the other side of the block is watched as a zone is. With
// GuardEnd, a block whose size is not a multiple of its alignment ends before
// the guarded page, and the bytes between are watched, too.
//
// Guarded blocks come from the operating system rather than from the child; a
// block takes a page or more, and a pair of calls some microseconds. On Linux
// up to 32 MiB of the pages of those that were freed keep their memory until
// [Debug.Trim], which is most of that time. Resize and Remap refuse them. In
// quarantine they count with the size that was asked for. Blocks that the
// collector scans cannot be guarded. What the system has no memory or no mapping
// left for (vm.max_map_count on Linux, before 6.13), and what is aligned to more
// than 4 MiB, is served unguarded and counted. The race detector does not see guarded
// blocks: use it without them.
//
// An operation takes the same time on average for any number of live blocks: a
// frame-pointer walk or [runtime.Callers] for its stack, and one pass over the
// block to fill and one to check it. Each live block costs the zones and less
// than 96 bytes of the Go heap. Stacks are kept once each, for as long as the
// process runs, up to 64 MiB of them; what comes later has none.
type Debug struct {
	copies   noCopy
	child    mem.Allocator
	pointers mem.Pointers   // the child's
	buffers  []*FixedBuffer // below it
	o        DebugOptions   // with the defaults put in
	fills    *debugFills    // of usual blocks
	depth    int            // addresses per stack, 0 for none
	zone     int            // bytes that a zone has at least, 0 for none
	verbose  *Logging       // logs every call, or nil
	id       uint64
	life     *debugLife
	made     byte // tells the race detector that OpenDebugs comes after NewDebug

	table   debugTable
	calls   atomic.Uint64 // for CheckEvery
	reports atomic.Int64
	failed  atomic.Uint64
	bare    atomic.Uint64 // unguarded blocks that should not be
}

var _ mem.Allocator = (*Debug)(nil)

// Everything that is known of a block is out of line (debug_table.go): nothing
// that the program writes can damage it, and a pointer is never followed to find
// out whose it is. Zones and fills are in debug_zones.go, reports in
// debug_report.go.
//
// A call marks its block busy, works on it without the lock, and says what
// became of it; what is little to do is done under the lock (debug_usual.go). No
// lock is held when the child is asked, or the handler told; and a handler that
// panics finds the block, and the Debug, as they should be.
//
// A block passes from the goroutine that frees it to the one that evicts it from
// quarantine, and on to the child: the race detector is told, since the table's
// lock does not tell it.

const (
	debugStacksKept = 64 << 20
	debugDepth      = 64
)

// NewDebug returns child with the program's use of it watched. It panics if a
// limit in o is negative that has no meaning. If child has a buffer, of a
// [FixedBuffer] or [BufferFirst], with bytes that are also below another Debug,
// which is open, that is reported as [Overlap].
func NewDebug(child mem.Allocator, o DebugOptions) *Debug {
	const op = "heap: NewDebug"
	mustChild(op, child)
	if o.MemoryLimit < 0 || o.CheckEvery < 0 {
		panic(op + ": negative limit")
	}
	d := &Debug{child: child, pointers: child.Pointers(), buffers: fixedIn(child)}
	d.depth = min(orDefault(o.StackDepth, 16), debugDepth)
	d.zone = min(orDefault(o.Redzone, 32), maxZone)
	o.QuarantineBytes = orDefault(o.QuarantineBytes, 1<<20)
	o.QuarantineBlocks = orDefault(o.QuarantineBlocks, 4096)
	if o.QuarantineBytes == 0 || o.QuarantineBlocks == 0 {
		o.QuarantineBytes, o.QuarantineBlocks = 0, 0
	}
	if o.Fresh == 0 {
		o.Fresh = 0xAA
	}
	if o.Freed == 0 {
		o.Freed = 0xDD
	}
	switch {
	case o.MaxReports == 0:
		o.MaxReports = debugPanics
	case o.MaxReports < 0:
		o.MaxReports = math.MaxInt
	}
	d.o = o
	d.fills = new(debugFills)
	d.fills.fresh.make(o.Fresh)
	d.fills.freed.make(o.Freed)
	d.table.usual = d.hasUsual()
	d.table.remember = orDefault(o.Remember, debugGone)
	if o.Logger != nil {
		d.verbose = NewLogging(child, LoggingOptions{Logger: o.Logger, Name: "debug"})
	}
	debugStacks() // made by whoever calls first, which would order goroutines later
	d.watch()
	race.Release(&d.made)
	debugs.add(d)
	d.overlap(op)
	return d
}

// orDefault returns n, the default if n is 0, and 0 if n is negative.
func orDefault(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return max(n, 0)
}

// Alloc implements [mem.Allocator]. After Close the error is [mem.ErrClosed].
func (d *Debug) Alloc(size int, l mem.Layout) ([]byte, error) {
	const op = "heap: Debug.Alloc"
	mem.CheckSize(op, size)
	if d.child == nil {
		return nil, zeroValue(op, "NewDebug")
	}
	if d.copies.check(op) {
		return nil, errMisusedDebug // what it has of the table is out of date
	}
	var here stack.ID
	if d.depth != 0 {
		here = d.here()
	}
	var (
		b   []byte
		err error
	)
	if d.table.usual && d.o.MemoryLimit == 0 && isUsual(size, l) {
		b, err = d.allocUsual(op, size, l, here)
	} else {
		d.tick()
		b, err = d.alloc(op, size, l, here)
	}
	if err != nil {
		hiddenAdd(&d.failed)
	}
	if d.verbose != nil {
		if err != nil {
			d.verbose.log(&event{msg: "alloc failed", size: size, layout: l, err: err}, slog.LevelError)
		} else {
			d.verbose.log(&event{msg: "alloc", size: size, layout: l, addr: address(b)}, slog.LevelDebug)
		}
	}
	return b, err
}

func (d *Debug) alloc(op string, size int, l mem.Layout, here stack.ID) ([]byte, error) {
	if l.Kind != mem.Plain {
		if hint := unfit(size, l.Kind, l.Type); hint != "" {
			d.misuse(&Misuse{Kind: TypeMismatch, Op: op, Size: size, Hint: hint}, nil)
			return nil, errMisusedDebug
		}
		if l.Kind == mem.Managed && d.pointers != mem.Scanned {
			return nil, mem.Refuse(l)
		}
	}
	var k debugBlock
	d.plan(&k, size, l)
	total, ok := k.total(size, d.zone)
	if !ok {
		return nil, mem.ErrTooLarge
	}
	k.alloc = here
	if d.o.MemoryLimit != 0 {
		return d.limited(op, &k, total, l)
	}
	if d.table.isClosed() {
		return nil, mem.ErrClosed
	}
	return d.obtain(op, &k, total, l)
}

// limited is obtain within the limit.
func (d *Debug) limited(op string, k *debugBlock, total int, l mem.Layout) ([]byte, error) {
	size := k.size
	switch d.table.reserve(size, d.o.MemoryLimit) {
	case debugClosed:
		return nil, mem.ErrClosed
	case debugLimit:
		return nil, mem.ErrLimit
	}
	defer func() {
		if k.node == nil { // the child refused, lied or panicked
			d.table.release(size)
		}
	}()
	return d.obtain(op, k, total, l)
}

// obtain serves k, of which all is known but its memory. It is in the table from
// when k.node is set.
func (d *Debug) obtain(op string, k *debugBlock, total int, l mem.Layout) ([]byte, error) {
	if d.o.Guard != Unguarded && d.guarded(k) {
		return d.settle(op, k, total, l)
	}
	base, err := d.child.Alloc(total, l)
	return d.served(op, k, total, l, base, err)
}

// served is obtain when the child was asked, and answered base and err. For want
// of memory the quarantine is given up, and the child asked again.
func (d *Debug) served(op string, k *debugBlock, total int, l mem.Layout, base []byte, err error) ([]byte, error) {
	if err != nil && errors.Is(err, mem.ErrOutOfMemory) && !errors.Is(err, mem.ErrTooLarge) && d.flush() > 0 {
		base, err = d.child.Alloc(total, l)
	}
	if err != nil {
		return nil, err
	}
	if hint := lied(base, total, l); hint != "" {
		d.misuse(&Misuse{Kind: ChildLied, Op: op, Addr: address(base), Size: len(base), Hint: hint}, nil)
		return nil, errLiedDebug
	}
	if d.o.Guard != Unguarded && !k.flags.scans() {
		hiddenAdd(&d.bare)
	}
	k.base = base
	return d.settle(op, k, total, l)
}

// settle makes k, which has its memory, a block of the program.
func (d *Debug) settle(op string, k *debugBlock, total int, l mem.Layout) ([]byte, error) {
	closed, other := d.admit(k)
	switch {
	case closed: // meanwhile
		if k.flags.guarded() {
			d.retire(k)
		}
		d.giveBack(k)
		return nil, mem.ErrClosed
	case other != nil:
		d.misuse(&Misuse{Kind: ChildLied, Op: op, Addr: address(k.base), Size: len(k.base), Hint: other.overlapped()}, other)
		return nil, errLiedDebug
	}
	if !k.flags.guarded() && (l.Zero || l.Kind != mem.Plain) && total <= zeroLooked && !isZero(k.base) {
		d.bury(k, false, nil)
		d.giveBack(k)
		d.misuse(&Misuse{Kind: ChildLied, Op: op, Addr: address(k.base), Size: len(k.base), Hint: "the block is not zero, as was asked"}, nil)
		return nil, errLiedDebug
	}
	d.dress(k, 0, l.Zero)
	k.node.publish()
	return k.block(), nil
}

// admit adds k to the table, unless that is closed, or k overlaps another block,
// which it returns then.
func (d *Debug) admit(k *debugBlock) (closed bool, other *debugBlock) {
	d.table.lock()
	defer d.table.unlock()
	if d.table.closed.Load() {
		return true, nil
	}
	return false, d.table.admit(k, d.o.MemoryLimit)
}

// zeroLooked is how large a block is that is looked at whether it is zero: to
// look at a larger one would make the system find memory for it.
const zeroLooked = 16 << 10

// Free implements [mem.Allocator].
func (d *Debug) Free(b []byte, l mem.Layout) {
	const op = "heap: Debug.Free"
	if d.child == nil {
		zeroValue(op, "NewDebug")
		return
	}
	if d.copies.check(op) {
		return
	}
	var here stack.ID
	if d.depth != 0 {
		here = d.here()
	}
	if d.table.usual && len(b) <= usualSize && d.freeUsual(op, b, l, here) {
		return
	}
	if d.verbose != nil {
		d.verbose.log(&event{msg: "free", size: len(b), layout: l, addr: address(b)}, slog.LevelDebug)
	}
	if d.o.CheckEvery != 0 {
		defer d.deliverAll(d.tock()) // what other blocks suffered keeps this one from nothing
	}
	d.free(op, b, l, here)
}

func (d *Debug) free(op string, b []byte, l mem.Layout, here stack.ID) {
	var k, old debugBlock
	if f := d.seize(b, l, here, &k); f.kind != 0 {
		d.found(op, b, l, &k, f)
		return
	}
	hurt := d.inspect(&k)
	var hidden []hiddenPointer
	if d.mayHide(&k) {
		var room [hiddenMost]hiddenPointer
		hidden = d.hiddenIn(&k, room[:0])
	}
	keep := k.cost() <= d.o.QuarantineBytes
	k.free = here
	if k.flags.guarded() {
		d.retire(&k)
	} else {
		d.undress(&k)
		if keep {
			race.Free(k.base)
			d.poison(&k)
		}
	}
	fate := d.bury(&k, keep, &old)
	if hurt != nil || len(hidden) > 0 {
		// Whoever leaves quarantine may be damaged, too, and the handler panic.
		defer d.wrong(op, &k, hurt, hidden, trimmed(callers(1)))
	}
	if fate == debugForgotten {
		d.unpoison(&k)
		d.giveBack(&k)
	}
	d.makeRoom(op, fate, &old)
}

// wrong reports what was wrong with a block that was live until this call, which is
// made from here. The option Holds is asked last: whatever it does, there is nothing
// left to do.
func (d *Debug) wrong(op string, k *debugBlock, hurt *damage, hidden []hiddenPointer, here Stack) {
	if len(hidden) > 0 {
		defer d.revealed(op, k, hidden, here)
	}
	if hurt != nil {
		k.free = 0
		all := d.damages(op, k.addr(), k.size, k, hurt)
		for _, m := range all {
			m.Here = here
		}
		d.deliverAll(all)
	}
}

// revealed reports what reveal finds.
func (d *Debug) revealed(op string, k *debugBlock, hidden []hiddenPointer, here Stack) {
	if m := d.reveal(op, k, hidden); m != nil {
		m.Here = here
		d.deliver(m)
	}
}

// seize makes the block b busy, for the caller to bury, or tells what is wrong with
// it.
func (d *Debug) seize(b []byte, l mem.Layout, here stack.ID, k *debugBlock) debugFinding {
	front, length := d.expect(b, l)
	d.table.lock()
	defer d.table.unlock()
	f := d.table.look(b, l, front, length, k)
	if f.kind == 0 {
		k.node.seize(here)
	}
	return f
}

// expect returns where the block b is, if all is well: so many bytes after the
// start of a block of the child, or of pages, of so many bytes.
func (d *Debug) expect(b []byte, l mem.Layout) (front uint32, length int) {
	if d.o.Guard != Unguarded && (l.Kind == mem.Plain && !l.Type.HasPointers() || d.pointers != mem.Scanned) {
		return pagesOf(b)
	}
	front = d.front(len(b), l)
	return front, len(b) + int(front) + d.zone // the rest makes no difference, or is searched for
}

// Pointers returns the child's answer.
func (d *Debug) Pointers() mem.Pointers { return d.pointers }

// Unwrap returns the child.
func (d *Debug) Unwrap() mem.Allocator { return d.child }

// Owns implements [mem.Owner]: it tells whether b starts in a live block.
func (d *Debug) Owns(b []byte) bool { return d.table.owns(address(b)) }

// UsableSize implements [mem.UsableSizer]: it is the size that was asked for.
func (d *Debug) UsableSize(b []byte) int { return len(b) }

// GoodSize implements [mem.GoodSizer]: it is size, since every byte past it is
// watched.
func (d *Debug) GoodSize(size int, _ mem.Layout) int { return size }

// Trim implements [mem.Trimmer]: the quarantine goes back to the child, which is
// then told to trim. If blocks are guarded, the pages that freed ones keep go back
// to the system, those of other Debugs as well.
func (d *Debug) Trim() int {
	if d.child == nil {
		return 0
	}
	n := d.flush()
	if d.o.Guard != Unguarded {
		n += debugPlaces.Trim()
	}
	return n + mem.Trim(d.child)
}

// Stats returns the counters.
func (d *Debug) Stats() DebugStats {
	s := DebugStats{Failures: d.failed.Load(), Reports: int(d.reports.Load())}
	d.table.count(&s)
	s.Unguarded = d.bare.Load()
	if d.o.Guard != Unguarded {
		s.Guarding = guardings[debugPlaces.By()]
		s.Stuck = debugPlaces.Stuck()
	}
	_, _, s.StacksLost = debugStacks().Stats()
	return s
}

// here returns the stack of the caller of the method that calls it. The depth is
// not 0.
//
//go:noinline
//go:norace
func (d *Debug) here() stack.ID {
	var pcs [debugDepth]uintptr
	n := stack.Callers(2, pcs[:d.depth])
	return debugStacks().Intern(pcs[:n])
}
