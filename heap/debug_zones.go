package heap

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"github.com/allod-dev/allod/internal/asan"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/rtype"
	"github.com/allod-dev/allod/mem"
)

// What a Debug does to memory, and finds in it.
//
// Around a block are two zones. In memory that the collector does not look at
// they hold zoneByte; in memory that is typed they are whole elements, which
// stay as zero as the child served them. Nothing of these is written to, unless
// damage is repaired, by Type.Clear.
//
// The functions that read and write memory are not instrumented: the race
// detector would take Check for a reader of what a block's owner has written.
// That the block itself is written when it dies is told by race.Free.

const (
	zoneByte     = 0xBD
	maxZone      = 64 << 10
	maxZoneUnit  = 64 << 10 // elements larger than this have no zones
	maxZoneAlign = 22       // log2 of the largest alignment with a zone in front
)

// plan makes k, which is zero, a block for a request of size bytes, without its
// memory.
func (d *Debug) plan(k *debugBlock, size int, l mem.Layout) {
	k.size, k.typ, k.align, k.kind = size, l.Type, l.Align, l.Kind
	k.front = d.front(size, l)
	if l.Kind != mem.Plain || l.Type.HasPointers() {
		if d.pointers == mem.Scanned {
			k.flags |= debugScans
		}
		if l.Type.Size() == 0 || size%l.Type.Size() != 0 {
			k.flags |= debugOpaque
		}
	}
}

// front returns where in the child's memory a block is to start.
func (d *Debug) front(size int, l mem.Layout) uint32 {
	if d.zone == 0 || l.Align.Log2() > maxZoneAlign {
		return 0
	}
	if l.Kind == mem.Plain && !l.Type.HasPointers() {
		return uint32(roundUp(d.zone, l.Align.Bytes()))
	}
	unit := l.Type.Size()
	if unit == 0 || unit > maxZoneUnit || size%unit != 0 {
		return 0
	}
	// Elements of an odd multiple of 2^n bytes are aligned to 2^m every 2^(m-n).
	shift := max(0, l.Align.Log2()-bits.TrailingZeros(uint(unit)))
	if unit > 1<<maxZoneAlign>>shift {
		return 0
	}
	return uint32(roundUp(d.zone, unit<<shift))
}

// roundUp returns the smallest multiple of step that is not below n.
//
//go:norace
func roundUp(n, step int) int {
	if step&(step-1) == 0 {
		return (n + step - 1) &^ (step - 1)
	}
	return (n + step - 1) / step * step
}

// unit returns what the size of a request for k's memory is a multiple of.
func (n *debugBlock) unit() int {
	if n.kind != mem.Plain || n.typ.HasPointers() {
		return n.typ.Size()
	}
	return 1
}

// total returns how many bytes the child is asked for so that the block has size
// of them.
func (n *debugBlock) total(size, zone int) (total int, ok bool) {
	back := 0
	if unit := n.unit(); zone > 0 && !n.flags.opaque() && unit <= maxZoneUnit {
		back = roundUp(zone, unit)
	}
	extra := int(n.front) + back
	if size > math.MaxInt-extra {
		return 0, false
	}
	return size + extra, true
}

// zones returns what is watched in front of the block and behind it.
//
//go:norace
func (d *Debug) zones(n *debugBlock) (before, after []byte) {
	front, end := int(n.front), int(n.front)+n.size
	return n.base[max(0, front-max(d.zone, n.watched())):front], n.base[end:]
}

// watched is how many bytes a zone has at least if there is one.
//
//go:norace
func (n *debugBlock) watched() int {
	if n.flags.scans() || n.flags.guarded() {
		return min(int(n.front), maxZoneUnit)
	}
	return 0
}

// dress prepares the memory of a block that had old bytes, or 0 if it is new,
// for its owner: zones around it, and what it grew by as a new block has it.
func (d *Debug) dress(n *debugBlock, old int, zero bool) {
	b := n.block()
	switch {
	case n.flags.scans():
		// What is new is zero: the child made it so, or it was a zone. What was cut
		// off and is a zone now is not.
		if old > n.size {
			rest := n.base[int(n.front)+n.size:]
			n.clear(rest[:min(len(rest), old-n.size)])
		}
		return
	case n.size > old && (zero || n.kind != mem.Plain || !fillable(n.typ)):
		if old > 0 {
			clearRaw(b[old:min(n.size, old+d.zone+maxZoneUnit)]) // it was a zone
		}
	case n.size > old && !d.o.NoFill:
		fillRaw(b[old:], d.o.Fresh)
	}
	before, after := d.zones(n)
	if old == 0 {
		fillRaw(before, zoneByte)
	}
	if !n.flags.opaque() && d.zone > 0 {
		fillRaw(after, zoneByte)
	}
}

