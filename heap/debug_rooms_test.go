package heap_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// roomsBelow are all that a Debug may stand on.
var roomsBelow = map[string]func(t *testing.T) mem.Allocator{
	"Page":        func(*testing.T) mem.Allocator { return heap.Page{} },
	"Pages":       func(*testing.T) mem.Allocator { return heap.NewPages(heap.PageOptions{Populate: true}) },
	"Reserved":    func(*testing.T) mem.Allocator { return heap.NewReserved(1 << 20) },
	"GC":          func(*testing.T) mem.Allocator { return heap.GC{} },
	"FixedBuffer": func(*testing.T) mem.Allocator { return heap.NewFixedBuffer(make([]byte, 1<<20)) },
	"shared FixedBuffer": func(*testing.T) mem.Allocator {
		return heap.NewFixedBuffer(make([]byte, 1<<20)).ThreadSafe()
	},
	"BufferFirst":     func(*testing.T) mem.Allocator { return heap.NewBufferFirst(make([]byte, 5000), heap.GC{}) },
	"Arena":           func(t *testing.T) mem.Allocator { return closing(t, heap.NewArena(heap.GC{})) },
	"ConcurrentArena": func(t *testing.T) mem.Allocator { return closing(t, heap.NewConcurrentArena(heap.GC{})) },
	"SMP":             func(t *testing.T) mem.Allocator { return closing(t, heap.NewSMP(heap.SMPOptions{})) },
	"hardened SMP":    func(t *testing.T) mem.Allocator { return closing(t, heap.NewSMP(heap.SMPOptions{Hardened: true})) },
	"Hybrid":          func(*testing.T) mem.Allocator { return heap.NewHybrid(heap.Page{}) },
	"NoGoPointers":    func(*testing.T) mem.Allocator { return mem.NoGoPointers(heap.GC{}) },
	"Counting":        func(*testing.T) mem.Allocator { return heap.NewCounting(heap.GC{}) },
	"Limit":           func(*testing.T) mem.Allocator { return heap.NewLimit(heap.GC{}, 1<<20) },
	"Failing":         func(*testing.T) mem.Allocator { return heap.NewFailing(heap.GC{}, heap.FailingOptions{}) },
	"ThreadSafe":      func(*testing.T) mem.Allocator { return heap.NewThreadSafe(heap.GC{}) },
	"Validation":      func(*testing.T) mem.Allocator { return heap.NewValidation(heap.GC{}) },
	"Profile":         func(*testing.T) mem.Allocator { return heap.NewProfile(heap.GC{}) },
	"Logging": func(*testing.T) mem.Allocator {
		return heap.NewLogging(heap.GC{}, heap.LoggingOptions{Logger: slog.New(slog.DiscardHandler)})
	},
	"Debug": func(t *testing.T) mem.Allocator { return closing(t, heap.NewDebug(heap.GC{}, heap.DebugOptions{})) },
}

// A misdeed is done to a block b of three; the others are on either side of
// it, or would be. A wrong call is the one of debugFree or debugResize, and what it
// passed is returned; what was written is found by Check, and is the block's.
type misdeed struct {
	name string
	kind heap.MisuseKind
	free bool   // b was freed
	call string // what finds out
	do   func(d *debugTest, b []byte) (wrong []byte)
}

var misdeeds = []misdeed{
	{"write past the end", heap.Overflow, false, "", func(d *debugTest, b []byte) []byte { *byteAt(b, len(b))++; return b }},
	{"write before the start", heap.Underflow, false, "", func(d *debugTest, b []byte) []byte { *byteAt(b, -1)++; return b }},
	{"write after free", heap.WriteAfterFree, true, "", func(d *debugTest, b []byte) []byte { b[0]++; return b }},
	{"free twice", heap.DoubleFree, true, "debugFree", func(d *debugTest, b []byte) []byte { return wrongFree(d, b, word8) }},
	{"resize after free", heap.UseAfterFree, true, "debugResize", func(d *debugTest, b []byte) []byte {
		b, _ = debugResize(d, b, word8, len(b))
		return b
	}},
	{"free of a part", heap.InteriorFree, false, "debugFree", func(d *debugTest, b []byte) []byte { return wrongFree(d, byteSlice(b, 1), word8) }},
	{"free as another size", heap.SizeMismatch, false, "debugFree", func(d *debugTest, b []byte) []byte { return wrongFree(d, byteSlice(b, 0), word8) }},
	{"free as another alignment", heap.AlignMismatch, false, "debugFree", func(d *debugTest, b []byte) []byte { return wrongFree(d, b, word4) }},
	{"free of the Go heap", heap.ForeignFree, false, "debugFree", func(d *debugTest, b []byte) []byte { return wrongFree(d, append(b, 1), word8) }},
}

func wrongFree(d *debugTest, b []byte, l mem.Layout) []byte {
	debugFree(d, b, l)
	return b
}

