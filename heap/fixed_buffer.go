package heap

import (
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// A FixedBuffer hands out pieces of a buffer that the caller supplies, one
// after the other, and never asks the operating system or the Go runtime for
// memory, but to note more than four marks that are open at once. It suits work
// whose size is known and small, code that must not allocate, and tests that want
// to run out of memory at a certain byte.
//
// All memory is the buffer's, which may lie in the Go heap, in a global or
// outside both. The collector does not see pointers kept in it, so it serves
// plain and local blocks, and refuses managed ones.
//
// Free gives a block's bytes back if the block is the last one, together with
// what was skipped to align it, and is a no-op for every other block. The last
// block also grows and shrinks in place.
//
// Reset invalidates every block, Rewind those that are younger than the mark.
// There is no Close: the buffer is the caller's, who must not use it in another
// way while blocks are live.
//
// A FixedBuffer is for one goroutine at a time; [FixedBuffer.ThreadSafe]
// returns a view of it for many.
//
// The zero FixedBuffer has a buffer of no bytes: it works, and is always out of
// memory. A FixedBuffer must not be copied after first use.
type FixedBuffer struct {
	_    noCopy
	solo solo

	buf []byte
	off uintptr // bytes gone from buf, padding included; off <= len(buf)

	// The block that buf[:off] ends with is buf[last:off], and prev was off
	// before it came, if lastEnd == off; otherwise nothing is known of it. Blocks
	// are not empty, so that 0 stands for that.
	last, lastEnd, prev int

	open   []savepoint // marks that are neither undone nor kept, oldest first
	first  [4]savepoint
	serial uint64 // of the youngest mark ever made

	crowd crowd // direct calls are alone in it, those through the view are many
}

var (
	_ mem.Allocator = (*FixedBuffer)(nil)
	_ mem.Owner     = (*FixedBuffer)(nil)
)

// The offset is the whole state, as in Zig's FixedBufferAllocator. What is
// known beside it of the last block pays for itself twice: padding comes back,
// so that blocks of different alignment can be freed in reverse order, and a
// wrong block that touches the last one is told from a right one. A list of all
// blocks would tell more, and would need memory of its own.
//
// A block that is older than the youngest open mark is frozen: it neither gives
// bytes back nor grows, although it may be the last one. Otherwise it would end
// beyond the mark, and Rewind would cut a live block.
//
// The offset is a plain word here and an atomic one in SharedBuffer. Which of
// the two it is at a time is up to the caller, and checked with crowd.

// A savepoint is an open mark: what off was.
type savepoint struct {
	serial uint64
	off    int
}

// NewFixedBuffer returns a FixedBuffer that hands out buf. It lets buf escape:
// an array that would otherwise be on the stack is moved to the heap, since
// stacks move and the addresses of blocks must not.
func NewFixedBuffer(buf []byte) *FixedBuffer {
	f := new(FixedBuffer)
	f.Init(buf)
	return f
}

// Init makes f an empty FixedBuffer that hands out buf, whatever it was before,
// as [NewFixedBuffer] does for a new one. It invalidates all blocks and marks.
func (f *FixedBuffer) Init(buf []byte) {
	if invariant.Enabled {
		f.enter("heap: FixedBuffer.Init")
		defer f.leave()
	}
	escape(buf)
	f.buf = buf[:len(buf):len(buf)]
	f.off = 0
	f.forget()
	f.open = f.first[:0]
}

// Alloc implements [mem.Allocator]. It takes constant time, and time to clear
// the block if it must read as zero: nothing is known of the buffer's contents.
// The error is [mem.ErrTooLarge] if not even the empty buffer could hold the
// block.
func (f *FixedBuffer) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("heap: FixedBuffer.Alloc", size)
	if invariant.Enabled {
		f.enter("heap: FixedBuffer.Alloc")
		defer f.leave()
	}
	if l.Kind == mem.Managed {
		return nil, mem.Refuse(l)
	}
	off := int(f.off)
	pad, err := f.fit(off, size, l.Align)
	if err != nil {
		return nil, err
	}
	start := off + pad
	end := start + size
	f.off = uintptr(end)
	f.last, f.lastEnd, f.prev = start, end, off
	b := f.buf[start:end:end]
	race.Alloc(b)
	if l.Zero || l.Kind != mem.Plain {
		clear(b)
	}
	return b, nil
}

