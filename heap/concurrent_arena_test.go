package heap_test

import (
	"errors"
	"math"
	"math/bits"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/asan"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

func TestConcurrentArenaContract(t *testing.T) {
	for _, child := range []struct {
		name     string
		promises allocatortest.Promises
		make     func(t *testing.T) mem.Allocator
	}{
		{"scanned", allocatortest.Promises{}, func(t *testing.T) mem.Allocator { return allocatortest.New(t) }},
		{"pages", allocatortest.Promises{}, func(t *testing.T) mem.Allocator {
			return allocatortest.New(t, allocatortest.Child(heap.Page{}))
		}},
		{"no resize", allocatortest.Promises{}, func(t *testing.T) mem.Allocator {
			return allocatortest.New(t, allocatortest.NoResize())
		}},
		{"buffer", allocatortest.Promises{MaxSize: 64 << 10, MaxAlign: mem.Align(4096)}, func(t *testing.T) mem.Allocator {
			return heap.NewFixedBuffer(filled(256<<10, 0xC3))
		}},
	} {
		t.Run(child.name, func(t *testing.T) {
			if child.name == "no resize" && (testing.Short() || race.Enabled) {
				t.Skip("takes long, and shows little that the others do not")
			}
			child.promises.Concurrent = true
			allocatortest.RunWith(t, child.promises, func(t *testing.T) mem.Allocator {
				a := heap.NewConcurrentArena(child.make(t))
				t.Cleanup(func() { a.Close() })
				return a
			})
		})
	}
}

// newConcurrentArena returns an arena over a child that fails the test if
// something is left at its end.
func newConcurrentArena(t *testing.T) (*heap.ConcurrentArena, *fakeChild) {
	child := &fakeChild{refuse: true}
	a := heap.NewConcurrentArena(child)
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if blocks, bytes := child.use(); blocks != 0 {
			t.Errorf("%d bytes in %d blocks of the child are left", bytes, blocks)
		}
	})
	return a, child
}

func TestConcurrentArenaGrowth(t *testing.T) {
	a, child := newConcurrentArena(t)
	for range 100_000 {
		take(t, a, 16, plainAt(8))
	}
	st := a.Stats()
	if st.InUse != 1_600_000 || st.Capacity < st.InUse || st.Capacity > 3*st.InUse {
		t.Errorf("%+v for 1600000 bytes", st)
	}
	if child.calls > 64 { // a call to grow and one for a new chunk, each time
		t.Errorf("%d calls of the child for 1600000 bytes", child.calls)
	}
}

// A large block has a chunk of exactly its size, and gives it back when freed.
func TestConcurrentArenaLargeBlocks(t *testing.T) {
	a, child := newConcurrentArena(t)
	small := take(t, a, 16, plainAt(8))
	l := mem.Layout{Align: mem.Align(8192), Zero: true}
	b := take(t, a, 100_000, l)
	if st := a.Stats(); st.Chunks != 2 || st.InUse != 100_016 {
		t.Errorf("%+v", st)
	}
	copy(b, filled(len(b), 1))
	child.refuse = false
	b, ok := a.Resize(b, l, 100_100)
	if !ok || nonzero(b[100_000:]) >= 0 {
		t.Errorf("Resize: %v, not zero at %d", ok, nonzero(b[100_000:]))
	}
	b, ok = a.Resize(b, l, 50_000)
	if _, bytes := child.use(); !ok || bytes != 50_000+a.Stats().Capacity-50_000 || b[49_999] != 1 {
		t.Errorf("Resize: %v, the child has %d bytes", ok, bytes)
	}
	child.move = true
	b, ok = a.Remap(b, l, 200_000)
	if !ok || b[49_999] != 1 || nonzero(b[50_000:]) >= 0 {
		t.Errorf("Remap: %v, not zero at %d", ok, nonzero(b[50_000:]))
	}
	child.refuse = true
	if c, ok := a.Remap(b, l, 300_000); ok || len(c) != 200_000 {
		t.Errorf("Remap with a child that refuses: %v, %d bytes", ok, len(c))
	}
	// The child keeps the bytes, and they read as zero when they come back.
	copy(b, filled(len(b), 1))
	b, ok = a.Resize(b, l, 1000)
	if !ok || len(b) != 1000 || a.Stats().InUse != 1016 {
		t.Errorf("shrinking with a child that refuses: %v, %+v", ok, a.Stats())
	}
	b, ok = a.Resize(b, l, 2000)
	if !ok || nonzero(b[1000:]) >= 0 || b[999] != 1 {
		t.Errorf("growing back: %v, not zero at %d", ok, nonzero(b[1000:]))
	}
	copy(b, filled(len(b), 1))
	child.refuse = false
	b, ok = a.Resize(b, l, 200_100)
	if !ok || nonzero(b[2000:]) >= 0 || b[1999] != 1 {
		t.Errorf("growing past what the child kept: %v, not zero at %d", ok, nonzero(b[2000:]))
	}
	noMisuse(t, func() { a.Free(b, l) })
	if st := a.Stats(); st.Chunks != 1 || st.InUse != 16 {
		t.Errorf("after Free: %+v", st)
	}
	wantMisuse(t, heap.ForeignFree, func() { a.Free(b, l) })
	noMisuse(t, func() { a.Free(small, plainAt(8)) })
}

