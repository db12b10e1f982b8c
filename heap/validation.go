package heap

import (
	"errors"
	"fmt"
	"hash/maphash"

	"github.com/allod-dev/allod/mem"
)

// Validation wraps an allocator and checks that both sides keep to the contract
// of [mem.Allocator]: the program that calls it, and the child that serves it.
// Want it while writing an allocator, and around one whose callers are in doubt.
// It finds that a block is not what was asked for, overlaps another, is not
// zero, loses its contents or moves when it must not; and that a block given
// back is not live, or has another size, alignment or type. It finds nothing
// that happens between calls, such as writes past the end of a block: that is
// for allocators made to find bugs in programs.
//
// Memory comes from the child, to which every operation is passed unchanged,
// except those that break the contract, which go no further. Free is the
// child's. Blocks live as long as the child says; if the child frees many at
// once, as an Arena does, say so with [Validation.Reset].
//
// A Validation is safe for concurrent use if its child is. But nobody may write
// to a block while it is resized, as those do who got parts of it from a
// [ConcurrentArena] above: the new contents would count as the child's doing. It
// must not be copied. The zero Validation has no child; call [NewValidation].
//
// What is found is reported as [Misuse]: of kind [ChildLied] if it is the
// child's doing. If the handler returns, a call that the caller got wrong is
// refused, and so is an Alloc that the child got wrong; its block is left alone
// if it is not what was asked for, since then nobody knows how to free it.
//
// Contents are read, never written. Of blocks larger than 1 MiB both ends and a
// sample of every page are looked at. Each operation costs O(log n) in the
// number of live blocks, and their table is memory of the Go heap, as large as
// the most that were live at a time.
type Validation struct {
	copies   noCopy
	child    mem.Allocator
	pointers mem.Pointers // child's first answer
	table    blockTable
}

var _ mem.Allocator = (*Validation)(nil)

// The table is changed before the child gives memory away and after it has
// taken memory, never the other way round, so that no other goroutine can get a
// block that the table still holds to be part of another: Free takes the block
// out first, Resize shrinks it first and grows it afterwards, Remap takes it out
// and puts the result in. A Resize keeps its block marked, and a Remap keeps it
// on a list, so that a second call for the same block in the meantime is told
// from one for a block that is dead. Reports are made when the lock is free.

// errLied and errMisused are what Alloc returns should the handler return.
var (
	errLied    = errors.New("heap: Validation: the child broke the contract")
	errMisused = errors.New("heap: Validation: the request breaks the contract")
)

// NewValidation returns child with both sides of the contract checked.
func NewValidation(child mem.Allocator) *Validation {
	mustChild("heap: NewValidation", child)
	return &Validation{child: child, pointers: child.Pointers()}
}

// Alloc implements [mem.Allocator].
func (v *Validation) Alloc(size int, l mem.Layout) ([]byte, error) {
	const op = "heap: Validation.Alloc"
	v.copies.check("heap: Validation.Alloc")
	mem.CheckSize(op, size)
	if v.child == nil {
		return nil, zeroValue(op, "NewValidation")
	}
	if !wholeElements(op, nil, l.Kind, l.Type, size) {
		return nil, errMisused
	}
	b, err := v.child.Alloc(size, l)
	switch {
	case err != nil:
		if b != nil {
			misuse(ChildLied, op, b, "the child returned an error and a block: "+err.Error())
		}
		return nil, err
	case len(b) == 0:
		misuse(ChildLied, op, nil, "the child returned neither a block nor an error")
		return nil, errLied
	case !rightShape(op, b, size, l):
		return nil, errLied
	case l.Kind == mem.Managed && v.pointers != mem.Scanned:
		misuse(ChildLied, op, b, "the child served a managed block, although it answers "+v.pointers.String())
		v.child.Free(b, l)
		return nil, mem.Refuse(l)
	case (l.Zero || l.Kind != mem.Plain) && !isZero(b):
		misuse(ChildLied, op, b, "the block is not zero, as was asked")
		v.child.Free(b, l)
		return nil, errLied
	}
	if other := v.table.admit(block{b, l.Align, l.Kind, l.Type}); other.b != nil {
		misuse(ChildLied, op, b, overlaps(other))
		return nil, errLied
	}
	return b, nil
}