// fit returns how many bytes to skip at off so that a block of size bytes that
// follows is aligned, or the reason why there can be no such block. It only
// subtracts from what is left, so that nothing overflows.
func (f *FixedBuffer) fit(off, size int, align mem.Alignment) (pad int, err error) {
	left := len(f.buf) - off
	pad = align.Pad(address(f.buf) + uintptr(off))
	if pad > left || size > left-pad {
		if size > len(f.buf) {
			return 0, mem.ErrTooLarge
		}
		return 0, mem.ErrOutOfMemory
	}
	return pad, nil
}

// Resize implements [mem.Allocator]. The last block grows as far as the buffer
// goes, and gives back what it shrinks by; other blocks only shrink, which
// frees nothing. Blocks older than an open mark count as others.
func (f *FixedBuffer) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: FixedBuffer.Resize", size)
	return f.resize("heap: FixedBuffer.Resize", b, l, size)
}

// Remap implements [mem.Allocator]. It is Resize: blocks never move.
func (f *FixedBuffer) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: FixedBuffer.Remap", size)
	return f.resize("heap: FixedBuffer.Remap", b, l, size)
}

func (f *FixedBuffer) resize(op string, b []byte, l mem.Layout, size int) ([]byte, bool) {
	if invariant.Enabled {
		f.enter(op)
		defer f.leave()
	}
	start, ok := f.find(op, b, int(f.off))
	if !ok {
		return b, false
	}
	end := start + len(b)
	newEnd := start + min(size, len(f.buf)-start)
	switch {
	case size == len(b):
	case size < len(b):
		known, prev := f.lastEnd == int(f.off), f.prev
		if !f.movable(start, end) {
			if start == f.last {
				f.forget() // that block no longer ends where the note says
			}
			f.bury(newEnd, end)
			break
		}
		f.cut(newEnd)
		if known {
			f.last, f.lastEnd, f.prev = start, newEnd, prev
		}
	case !f.movable(start, end) || size > len(f.buf)-start:
		return b, false
	default:
		if f.lastEnd == end {
			f.lastEnd = newEnd
		}
		f.off = uintptr(newEnd)
		added := f.buf[end:newEnd]
		race.Alloc(added)
		if l.Zero || l.Kind != mem.Plain {
			clear(added)
		}
	}
	return f.buf[start:newEnd:newEnd], true
}

// Free implements [mem.Allocator]. It reports a block from elsewhere, one that
// reaches into memory that is free already, and one that has part in the last
// block but is not the last block.
func (f *FixedBuffer) Free(b []byte, _ mem.Layout) {
	f.free("heap: FixedBuffer.Free", b)
}

func (f *FixedBuffer) free(op string, b []byte) {
	if invariant.Enabled {
		f.enter(op)
		defer f.leave()
	}
	start, ok := f.find(op, b, int(f.off))
	if !ok {
		return
	}
	switch {
	case !f.movable(start, start+len(b)):
		f.bury(start, start+len(b))
	case f.lastEnd == int(f.off):
		f.cut(f.prev)
	default:
		f.cut(start)
	}
}

// Pointers implements [mem.Allocator].
func (f *FixedBuffer) Pointers() mem.Pointers { return mem.PlainOnly }

// Owns implements [mem.Owner]. Any number of goroutines may call it.
func (f *FixedBuffer) Owns(b []byte) bool {
	return address(b)-address(f.buf) < uintptr(len(f.buf))
}

// Cap returns the size of the buffer in bytes.
func (f *FixedBuffer) Cap() int { return len(f.buf) }

// Used returns how many bytes of the buffer are gone, including those that were
// skipped to align blocks and those of freed blocks that were not the last.
func (f *FixedBuffer) Used() int {
	if invariant.Enabled {
		f.enter("heap: FixedBuffer.Used")
		defer f.leave()
	}
	return int(f.off)
}