// usualZones tells whether n, which lies from front to end, has two zones of the
// usual length.
//
//go:norace
func (d *Debug) usualZones(n *debugBlock, front, end int) bool {
	return d.zone == usual && front >= usual && len(n.base)-end == usual && !n.flags.scans() && !n.flags.guarded()
}

// fillable tells whether a block of plain values of type t may hold anything: a
// bool must not.
func fillable(t mem.Type) bool {
	if t == (mem.Type{}) {
		return true
	}
	r := t.Reflect()
	return !rtype.FactsOf(r).Bools && !t.HasPointers()
}

// undress clears or fills the memory of a block that dies.
func (d *Debug) undress(n *debugBlock) {
	switch {
	case n.flags.scans():
		n.clear(n.block())
	case d.o.NoFill:
	default:
		fillRaw(n.block(), d.freed(n))
	}
}

// poison makes the address sanitizer, where it is, report whoever touches a block
// in quarantine.
//
//go:norace
func (d *Debug) poison(n *debugBlock) {
	if asan.Enabled && !n.flags.guarded() {
		asan.Poison(n.block())
	}
}

// unpoison undoes poison.
//
//go:norace
func (d *Debug) unpoison(n *debugBlock) {
	if asan.Enabled && !n.flags.guarded() {
		asan.Unpoison(n.block())
	}
}

// freed returns what a dead block is filled with. A pointer made of it must not
// lead anywhere; on 32 bits there is no address that surely does not but 0.
//
//go:norace
func (d *Debug) freed(n *debugBlock) byte {
	if n.flags.scans() || n.kind != mem.Plain && bits.UintSize == 32 {
		return 0
	}
	return d.o.Freed
}

// clear zeroes elements in memory that the collector sees as typed.
func (n *debugBlock) clear(b []byte) {
	if !n.flags.opaque() {
		n.typ.Clear(b)
	}
}

// damage is what is wrong with a block; positions count from its start. Nothing
// is nil.
type damage struct {
	under, over, dead    bool
	underAt, overAt      int // the byte next to the block that was written
	deadAt               int // the first
	underN, overN, deadN int // bytes that were written
}

// inspect looks at the zones of a live block, and repairs them.
//
//go:norace
func (d *Debug) inspect(n *debugBlock) *damage {
	if d.zone == 0 || n.flags.opaque() {
		return nil
	}
	if front, end := int(n.front), int(n.front)+n.size; d.usualZones(n, front, end) && isUsualZone(n.base[front-usual:front]) && isUsualZone(n.base[end:]) {
		return nil
	}
	before, after := d.zones(n)
	want := byte(zoneByte)
	if n.flags.scans() {
		want = 0
	}
	under, over := differs(before, want), differs(after, want)
	if under < 0 && over < 0 {
		return nil
	}
	h := new(damage)
	if under >= 0 {
		h.under = true
		for i := under; i < len(before); i++ {
			if before[i] != want {
				h.underAt = i - len(before)
				h.underN++
			}
		}
		d.repair(n, before)
	}
	if over >= 0 {
		h.over, h.overAt = true, n.size+over
		h.overN = unlike(after[over:], want)
		d.repair(n, after)
	}
	return h
}

// autopsy looks at a block in quarantine, and repairs it.
//
//go:norace
func (d *Debug) autopsy(n *debugBlock) *damage {
	if n.flags.sealed() {
		return nil // nobody could write to it
	}
	if d.table.usual && n.flags == debugUsual && d.fills.freed.is(n.base) {
		return nil
	}
	h := d.inspect(n)
	if n.flags.opaque() || d.o.NoFill && !n.flags.scans() {
		return h
	}
	b := n.block()
	want := d.freed(n)
	i := differs(b, want)
	if i < 0 {
		return h
	}
	if h == nil {
		h = new(damage)
	}
	h.dead, h.deadAt, h.deadN = true, i, unlike(b[i:], want)
	if n.flags.scans() {
		n.clear(b)
	} else {
		fillRaw(b, want)
	}
	return h
}

