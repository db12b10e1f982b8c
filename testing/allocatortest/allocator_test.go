package allocatortest_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

var word = mem.Layout{Align: mem.Align(8)}

// want fails t unless the recorder has exactly one failure, which says all of
// the parts.
func want(t *testing.T, r *allocatortest.Recorder, parts ...string) {
	t.Helper()
	failures := r.Failures()
	if len(failures) != 1 {
		t.Fatalf("%d failures, want 1: %q", len(failures), failures)
	}
	rerunnable(t, failures)
	for _, p := range parts {
		if !strings.Contains(failures[0], p) {
			t.Errorf("failure %q does not say %q", failures[0], p)
		}
	}
}

func leakTwo(a mem.Allocator) {
	for range 2 {
		mem.Must(mem.Alloc[byte](a, 1000))
	}
}

func leakOne(a mem.Allocator) { mem.Must(mem.Create[*int](a)) }

func TestNewLeak(t *testing.T) {
	r := allocatortest.NewRecorder()
	a := allocatortest.New(r)
	mem.Must(mem.Create[int32](a))
	leakOne(a)
	leakTwo(a)
	kept := mem.Must(mem.Create[int64](a))
	mem.Destroy(a, kept)
	leaks := a.Leaks()
	if leaks == nil || leaks.Blocks != 4 || len(leaks.Groups) != 3 || leaks.Groups[0].Blocks != 2 || leaks.Groups[0].Bytes != 2000 {
		t.Errorf("Leaks() = %+v, want 4 blocks in 3 groups, and first the one of 2000 bytes", leaks)
	}
	if blocks, bytes := a.Live(); blocks != 4 || bytes != leaks.Bytes {
		t.Errorf("Live() = %d, %d", blocks, bytes)
	}
	r.Finish()
	want(t, r, "leaked 4 blocks of ", "2 blocks of 2000 bytes of type", "allocated by", "allocatortest_test.leakTwo", "allocator_test.go:")
	all := r.Failures()[0]
	if strings.Index(all, "leakTwo") > strings.Index(all, "leakOne") {
		t.Errorf("%s\nis not ordered by size", all)
	}
	if strings.Contains(all, "(*Allocator)") || strings.Contains(all, "tRunner") {
		t.Errorf("%s\nhas frames that say nothing", all)
	}
}

func TestNewNoLeak(t *testing.T) {
	r := allocatortest.NewRecorder()
	a := allocatortest.New(r)
	arena := heap.NewArena(a)
	// Cleanups run last in, first out: this one comes before the count.
	r.Cleanup(func() { arena.Close() })
	leakTwo(arena)
	leakOne(arena)
	r.Finish()
	if f := r.Failures(); len(f) != 0 {
		t.Error(f)
	}
	if a.Leaks() != nil {
		t.Errorf("Leaks() = %v", a.Leaks())
	}
}

// sizes are those at which misuse must be found; see the crimes.
var sizes = []int{1, 8, 4095, 4096, 256 << 10, 2<<20 + 1}

func TestNewDoubleFree(t *testing.T) {
	for _, size := range sizes {
		r := allocatortest.NewRecorder()
		a := allocatortest.New(r)
		b := mem.Must(a.Alloc(size, word))
		other := mem.Must(a.Alloc(size, word))
		freeFirst(a, b)
		a.Free(b, word)
		a.Free(other, word)
		r.Finish()
		want(t, r, "double free", fmt.Sprintf("%d bytes at", size), "called by\n\t", "TestNewDoubleFree",
			"the block was allocated by\n\t", "and freed by\n\t", "freeFirst")
	}
}

func freeFirst(a mem.Allocator, b []byte) { a.Free(b, word) }

func TestNewForeign(t *testing.T) {
	for _, size := range sizes {
		r := allocatortest.NewRecorder()
		a := allocatortest.New(r)
		b := mem.Must(a.Alloc(size, word))
		a.Free(append(b, 1), word)
		a.Free(b, word)
		r.Finish()
		want(t, r, "free of a foreign block", "append may have moved it", "TestNewForeign")
	}
}

func TestNewForeignResize(t *testing.T) {
	r := allocatortest.NewRecorder()
	a := allocatortest.New(r)
	b := make([]byte, 8)
	if c, ok := a.Resize(b, word, 16); ok || &c[0] != &b[0] {
		t.Error("Resize of a foreign block did something")
	}
	want(t, r, "Allocator.Resize: free of a foreign block")
}