// Reset makes the buffer empty. It invalidates all blocks, in constant time.
// An open mark stands in its way: that is a misuse, [OutOfOrder].
func (f *FixedBuffer) Reset() {
	if invariant.Enabled {
		f.enter("heap: FixedBuffer.Reset")
		defer f.leave()
	}
	if len(f.open) > 0 {
		report(&Misuse{Kind: OutOfOrder, Op: "heap: FixedBuffer.Reset", Hint: "a mark is open; rewind or keep it first"})
		return
	}
	f.cut(0)
}

// find returns where in the buffer the block b starts, or reports that b cannot
// be one of the blocks in buf[:off].
func (f *FixedBuffer) find(op string, b []byte, off int) (start int, ok bool) {
	at := address(b) - address(f.buf)
	if at >= uintptr(len(f.buf)) {
		misuse(ForeignFree, op, b, hintForeign)
		return 0, false
	}
	start = int(at)
	if start >= off {
		misuse(DoubleFree, op, b, "nothing is live there; a Free, Reset or Rewind came before")
		return 0, false
	}
	if len(b) == 0 || len(b) > off-start {
		misuse(SizeMismatch, op, b, "no block there has this size")
		return 0, false
	}
	end := start + len(b)
	if f.lastEnd != off || end <= f.last || start == f.last && end == off {
		return start, true
	}
	// It has part in the last block, and is not the last block.
	if start > f.last {
		misuse(InteriorFree, op, b, "it starts inside the last block")
	} else {
		misuse(SizeMismatch, op, b, "the last block has another size")
	}
	return 0, false
}

// movable tells whether the block buf[start:end] is the last one and no mark
// holds it in place.
func (f *FixedBuffer) movable(start, end int) bool {
	return end == int(f.off) && start >= f.floor()
}

// floor returns the offset of the youngest open mark, 0 if there is none.
func (f *FixedBuffer) floor() int {
	if n := len(f.open); n > 0 {
		return f.open[n-1].off
	}
	return 0
}

// cut ends the life of everything from off on, and makes it free.
func (f *FixedBuffer) cut(off int) {
	if off < int(f.off) {
		f.bury(off, int(f.off))
		f.off = uintptr(off)
	}
	f.forget()
}

// bury ends the life of buf[start:end], and fills it in builds with invariants.
func (f *FixedBuffer) bury(start, end int) {
	dead := f.buf[start:end]
	if invariant.Enabled {
		poison(dead)
	}
	race.Free(dead)
}

// forget drops what is known of the last block.
func (f *FixedBuffer) forget() { f.last, f.lastEnd, f.prev = 0, 0, 0 }

const hintMixed = "a FixedBuffer and its thread-safe view must not be used at the same time"

func (f *FixedBuffer) enter(op string) {
	f.solo.enter(op)
	inside := false
	defer func() {
		if !inside { // the handler panicked
			f.solo.leave()
		}
	}()
	f.crowd.enter(op, alone, hintMixed)
	inside = true
}

func (f *FixedBuffer) leave() {
	f.check()
	f.crowd.leave(alone)
	f.solo.leave()
}

// check panics unless the state is one that can come about.
func (f *FixedBuffer) check() {
	off := int(f.off)
	invariant.Check(0 <= off && off <= len(f.buf),
		"heap: FixedBuffer: off %d in a buffer of %d", off, len(f.buf))
	if f.lastEnd == off && off > 0 {
		invariant.Check(0 <= f.prev && f.prev <= f.last && f.last < off,
			"heap: FixedBuffer: last block at %d after %d, off %d", f.last, f.prev, off)
	}
	low := savepoint{}
	for _, s := range f.open {
		invariant.Check(low.serial < s.serial && s.serial <= f.serial && low.off <= s.off && s.off <= off,
			"heap: FixedBuffer: mark %d at %d after mark %d at %d, off %d", s.serial, s.off, low.serial, low.off, off)
		low = s
	}
}

// escape makes the compiler believe that b outlives its function: what b points
// to is then never on a stack.
func escape(b []byte) {
	if escapee.never {
		escapee.b = b
	}
}

var escapee struct {
	never bool
	b     []byte
}