// byteSlice returns the bytes of b from at on, and one more.
func byteSlice(b []byte, at int) []byte { return unsafe.Slice(byteAt(b, at), len(b)+1-at) }

// Whatever is below, a Debug finds the same, and nothing in a program without
// the mistake. What is below hears of none.
func TestDebugOverEverything(t *testing.T) {
	sizes := []int{1, 8, 4095, 4096}
	if race.Enabled || invariant.Enabled || testing.Short() {
		sizes = []int{1, 4096}
	}
	for name, make := range roomsBelow {
		t.Run(name, func(t *testing.T) {
			child := make(t)
			said := misuses(t, func() {
				for _, m := range misdeeds {
					for _, size := range sizes {
						misdo(t, child, m, size, false)
						misdo(t, child, m, size, true)
					}
				}
			})
			for _, m := range said {
				t.Errorf("below: %v", m)
			}
		})
	}
}

func misdo(t *testing.T, child mem.Allocator, m misdeed, size int, guilt bool) {
	t.Helper()
	d := newDebug(t, child, heap.DebugOptions{})
	what := fmt.Sprintf("%s, %d bytes", m.name, size)
	var blocks [3][]byte
	for i := range blocks {
		blocks[i] = debugAlloc(d, size, word8)
		blocks[i][0], blocks[i][size-1] = 1, 2
	}
	b := blocks[1]
	if m.free {
		debugFree(d, b, word8)
	}
	if guilt {
		wrong := m.do(d, b)
		op, at := "heap: Debug."+strings.TrimPrefix(m.call, "debug"), debugCalls[m.call]
		if m.call == "" {
			op, at = "heap: Debug.Check", next()
			d.got = append(d.got, d.Check()...)
		}
		born, died := debugCalls["debugAlloc"], ""
		if m.free {
			died = debugCalls["debugFree"]
		}
		if m.kind == heap.ForeignFree {
			born = ""
		}
		found := d.one(m.kind, wrong, len(wrong))
		if found.Op != op || begins(found.Alloc) != born || begins(found.Free) != died || begins(found.Here) != at {
			t.Errorf("%s: %v found at %q, allocated at %q, freed at %q; want %s at %q, %q, %q",
				what, found, begins(found.Here), begins(found.Alloc), begins(found.Free), op, at, born, died)
		}
		if more := d.Check(); len(more) > 0 {
			t.Errorf("%s: %v", what, more)
		}
	}
	for i := range blocks {
		if i != 1 || !m.free {
			debugFree(d, blocks[i], word8)
		}
	}
	if err := d.Close(); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	d.none()
}

// Two buffers that overlap are reported when the second gets a Debug, with both
// stacks. What belongs together is not.
func TestDebugOverlappingBuffers(t *testing.T) {
	room := make([]byte, 2000)
	under := map[string]func(buf []byte) mem.Allocator{
		"FixedBuffer": func(buf []byte) mem.Allocator { return heap.NewFixedBuffer(buf) },
		"shared":      func(buf []byte) mem.Allocator { return heap.NewFixedBuffer(buf).ThreadSafe() },
		"BufferFirst": func(buf []byte) mem.Allocator { return heap.NewBufferFirst(buf, heap.Page{}) },
		"wrapped":     func(buf []byte) mem.Allocator { return heap.NewCounting(heap.NewHybrid(heap.NewFixedBuffer(buf))) },
	}
	for name, make := range under {
		for _, c := range []struct{ from, to, common int }{
			{1000, 2000, 0}, {400, 1400, 600}, {999, 2000, 1}, {0, 1000, 1000}, {100, 200, 100}, {1000, 1000, 0},
		} {
			first := newDebug(t, heap.NewFixedBuffer(room[:1000]), heap.DebugOptions{})
			second := &debugTest{t: t}
			o := heap.DebugOptions{OnMisuse: func(m *heap.Misuse) { second.got = append(second.got, m) }}
			child := make(room[c.from:c.to])
			at := next()
			second.Debug = heap.NewDebug(child, o)
			if c.common > 0 {
				m := second.one(heap.Overlap, room[c.from:c.to], c.to-c.from)
				if want := fmt.Sprintf("has %d byte", c.common); m.Op != "heap: NewDebug" || !strings.Contains(m.Hint, want) ||
					begins(m.Here) != at || !strings.HasPrefix(firstFunction(m.Other.Program()), "github.com/allod-dev/allod/heap_test.newDebug") {
					t.Errorf("%s: %v\n%v\nwant %q at %s", name, m, m.Here, want, at)
				}
				if text := m.Error(); !strings.Contains(text, "\nthe other one made by\n") {
					t.Error(text)
				}
			}
			second.none()
			second.Close()
			first.none()
			first.Close()
		}
	}
}

func firstFunction(s heap.Stack) string {
	name, _, _ := strings.Cut(s.String(), "\n")
	return name
}

