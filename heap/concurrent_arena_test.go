package heap_test

import (
	"bytes"
	"errors"
	"math"
	"math/bits"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"
	"weak"

	"github.com/allod-dev/allod/heap"
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

func TestConcurrentArenaMisuse(t *testing.T) {
	for _, answer := range []mem.Pointers{mem.PlainOnly, mem.Scanned} {
		t.Run(answer.String(), func(t *testing.T) {
			a := heap.NewConcurrentArena(&fakeChild{})
			if answer == mem.Scanned {
				a = heap.NewConcurrentArena(heap.GC{})
			}
			l := mem.Layout{}
			x := take(t, a, 16, l)
			y := take(t, a, 16, l)
			var local [16]byte
			for what, b := range map[string][]byte{"Go heap": make([]byte, 16), "stack": local[:], "nil": nil} {
				t.Run(what, func(t *testing.T) {
					wantMisuse(t, heap.ForeignFree, func() { a.Free(b, l) })
					wantMisuse(t, heap.ForeignFree, func() { a.Resize(b, l, 8) })
					wantMisuse(t, heap.ForeignFree, func() { a.Remap(b, l, 32) })
				})
			}
			wantMisuse(t, heap.ForeignFree, func() { mem.Free(a, append(x, 1)) })
			wantMisuse(t, heap.SizeMismatch, func() { a.Free(y[:0], l) })
			wantMisuse(t, heap.SizeMismatch, func() { a.Free(unsafe.Slice(&x[0], 33), l) })
			wantMisuse(t, heap.SizeMismatch, func() { a.Resize(unsafe.Slice(&x[0], 33), l, 8) })
			big := take(t, a, 10_000, l)
			wantMisuse(t, heap.InteriorFree, func() { a.Free(big[1:], l) })
			wantMisuse(t, heap.SizeMismatch, func() { a.Free(big[:9999:9999], l) })
			noMisuse(t, func() { a.Free(big, l); a.Free(y, l); a.Free(x, l) })
			wantMisuse(t, heap.DoubleFree, func() { a.Free(x, l) })
			if answer == mem.Scanned {
				type pair struct{ a, b *int }
				s, err := mem.Alloc[pair](a, 4)
				if err != nil {
					t.Fatal(err)
				}
				l := mem.LayoutOf[pair]()
				raw := unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), 4*l.Type.Size())
				wantMisuse(t, heap.InteriorFree, func() { a.Free(raw[1:], l) })
				wantMisuse(t, heap.SizeMismatch, func() { a.Free(raw[:1:1], l) })
				if _, ok := a.Resize(raw, l, len(raw)+1); ok {
					t.Error("a part of an element was added")
				}
				if r := catch(func() { a.Alloc(l.Type.Size()+1, l) }); r == nil {
					t.Error("Alloc of a part of an element did not panic")
				}
				if r := catch(func() { a.Alloc(8, mem.Layout{Kind: mem.Managed}) }); r == nil {
					t.Error("Alloc of managed bytes did not panic")
				}
				noMisuse(t, func() { mem.Free(a, s) })
			}
		})
	}
}

func TestConcurrentArenaZeroValue(t *testing.T) {
	var a heap.ConcurrentArena
	b := make([]byte, 8)
	wantMisuse(t, heap.Uninitialised, func() {
		if _, err := a.Alloc(8, mem.Layout{}); err == nil {
			t.Error("Alloc succeeded")
		}
	})
	wantMisuse(t, heap.Uninitialised, func() { a.Free(b, mem.Layout{}) })
	wantMisuse(t, heap.Uninitialised, func() { a.Resize(b, mem.Layout{}, 4) })
	wantMisuse(t, heap.Uninitialised, a.Reset)
	noMisuse(t, func() { a.Close() })
	if a.Owns(b) || a.Stats() != (heap.ArenaStats{}) || a.Pointers() != mem.PlainOnly {
		t.Error("the zero value claims something")
	}
	for _, child := range []mem.Allocator{nil, (*fakeChild)(nil)} {
		if catch(func() { heap.NewConcurrentArena(child) }) == nil {
			t.Errorf("NewConcurrentArena(%T) did not panic", child)
		}
	}
}

