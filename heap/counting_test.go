package heap_test

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

func mustAlloc(t testing.TB, a mem.Allocator, size int) []byte {
	t.Helper()
	b, err := a.Alloc(size, mem.Layout{})
	if err != nil {
		t.Fatalf("Alloc(%d): %v", size, err)
	}
	return b
}

func TestCountingStats(t *testing.T) {
	child := &fakeChild{}
	c := heap.NewCounting(child)
	b1 := mustAlloc(t, c, 100)
	b2 := mustAlloc(t, c, 50)
	b1, ok := c.Resize(b1, mem.Layout{}, 120)
	if !ok {
		t.Fatal("Resize refused")
	}
	b1, ok = c.Resize(b1, mem.Layout{}, 20)
	if !ok {
		t.Fatal("Resize refused")
	}
	child.move = true
	b1, ok = c.Remap(b1, mem.Layout{}, 70)
	if !ok {
		t.Fatal("Remap refused")
	}
	child.refuse = true
	if _, ok := c.Remap(b1, mem.Layout{}, 20); ok {
		t.Fatal("Remap was to refuse")
	}
	if _, ok := c.Resize(b1, mem.Layout{}, 200); ok {
		t.Fatal("Resize was to refuse")
	}
	child.fail = true
	if _, err := c.Alloc(1, mem.Layout{}); err != errFake {
		t.Fatalf("Alloc: %v, want the child's error unwrapped", err)
	}
	want := heap.CountingStats{
		Blocks: 2, Bytes: 120,
		PeakBlocks: 2, PeakBytes: 170,
		TotalBlocks: 2, TotalBytes: 220,
		Failures: 1,
		InPlace:  2, Moved: 1, Refused: 2,
	}
	if got := c.Stats(); got != want {
		t.Errorf("Stats() = %v\nwant      %v", got, want)
	}
	before := c.Stats()
	c.Free(b2, mem.Layout{})
	c.Free(b1, mem.Layout{})
	got := c.Stats()
	if got.FreedBlocks() != 2 || got.FreedBytes() != 220 || got.Blocks != 0 || got.Bytes != 0 {
		t.Errorf("after freeing all: %v", got)
	}
	d := got.Sub(before)
	if d.Blocks != -2 || d.Bytes != -120 || d.TotalBytes != 0 || d.PeakBytes != 170 || d.Refused != 0 {
		t.Errorf("Sub: %v", d)
	}
	const text = "0 bytes in 0 blocks, peak 170 in 2, total 220 in 2, 1 failed; 2 resized in place, 1 moved, 2 refused"
	if got.String() != text {
		t.Errorf("String() = %q, want %q", got, text)
	}
}

func TestCountingResetPeak(t *testing.T) {
	c := heap.NewCounting(&fakeChild{})
	b1, b2 := mustAlloc(t, c, 100), mustAlloc(t, c, 10)
	c.Free(b1, mem.Layout{})
	c.ResetPeak()
	if s := c.Stats(); s.PeakBytes != 10 || s.PeakBlocks != 1 || s.TotalBytes != 110 {
		t.Errorf("after ResetPeak: %v", s)
	}
	b1 = mustAlloc(t, c, 30)
	if s := c.Stats(); s.PeakBytes != 40 || s.PeakBlocks != 2 {
		t.Errorf("a new peak: %v", s)
	}
	c.Free(b1, mem.Layout{})
	c.Free(b2, mem.Layout{})
}

// What passes through in a long life does not fit 32 bits, nor does a sum of
// what could be.
func TestCountingLargeTotals(t *testing.T) {
	child := &oneBlock{block: make([]byte, 1<<20)}
	c := heap.NewCounting(child)
	rounds := 5000
	for range rounds {
		c.Free(mustAlloc(t, c, 1<<20), mem.Layout{})
	}
	s := c.Stats()
	if want := int64(rounds) << 20; want <= math.MaxInt32 || s.TotalBytes != want || s.FreedBytes() != want {
		t.Errorf("total %d, freed %d, want %d", s.TotalBytes, s.FreedBytes(), want)
	}
}