// Resize implements [mem.Allocator].
func (v *Validation) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	const op = "heap: Validation.Resize"
	mem.CheckSize(op, size)
	if v.child == nil {
		zeroValue(op, "NewValidation")
		return b, false
	}
	k, found := v.table.hold(b, l, size)
	if found.kind != 0 {
		found.report(op, b, l, k)
		return b, false
	}
	now := b // what the table is to hold
	settled := false
	defer func() {
		if !settled { // the child was not asked, or panicked
			v.table.settle(b)
		}
	}()
	if !wholeElements(op, b, k.kind, k.typ, size) {
		return b, false
	}
	keep := b[:min(len(b), size)]
	before := digest(keep)
	r, ok := v.child.Resize(b, l, size)
	lied := false
	switch {
	case ok && address(r) != address(b):
		misuse(ChildLied, op, b, "the child moved the block in Resize")
		lied = true
	case ok && !rightShape(op, r, size, l):
		lied = true
	case ok:
		now = r
	case address(r) != address(b) || len(r) != len(b):
		misuse(ChildLied, op, b, "the child refused and returned another block")
	}
	settled = true
	if other := v.table.settle(now); other.b != nil {
		misuse(ChildLied, op, now, overlaps(other))
	}
	if lied {
		return b, false // and not looked at: who knows where it is
	}
	kept(op, now, before, digest(keep))
	grownZero(op, now, len(b), k, l)
	return now, ok
}

// Remap implements [mem.Allocator].
func (v *Validation) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	const op = "heap: Validation.Remap"
	mem.CheckSize(op, size)
	if v.child == nil {
		zeroValue(op, "NewValidation")
		return b, false
	}
	k, found := v.table.lift(b, l)
	if found.kind != 0 {
		found.report(op, b, l, k)
		return b, false
	}
	now := k // what the table is to hold
	landed := false
	defer func() {
		if !landed { // the child was not asked, or panicked
			v.table.land(k, k)
		}
	}()
	if !wholeElements(op, b, k.kind, k.typ, size) {
		return b, false
	}
	keep := min(len(b), size)
	before := digest(b[:keep])
	r, ok := v.child.Remap(b, l, size)
	lied := false
	switch {
	case ok && !rightShape(op, r, size, l):
		lied = true
	case ok:
		now.b = r
		if address(r) != address(b) && v.stays(k.kind) {
			misuse(ChildLied, op, r, "the child moved a block with pointers, which only the typed layer may copy")
		}
	case address(r) != address(b) || len(r) != len(b):
		misuse(ChildLied, op, b, "the child refused and returned another block")
	}
	landed = true
	if other := v.table.land(k, now); other.b != nil {
		misuse(ChildLied, op, now.b, overlaps(other))
	}
	if lied {
		return b, false // and not looked at: who knows where it is
	}
	kept(op, now.b, before, digest(now.b[:keep]))
	grownZero(op, now.b, len(b), k, l)
	return now.b, ok
}

// stays tells whether blocks of this kind must not be moved by the child.
func (v *Validation) stays(kind mem.Kind) bool {
	return kind == mem.Managed || kind == mem.Local && v.pointers == mem.Scanned
}

// Free implements [mem.Allocator].
func (v *Validation) Free(b []byte, l mem.Layout) {
	const op = "heap: Validation.Free"
	if v.child == nil {
		zeroValue(op, "NewValidation")
		return
	}
	k, found := v.table.take(b, l)
	if found.kind != 0 {
		found.report(op, b, l, k)
		return
	}
	taken := false
	defer func() {
		if !taken { // the child reported it or panicked, and has it still
			v.table.admit(k)
		}
	}()
	taken = freeTo(v.child, b, l)
}

// Pointers returns the child's answer, and reports one that has changed.
func (v *Validation) Pointers() mem.Pointers {
	if v.child == nil {
		return mem.PlainOnly
	}
	if now := v.child.Pointers(); now != v.pointers {
		misuse(ChildLied, "heap: Validation.Pointers", nil,
			"the child answers "+now.String()+", and answered "+v.pointers.String()+" before")
	}
	return v.pointers
}

// Unwrap returns the child.
func (v *Validation) Unwrap() mem.Allocator { return v.child }

// Live returns the number of blocks that are live, and of bytes in them.
func (v *Validation) Live() (blocks, bytes int) { return v.table.size() }

// Reset forgets all live blocks. Call it when the child has freed them behind
// the back of the Validation: by the Reset of an Arena, for instance. None may
// be in use by another call.
func (v *Validation) Reset() { v.table.reset() }

