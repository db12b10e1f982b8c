package heap_test

import (
	"flag"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/rt"
	"github.com/allod-dev/allod/mem"
)

// bump serves blocks one after the other and takes none back.
type bump struct {
	mem.NoResize
	room []byte
}

func (b *bump) Alloc(size int, l mem.Layout) ([]byte, error) {
	pad := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b.room))) & uintptr(l.Align.Bytes()-1))
	if size > len(b.room)-pad {
		return nil, mem.ErrOutOfMemory
	}
	p := b.room[pad : pad+size : pad+size]
	b.room = b.room[pad+size:]
	return p, nil
}

func (b *bump) Free([]byte, mem.Layout) {}

// What is kept about a live block is at most 96 bytes of the Go heap, wherever
// the block is.
func TestDebugMemoryPerBlock(t *testing.T) {
	if race.Enabled || invariant.Enabled || testing.Short() || unsafe.Sizeof(uintptr(0)) == 4 {
		t.Skip("it needs memory of its own, and many blocks")
	}
	const n = 150_000 // more than fill a table that has just grown
	for _, size := range []int{1, 64, 600} {
		d := newDebug(t, &bump{room: make([]byte, n*(size+80))}, heap.DebugOptions{})
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for range n {
			debugAlloc(d, size, word8)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if per := int(after.HeapAlloc-before.HeapAlloc) / n; per > 96 {
			t.Errorf("%d bytes for each block of %d", per, size)
		} else {
			t.Logf("%d bytes for each block of %d", per, size)
		}
		d.Close()
	}
}

// validOps makes the test below as long as one likes, in any build.
var validOps = flag.Int("debug.valid", 0, "`operations` of TestDebugNoFalseReports")

// Random valid operations, of every kind, are never reported.
func TestDebugNoFalseReports(t *testing.T) {
	ops := 9_000_000 // ten million in all
	switch {
	case *validOps > 0:
		ops = *validOps / 10 * 9
	case race.Enabled, invariant.Enabled:
		ops = 50_000
	case testing.Short(), special(), unsafe.Sizeof(uintptr(0)) == 4:
		ops = 300_000
	}
	for _, c := range []struct {
		name  string
		child mem.Allocator
		o     heap.DebugOptions
		ops   int
	}{
		{"smp", testSMP(t), heap.DebugOptions{}, ops},
		{"hybrid", heap.NewHybrid(testSMP(t)), heap.DebugOptions{QuarantineBlocks: 200, CheckEvery: ops / 200}, ops / 9},
		{"hybrid over pages", heap.NewHybrid(heap.Page{}), heap.DebugOptions{Redzone: 5, ResizeStacks: true}, ops / 100},
		{"promised", mem.NoGoPointers(testSMP(t)), heap.DebugOptions{MemoryLimit: 1 << 30}, ops / 20},
		{"guarded", heap.NewHybrid(heap.Page{}), heap.DebugOptions{Guard: heap.GuardEnd}, ops / 300},
		{"guarded start", heap.Page{}, heap.DebugOptions{Guard: heap.GuardStart, QuarantineBlocks: 20}, ops / 300},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDebug(t, c.child, c.o)
			validProgram(t, d, rand.New(rand.NewPCG(1, 2)), c.ops)
			for _, m := range d.Check() {
				t.Error(m)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
			d.none()
		})
	}
}

// special tells whether this is a build with tags, experiments or compiler flags
// of its own, where tests that take long in the plain one do less. To leave out
// DWARF changes nothing that runs.
func special() bool {
	if !rt.Linked {
		return true
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return true
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "-gcflags", "-asan", "-msan", "-tags", "GOEXPERIMENT", "CGO_ENABLED":
			if s.Value != "" && s.Value != "false" && s.Value != "1" && !strings.HasSuffix(s.Value, "=-dwarf=false") {
				return true
			}
		}
	}
	return false
}

// validTypes are what blocks may be of that have a type, those with pointers
// first. What points nowhere may be anywhere.
var validTypes = []mem.Layout{mem.LayoutOf[*int](), mem.LayoutOf[struct {
	a byte
	s string
}](), mem.LayoutOf[[3]uint16](), mem.LayoutOf[bool]()}

