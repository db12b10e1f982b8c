package heap

import (
	"math"
	"math/bits"
	"reflect"
	"runtime"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/rt"
	"github.com/allod-dev/allod/internal/rtype"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

// GC is Go's collected heap as an allocator: the one that is safe for every
// type, because the collector sees the pointers in its blocks. Want it where a
// type holds Go pointers, as the child of an [Arena] or a [Pool] of such types,
// and where a program does not care.
//
// Memory comes from make and new. The runtime cannot report that memory ran
// out, it ends the program; so a block larger than the machine's memory (64 GiB
// where that cannot be told; never more than 512 MiB on 32 bits and on wasm) is
// refused with [mem.ErrTooLarge]. That is no promise for anything smaller.
// [NewGC] takes another limit.
//
// Free is a hint: the collector reclaims a block when nothing refers to it any
// more, freed or not. A block that was freed and is still used is therefore
// harmless here, and wrong everywhere else; the race detector reports it if
// another goroutine is in it. GC cannot tell whether a block given to Free is
// its own, and need not: nothing happens to it.
//
// Alignments beyond 8 MiB are refused with [mem.ErrTooLarge]: what aligns a block
// is more memory.
//
// A block lives as long as something refers to it. GC is safe for concurrent
// use. The zero GC is ready and may be copied; all are equal.
type GC struct{}

// CappedGC is [GC] with a limit of its own for the size of a block. It is made
// by [NewGC], safe for concurrent use and must not be changed; in all else it
// is GC.
type CappedGC struct {
	limit int
}

// GCOptions are the settings of [NewGC].
type GCOptions struct {
	// MaxSize is the size in bytes of the largest block that is served, 0
	// meaning the default of [GC]. The runtime ends the program if it cannot
	// find the memory for a block that is allowed. What it cannot even address
	// is refused whatever MaxSize is.
	MaxSize int
}

var (
	_ mem.Allocator = GC{}
	_ mem.Allocator = (*CappedGC)(nil)
)

// Alignment is what is left to do on top of make. The runtime promises that of
// the type and nothing more, but it serves blocks from spans that start on a
// page of 8 KiB and are cut into equal slots, so that most are aligned far
// better. What it does is never relied on: every address is looked at, and a
// block that came out wrong is left to the collector and asked for again, with
// enough memory around it that some part must be right.
//
// For a block with pointers that part must start on an element, or the pointer
// map of the memory would not fit what is stored. Elements of a size that is an
// odd multiple of 2^k reach every multiple of 2^k within 2^(align-k) elements
// if the first is on one. The first is on a multiple of 8 KiB if the block has
// a span of its own, as every block above largeBlock bytes has.

const (
	spanAlign   = 13        // log2 of the runtime's page
	largeBlock  = 32 << 10  // larger blocks have pages of their own
	mostPadding = 8 << 20   // what aligning a block beyond the page may cost
	surelyFits  = 1 << 20   // no machine that runs Go is too small for this
	unknownCap  = 64 << 30  // for a machine that does not tell its memory
	smallCap    = 512 << 20 // where the address space is the bound: see narrow
	narrow      = bits.UintSize == 32 || runtime.GOARCH == "wasm"
)

// gcReach is less than the runtime can address: past that make panics.
const gcReach = min(math.MaxInt, 1<<46) - 1<<20

// gcCap returns the size of the largest block that GC serves.
func gcCap() int {
	most := min(unknownCap, math.MaxInt)
	if n := vm.PhysicalMemory(); n != 0 {
		most = min(n, gcReach)
	}
	if narrow {
		most = min(most, smallCap)
	}
	return most
}

// NewGC returns Go's collected heap with the given limit. It panics if MaxSize
// is negative.
func NewGC(o GCOptions) *CappedGC {
	switch {
	case o.MaxSize < 0:
		panic("heap: NewGC: negative MaxSize")
	case o.MaxSize == 0:
		return &CappedGC{gcCap()}
	}
	return &CappedGC{min(o.MaxSize, gcReach)}
}

// Alloc implements [mem.Allocator]. It panics if a block that is not plain has
// no type, or is not a whole number of elements.
func (GC) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("heap: GC.Alloc", size)
	if size > surelyFits && size > gcCap() {
		return nil, mem.ErrTooLarge
	}
	return gcAlloc(size, l, surelyFits)
}

// Resize implements [mem.Allocator]. It shrinks, and never grows: what follows
// the block is not known to be free.
func (GC) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: GC.Resize", size)
	return gcResize(b, l, size)
}

// Remap implements [mem.Allocator] as Resize does.
func (GC) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: GC.Remap", size)
	return gcResize(b, l, size)
}

// Free implements [mem.Allocator]. It does nothing, except that under the race
// detector it counts as a write to the block.
func (GC) Free(b []byte, _ mem.Layout) { race.Free(b) }

// Pointers returns [mem.Scanned].
func (GC) Pointers() mem.Pointers { return mem.Scanned }

// Alloc implements [mem.Allocator]; see [GC.Alloc].
func (g *CappedGC) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("heap: CappedGC.Alloc", size)
	if size > g.limit {
		return nil, mem.ErrTooLarge
	}
	return gcAlloc(size, l, g.limit)
}

