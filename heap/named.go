package heap

import (
	"math"
	"math/bits"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// A NamedAllocator wraps an allocator and makes it known by a name: in its
// [Registry] one sees what each part of a program holds, while it runs. It
// counts as [Counting] does, and by size besides.
//
// Names are paths, such as "cache/index": what is counted for a name is also
// counted for what stands above it, here "cache". So do not give a wrapper a
// name below that of one which it is a child of, or the same bytes count twice.
// Any number of allocators may have the same name, and are counted together.
//
// Memory comes from the child, to which every operation is passed unchanged.
// Free is the child's. Blocks live as long as the child says, and a child that
// frees many at once, as an Arena does, is not noticed: the blocks stay counted.
// For an arena, name the child that it takes its chunks from.
//
// A NamedAllocator is safe for concurrent use if its child is; all else that
// reads it always is safe. It must not be copied. Close takes it out of the
// registry; one that is made for every request and never closed is a leak. There
// is no useful zero value; call [Named] or [Registry.Named].
type NamedAllocator struct {
	copies   noCopy
	name     string
	registry *Registry
	count    *Counting
	sizes    [bits.UintSize]struct{ live, total atomic.Int64 } // by sizeBits
	used     atomic.Uint64                                     // a bit for each of sizes of which there was a block
	closed   atomic.Bool
}

var (
	_ mem.Allocator = (*NamedAllocator)(nil)
	_ mem.Unwrapper = (*NamedAllocator)(nil)
)

// Named returns child under a name in the [DefaultRegistry]. It panics if child
// is nil, or name is not a path as [Registry.Named] wants it.
func Named(child mem.Allocator, name string) *NamedAllocator {
	mustChild("heap: Named", child)
	return DefaultRegistry.named(child, name, "heap: Named")
}

// validName tells whether name is one or more words with slashes in between, and
// UTF-8, as JSON and what collects metrics want it: names that only differ in what
// is not would be one there.
func validName(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.HasPrefix(name, "/") && !strings.HasSuffix(name, "/") && !strings.Contains(name, "//")
}

// Name returns the name.
func (n *NamedAllocator) Name() string { return n.name }

// Alloc implements [mem.Allocator].
func (n *NamedAllocator) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("heap: NamedAllocator.Alloc", size)
	n.copies.check("heap: NamedAllocator.Alloc")
	if n.count == nil {
		return nil, zeroValue("heap: NamedAllocator.Alloc", "Named")
	}
	b, err := n.count.Alloc(size, l)
	if err == nil {
		n.add(size, 1)
	}
	return b, err
}

// Resize implements [mem.Allocator].
func (n *NamedAllocator) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: NamedAllocator.Resize", size)
	if n.count == nil {
		zeroValue("heap: NamedAllocator.Resize", "Named")
		return b, false
	}
	r, ok := n.count.Resize(b, l, size)
	n.resized(len(b), size, ok)
	return r, ok
}

// Remap implements [mem.Allocator].
func (n *NamedAllocator) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: NamedAllocator.Remap", size)
	if n.count == nil {
		zeroValue("heap: NamedAllocator.Remap", "Named")
		return b, false
	}
	r, ok := n.count.Remap(b, l, size)
	n.resized(len(b), size, ok)
	return r, ok
}

// Free implements [mem.Allocator].
func (n *NamedAllocator) Free(b []byte, l mem.Layout) {
	if n.count == nil {
		zeroValue("heap: NamedAllocator.Free", "Named")
		return
	}
	if freeTo(n.count, b, l) {
		n.add(len(b), -1)
	}
}

// Pointers returns the child's answer.
func (n *NamedAllocator) Pointers() mem.Pointers {
	if n.count == nil {
		return mem.PlainOnly
	}
	return n.count.Pointers()
}

// Unwrap returns the child.
func (n *NamedAllocator) Unwrap() mem.Allocator {
	if n.count == nil {
		return nil
	}
	return n.count.child
}

// Close takes n out of its registry. What was counted stays in the totals of
// the name, and what is live is not counted any more. The blocks, and n itself,
// are as good as before. Closing again does nothing. The error is always nil.
func (n *NamedAllocator) Close() error {
	if n.registry != nil && !n.closed.Swap(true) {
		n.registry.remove(n)
	}
	return nil
}

// Stats returns the counts of n alone, see [Counting.Stats], and what the child
// holds, unless that is for the whole process.
func (n *NamedAllocator) Stats() NamedStats {
	s := n.counts()
	if f, ok := footprinterOf(n.Unwrap()); ok {
		if held := f.Footprint(); !held.Process {
			s.Footprint = held
		}
	}
	return s
}

// counts returns what n has counted.
func (n *NamedAllocator) counts() NamedStats {
	var s NamedStats
	n.countInto(&s)
	return s
}