func TestConcurrentArenaChildLies(t *testing.T) {
	for name, lie := range map[string]func(b []byte) []byte{
		"short":      func(b []byte) []byte { return b[:len(b)-1] },
		"misaligned": func(b []byte) []byte { return unsafe.Slice(&b[1], len(b)) },
		"nothing":    func(b []byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			child := &fakeChild{lie: lie}
			a := heap.NewConcurrentArena(child)
			for _, size := range []int{16, 100_000} {
				wantMisuse(t, heap.ChildLied, func() {
					if b, err := a.Alloc(size, plainAt(16)); b != nil || !errors.Is(err, mem.ErrOutOfMemory) {
						t.Errorf("Alloc(%d): %d bytes, %v", size, len(b), err)
					}
				})
			}
			child.lie = nil
			take(t, a, 16, plainAt(16))
		})
	}
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

func TestConcurrentArenaPointers(t *testing.T) {
	type node struct {
		name string
		next *node
	}
	a, _ := newConcurrentArena(t)
	if _, err := mem.Create[node](a); !errors.Is(err, mem.ErrPointers) {
		t.Errorf("Create: %v, want ErrPointers", err)
	}
	p := mem.NoGoPointers(a)
	n, err := mem.Create[node](p)
	if err != nil || *n != (node{}) {
		t.Errorf("Create under the promise: %v", err)
	}
	scanned := heap.NewConcurrentArena(heap.GC{})
	if scanned.Pointers() != mem.Scanned {
		t.Fatal("an arena over the collected heap is not scanned")
	}
	// Over-aligned and large blocks of a type have their own chunks.
	s, err := mem.AllocAligned[node](scanned, 3, mem.Align(256))
	if err != nil || uintptr(unsafe.Pointer(&s[0]))%256 != 0 {
		t.Errorf("AllocAligned: %v at %p", err, s)
	}
	if _, err := mem.Create[node](scanned); err != nil {
		t.Fatal(err)
	}
	chunks := scanned.Stats().Chunks
	if _, err = mem.AllocAligned[node](scanned, 1, mem.Align(256)); err != nil || scanned.Stats().Chunks != chunks+1 {
		t.Errorf("AllocAligned beside a chunk of the type: %v, %+v", err, scanned.Stats())
	}
	large, err := mem.Alloc[node](scanned, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	if large, ok := mem.Resize(scanned, large, 100); !ok || len(large) != 100 {
		t.Errorf("Resize of a large typed block: %v", ok)
	}
	type odd struct {
		p *int
		_ [3]byte
	}
	o, err := mem.Alloc[odd](scanned, 5)
	if err != nil {
		t.Fatal(err)
	}
	o, ok := mem.Resize(scanned, o, 10)
	if !ok || len(o) != 10 {
		t.Errorf("Resize of the last typed block: %v", ok)
	}
	o[9].p = new(int)
	o, _ = mem.Resize(scanned, o, 5)
	o, _ = mem.Resize(scanned, o, 10)
	if o[9].p != nil {
		t.Error("the grown part of a typed block is not zero")
	}
	mem.Free(scanned, o)
}

// Many goroutines build lists that only the arena's memory holds together, of
// several types at once, while the collector runs; the next phase finds nothing
// of them, and neither does the collector.
func TestConcurrentArenaManaged(t *testing.T) {
	type node struct {
		name *string
		next *node
	}
	type other struct {
		n    int
		next *other
		text string
	}
	a := heap.NewConcurrentArena(heap.GC{})
	const workers, length = 4, 200
	for range 3 {
		heads := make([]*node, workers)
		others := make([]*other, workers)
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				for i := range length {
					s := strings.Repeat(string(rune('a'+i%26)), 10)
					n, err := mem.Create[node](a)
					if err != nil || n.name != nil || n.next != nil {
						t.Errorf("Create: %v, %v", n, err)
						return
					}
					n.name, n.next = &s, heads[w]
					heads[w] = n
					o, err := mem.New(a, other{i, others[w], s + s})
					if err != nil {
						t.Error(err)
						return
					}
					others[w] = o
					if i%50 == 0 {
						runtime.GC()
					}
					gone, _ := mem.Alloc[other](a, 2)
					mem.Free(a, gone)
				}
			})
		}
		wg.Wait()
		runtime.GC()
		watched := weak.Make(heads[0].name)
		for w := range workers {
			i := length - 1
			for n, o := heads[w], others[w]; n != nil; n, o, i = n.next, o.next, i-1 {
				want := strings.Repeat(string(rune('a'+i%26)), 10)
				if *n.name != want || o.text != want+want || o.n != i {
					t.Fatalf("worker %d, node %d: %q, %+v", w, i, *n.name, o)
				}
			}
			if i != -1 {
				t.Fatalf("worker %d: the list ends at %d", w, i)
			}
		}
		clear(heads)
		clear(others)
		a.Reset()
		runtime.GC()
		if watched.Value() != nil {
			t.Error("Reset keeps alive what the blocks referred to")
		}
	}
	a.Close()
}