// validProgram does n random operations on d, all of them right, and stops at
// the first report.
func validProgram(t *testing.T, d *debugTest, rnd *rand.Rand, n int) {
	type held struct {
		b []byte
		l mem.Layout
	}
	types := validTypes
	switch d.Pointers() {
	case mem.PlainOnly:
		types = types[2:]
	case mem.Promised:
		types = append([]mem.Layout(nil), types...)
		types[0].Kind, types[1].Kind = mem.Local, mem.Local
	}
	var live []held
	write := func(h held) {
		if h.l.Kind == mem.Plain && h.l.Type != types[len(types)-1].Type {
			h.b[0], h.b[len(h.b)-1] = byte(rnd.Int()), byte(rnd.Int())
		}
	}
	for range n {
		switch i := rnd.IntN(max(len(live), 1)); {
		case len(live) < 10 || len(live) < 300 && rnd.IntN(3) == 0:
			h := held{l: mem.Layout{Align: mem.AlignLog2(rnd.IntN(7)), Zero: rnd.IntN(2) == 0}}
			size := 1 + rnd.IntN(200)
			if k := rnd.IntN(8); k < len(types) {
				h.l = types[k]
				size = h.l.Type.Size() * (1 + rnd.IntN(5))
			}
			h.b = debugAlloc(d, size, h.l)
			write(h)
			live = append(live, h)
		case rnd.IntN(3) == 0:
			h := live[i]
			size := h.l.Type.Size() * (1 + rnd.IntN(100))
			var ok bool
			if rnd.IntN(2) == 0 {
				h.b, ok = d.Resize(h.b, h.l, size)
			} else {
				h.b, ok = d.Remap(h.b, h.l, size)
			}
			if ok {
				write(h)
				live[i] = h
			}
		default:
			d.Free(live[i].b, live[i].l)
			live[i] = live[len(live)-1]
			live = live[:len(live)-1]
		}
		if len(d.got) > 0 {
			break
		}
	}
	for _, h := range live {
		d.Free(h.b, h.l)
	}
}

// A million leaks of ten thousand stacks are told in bounded memory.
func BenchmarkDebugMillion(b *testing.B) {
	const n = 1_000_000
	d := heap.NewDebug(&bump{room: make([]byte, n*96)}, heap.DebugOptions{OnLeak: func(*heap.LeakError) {}})
	for i := range n {
		deepAlloc(d, i%10_000)
	}
	b.Run("op=check", func(b *testing.B) {
		for b.Loop() {
			d.Check()
		}
	})
	b.Run("op=leaks", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if e := d.Leaks(); e.Blocks != n {
				b.Fatal(e)
			}
		}
	})
	b.Run("op=leaks+print", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if len(d.Leaks().Error()) == 0 {
				b.Fatal("nothing")
			}
		}
	})
}

// deepAlloc allocates with a stack that n tells: its digits are the callers.
func deepAlloc(a mem.Allocator, n int) {
	if n == 0 {
		a.Alloc(8, word8)
		return
	}
	digits[n%10](a, n/10)
}

var digits [10]func(a mem.Allocator, n int)

func init() {
	digits = [10]func(a mem.Allocator, n int){
		func(a mem.Allocator, n int) { deepAlloc(a, n); runtime.KeepAlive(0) },
		func(a mem.Allocator, n int) { deepAlloc(a, n); runtime.KeepAlive(1) },
		func(a mem.Allocator, n int) { deepAlloc(a, n); runtime.KeepAlive(2) },
		func(a mem.Allocator, n int) { deepAlloc(a, n); runtime.KeepAlive(3) },
		func(a mem.Allocator, n int) { deepAlloc(a, n); runtime.KeepAlive(4) },
		func(a mem.Allocator, n int) { deepAlloc(a, n); runtime.KeepAlive(5) },
		func(a mem.Allocator, n int) { deepAlloc(a, n); runtime.KeepAlive(6) },
		func(a mem.Allocator, n int) { deepAlloc(a, n); runtime.KeepAlive(7) },
		func(a mem.Allocator, n int) { deepAlloc(a, n); runtime.KeepAlive(8) },
		func(a mem.Allocator, n int) { deepAlloc(a, n); runtime.KeepAlive(9) },
	}
}