func TestConcurrentArenaLastBlock(t *testing.T) {
	a, _ := newConcurrentArena(t)
	l := mem.Layout{Zero: true}
	x := take(t, a, 100, l)
	y := take(t, a, 100, l)
	copy(y, filled(100, 1))
	if c, ok := a.Resize(x, l, 101); ok || len(c) != 100 {
		t.Error("a block that is not the last grew")
	}
	y, ok := a.Resize(y, l, 50)
	if !ok || a.Stats().InUse != 150 {
		t.Errorf("shrinking the last block: %v, %+v", ok, a.Stats())
	}
	y, ok = a.Resize(y, l, 200)
	if !ok || y[49] != 1 || nonzero(y[50:]) >= 0 {
		t.Errorf("growing it again: %v, not zero at %d", ok, nonzero(y[50:]))
	}
	x, ok = a.Remap(x, l, 10)
	if !ok || a.Stats().InUse != 300 {
		t.Errorf("shrinking the other one: %v, %+v", ok, a.Stats())
	}
	if c, ok := a.Resize(y, l, 1<<20); ok || len(c) != 200 {
		t.Error("a block grew past its chunk")
	}
	copy(y, filled(200, 1))
	noMisuse(t, func() { a.Free(y, l) })
	wantMisuse(t, heap.DoubleFree, func() { a.Free(y, l) })
	if z := take(t, a, 200, l); &z[0] != &y[0] {
		t.Error("the bytes of the last block do not come back")
	}
	noMisuse(t, func() { a.Free(x, l) })
	if a.Stats().InUse != 300 {
		t.Errorf("freeing another block: %+v", a.Stats())
	}
}

// A linear child lets the newest chunk grow where it is.
func TestConcurrentArenaExtends(t *testing.T) {
	f := heap.NewFixedBuffer(filled(1<<20, 0xC3))
	a := heap.NewConcurrentArena(f)
	l := mem.Layout{Zero: true}
	b := take(t, a, 1000, l)
	copy(b, filled(1000, 1))
	for size := 2000; size < 500_000; size += size / 2 {
		var ok bool
		n := len(b)
		if b, ok = a.Resize(b, l, size); !ok || nonzero(b[n:]) >= 0 || b[n-1] != 1 {
			t.Fatalf("Resize(%d): %v", size, ok)
		}
		copy(b, filled(size, 1))
	}
	for range 1000 {
		take(t, a, 100, l)
	}
	if st := a.Stats(); st.Chunks != 1 || st.Capacity != f.Used() || st.Wasted != 0 {
		t.Errorf("%+v, the child has %d bytes", st, f.Used())
	}
	if _, ok := a.Resize(b, l, 2<<20); ok {
		t.Error("a block grew past the child")
	}
	a.Release()
	if f.Used() != 0 {
		t.Errorf("%d bytes of the child in use after Release", f.Used())
	}
}