// report describes what the caller got wrong with b, given that k is the block
// that was found there.
func (f finding) report(op string, b []byte, l mem.Layout, k block) {
	hint := ""
	switch f.kind {
	case ForeignFree:
		hint = hintForeign
	case InteriorFree:
		hint = fmt.Sprintf("it is %d bytes into a live block of %d", address(b)-address(k.b), len(k.b))
	case DoubleFree:
		hint = "the block was freed, or moved by Remap, before"
	case ConcurrentUse:
		hint = "another goroutine is resizing the block"
	case SizeMismatch:
		hint = fmt.Sprintf("the block has %d bytes", len(k.b))
	case AlignMismatch:
		hint = fmt.Sprintf("the block is aligned to %v, not %v", k.align, l.Align)
	case TypeMismatch:
		hint = fmt.Sprintf("the block holds %v, not %v", k.typ, l.Type)
	}
	report(&Misuse{Kind: f.kind, Op: op, Addr: address(b), Size: len(b), Hint: hint, Other: f.other})
}

// wholeElements reports a request for a block that is not plain unless it is for
// whole elements of a type.
func wholeElements(op string, b []byte, kind mem.Kind, t mem.Type, size int) bool {
	if kind == mem.Plain {
		return true
	}
	hint := ""
	switch {
	case kind > mem.Managed:
		hint = kind.String() + " is none"
	case t == mem.Type{}:
		hint = "a " + kind.String() + " block must have a type"
	case t.Size() == 0 || size%t.Size() != 0:
		hint = fmt.Sprintf("%d bytes are not a whole number of %v, of %d bytes each", size, t, t.Size())
	default:
		return true
	}
	misuse(TypeMismatch, op, b, hint)
	return false
}

// rightShape reports a block that is not size bytes aligned as asked.
func rightShape(op string, b []byte, size int, l mem.Layout) bool {
	switch {
	case len(b) != size || cap(b) != size:
		misuse(ChildLied, op, b, fmt.Sprintf("the child returned %d bytes with room for %d, not %d", len(b), cap(b), size))
	case !l.Align.Check(address(b)):
		misuse(ChildLied, op, b, fmt.Sprintf("the block is not aligned to %v bytes", l.Align))
	default:
		return true
	}
	return false
}

// kept reports a block whose contents have changed.
func kept(op string, b []byte, before, after uint64) {
	if before != after {
		misuse(ChildLied, op, b, "the child did not keep the contents")
	}
}

// grownZero reports a block that grew from old bytes, if what it grew by is not
// as Alloc would give it.
func grownZero(op string, b []byte, old int, k block, l mem.Layout) {
	if len(b) > old && (l.Zero || l.Kind != mem.Plain || k.kind != mem.Plain) && !isZero(b[old:]) {
		misuse(ChildLied, op, b, "the bytes that the block grew by are not zero, as was asked")
	}
}

func overlaps(other block) string {
	return fmt.Sprintf("the block overlaps a live one of %d bytes at %#x", len(other.b), address(other.b))
}

// sample returns the i-th part of n bytes that is looked at, and an empty one
// after the last. Up to 1 MiB that is everything.
func sample(n, i int) (from, to int) {
	const whole, end, stride, line = 1 << 20, 64 << 10, 4 << 10, 64
	switch {
	case n <= whole && i == 0:
		return 0, n
	case n <= whole:
		return 0, 0
	case i == 0:
		return 0, end
	case i == 1:
		return n - end, n
	}
	from = end + (i-2)*stride
	if from >= n-end {
		return 0, 0
	}
	return from, from + line
}

var digestSeed = maphash.MakeSeed()

// digest returns a hash of what is looked at of b.
func digest(b []byte) uint64 {
	h := uint64(0)
	for i := 0; ; i++ {
		from, to := sample(len(b), i)
		if to == 0 {
			return h
		}
		h = mix64(h) ^ maphash.Bytes(digestSeed, b[from:to])
	}
}

var zeroes [4 << 10]byte

// isZero tells whether what is looked at of b is zero.
func isZero(b []byte) bool {
	for i := 0; ; i++ {
		from, to := sample(len(b), i)
		if to == 0 {
			return true
		}
		for part := b[from:to]; len(part) > 0; {
			n := min(len(part), len(zeroes))
			if string(part[:n]) != string(zeroes[:n]) {
				return false
			}
			part = part[n:]
		}
	}
}