func TestNewInterior(t *testing.T) {
	for _, size := range sizes[1:] {
		r := allocatortest.NewRecorder()
		a := allocatortest.New(r)
		b := mem.Must(a.Alloc(size, word))
		a.Free(b[1:], word)
		b[0] = 1 // still there
		a.Free(b, word)
		r.Finish()
		want(t, r, "interior pointer", fmt.Sprintf("1 bytes into a block of %d", size))
	}
}

func TestNewMismatch(t *testing.T) {
	l := mem.Layout{Align: mem.Align(8), Zero: true, Type: mem.TypeFor[uint64]()}
	for _, m := range []struct {
		name string
		free func(a mem.Allocator, b []byte)
		says string
	}{
		{"Size", func(a mem.Allocator, b []byte) { a.Free(b[:8], l) }, "size mismatch: 8 bytes at"},
		{"Align", func(a mem.Allocator, b []byte) { a.Free(b, mem.Layout{Align: mem.Align(4), Type: l.Type}) }, "aligned to 8, not 4"},
		{"Type", func(a mem.Allocator, b []byte) {
			a.Free(b, mem.Layout{Align: l.Align, Type: mem.TypeFor[[2]uint32]()})
		}, "holds uint64, not [2]uint32"},
		{"RemapSize", func(a mem.Allocator, b []byte) { a.Remap(b[:8], l, 32) }, "Allocator.Remap: size mismatch"},
	} {
		t.Run(m.name, func(t *testing.T) {
			r := allocatortest.NewRecorder()
			a := allocatortest.New(r)
			b := mem.Must(a.Alloc(16, l))
			m.free(a, b)
			a.Free(b, mem.Layout{Align: l.Align, Type: l.Type}) // without Zero, which is right
			r.Finish()
			want(t, r, m.says, "TestNewMismatch", "allocated by")
		})
	}
}

func TestNewWrongRequest(t *testing.T) {
	type three [3]*int
	managed := mem.LayoutOf[three]()
	size := mem.TypeFor[three]().Size()
	untyped, low := managed, managed
	untyped.Type = mem.Type{}
	low.Align = mem.Align(1)
	for _, m := range []struct {
		name string
		size int
		l    mem.Layout
		says string
	}{
		{"NotWhole", size - 1, managed, "not a whole number"},
		{"NoType", size, untyped, "must have a type"},
		{"Unaligned", size, low, "aligned to 1, which"},
	} {
		t.Run(m.name, func(t *testing.T) {
			r := allocatortest.NewRecorder()
			a := allocatortest.New(r)
			if b, err := a.Alloc(m.size, m.l); err == nil {
				a.Free(b, m.l)
			}
			r.Finish()
			want(t, r, m.says, "TestNewWrongRequest")
		})
	}
	r := allocatortest.NewRecorder()
	a := allocatortest.New(r)
	b := mem.Must(a.Alloc(2*size, managed))
	if _, ok := a.Resize(b, managed, size+1); ok {
		t.Error("Resize to a broken element: true")
	}
	a.Free(b, managed)
	r.Finish()
	want(t, r, "not a whole number")
}

// anything serves every request with bytes, and answers what it should not.
type anything struct {
	mem.NoResize
	block []byte
	shape func([]byte) []byte
}

func (c anything) Alloc(size int, _ mem.Layout) ([]byte, error) {
	b := c.block
	if b == nil {
		b = make([]byte, size)
	}
	if c.shape != nil {
		b = c.shape(b)
	}
	return b, nil
}

func (anything) Free([]byte, mem.Layout) {}

