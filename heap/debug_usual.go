package heap

import (
	"bytes"
	"encoding/binary"

	"github.com/allod-dev/allod/internal/asan"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/stack"
	"github.com/allod-dev/allod/mem"
)

// Most blocks are usual: small and plain, between two zones of the usual length,
// in a Debug without options that make every call do more. Their way through Alloc
// and Free, if all is well, is written out here: it has fewer instructions, and
// one round of the lock, since what is done to so little memory takes less time
// than another. Where anything is not as it should be, nothing was done yet, and
// the way of all blocks is gone from its start: it finds out and tells.
//
// A usual block may be served by one way and freed by the other. The sanitizers are
// to hear of it without the lock, so in their builds no block is usual.

const (
	usual     = 32        // bytes of a zone: what the compiler has no loop for
	usualLog2 = 5         // of the largest alignment: zones need no padding
	usualMost = 512       // bytes that the child serves for one
	usualCost = 2 * usual // bytes of these that the program has not got
	usualSize = usualMost - usualCost
)

// hasUsual tells whether d has usual blocks.
func (d *Debug) hasUsual() bool {
	o := &d.o
	return !race.Enabled && !asan.Enabled && d.zone == usual && o.Guard == Unguarded && !o.NoFill &&
		o.CheckEvery == 0 && o.Logger == nil && o.QuarantineBytes >= usualMost
}

// isUsual tells whether a request is for a usual block.
//
//go:norace
func isUsual(size int, l mem.Layout) bool {
	return size <= usualSize && l.Align.Log2() <= usualLog2 && l.Kind == mem.Plain && !l.Type.HasPointers()
}

// allocUsual is alloc for a request that is usual.
func (d *Debug) allocUsual(op string, size int, l mem.Layout, here stack.ID) ([]byte, error) {
	if d.table.isClosed() {
		return nil, mem.ErrClosed
	}
	base, err := d.child.Alloc(size+usualCost, l)
	if err == nil && isAsAsked(base, size+usualCost, l) && (!l.Zero || isZero(base)) && d.admitUsual(base, l, here) {
		return base[usual : usual+size : usual+size], nil
	}
	var k debugBlock
	d.plan(&k, size, l)
	k.alloc = here
	return d.served(op, &k, size+usualCost, l, base, err)
}

// admitUsual adds a usual block to the table and prepares its memory, unless the
// table is closed, or the block overlaps another.
//
//go:norace
func (d *Debug) admitUsual(base []byte, l mem.Layout, here stack.ID) bool {
	t := &d.table
	t.lock()
	defer t.unlock()
	if t.closed.Load() {
		return false
	}
	from, size := address(base), len(base)-usualCost
	i, n := t.place(from, len(base))
	if (i == 0 || n.length() < len(base)) && t.overlapping(from, len(base), i) != 0 {
		return false
	}
	if i != 0 {
		t.occupy(n)
		n.size = size
	} else {
		i = t.take()
		n = t.node(i)
		n.from, n.size, n.front, n.back = from, size, usual, usual
		t.insert(i)
	}
	t.book(size)
	t.enter()
	n.base, n.typ, n.when = firstOf(base), l.Type, t.births
	n.alloc, n.align, n.kind, n.flags = here, l.Align, mem.Plain, debugUsual
	n.set(debugBusy) // until its memory is as it should be: it may fault
	if l.Zero || !fillable(l.Type) {
		usualZone(base[:usual])
		usualZone(base[usual+size:])
	} else {
		d.fills.fresh.fillAll(base)
	}
	n.set(debugLive)
	return true
}

// freeUsual is Free of a usual block of which nothing is wrong. It tells whether b
// is one, and does nothing otherwise.
func (d *Debug) freeUsual(op string, b []byte, l mem.Layout, here stack.ID) bool {
	var old debugBlock
	fate := d.dieUsual(b, l, here, &old)
	if fate == debugUndecided {
		return false
	}
	if fate == debugSuperseded && old.flags == debugUsual && d.fills.freed.is(old.base) {
		d.child.Free(old.base, old.layout()) // most often
	} else {
		d.makeRoom(op, fate, &old)
	}
	return true
}

// dieUsual ends the life of the block b if it is usual and nothing is wrong with
// it.
//
//go:norace
func (d *Debug) dieUsual(b []byte, l mem.Layout, here stack.ID, old *debugBlock) debugFate {
	t := &d.table
	t.lock()
	defer t.unlock()
	i, n := t.exact(address(b)-usual, len(b)+usualCost)
	if i == 0 || n.flags != debugUsual || n.is() != debugLive || n.size != len(b) || n.align != l.Align || n.typ != l.Type || t.closed.Load() {
		return debugUndecided
	}
	base := bytesFrom(n.base, n.size+usualCost)
	if !isUsualZone(base[:usual]) || !isUsualZone(base[len(base)-usual:]) {
		return debugUndecided
	}
	d.fills.freed.fill(base[usual : len(base)-usual])
	t.leave(n.size)
	return t.rest(n, i, here, len(base), d.o.QuarantineBlocks, d.o.QuarantineBytes, old)
}

// usualZone makes b, of that length, a zone.
//
//go:norace
func usualZone(b []byte) {
	p := (*[usual]byte)(b)
	binary.NativeEndian.PutUint64(p[0:], zoneByte*ones)
	binary.NativeEndian.PutUint64(p[8:], zoneByte*ones)
	binary.NativeEndian.PutUint64(p[16:], zoneByte*ones)
	binary.NativeEndian.PutUint64(p[24:], zoneByte*ones)
}

// isUsualZone tells whether b, of that length, is a zone that nobody wrote to.
//
//go:norace
func isUsualZone(b []byte) bool {
	p := (*[usual]byte)(b)
	return (binary.NativeEndian.Uint64(p[0:])^zoneByte*ones)|(binary.NativeEndian.Uint64(p[8:])^zoneByte*ones)|
		(binary.NativeEndian.Uint64(p[16:])^zoneByte*ones)|(binary.NativeEndian.Uint64(p[24:])^zoneByte*ones) == 0
}

// debugFills are what usual blocks are filled with.
type debugFills struct{ fresh, freed debugFill }

// A debugFill is a zone and then one byte again and again, enough for a usual
// block. To copy and to compare that is less than a loop here is, which does not
// know the instructions that the runtime does.
type debugFill [usualMost - usual]byte

func (f *debugFill) make(v byte) {
	usualZone(f[:usual])
	fillRaw(f[usual:], v)
}

// fill fills b, a block without its zones.
//
//go:norace
func (f *debugFill) fill(b []byte) { copy(b, f[usual:][:len(b)]) }

// fillAll fills b, a block with its zones, and these.
//
//go:norace
func (f *debugFill) fillAll(b []byte) {
	end := len(b) - usual
	copy(b, f[:end])
	usualZone(b[end:])
}

// is tells whether b is as fillAll leaves it.
//
//go:norace
func (f *debugFill) is(b []byte) bool {
	end := len(b) - usual
	return isUsualZone(b[end:]) && bytes.Equal(b[:end], f[:end])
}