// Buffers that have bytes in common for a reason are not reported.
func TestDebugOverlapTwins(t *testing.T) {
	buf := make([]byte, 4000)
	one := heap.NewFixedBuffer(buf)
	d := newDebug(t, one, heap.DebugOptions{})
	newDebug(t, one, heap.DebugOptions{}).none()              // the same
	newDebug(t, one.ThreadSafe(), heap.DebugOptions{}).none() // seen otherwise
	newDebug(t, d, heap.DebugOptions{}).none()                // below both

	// One within a block of the other.
	b := debugAlloc(d, 1000, word8)
	inner := newDebug(t, heap.NewFixedBuffer(b), heap.DebugOptions{})
	inner.none()
	newDebug(t, heap.NewFixedBuffer(byteSlice(b, 0)), heap.DebugOptions{}).one(heap.Overlap, byteSlice(b, 0), 1001) // a byte too long
	inner.Close()
	d.Free(b, word8)
	newDebug(t, heap.NewFixedBuffer(b), heap.DebugOptions{}).one(heap.Overlap, b, 1000) // too late

	// The other one was there before.
	whole := heap.NewFixedBuffer(make([]byte, 1000))
	part := debugAlloc(whole, 500, word8)
	newDebug(t, heap.NewFixedBuffer(part), heap.DebugOptions{}).none()
	newDebug(t, whole, heap.DebugOptions{}).none()

	// One that is closed, and one that has another buffer by now.
	again := heap.NewFixedBuffer(make([]byte, 500))
	newDebug(t, again, heap.DebugOptions{}).Close()
	first := make([]byte, 700)
	moved := heap.NewFixedBuffer(first)
	newDebug(t, moved, heap.DebugOptions{})
	moved.Init(make([]byte, 100))
	newDebug(t, heap.NewFixedBuffer(first), heap.DebugOptions{}).none()
	d.none()
}

// roomsAbove are those that have a child.
var roomsAbove = map[string]func(child mem.Allocator) mem.Allocator{
	"Arena":           func(c mem.Allocator) mem.Allocator { return heap.NewArena(c) },
	"ConcurrentArena": func(c mem.Allocator) mem.Allocator { return heap.NewConcurrentArena(c) },
	"BufferFirst":     func(c mem.Allocator) mem.Allocator { return heap.NewBufferFirst(make([]byte, 8), c) },
	"Hybrid":          func(c mem.Allocator) mem.Allocator { return heap.NewHybrid(c) },
	"Counting":        func(c mem.Allocator) mem.Allocator { return heap.NewCounting(c) },
	"Limit":           func(c mem.Allocator) mem.Allocator { return heap.NewLimit(c, 1<<20) },
	"Failing":         func(c mem.Allocator) mem.Allocator { return heap.NewFailing(c, heap.FailingOptions{}) },
	"ThreadSafe":      func(c mem.Allocator) mem.Allocator { return heap.NewThreadSafe(c) },
	"Validation":      func(c mem.Allocator) mem.Allocator { return heap.NewValidation(c) },
	"Profile":         func(c mem.Allocator) mem.Allocator { return heap.NewProfile(c) },
	"Named":           func(c mem.Allocator) mem.Allocator { return new(heap.Registry).Named(c, "x") },
	"NoGoPointers":    func(c mem.Allocator) mem.Allocator { return mem.NoGoPointers(c) },
	"Logging": func(c mem.Allocator) mem.Allocator {
		return heap.NewLogging(c, heap.LoggingOptions{Logger: slog.New(slog.DiscardHandler)})
	},
	"Debug": func(c mem.Allocator) mem.Allocator { return heap.NewDebug(c, heap.DebugOptions{}) },
}

// Whatever is above, a Debug tells of the line of the program that asked for
// what is leaked. The twin leaks nothing.
func TestDebugUnderEverything(t *testing.T) {
	for name, make := range roomsAbove {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{64, 4096, 100_000} {
				d := newDebug(t, heap.Page{}, heap.DebugOptions{})
				a := make(d)
				born := next()
				b, err := a.Alloc(size, word8)
				if err != nil {
					t.Fatal(err)
				}
				e := d.Leaks()
				if e == nil || e.Blocks != 1 || e.Bytes < size || len(e.Groups) != 1 {
					t.Fatalf("%d bytes: %v", size, e)
				}
				if at := begins(e.Groups[0].Stack.Program()); at != born {
					t.Errorf("%d bytes: leaked from %q, want %q:\n%v", size, at, born, e)
				}
				d.none()
				a.Free(b, word8)
				if c, ok := a.(interface{ Close() error }); ok {
					if err := c.Close(); err != nil {
						t.Error(err)
					}
				}
				if err := d.Close(); err != nil {
					t.Errorf("%d bytes: the twin: %v", size, err)
				}
				d.none()
			}
		})
	}
}