// Resize implements [mem.Allocator]; see [GC.Resize].
func (g *CappedGC) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: CappedGC.Resize", size)
	return gcResize(b, l, size)
}

// Remap implements [mem.Allocator]; see [GC.Remap].
func (g *CappedGC) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: CappedGC.Remap", size)
	return gcResize(b, l, size)
}

// Free implements [mem.Allocator]; see [GC.Free].
func (g *CappedGC) Free(b []byte, _ mem.Layout) { race.Free(b) }

// Pointers returns [mem.Scanned].
func (g *CappedGC) Pointers() mem.Pointers { return mem.Scanned }

// gcAlloc serves a block whose size is allowed. What alignment adds may exceed
// limit, but not what GC serves.
func gcAlloc(size int, l mem.Layout, limit int) ([]byte, error) {
	if l.Kind != mem.Plain {
		return gcTyped(size, l, limit)
	}
	// In a slot whose size is a multiple of the alignment the block is aligned,
	// unless the runtime picks a larger slot that is not.
	log2 := l.Align.Log2()
	if log2 <= spanAlign {
		mask := int(l.Align.Mask())
		if n := size + mask; n > 0 {
			b := make([]byte, size, n&^mask)
			if l.Align.Check(address(b)) {
				return b[:size:size], nil
			}
		}
	}
	mask := l.Align.Mask()
	if mask >= mostPadding {
		return nil, mem.ErrTooLarge // the runtime clears the padding, too
	}
	total, ok := padded(size, int(mask), limit)
	if !ok {
		return nil, mem.ErrTooLarge
	}
	b := make([]byte, total)
	at := l.Align.Pad(address(b))
	return b[at : at+size : at+size], nil
}

// padded returns size+extra, unless that is more than may be asked for.
func padded(size, extra, limit int) (total int, ok bool) {
	if most := max(limit, surelyFits); size > most || extra > most-size {
		if most = max(limit, gcCap()); size > most || extra > most-size {
			return 0, false
		}
	}
	return size + extra, true
}

// gcTyped serves a block of elements that may hold pointers.
func gcTyped(size int, l mem.Layout, limit int) ([]byte, error) {
	t := l.Type.Reflect()
	if t == nil {
		panic("heap: GC.Alloc: " + l.Kind.String() + " block without a Type")
	}
	elem := l.Type.Size()
	if elem == 0 || size%elem != 0 {
		panic("heap: GC.Alloc: not a whole number of " + t.String())
	}
	if !l.Type.HasPointers() {
		l.Kind = mem.Plain
		return gcAlloc(size, l, limit)
	}
	n := size / elem
	if l.Align.Log2() <= bits.TrailingZeros(uint(t.Align())) {
		return gcArray(t, n, elem), nil
	}
	return gcTypedAligned(size, n, elem, t, l.Align, limit)
}

// gcArray returns n elements of type t as the bytes they are.
func gcArray(t reflect.Type, n, elem int) []byte {
	return bytesAt(rt.NewArray(rtype.Of(t), n), n*elem)
}

// gcTypedAligned serves n elements at an alignment that their type does not
// ask for.
func gcTypedAligned(size, n, elem int, t reflect.Type, align mem.Alignment, limit int) ([]byte, error) {
	log2 := align.Log2()
	k := bits.TrailingZeros(uint(elem))
	if log2 > spanAlign && k > spanAlign {
		return nil, mem.ErrTooLarge // every element may be off by a page
	}
	if log2 >= bits.UintSize-2 {
		return nil, mem.ErrTooLarge
	}
	// Among this many elements one is aligned, if the first is on a multiple of
	// 2^k.
	period := 1 << max(log2-k, 0)
	if log2 <= spanAlign {
		// Tried first: a whole period more, if that stays small. It fails where
		// the runtime puts a header of 8 bytes in front. A block with pages of
		// its own then does not.
		if size <= largeBlock && period-1 <= (largeBlock-size)/elem {
			b := gcArray(t, n+period-1, elem)
			if b, ok := alignElements(b, size, elem, align, period); ok {
				return b, nil
			}
		}
		b := gcArray(t, max(n, largeBlock/elem+1), elem)
		if b, ok := alignElements(b, size, elem, align, 1); ok {
			return b, nil
		}
	}
	// More than a page, or a runtime that lays out large blocks otherwise.
	if period-1 > mostPadding/elem {
		return nil, mem.ErrTooLarge
	}
	if _, ok := padded(size, (period-1)*elem, limit); !ok {
		return nil, mem.ErrTooLarge
	}
	count := max(n+period-1, largeBlock/elem+1)
	b, ok := alignElements(gcArray(t, count, elem), size, elem, align, period)
	if !ok {
		return nil, mem.ErrTooLarge
	}
	return b, nil
}

// alignElements returns the first size bytes of b that start on one of the
// first tries elements and are aligned.
func alignElements(b []byte, size, elem int, align mem.Alignment, tries int) ([]byte, bool) {
	for i := range tries {
		if at := i * elem; align.Check(address(b) + uintptr(at)) {
			return b[at : at+size : at+size], true
		}
	}
	return nil, false
}

// gcResize shrinks. What the vacated elements point to may then be collected.
func gcResize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	if size > len(b) {
		return b, false
	}
	if l.Type.HasPointers() {
		l.Type.Clear(b[size:])
	}
	return b[:size:size], true
}