func TestConcurrentArenaReset(t *testing.T) {
	a, child := newConcurrentArena(t)
	phase := func() {
		for i := range 1000 {
			take(t, a, 100, mem.Layout{Zero: i&1 == 0})[0] = 1
		}
		take(t, a, 50_000, mem.Layout{Zero: true})[0] = 1
	}
	phase()
	capacity := a.Stats().Capacity
	a.Reset()
	if st := a.Stats(); st != (heap.ArenaStats{Capacity: capacity, Peak: st.Peak, Chunks: 1}) {
		t.Errorf("after Reset of %d bytes: %+v", capacity, st)
	}
	calls := child.calls
	for range 3 {
		phase()
		a.Reset()
	}
	if child.calls != calls {
		t.Errorf("%d calls of the child in phases of one size", child.calls-calls)
	}

	phase()
	if !a.ResetTo(10_000) || a.Stats().Capacity != 10_000 {
		t.Errorf("ResetTo(10000): %+v", a.Stats())
	}
	if !a.ResetTo(math.MaxInt) || a.Stats().Capacity != 10_000 {
		t.Errorf("ResetTo(MaxInt): %+v", a.Stats())
	}
	phase()
	child.fail = true
	before := a.Stats()
	if a.ResetTo(20_000) {
		t.Error("ResetTo with a child that fails: true")
	}
	if st := a.Stats(); st.Chunks != 1 || st.InUse != 0 || st.Capacity > before.Capacity {
		t.Errorf("ResetTo with a child that fails: %+v", st)
	}
	child.fail = false
	take(t, a, 16, mem.Layout{Zero: true})
	if !a.ResetTo(0) || a.Stats().Capacity != 0 {
		t.Errorf("ResetTo(0): %+v", a.Stats())
	}
	phase()
	a.Release()
	if blocks, _ := child.use(); blocks != 0 || a.Stats().Chunks != 0 {
		t.Errorf("%d blocks of the child in use after Release", blocks)
	}
	if catch(func() { a.ResetTo(-1) }) == nil {
		t.Error("ResetTo(-1) did not panic")
	}
	// A child that remaps gives the capacity without copying.
	child.refuse, child.move = false, true
	phase()
	child.fail = true
	if !a.ResetTo(math.MaxInt) {
		t.Error("ResetTo did not ask the child to remap")
	}
	child.fail = false
	phase()
}

// Fresh memory of the child is zero, memory of the last phase is not.
func TestConcurrentArenaResetSoils(t *testing.T) {
	a := heap.NewConcurrentArena(heap.GC{})
	defer a.Close()
	for range 3 {
		for range 500 {
			copy(take(t, a, 64, mem.Layout{Zero: true}), soil)
		}
		a.Reset()
	}
}