// unlike returns how many bytes of b are not want.
//
//go:norace
func unlike(b []byte, want byte) (n int) {
	for i := range b {
		if b[i] != want {
			n++
		}
	}
	return n
}

// repair makes a zone, or what is watched of it, what it was.
//
//go:norace
func (d *Debug) repair(n *debugBlock, zone []byte) {
	if n.flags.scans() {
		n.clear(zone)
		return
	}
	fillRaw(zone, zoneByte)
}

// differs returns the position of the first byte of b that is not want, or -1.
//
//go:norace
func differs(b []byte, want byte) int {
	if !race.Enabled && len(b) >= long && b[0] == want && bytes.Equal(b[:len(b)-1], b[1:]) {
		return -1 // each is like the one before
	}
	words := uint64(want) * ones
	i := 0
	for ; len(b)-i >= 32; i += 32 {
		p := (*[32]byte)(b[i:])
		if (binary.NativeEndian.Uint64(p[0:])^words)|(binary.NativeEndian.Uint64(p[8:])^words)|
			(binary.NativeEndian.Uint64(p[16:])^words)|(binary.NativeEndian.Uint64(p[24:])^words) != 0 {
			break
		}
	}
	for ; len(b)-i >= 8; i += 8 {
		if binary.NativeEndian.Uint64(b[i:]) != words {
			break
		}
	}
	for ; i < len(b); i++ {
		if b[i] != want {
			return i
		}
	}
	return -1
}

const ones = 0x0101010101010101 // times a byte is that byte eight times

// long is how many bytes make up for the call of a function of the runtime. The
// race detector watches these functions.
const long = 128

// fillRaw sets every byte of b, which the collector does not look at, to v.
//
//go:norace
func fillRaw(b []byte, v byte) {
	rest := b
	if !race.Enabled && len(b) >= 2*long {
		rest = b[:long]
	}
	words := uint64(v) * ones
	i := 0
	for ; len(rest)-i >= 32; i += 32 {
		p := (*[32]byte)(rest[i:])
		binary.NativeEndian.PutUint64(p[0:], words)
		binary.NativeEndian.PutUint64(p[8:], words)
		binary.NativeEndian.PutUint64(p[16:], words)
		binary.NativeEndian.PutUint64(p[24:], words)
	}
	for ; len(rest)-i >= 8; i += 8 {
		binary.NativeEndian.PutUint64(rest[i:], words)
	}
	for ; i < len(rest); i++ {
		rest[i] = v
	}
	for n := i; n < len(b); n += copy(b[n:], b[:min(n, 8<<10)]) { // which stays in the cache
	}
}

// clearRaw zeroes b, which the collector does not look at.
//
//go:norace
func clearRaw(b []byte) { fillRaw(b, 0) }

// lied tells what the child got wrong in a block, or nothing.
func lied(b []byte, size int, l mem.Layout) string {
	if isAsAsked(b, size, l) {
		return ""
	}
	return lie(b, size, l)
}

// isAsAsked tells whether lied finds nothing.
func isAsAsked(b []byte, size int, l mem.Layout) bool {
	return len(b) == size && cap(b) == size && l.Align.Check(address(b))
}

func lie(b []byte, size int, l mem.Layout) string {
	switch {
	case len(b) == 0:
		return "the child returned neither a block nor an error"
	case len(b) != size || cap(b) != size:
		return fmt.Sprintf("the child returned %d bytes with room for %d, not %d", len(b), cap(b), size)
	}
	return fmt.Sprintf("the block is not aligned to %v bytes", l.Align)
}

// unfit tells why a request for a block that is not plain is not for whole
// elements of a type, or nothing.
func unfit(size int, kind mem.Kind, t mem.Type) string {
	switch {
	case kind == mem.Plain:
		return ""
	case kind > mem.Managed:
		return kind.String() + " is none"
	case t == mem.Type{}:
		return "a " + kind.String() + " block must have a type"
	case t.Size() == 0 || size%t.Size() != 0:
		return fmt.Sprintf("%d bytes are not a whole number of %v, of %d bytes each", size, t, t.Size())
	}
	return ""
}

func (n *debugBlock) overlapped() string {
	return fmt.Sprintf("the block overlaps one of %d bytes at %#x", n.size, n.addr())
}
