package heap

import (
	"fmt"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// Counting wraps an allocator and counts what passes through: blocks and bytes
// that are outstanding, their peaks and totals, failures and resizes. Want it to
// see what a part of a program uses, and whether it gives all of it back. It
// counts the bytes that were asked for; what the child spends on top shows in a
// Counting below the child.
//
// Memory comes from the child, to which every operation is passed unchanged.
// Free is the child's. Blocks live as long as the child says, and a child that
// frees many at once, as an Arena does, is not noticed: the blocks stay counted.
//
// A Counting is safe for concurrent use if its child is; [Counting.Stats] and
// [Counting.ResetPeak] always are. It must not be copied. The zero Counting has
// no child; call [NewCounting].
type Counting struct {
	copies noCopy
	child  mem.Allocator

	liveBlocks, liveBytes   atomic.Int64 // < 0 only while a foreign block is being refused
	peakBlocks, peakBytes   atomic.Int64 // >= live, once every call has returned
	totalBlocks, totalBytes atomic.Int64 // raised before live, so never less
	failures                atomic.Int64
	inPlace, moved, refused atomic.Int64
}

var _ mem.Allocator = (*Counting)(nil)

// A block is counted after the child has made it and until before the child
// frees it, so that live never exceeds what is live below: the peak above a
// Limit does not exceed the limit, whatever the goroutines do. Live has counters
// of its own, although it is total less freed, because only the result of one
// addition is a value that was true at some moment, as a peak must be.
//
// All counters have 64 bits on every machine. A counter per goroutine, summed
// when asked, was rejected: it has no peak.

// CountingStats is a snapshot of a [Counting]. All counts start from 0 when the
// Counting is made.
type CountingStats struct {
	// Blocks and Bytes are outstanding now.
	Blocks, Bytes int64
	// PeakBlocks and PeakBytes are the most that were outstanding at one time,
	// since the last [Counting.ResetPeak]. The two peaks may be of two moments.
	PeakBlocks, PeakBytes int64
	// TotalBlocks and TotalBytes were ever handed out; bytes that a block grew
	// by are among them.
	TotalBlocks, TotalBytes int64
	// Failures is how many times Alloc returned an error.
	Failures int64
	// InPlace, Moved and Refused are how many calls of Resize and Remap left the
	// block where it was, moved it, or returned false.
	InPlace, Moved, Refused int64
}

// Sub returns the change from an earlier snapshot to s. Blocks and Bytes are
// then how many more there are, negative if there are fewer; the peaks, which
// have no difference, are those of s.
func (s CountingStats) Sub(earlier CountingStats) CountingStats {
	s.Blocks -= earlier.Blocks
	s.Bytes -= earlier.Bytes
	s.TotalBlocks -= earlier.TotalBlocks
	s.TotalBytes -= earlier.TotalBytes
	s.Failures -= earlier.Failures
	s.InPlace -= earlier.InPlace
	s.Moved -= earlier.Moved
	s.Refused -= earlier.Refused
	return s
}

// FreedBlocks returns how many blocks were given back.
func (s CountingStats) FreedBlocks() int64 { return s.TotalBlocks - s.Blocks }

// FreedBytes returns how many bytes were given back, by Free or by shrinking.
func (s CountingStats) FreedBytes() int64 { return s.TotalBytes - s.Bytes }

// String returns the counts in one line.
func (s CountingStats) String() string {
	return fmt.Sprintf("%d bytes in %d blocks, peak %d in %d, total %d in %d, %d failed; %d resized in place, %d moved, %d refused",
		s.Bytes, s.Blocks, s.PeakBytes, s.PeakBlocks, s.TotalBytes, s.TotalBlocks, s.Failures, s.InPlace, s.Moved, s.Refused)
}

// NewCounting returns child with its blocks counted.
func NewCounting(child mem.Allocator) *Counting {
	mustChild("heap: NewCounting", child)
	return &Counting{child: child}
}

// Alloc implements [mem.Allocator].
func (c *Counting) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("heap: Counting.Alloc", size)
	c.copies.check("heap: Counting.Alloc")
	if c.child == nil {
		return nil, zeroValue("heap: Counting.Alloc", "NewCounting")
	}
	b, err := c.child.Alloc(size, l)
	race.Disable()
	if err != nil {
		c.failures.Add(1)
	} else {
		c.totalBlocks.Add(1)
		c.totalBytes.Add(int64(size))
		raise(&c.peakBlocks, c.liveBlocks.Add(1))
		raise(&c.peakBytes, c.liveBytes.Add(int64(size)))
	}
	race.Enable()
	return b, err
}