// Workers write their number into every block, free and resize the last ones,
// and look after all they have. Over a child whose memory is zero every zeroed
// block shows at once if the arena is wrong about what is zero.
func TestConcurrentArenaDisjoint(t *testing.T) {
	const workers = 8
	rounds, steps := 4, 2000
	if testing.Short() || race.Enabled {
		steps = 500
	}
	for name, child := range map[string]mem.Allocator{
		"zero":  heap.GC{},
		"dirty": &fakeChild{},
		"pages": heap.Page{},
	} {
		t.Run(name, func(t *testing.T) {
			a := heap.NewConcurrentArena(child)
			defer a.Close()
			for round := range rounds {
				var wg sync.WaitGroup
				for w := range workers {
					wg.Go(func() { churn(t, a, byte(w+1), uint64(round), steps) })
				}
				wg.Wait()
				if st := a.Stats(); st.InUse > st.Capacity || st.Capacity > st.Peak {
					t.Errorf("%+v", st)
				}
				if round%2 == 0 {
					a.Reset()
				} else {
					a.ResetTo(100_000)
				}
			}
		})
	}
}

func churn(t *testing.T, a mem.Allocator, mark byte, seed uint64, steps int) {
	rnd := rand.New(rand.NewPCG(uint64(mark), seed))
	type block struct {
		b []byte
		l mem.Layout
	}
	var blocks []block
	paint := func(b []byte, l mem.Layout) {
		if i := nonzero(b); i >= 0 && l.Zero {
			t.Errorf("byte %d of %d is not zero", i, len(b))
		}
		for i := range b {
			b[i] = mark
		}
	}
	for range steps {
		switch op := rnd.IntN(10); {
		case op < 5 || len(blocks) == 0:
			l := mem.Layout{Align: mem.AlignLog2(rnd.IntN(7)), Zero: rnd.IntN(2) == 0}
			size := 1 + rnd.IntN(200)
			if rnd.IntN(50) == 0 {
				size *= 40
			}
			b, err := a.Alloc(size, l)
			if err != nil {
				t.Error(err)
				return
			}
			if len(b) != size || cap(b) != size || !l.Align.Check(addr(b)) {
				t.Errorf("Alloc(%d, %v): len %d, cap %d at %#x", size, l.Align, len(b), cap(b), addr(b))
			}
			paint(b, l)
			blocks = append(blocks, block{b, l})
		case op < 7:
			k := &blocks[len(blocks)-1]
			n := len(k.b)
			if b, ok := a.Resize(k.b, k.l, 1+rnd.IntN(2*n)); ok {
				if len(b) > n {
					paint(b[n:], k.l)
				}
				k.b = b
			}
		default:
			i := len(blocks) - 1
			if op == 9 {
				i = rnd.IntN(len(blocks))
			}
			k := blocks[i]
			if !bytes.Equal(k.b, filled(len(k.b), mark)) {
				t.Errorf("a block of %d bytes of worker %d holds %x", len(k.b), mark, k.b)
				return
			}
			a.Free(k.b, k.l)
			blocks = append(blocks[:i], blocks[i+1:]...)
		}
	}
	for _, k := range blocks {
		if !bytes.Equal(k.b, filled(len(k.b), mark)) {
			t.Errorf("a block of %d bytes of worker %d holds %x", len(k.b), mark, k.b)
			return
		}
	}
}