func TestNewChildLied(t *testing.T) {
	one := make([]byte, 64)
	for _, m := range []struct {
		name  string
		child mem.Allocator
		says  string
	}{
		{"Short", anything{shape: func(b []byte) []byte { return b[:63:63] }}, "63 bytes with room for 63, not 64"},
		{"Nil", anything{shape: func([]byte) []byte { return nil }}, "neither a block nor an error"},
		{"Cap", anything{shape: func(b []byte) []byte { return append(b, 1)[:64] }}, "64 bytes with room for 128, not 64"},
		{"Misaligned", anything{shape: func(b []byte) []byte { return append(b, 1)[1:65:65] }}, "not aligned to 8"},
	} {
		t.Run(m.name, func(t *testing.T) {
			r := allocatortest.NewRecorder()
			a := allocatortest.New(r, allocatortest.Child(m.child), allocatortest.Exact())
			if b, err := a.Alloc(64, word); err == nil {
				t.Errorf("Alloc = %d bytes, want an error", len(b))
			}
			r.Finish()
			want(t, r, "child broke the contract", m.says)
		})
	}
	t.Run("Twice", func(t *testing.T) {
		r := allocatortest.NewRecorder()
		a := allocatortest.New(r, allocatortest.Child(anything{block: one}), allocatortest.Exact())
		b := mem.Must(a.Alloc(64, word))
		a.Alloc(64, word)
		a.Free(b, word)
		r.Finish()
		want(t, r, "overlaps one of 64 bytes")
	})
	t.Run("ResizeMoves", func(t *testing.T) {
		r := allocatortest.NewRecorder()
		a := allocatortest.New(r, allocatortest.Child(&resizeMoves{newHonest(0)}))
		b := mem.Must(a.Alloc(64, word))
		c := mem.Must(a.Alloc(64, word))
		if _, ok := a.Resize(b, word, 128); ok {
			t.Error("Resize = true, want what the child did to be refused")
		}
		a.Free(c, word)
		if all := strings.Join(r.Failures(), "\n"); !strings.Contains(all, "the child moved the block in Resize") {
			t.Errorf("found %q", all)
		}
	})
	t.Run("RemapMovesManaged", func(t *testing.T) {
		r := allocatortest.NewRecorder()
		a := allocatortest.New(r, allocatortest.Child(remapMoves{heap.GC{}}))
		l := mem.LayoutOf[*int]()
		b := mem.Must(a.Alloc(64, l))
		b, _ = a.Remap(b, l, 128)
		a.Free(b, l)
		r.Finish()
		want(t, r, "moved a block with pointers")
	})
}

func TestNewFillsUninit(t *testing.T) {
	a := allocatortest.New(t)
	s := mem.Must(mem.AllocUninit[uint16](a, 100))
	for i, v := range s {
		if v != 0xAAAA {
			t.Fatalf("element %d of a block that nobody asked to be zero is %#x, want 0xaaaa", i, v)
		}
	}
	mem.Free(a, s)
	big := mem.Must(mem.AllocUninit[byte](a, 1<<20))
	if big[0] != 0xAA || big[len(big)-1] != 0xAA {
		t.Errorf("a large block is %#x and %#x; want it filled", big[0], big[len(big)-1])
	}
	mem.Free(a, big)

	zero := mem.Must(mem.Alloc[uint16](a, 100))
	bools := mem.Must(mem.AllocUninit[bool](a, 100))
	pointers := mem.Must(mem.AllocUninit[*int](a, 100))
	for i := range 100 {
		if zero[i] != 0 || bools[i] || pointers[i] != nil {
			t.Fatalf("element %d of blocks that must be zero: %v, %v, %v", i, zero[i], bools[i], pointers[i])
		}
	}
	mem.Free(a, zero)
	mem.Free(a, bools)
	mem.Free(a, pointers)

	b := mem.Must(a.Alloc(100, word))
	if c, ok := a.Resize(b, word, 200); ok {
		if b = c; b[150] != 0xAA {
			t.Errorf("grown byte is %#x, want 0xaa", b[150])
		}
	}
	a.Free(b, word)
}

func TestNewOptions(t *testing.T) {
	a := allocatortest.New(t, allocatortest.NoResize())
	b := mem.Must(a.Alloc(8, word))
	if _, ok := a.Resize(b, word, 4); ok {
		t.Error("NoResize: Resize = true")
	}
	if _, ok := a.Remap(b, word, 4); ok {
		t.Error("NoResize: Remap = true")
	}
	a.Free(b, word)
	if got := a.Pointers(); got != mem.Scanned {
		t.Errorf("Pointers() = %v, want scanned", got)
	}

	limit := heap.NewLimit(heap.Page{}, 100)
	a = allocatortest.New(t, allocatortest.Child(limit), allocatortest.Exact())
	if got := a.Pointers(); got != mem.PlainOnly {
		t.Errorf("Pointers() = %v, want the child's answer", got)
	}
	if _, err := mem.Create[*int](a); !errors.Is(err, mem.ErrPointers) {
		t.Errorf("Create[*int] = %v, want ErrPointers", err)
	}
	if _, err := mem.Alloc[byte](a, 101); !errors.Is(err, mem.ErrLimit) {
		t.Errorf("over the limit: %v", err)
	}
	if s := a.Stats(); s.Failures != 1 {
		t.Errorf("Stats() = %+v, want one failure", s)
	}
}