// Resize implements [mem.Allocator].
func (c *Counting) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: Counting.Resize", size)
	if c.child == nil {
		zeroValue("heap: Counting.Resize", "NewCounting")
		return b, false
	}
	return c.resize(false, b, l, size)
}

// Remap implements [mem.Allocator].
func (c *Counting) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: Counting.Remap", size)
	if c.child == nil {
		zeroValue("heap: Counting.Remap", "NewCounting")
		return b, false
	}
	return c.resize(true, b, l, size)
}

// Free implements [mem.Allocator].
func (c *Counting) Free(b []byte, l mem.Layout) {
	if c.child == nil {
		zeroValue("heap: Counting.Free", "NewCounting")
		return
	}
	taken := false
	c.add(-1, -int64(len(b)))
	defer func() {
		if !taken { // or panicked
			c.add(1, int64(len(b)))
		}
	}()
	taken = freeTo(c.child, b, l)
}

// Pointers returns the child's answer.
func (c *Counting) Pointers() mem.Pointers {
	if c.child == nil {
		return mem.PlainOnly
	}
	return c.child.Pointers()
}

// Unwrap returns the child.
func (c *Counting) Unwrap() mem.Allocator { return c.child }

// Stats returns the counts. If calls are running, each of them is in the counts
// or not; even then 0 <= Blocks <= PeakBlocks and, unless the peak was reset,
// PeakBlocks <= TotalBlocks, and the same holds for bytes.
//
// What a child refused as misuse stays counted, provided that the child reports
// it; see [OnMisuse].
func (c *Counting) Stats() CountingStats {
	race.Disable()
	defer race.Enable()
	// Live before peak before total, each of which is raised in the opposite
	// order: what is read later includes all that was read before.
	s := CountingStats{
		Blocks:     max(c.liveBlocks.Load(), 0),
		Bytes:      max(c.liveBytes.Load(), 0),
		PeakBlocks: c.peakBlocks.Load(),
		PeakBytes:  c.peakBytes.Load(),
		Failures:   c.failures.Load(),
		InPlace:    c.inPlace.Load(),
		Moved:      c.moved.Load(),
		Refused:    c.refused.Load(),
	}
	s.PeakBlocks = max(s.PeakBlocks, s.Blocks)
	s.PeakBytes = max(s.PeakBytes, s.Bytes)
	s.TotalBlocks = c.totalBlocks.Load()
	s.TotalBytes = c.totalBytes.Load()
	return s
}

// ResetPeak makes what is outstanding now the peak, so that a later snapshot
// has the peak of one phase.
func (c *Counting) ResetPeak() {
	race.Disable()
	defer race.Enable()
	for _, k := range [...]struct{ peak, live *atomic.Int64 }{
		{&c.peakBlocks, &c.liveBlocks},
		{&c.peakBytes, &c.liveBytes},
	} {
		k.peak.Store(0)
		raise(k.peak, k.live.Load()) // calls that came in between have raised it
	}
}

// resize passes a Resize, or a Remap if move is set, on and counts what came of
// it.
func (c *Counting) resize(move bool, b []byte, l mem.Layout, size int) (r []byte, ok bool) {
	change := int64(size) - int64(len(b))
	if change < 0 { // not counted any more before the child gives it away
		c.add(0, change)
		defer func() {
			if !ok { // or panicked
				c.add(0, -change)
			}
		}()
	}
	if move {
		r, ok = c.child.Remap(b, l, size)
	} else {
		r, ok = c.child.Resize(b, l, size)
	}
	race.Disable()
	switch {
	case !ok:
		c.refused.Add(1)
	case address(r) == address(b):
		c.inPlace.Add(1)
	default:
		c.moved.Add(1)
	}
	if ok && change > 0 {
		c.totalBytes.Add(change)
		raise(&c.peakBytes, c.liveBytes.Add(change))
	}
	race.Enable()
	return r, ok
}

// add changes what is live, and the peaks with it.
func (c *Counting) add(blocks, bytes int64) {
	race.Disable()
	if blocks != 0 {
		raise(&c.peakBlocks, c.liveBlocks.Add(blocks))
	}
	raise(&c.peakBytes, c.liveBytes.Add(bytes))
	race.Enable()
}

// raise sets peak to v if that is more.
func raise(peak *atomic.Int64, v int64) {
	for p := peak.Load(); v > p; p = peak.Load() {
		if peak.CompareAndSwap(p, v) {
			return
		}
	}
}