// A refused resize, a foreign block that a handler let pass, a child that
// panics: none is counted as a block that came back.
func TestCountingForeign(t *testing.T) {
	child := &reportingChild{}
	c := heap.NewCounting(child)
	b := mustAlloc(t, c, 64)
	want := c.Stats()
	misuses(t, func() { c.Free(make([]byte, 1000), mem.Layout{}) })
	if got := c.Stats(); got != want {
		t.Errorf("after a foreign block: %v, want %v", got, want)
	}
	catch(func() { c.Free(make([]byte, 1000), mem.Layout{}) })
	if got := c.Stats(); got != want {
		t.Errorf("after a panic: %v, want %v", got, want)
	}
	c.Free(b, mem.Layout{})
	if got := c.Stats(); got.Blocks != 0 || got.Bytes != 0 {
		t.Errorf("after the good twin: %v", got)
	}
}

// reportingChild is an allocator of this package's that refuses foreign blocks.
type reportingChild struct{ fakeChild }

func (r *reportingChild) Free(b []byte, l mem.Layout) {
	if !r.Owns(b) {
		new(heap.Counting).Free(b, l) // the shortest way to a report
		return
	}
	r.fakeChild.Free(b, l)
}

// Snapshots taken while others allocate are never torn.
func TestCountingSnapshots(t *testing.T) {
	c := heap.NewCounting(&fakeChild{})
	var stop atomic.Bool
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			p := newProgram(c, uint64(g))
			for !stop.Load() {
				if err := p.step(); err != nil {
					t.Error(err)
					break
				}
				runtime.Gosched() // nobody else makes it, where there is one thread
			}
			if err := p.close(); err != nil {
				t.Error(err)
			}
		})
	}
	var last heap.CountingStats
	for range 2000 {
		s := c.Stats()
		if s.Blocks < 0 || s.Blocks > s.PeakBlocks || s.PeakBlocks > s.TotalBlocks ||
			s.Bytes < 0 || s.Bytes > s.PeakBytes || s.PeakBytes > s.TotalBytes ||
			s.TotalBlocks < last.TotalBlocks || s.PeakBytes < last.PeakBytes {
			t.Fatalf("torn: %v\nafter %v", s, last)
		}
		last = s
		runtime.Gosched()
	}
	stop.Store(true)
	wg.Wait()
	if s := c.Stats(); s.Blocks != 0 || s.Bytes != 0 {
		t.Errorf("left: %v", s)
	}
}

// The peak is exact when the goroutines hold their blocks at the same time.
func TestCountingPeakOfMany(t *testing.T) {
	c := heap.NewCounting(&fakeChild{})
	const goroutines, blocks = 8, 20
	var hold, done sync.WaitGroup
	hold.Add(goroutines)
	for range goroutines {
		done.Go(func() {
			var held [][]byte
			for range blocks {
				held = append(held, mustAlloc(t, c, 10))
			}
			hold.Done()
			hold.Wait()
			for _, b := range held {
				c.Free(b, mem.Layout{})
			}
		})
	}
	done.Wait()
	if s := c.Stats(); s.PeakBlocks != goroutines*blocks || s.PeakBytes != goroutines*blocks*10 || s.Blocks != 0 {
		t.Errorf("%v", s)
	}
}

// FuzzCounting compares the counts with a model's.
func FuzzCounting(f *testing.F) {
	f.Add(uint64(1), []byte{0, 1, 2, 3, 4, 5, 6, 7})
	f.Add(uint64(2), []byte{0x10, 0x20, 0x30, 0xff, 0x80, 0x08})
	f.Fuzz(func(t *testing.T, seed uint64, moods []byte) {
		child := &fakeChild{}
		c := heap.NewCounting(child)
		p := newProgram(c, seed)
		peakBlocks, peakBytes := 0, 0
		for _, mood := range moods {
			child.fail, child.refuse, child.move = mood&1 != 0, mood&2 != 0, mood&4 != 0
			if err := p.step(); err != nil {
				t.Fatal(err)
			}
			peakBlocks, peakBytes = max(peakBlocks, len(p.blocks)), max(peakBytes, p.bytes)
			s := c.Stats()
			if s.Blocks != int64(len(p.blocks)) || s.Bytes != int64(p.bytes) ||
				s.PeakBlocks != int64(peakBlocks) || s.PeakBytes < int64(peakBytes) {
				t.Fatalf("%v, want %d bytes in %d blocks, peak %d in %d", s, p.bytes, len(p.blocks), peakBytes, peakBlocks)
			}
		}
		if err := p.close(); err != nil {
			t.Fatal(err)
		}
	})
}