func TestNewStats(t *testing.T) {
	a := allocatortest.New(t)
	x := mem.Must(mem.Alloc[byte](a, 100))
	y := mem.Must(mem.Alloc[byte](a, 50))
	mem.Free(a, x)
	y, ok := mem.Resize(a, y, 20)
	if !ok {
		t.Fatal("heap.Page no longer shrinks in place")
	}
	got := a.Stats()
	if want := (allocatortest.Stats{Blocks: 1, Bytes: 20, PeakBlocks: 2, PeakBytes: 150,
		Allocs: 2, Frees: 1, Resizes: 1}); got != want {
		t.Errorf("Stats() = %+v, want %+v", got, want)
	}
	mem.Free(a, y)
}

func TestNewNonsense(t *testing.T) {
	panics := func(name, says string, f func()) {
		t.Helper()
		defer func() {
			t.Helper()
			if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), says) {
				t.Errorf("%s: panic %v, want %q", name, r, says)
			}
		}()
		f()
	}
	a := allocatortest.New(t)
	panics("New", "nil TB", func() { allocatortest.New(nil) })
	panics("Child", "nil Allocator", func() { allocatortest.Child(nil) })
	panics("Alloc", "size 0", func() { a.Alloc(0, word) })
	panics("Resize", "size -1", func() { a.Resize(nil, word, -1) })
	panics("Remap", "size", func() { a.Remap(nil, word, math.MinInt) })
}

// TestNewKindAfterAlloc has Kind and Zero differ from what Alloc was told, which
// is no mistake.
func TestNewKindAfterAlloc(t *testing.T) {
	a := allocatortest.New(t)
	b := mem.Must(a.Alloc(100, word))
	managed := mem.Layout{Align: word.Align, Kind: mem.Managed, Zero: true}
	if c, ok := a.Resize(b, managed, 50); ok {
		b = c
	}
	if !a.Owns(b) || !a.Owns(b[10:]) || a.Owns(make([]byte, 1)) {
		t.Error("Owns does not know the block from a block of the Go heap")
	}
	a.Free(b, managed)
}

// TestNewParallel is for the race detector as well.
func TestNewParallel(t *testing.T) {
	a := allocatortest.New(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 200 {
				s := mem.Must(mem.Alloc[int](a, 1+i%50))
				p := mem.Must(mem.New(a, "x"))
				if i%10 == 0 {
					a.Stats()
				}
				mem.Destroy(a, p)
				mem.Free(a, s)
			}
		})
	}
	wg.Wait()
	for i := range 3 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			a := allocatortest.New(t)
			mem.Destroy(a, mem.Must(mem.Create[int](a)))
		})
	}
}

func TestNewSynctest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := allocatortest.New(t)
		x := mem.Must(mem.New(a, 1))
		go mem.Destroy(a, x)
		synctest.Wait()
	})
	// And the process can go on outside of the bubble.
	a := allocatortest.New(t)
	mem.Destroy(a, mem.Must(mem.New(a, 1)))
}

func FuzzPlay(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz"))
	f.Add([]byte{0, 9, 0, 8, 0, 250, 3, 200, 2, 4, 4, 4, 1, 6, 255, 4, 0, 10, 5, 1, 3, 6, 6, 1, 3, 0, 3, 1, 7, 23})
	f.Fuzz(func(t *testing.T, program []byte) {
		allocatortest.Play(t, allocatortest.New(t), program)
		allocatortest.Play(t, allocatortest.New(t, allocatortest.Child(newHonest(0))), program)
	})
}

func TestPlayFinds(t *testing.T) {
	program := []byte(strings.Repeat("\x00\x05\x00\x00\x02\x06\x01\x08\x04\x00\x07\x01\x05\x01\x21\x80\x03\x00\x06\x00", 20))
	for _, m := range mutants {
		switch m.name {
		case "Short", "Overlapping", "StaleContents", "ResizeMoves", "RemapLosesContents", "ResizeWithoutRoom", "ErrorAndBlock":
		default:
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			r := allocatortest.NewRecorder()
			for i := 0; i < 64 && len(r.Failures()) == 0; i++ {
				varied := []byte(string(program))
				for j := range varied {
					varied[j] += byte(i * (j*7 + 1))
				}
				allocatortest.Play(r, m.make(r), varied)
			}
			if f := r.Failures(); len(f) == 0 || !strings.Contains(f[0], "operation ") {
				t.Errorf("found %q", f)
			}
		})
	}
}