// Goroutines give back the last block and get it again where nobody was before,
// as fast as they can: whoever gets bytes that another one gave back must get
// them zero. Since a byte is soiled only once, each step goes on to new ones.
func TestConcurrentArenaStaleMark(t *testing.T) {
	steps := 5000
	if testing.Short() || race.Enabled {
		steps = 1000
	}
	a := heap.NewConcurrentArena(heap.GC{})
	defer a.Close()
	l := mem.Layout{Zero: true}
	for range 4 {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range steps {
					b, err := a.Alloc(48, l)
					if err != nil || nonzero(b) >= 0 {
						t.Errorf("Alloc: %v, byte %d is not zero", err, nonzero(b))
						return
					}
					copy(b, soil)
					a.Free(b, l)
					if b, err = a.Alloc(16, l); err != nil || nonzero(b) >= 0 {
						t.Errorf("Alloc: %v, byte %d is not zero", err, nonzero(b))
						return
					}
				}
			})
		}
		wg.Wait()
		a.Release()
	}
}

var soil = filled(64, 0xEE)

// A block may be freed, resized and read by another goroutine than the one that
// asked for it. Under the race detector this says that it reports nothing.
func TestConcurrentArenaHandOver(t *testing.T) {
	for name, child := range map[string]mem.Allocator{"GC": heap.GC{}, "pages": heap.Page{}, "buffer": heap.NewFixedBuffer(make([]byte, 1<<20))} {
		t.Run(name, func(t *testing.T) {
			a := heap.NewConcurrentArena(child)
			defer a.Close()
			blocks := make(chan []byte)
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for i := range 200 {
						b, err := a.Alloc(1+i, mem.Layout{Zero: i&1 == 0})
						if err != nil {
							t.Error(err)
							return
						}
						b[0] = 1
						blocks <- b
					}
				})
				wg.Go(func() {
					for range 200 {
						b := <-blocks
						b[0]++
						if b, ok := a.Resize(b, mem.Layout{Zero: true}, 2*len(b)); ok {
							b[len(b)-1] = 1
							a.Free(b, mem.Layout{})
							continue
						}
						a.Free(b, mem.Layout{})
					}
				})
			}
			wg.Wait()
			a.Reset()
			take(t, a, 100, mem.Layout{Zero: true})[0] = 1
		})
	}
}

// Large blocks come and go while others look up theirs.
func TestConcurrentArenaLargeConcurrent(t *testing.T) {
	child := &fakeChild{move: true}
	a := heap.NewConcurrentArena(child)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 50 {
				b, err := a.Alloc(5000+100*w, mem.Layout{Zero: true})
				if err != nil || nonzero(b) >= 0 {
					t.Errorf("Alloc: %v, byte %d is not zero", err, nonzero(b))
					return
				}
				b[0], b[len(b)-1] = byte(w), byte(w)
				small, _ := a.Alloc(64, mem.Layout{})
				n := len(b)
				if b, _ = a.Remap(b, mem.Layout{}, 6000+i); b[0] != byte(w) || b[n-1] != byte(w) {
					t.Error("Remap lost the contents")
				}
				if !a.Owns(b) || !a.Owns(small) {
					t.Error("a block is not owned")
				}
				a.Free(small, mem.Layout{})
				a.Free(b, mem.Layout{})
				a.Stats()
			}
		})
	}
	wg.Wait()
	a.Close()
	if blocks, _ := child.use(); blocks != 0 {
		t.Errorf("%d blocks of the child are left", blocks)
	}
}

// A handler runs while the call that it hears of is under way, so that a call
// from the handler stands for one from another goroutine.
func TestConcurrentArenaResetMeanwhile(t *testing.T) {
	if !invariant.Enabled {
		t.Skip("checked in builds with invariants")
	}
	a := heap.NewConcurrentArena(heap.GC{})
	b := take(t, a, 16, mem.Layout{})
	for name, call := range map[string]func(){
		"Reset":   a.Reset,
		"ResetTo": func() { a.ResetTo(1) },
		"Release": a.Release,
		"Close":   func() { a.Close() },
	} {
		var kinds []heap.MisuseKind
		before := heap.OnMisuse(nil)
		heap.OnMisuse(func(m *heap.Misuse) {
			kinds = append(kinds, m.Kind)
			if len(kinds) == 1 {
				call()
			}
		})
		a.Free(make([]byte, 1), mem.Layout{})
		heap.OnMisuse(before)
		if len(kinds) != 2 || kinds[1] != heap.ConcurrentUse || !a.Owns(b) {
			t.Errorf("%s during Free: %v, want %v", name, kinds, heap.ConcurrentUse)
		}
	}
	noMisuse(t, func() { a.Free(b, mem.Layout{}); a.Reset(); a.Close() })
}