func TestConcurrentArenaClose(t *testing.T) {
	a, child := newConcurrentArena(t)
	b := take(t, a, 16, mem.Layout{})
	big := take(t, a, 10_000, mem.Layout{})
	for range 2 {
		if err := a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if blocks, _ := child.use(); blocks != 0 || a.Owns(b) {
		t.Errorf("%d blocks of the child in use after Close", blocks)
	}
	if _, err := a.Alloc(16, mem.Layout{}); !errors.Is(err, mem.ErrClosed) {
		t.Errorf("Alloc after Close: %v, want ErrClosed", err)
	}
	for _, b := range [][]byte{b, big} {
		wantMisuse(t, heap.UseAfterClose, func() { a.Free(b, mem.Layout{}) })
		wantMisuse(t, heap.UseAfterClose, func() {
			if _, ok := a.Resize(b, mem.Layout{}, 8); ok {
				t.Error("Resize after Close answered true")
			}
		})
	}
	noMisuse(t, a.Reset)
}

// A child that fails leaves the arena as it was.
func TestConcurrentArenaChildFails(t *testing.T) {
	a, child := newConcurrentArena(t)
	b := take(t, a, 16, mem.Layout{})
	before := a.Stats()
	child.fail = true
	for _, size := range []int{4096, 5000, 100_000, math.MaxInt} {
		for _, align := range []int{1, 4096} {
			if c, err := a.Alloc(size, plainAt(align)); c != nil || !errors.Is(err, errFake) {
				t.Errorf("Alloc(%d, %d): %v, want the child's error", size, align, err)
			}
		}
	}
	if c, ok := a.Resize(b, mem.Layout{}, 10_000); ok || len(c) != 16 {
		t.Errorf("Resize: %d bytes, %v", len(c), ok)
	}
	if st := a.Stats(); st != before {
		t.Errorf("%+v after failures, was %+v", st, before)
	}
	child.panics = true
	if got := catch(func() { a.Alloc(100_000, mem.Layout{}) }); got != "fake: panics" {
		t.Errorf("panic %v did not come through", got)
	}
	child.panics, child.fail = false, false
	take(t, a, 100_000, mem.Layout{}) // the lock is free
}

// A child that has less than is wished for is asked for less.
func TestConcurrentArenaAsksForLess(t *testing.T) {
	f := heap.NewFixedBuffer(make([]byte, 3000))
	a := heap.NewConcurrentArena(f)
	for range 20 {
		take(t, a, 100, mem.Layout{})
	}
	if _, err := a.Alloc(2000, mem.Layout{}); !errors.Is(err, mem.ErrOutOfMemory) {
		t.Errorf("Alloc past the child: %v", err)
	}
	failing := heap.NewFailing(heap.GC{}, heap.FailingOptions{Alloc: heap.FailRule{At: 1}})
	a = heap.NewConcurrentArena(failing)
	if _, err := a.Alloc(16, mem.Layout{}); !errors.Is(err, heap.ErrInduced) {
		t.Errorf("Alloc with an induced failure: %v, want it passed on", err)
	}
	take(t, a, 16, mem.Layout{})
}

func TestConcurrentArenaAllFailures(t *testing.T) {
	// The arena does with less than it wishes for, which is to swallow a failure.
	options := allocatortest.FailureOptions{MaySwallow: true}
	allocatortest.CheckFailures(t, options, func(child mem.Allocator) error {
		a := heap.NewConcurrentArena(child)
		defer a.Close()
		for _, size := range []int{16, 3000, 10_000, 64, 100_000} {
			b, err := mem.Alloc[byte](a, size)
			if err != nil {
				return err
			}
			if _, err = mem.Realloc(a, b, 2*size); err != nil {
				return err
			}
		}
		return nil
	})
}

// Sizes and alignments whose sums overflow an int.
func TestConcurrentArenaHuge(t *testing.T) {
	a, _ := newConcurrentArena(t)
	b := take(t, a, 8, mem.Layout{})
	for k := range 100 {
		for _, log2 := range []int{0, 4, 12, 21, bits.UintSize - 2} {
			if _, err := a.Alloc(math.MaxInt-k, mem.Layout{Align: mem.AlignLog2(log2)}); !errors.Is(err, mem.ErrOutOfMemory) {
				t.Fatalf("Alloc(MaxInt-%d, 1<<%d): %v", k, log2, err)
			}
		}
		if _, ok := a.Resize(b, mem.Layout{}, math.MaxInt-k); ok {
			t.Fatalf("Resize(MaxInt-%d) answered true", k)
		}
	}
	if _, err := a.Alloc(1, mem.Layout{Align: mem.AlignLog2(bits.UintSize - 2)}); !errors.Is(err, mem.ErrOutOfMemory) {
		t.Errorf("Alloc at the largest alignment: %v", err)
	}
	for _, size := range []int{0, -1, math.MinInt} {
		for _, fn := range []func(){
			func() { a.Alloc(size, mem.Layout{}) },
			func() { a.Resize(b, mem.Layout{}, size) },
			func() { a.Remap(b, mem.Layout{}, size) },
		} {
			if catch(fn) == nil {
				t.Errorf("size %d did not panic", size)
			}
		}
	}
}

func TestConcurrentArenaAllocates(t *testing.T) {
	if asan.Enabled {
		t.Skip("sanitized builds allocate more")
	}
	if invariant.Enabled {
		t.Skip("checking invariants allocates")
	}
	f := heap.NewFixedBuffer(make([]byte, 64<<10))
	a := heap.NewConcurrentArena(f)
	l := mem.Layout{Zero: true}
	phase := func() {
		for range 100 {
			b, _ := a.Alloc(64, l)
			b, _ = a.Resize(b, l, 128)
			b, _ = a.Resize(b, l, 100)
			a.Free(b, l)
			a.Alloc(32, l)
		}
		a.Alloc(1<<20, l) // fails
		a.Alloc(8, mem.Layout{Kind: mem.Managed, Type: mem.TypeFor[*int]()})
		a.Reset()
	}
	phase()
	if n := testing.AllocsPerRun(20, phase); n != 0 {
		t.Errorf("%v allocations on the Go heap, want 0", n)
	}
	wide := heap.NewFixedBuffer(make([]byte, 4<<20))
	large := heap.NewConcurrentArena(wide)
	own := func() {
		var b [8][]byte // each gets a chunk of its own
		for i := range b {
			b[i], _ = large.Alloc(1<<16+i*4096, l)
		}
		for i := range b {
			b[i], _ = large.Remap(b[i], l, 2*len(b[i]))
			b[i], _ = large.Resize(b[i], l, len(b[i])/4)
			large.Free(b[i], l)
		}
		if st := large.Stats(); st.Peak < 8<<16 || st.Chunks != 0 {
			t.Errorf("%+v: the blocks had no chunks of their own", st)
		}
		wide.Reset()
	}
	own()
	if n := testing.AllocsPerRun(20, own); n != 0 {
		t.Errorf("large blocks: %v allocations on the Go heap, want 0", n)
	}
	g := heap.NewConcurrentArena(heap.GC{})
	typed := func() {
		for range 100 {
			p, _ := mem.Create[*int](g)
			mem.Destroy(g, p)
		}
	}
	typed()
	if n := testing.AllocsPerRun(20, typed); n != 0 {
		t.Errorf("typed: %v allocations on the Go heap, want 0", n)
	}
}