// countInto makes s what n has counted, in the room that s.Sizes has.
func (n *NamedAllocator) countInto(s *NamedStats) {
	*s = NamedStats{Name: n.name, Allocators: 1, Sizes: s.Sizes[:0]}
	if n.count == nil {
		return
	}
	s.CountingStats = n.count.Stats()
	race.Disable()
	defer race.Enable()
	for used := n.used.Load(); used != 0; used &= used - 1 {
		i := bits.TrailingZeros64(used)
		s.Sizes = append(s.Sizes, SizeStats{
			MaxSize: maxOfBits(i),
			Blocks:  max(n.sizes[i].live.Load(), 0),
			Total:   n.sizes[i].total.Load(),
		})
	}
}

// sizeBits returns the i for which 1<<i is the least power of two that is not
// less than size.
func sizeBits(size int) int { return bits.Len(uint(max(size, 1) - 1)) }

// maxOfBits returns the largest size with the given sizeBits.
func maxOfBits(i int) int {
	if i == bits.UintSize-1 {
		return math.MaxInt
	}
	return 1 << i
}

// add counts a block that came, or went if d is -1.
func (n *NamedAllocator) add(size, d int) {
	race.Disable()
	c := &n.sizes[sizeBits(size)]
	if d > 0 && c.total.Add(1) == 1 {
		n.used.Or(1 << sizeBits(size))
	}
	c.live.Add(int64(d))
	race.Enable()
}

// resized counts a block under its new size.
func (n *NamedAllocator) resized(old, size int, ok bool) {
	if ok && sizeBits(old) != sizeBits(size) {
		n.add(old, -1)
		n.add(size, 1)
	}
}

// NamedStats is a snapshot of what is counted for a name. All counts start from
// 0 when the allocator is made.
type NamedStats struct {
	// Name is the whole path.
	Name string
	// Allocators is how many there are now.
	Allocators int
	// The counts. Of several allocators the peaks are added up, and may be of
	// different moments.
	CountingStats
	// Sizes says how many blocks there are of which size, smallest first,
	// without sizes that there never was a block of.
	Sizes []SizeStats
	// Footprint is what the allocators hold that blocks of this name come from:
	// those that no other name, or only names below this one, share; see
	// [Registry.Footprints]. It is zero if there are none, or none that knows.
	Footprint mem.Footprint
}

// Fragmentation returns the share of the memory committed for a name in which
// there is no byte that was asked for, between 0 and 1: what sizes were rounded
// up by, what is free and kept, and what others use without a name. It is 0 if
// nothing is known to be committed, and for names under which something is
// watched and nothing was asked for. If some of the blocks lie in memory that is not
// in the footprint, as that of the whole process is not, it is too little.
func (s *NamedStats) Fragmentation() float64 {
	if s.Footprint.Committed <= 0 || s.TotalBlocks == 0 {
		return 0
	}
	return min(max(1-float64(s.Bytes)/float64(s.Footprint.Committed), 0), 1)
}

// SizeStats counts the blocks whose size is more than half of MaxSize and at
// most MaxSize, a power of two. A block that grew or shrank counts once more in
// the Total of its new size.
type SizeStats struct {
	MaxSize int   // bytes
	Blocks  int64 // outstanding
	Total   int64 // ever handed out
}

// add adds o to s, which has Sizes of its own.
func (s *NamedStats) add(o *NamedStats) {
	s.Allocators += o.Allocators
	s.Blocks += o.Blocks
	s.Bytes += o.Bytes
	s.PeakBlocks += o.PeakBlocks
	s.PeakBytes += o.PeakBytes
	s.TotalBlocks += o.TotalBlocks
	s.TotalBytes += o.TotalBytes
	s.Failures += o.Failures
	s.InPlace += o.InPlace
	s.Moved += o.Moved
	s.Refused += o.Refused
	s.Sizes = addSizes(s.Sizes, o.Sizes)
	s.Footprint = s.Footprint.Plus(o.Footprint)
}

// past returns what stays of s after the allocator has been closed.
func (s NamedStats) past() NamedStats {
	s.Allocators, s.Blocks, s.Bytes = 0, 0, 0
	for i := range s.Sizes {
		s.Sizes[i].Blocks = 0
	}
	return s
}

// addSizes adds b to a, in place where a has all the sizes of b.
func addSizes(a, b []SizeStats) []SizeStats {
	i := 0
	for _, s := range b {
		for i < len(a) && a[i].MaxSize < s.MaxSize {
			i++
		}
		if i == len(a) || a[i].MaxSize != s.MaxSize {
			a = slices.Insert(a, i, SizeStats{MaxSize: s.MaxSize})
		}
		a[i].Blocks += s.Blocks
		a[i].Total += s.Total
	}
	return a
}