func TestConcurrentArenaAllocates(t *testing.T) {
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

func TestConcurrentArenaManyTypes(t *testing.T) {
	a := heap.NewConcurrentArena(heap.GC{})
	defer a.Close()
	base := reflect.TypeFor[*int]()
	for round := range 2 {
		for n := 1; n <= 100; n++ {
			typ := mem.TypeOf(reflect.ArrayOf(n, base))
			l := mem.Layout{Align: mem.AlignOf[*int](), Kind: mem.Managed, Type: typ}
			if b := take(t, a, 2*typ.Size(), l); !a.Owns(b) {
				t.Fatalf("round %d, type %v: the block is not owned", round, typ)
			}
		}
		a.Reset()
	}
}

// The input is a program with resets, over a child that fails.
func FuzzConcurrentArena(f *testing.F) {
	f.Add([]byte("\x00\x40\x00\x40\x01\x40\x02\x00\x90\x03\x00\x04\x05"))
	f.Add([]byte("\x01\xff\x01\xff\x01\xff\x03\x02\x10\x02\x80\x04\x00\x05\x01\x06\x20\x01\x01\x07"))
	f.Add([]byte("\x08\x30\x08\x60\x03\x00\x20\x04\x00\x08\xff\x05\x08\x10\x00\x10\x04\x01\x07\x08\x01"))
	f.Fuzz(func(t *testing.T, input []byte) {
		ops := script(input)
		child := &fakeChild{}
		a := heap.NewConcurrentArena(child)
		var s shadow
		for len(ops) > 0 {
			op := ops.byte()
			child.fail, child.refuse, child.move = op&16 != 0, op&32 != 0, op&64 != 0
			switch op % 9 {
			case 0, 1, 8:
				size := 1 + ops.byte()
				l := mem.Layout{Align: mem.AlignLog2(size % 6), Zero: op%9 == 1}
				if op%9 == 8 {
					size *= 64
				}
				b, err := a.Alloc(size, l)
				if err == nil {
					if (l.Zero && nonzero(b) >= 0) || len(b) != size || !l.Align.Check(addr(b)) {
						t.Fatalf("Alloc(%d, %v): %d bytes at %#x", size, l, len(b), addr(b))
					}
					s.add(t, b, l)
				} else if !child.fail {
					t.Fatalf("Alloc(%d): %v", size, err)
				}
			case 2, 3:
				if len(s.blocks) == 0 {
					break
				}
				i, size := ops.byte()%len(s.blocks), 1+8*ops.byte()
				if op%9 == 3 {
					i = len(s.blocks) - 1
				}
				b, ok := a.Resize(s.blocks[i].b, s.blocks[i].l, size)
				s.resized(t, i, b, ok, size)
			case 4:
				if len(s.blocks) > 0 {
					i := ops.byte() % len(s.blocks)
					a.Free(s.blocks[i].b, s.blocks[i].l)
					s.remove(i)
				}
			case 5:
				s.blocks = nil
				a.Reset()
			case 6:
				s.blocks = nil
				a.ResetTo(64 * ops.byte())
			case 7:
				s.blocks = nil
				a.Release()
				if blocks, _ := child.use(); blocks != 0 {
					t.Fatalf("%d blocks of the child after Release", blocks)
				}
			}
			s.check(t)
			if _, bytes := child.use(); bytes != a.Stats().Capacity {
				t.Fatalf("%d bytes of the child, Capacity %d", bytes, a.Stats().Capacity)
			}
		}
		a.Close()
		if blocks, _ := child.use(); blocks != 0 {
			t.Fatalf("%d blocks of the child after Close", blocks)
		}
	})
}
