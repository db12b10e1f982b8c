package heap_test

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"runtime"
	"sync"
	"testing"
	"unsafe"
	"weak"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// gcs are the two ways to the collected heap.
var gcs = map[string]mem.Allocator{
	"GC":       heap.GC{},
	"CappedGC": heap.NewGC(heap.GCOptions{MaxSize: 16 << 20}),
}

func TestGC(t *testing.T) {
	for name, a := range gcs {
		t.Run(name, func(t *testing.T) {
			allocatortest.RunWith(t, allocatortest.Promises{Concurrent: true, ReusesFreed: true, ForeignUnknown: true},
				func(*testing.T) mem.Allocator { return a })
		})
	}
}

func addressOf(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// Plain blocks of every awkward size at every alignment, which make alone would
// not give: it aligns 7 bytes at 1.
func TestGCPlainAlignment(t *testing.T) {
	for name, a := range gcs {
		for log2 := range 22 {
			l := mem.Layout{Align: mem.AlignLog2(log2)}
			for _, size := range []int{1, 2, 3, 7, 8, 12, 15, 16, 17, 24, 40, 48, 100, 512, 513, 1000, 4095, 4096, 10880, 32768, 32769, 100000} {
				var live [][]byte
				for range 3 {
					b, err := a.Alloc(size, l)
					if err != nil {
						t.Fatalf("%s.Alloc(%d, align %v): %v", name, size, l.Align, err)
					}
					if len(b) != size || cap(b) != size {
						t.Fatalf("%s.Alloc(%d, align %v): len %d cap %d", name, size, l.Align, len(b), cap(b))
					}
					if !l.Align.Check(addressOf(b)) {
						t.Fatalf("%s.Alloc(%d, align %v): at %#x", name, size, l.Align, addressOf(b))
					}
					for i := range b {
						if b[i] != 0 {
							t.Fatalf("%s.Alloc(%d, align %v): byte %d is %#x", name, size, l.Align, i, b[i])
						}
						b[i] = 0xFF
					}
					live = append(live, b)
				}
				for _, b := range live {
					a.Free(b, l)
				}
			}
		}
	}
}

// Types whose sizes hold different powers of two: each reaches an alignment in
// another way, or cannot.
type (
	link24   [3]*int
	link32   [4]*int
	link40   [5]*int
	link1K   [128]*int
	link1016 [127]*int
	link16K  [2048]*int
	linkOdd  [8191]*int
)

func TestGCTypedAlignment(t *testing.T) {
	testTypedAlignment[*int](t)
	testTypedAlignment[string](t)
	testTypedAlignment[link24](t)
	testTypedAlignment[link32](t)
	testTypedAlignment[link40](t)
	testTypedAlignment[link1K](t)
	testTypedAlignment[link1016](t)
	testTypedAlignment[link16K](t)
	testTypedAlignment[linkOdd](t)
}

func testTypedAlignment[T any](t *testing.T) {
	var v T
	elem := int(unsafe.Sizeof(v))
	for _, log2 := range []int{0, 3, 4, 5, 6, 9, 12, 13, 14, 16} {
		align := mem.AlignLog2(log2)
		if log2 > 13 && elem%(16<<10) == 0 {
			continue // refused: see TestGCTypedAlignmentRefused
		}
		for _, n := range []int{1, 3, 70} {
			if elem*n > 1<<20 {
				continue
			}
			s, err := mem.AllocAligned[T](heap.GC{}, n, align)
			// So many elements on, one is aligned; that may be too far.
			period := max(align.Bytes()/(elem&-elem), 1)
			if log2 > 13 && (period-1)*elem > 8<<20 {
				if err != mem.ErrTooLarge {
					t.Errorf("AllocAligned[%T](%d, %v): %v, want ErrTooLarge", v, n, align, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("AllocAligned[%T](%d, %v): %v", v, n, align, err)
			}
			if at := uintptr(unsafe.Pointer(&s[0])); !align.Check(at) {
				t.Fatalf("AllocAligned[%T](%d, %v): at %#x", v, n, align, at)
			}
			if len(s) != n || cap(s) != n {
				t.Fatalf("AllocAligned[%T](%d, %v): len %d cap %d", v, n, align, len(s), cap(s))
			}
			keepsTargets(t, fmt.Sprintf("AllocAligned[%T](%d, %v)", v, n, align), s)
			mem.FreeAligned(heap.GC{}, s, align)
		}
	}
}

// An alignment up to the runtime's page costs a large block, and not what it
// takes until an element happens to be aligned, which is half a MiB here.
func TestGCTypedAlignmentWaste(t *testing.T) {
	l := mem.LayoutOf[link1016]()
	l.Align = mem.Align(4096)
	size := l.Type.Size()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 10 {
		if _, err := (heap.GC{}).Alloc(size, l); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		t.Errorf("10 blocks of %d bytes took %d", size, used)
	}
}

// keepsTargets stores a pointer in the first and the last word of s and checks
// that a collection sees them.
func keepsTargets[T any](t *testing.T, what string, s []T) {
	t.Helper()
	words := unsafe.Slice((*unsafe.Pointer)(unsafe.Pointer(&s[0])), len(s)*int(unsafe.Sizeof(s[0])/unsafe.Sizeof(uintptr(0))))
	target := func() (unsafe.Pointer, weak.Pointer[[3]int]) {
		p := &[3]int{1, 2, 3}
		return unsafe.Pointer(p), weak.Make(p)
	}
	step := 1 // only the first word of a string is a pointer
	if _, ok := any(s[0]).(string); ok {
		step = 2
	}
	var first, last weak.Pointer[[3]int]
	words[0], first = target()
	words[len(words)-step], last = target()
	runtime.GC()
	if last.Value() == nil || (len(words) > step && first.Value() == nil) {
		t.Fatalf("%s: what it pointed to was collected", what)
	}
	runtime.KeepAlive(s)
}

// An alignment above the runtime's page cannot be had where every element may
// be off by a page. That is an error, the same every time.
func TestGCTypedAlignmentRefused(t *testing.T) {
	type page [16 << 10 / unsafe.Sizeof(uintptr(0))]*int
	for range 10 {
		if _, err := mem.AllocAligned[page](heap.GC{}, 1, mem.Align(16<<10)); !errors.Is(err, mem.ErrTooLarge) {
			t.Fatalf("err %v, want ErrTooLarge", err)
		}
	}
	for log2 := 40; log2 < int(unsafe.Sizeof(uintptr(0)))*8-1; log2++ {
		if _, err := mem.AllocAligned[*int](heap.GC{}, 1, mem.AlignLog2(log2)); !errors.Is(err, mem.ErrTooLarge) {
			t.Fatalf("align 1<<%d: err %v, want ErrTooLarge", log2, err)
		}
	}
}

// What the machine cannot serve is an error and never ends the program.
func TestGCTooLarge(t *testing.T) {
	for name, a := range gcs {
		for log2 := range int(unsafe.Sizeof(uintptr(0)))*8 - 1 {
			align := mem.AlignLog2(log2)
			for _, size := range []int{math.MaxInt, math.MaxInt - 1, math.MaxInt - 8192, math.MaxInt/2 + 2} {
				if b, err := a.Alloc(size, mem.Layout{Align: align}); !errors.Is(err, mem.ErrTooLarge) || b != nil {
					t.Fatalf("%s.Alloc(%d, align %v): %d bytes, %v, want ErrTooLarge", name, size, align, len(b), err)
				}
			}
			if log2 > 40 || math.MaxInt == math.MaxInt32 && log2 >= 30 {
				if b, err := a.Alloc(1, mem.Layout{Align: align}); !errors.Is(err, mem.ErrTooLarge) || b != nil {
					t.Fatalf("%s.Alloc(1, align %v): %d bytes, %v, want ErrTooLarge", name, align, len(b), err)
				}
			}
		}
		for _, n := range []int{math.MaxInt / int(unsafe.Sizeof("")), math.MaxInt/int(unsafe.Sizeof("")) - 1000} {
			if _, err := mem.Alloc[string](a, n); !errors.Is(err, mem.ErrTooLarge) {
				t.Fatalf("%s: Alloc[string](%d): %v, want ErrTooLarge", name, n, err)
			}
			if _, err := mem.AllocAligned[string](a, n, mem.Align(4096)); !errors.Is(err, mem.ErrTooLarge) {
				t.Fatalf("%s: AllocAligned[string](%d): %v, want ErrTooLarge", name, n, err)
			}
		}
	}
}

func TestGCMaxSize(t *testing.T) {
	a := heap.NewGC(heap.GCOptions{MaxSize: 1000})
	for _, c := range []struct {
		name string
		size int
		l    mem.Layout
		want error
	}{
		{"exactly", 1000, mem.Layout{}, nil},
		{"one more", 1001, mem.Layout{}, mem.ErrTooLarge},
		{"exactly, aligned", 1000, mem.Layout{Align: mem.Align(64 << 10)}, nil},
		{"typed", 992, mem.LayoutOf[*int](), nil},
		{"typed, more", 1008, mem.LayoutOf[*int](), mem.ErrTooLarge},
	} {
		b, err := a.Alloc(c.size, c.l)
		if !errors.Is(err, c.want) || (err == nil) != (len(b) == c.size) {
			t.Errorf("%s: Alloc(%d): %d bytes, error %v, want %v", c.name, c.size, len(b), err, c.want)
		}
	}
	if b, err := heap.NewGC(heap.GCOptions{}).Alloc(1<<20+1, mem.Layout{}); err != nil || len(b) != 1<<20+1 {
		t.Errorf("default: %d bytes, error %v", len(b), err)
	}
	if _, err := heap.NewGC(heap.GCOptions{MaxSize: math.MaxInt}).Alloc(math.MaxInt, mem.Layout{}); !errors.Is(err, mem.ErrTooLarge) {
		t.Errorf("MaxSize MaxInt: error %v, want ErrTooLarge", err)
	}
	mustPanic(t, "heap: NewGC: negative MaxSize", func() { heap.NewGC(heap.GCOptions{MaxSize: -1}) })
}

// mustPanic calls f, which must panic with exactly the message want.
func mustPanic(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if got := recover(); got != want {
			t.Errorf("panic %v, want %q", got, want)
		}
	}()
	f()
}

func TestGCNonsense(t *testing.T) {
	for _, size := range []int{0, -1, math.MinInt} {
		for _, a := range gcs {
			for name, f := range map[string]func(){
				"Alloc":  func() { a.Alloc(size, mem.Layout{}) },
				"Resize": func() { a.Resize(make([]byte, 8), mem.Layout{}, size) },
				"Remap":  func() { a.Remap(make([]byte, 8), mem.Layout{}, size) },
			} {
				func() {
					defer func() {
						if recover() == nil {
							t.Errorf("%T.%s with size %d: no panic", a, name, size)
						}
					}()
					f()
				}()
			}
		}
	}
	mustPanic(t, "heap: GC.Alloc: managed block without a Type", func() {
		heap.GC{}.Alloc(8, mem.Layout{Kind: mem.Managed})
	})
	mustPanic(t, "heap: GC.Alloc: not a whole number of string", func() {
		heap.GC{}.Alloc(int(unsafe.Sizeof(""))+1, mem.LayoutOf[string]())
	})
	mustPanic(t, "heap: GC.Alloc: not a whole number of struct {}", func() {
		heap.GC{}.Alloc(1, mem.Layout{Kind: mem.Managed, Type: mem.TypeFor[struct{}]()})
	})
}

// Local is a permission: the collected heap types the block anyway. A type
// without pointers needs none.
func TestGCKinds(t *testing.T) {
	l := mem.LayoutOf[link24]()
	l.Kind = mem.Local
	b, err := heap.GC{}.Alloc(10*l.Type.Size(), l)
	if err != nil {
		t.Fatal(err)
	}
	keepsTargets(t, "local", unsafe.Slice((*link24)(unsafe.Pointer(&b[0])), 10))
	b, err = heap.GC{}.Alloc(3, mem.Layout{Kind: mem.Managed, Type: mem.TypeFor[byte]()})
	if err != nil || len(b) != 3 {
		t.Fatalf("managed bytes: %d bytes, error %v", len(b), err)
	}
	if got := (heap.GC{}).Pointers(); got != mem.Scanned {
		t.Errorf("GC.Pointers() = %v", got)
	}
	if got := heap.NewGC(heap.GCOptions{}).Pointers(); got != mem.Scanned {
		t.Errorf("CappedGC.Pointers() = %v", got)
	}
}

func TestGCResize(t *testing.T) {
	for name, a := range gcs {
		for method, resize := range map[string]func([]byte, mem.Layout, int) ([]byte, bool){"Resize": a.Resize, "Remap": a.Remap} {
			b, err := a.Alloc(100, mem.Layout{})
			if err != nil {
				t.Fatal(err)
			}
			for i := range b {
				b[i] = byte(i)
			}
			if got, ok := resize(b, mem.Layout{}, 101); ok || len(got) != 100 {
				t.Errorf("%s.%s to more: %t, %d bytes", name, method, ok, len(got))
			}
			if got, ok := resize(b, mem.Layout{}, 100); !ok || len(got) != 100 || &got[0] != &b[0] {
				t.Errorf("%s.%s to the same: %t, %d bytes", name, method, ok, len(got))
			}
			got, ok := resize(b, mem.Layout{}, 10)
			if !ok || len(got) != 10 || cap(got) != 10 || &got[0] != &b[0] || got[9] != 9 {
				t.Errorf("%s.%s to less: %t, len %d, cap %d", name, method, ok, len(got), cap(got))
			}
			if _, ok := resize(got, mem.Layout{}, 11); ok {
				t.Errorf("%s.%s: grew", name, method)
			}
		}
	}
}

// What vacated elements pointed to is collectable, although the block is live.
func TestGCShrinkDropsTargets(t *testing.T) {
	s, err := mem.Alloc[*[64]int](heap.GC{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	var watch [10]weak.Pointer[[64]int]
	for i := range s {
		s[i] = &[64]int{i}
		watch[i] = weak.Make(s[i])
	}
	s, ok := mem.Resize(heap.GC{}, s, 4)
	if !ok {
		t.Fatal("Resize to less: false")
	}
	runtime.GC()
	runtime.GC()
	for i := range watch {
		if alive := watch[i].Value() != nil; alive != (i < 4) {
			t.Errorf("target %d alive: %t", i, alive)
		}
	}
	runtime.KeepAlive(s)
	back, err := mem.Realloc(heap.GC{}, s, 10)
	if err != nil {
		t.Fatal(err)
	}
	for i := range back {
		if (back[i] != nil) != (i < 4) {
			t.Errorf("after regrowth element %d is %v", i, back[i])
		}
	}
}

// A free is a hint: a foreign block is no misuse here.
func TestGCFreeForeign(t *testing.T) {
	allocatortest.NoMisuse(t, func() {
		for _, a := range gcs {
			a.Free(make([]byte, 10), mem.Layout{})
		}
	})
}

func TestGCConcurrent(t *testing.T) {
	for _, a := range gcs {
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := range 200 {
					s, err := mem.Alloc[string](a, 1+i%7)
					if err != nil {
						t.Error(err)
						return
					}
					s[0] = fmt.Sprint(g, i)
					if g == 0 && i%50 == 0 {
						runtime.GC()
					}
					if s[0] != fmt.Sprint(g, i) {
						t.Errorf("got %q", s[0])
					}
					mem.Free(a, s)
				}
			})
		}
		wg.Wait()
	}
}

// A failure allocates nothing, a block nothing but itself.
func TestGCAllocs(t *testing.T) {
	var a mem.Allocator = heap.GC{}
	typed := mem.LayoutOf[link24]()
	for _, c := range []struct {
		name string
		size int
		l    mem.Layout
		want float64
	}{
		{"plain", 100, mem.Layout{}, 1},
		{"plain, aligned", 100, mem.Layout{Align: mem.Align(64)}, 1},
		{"failure", math.MaxInt, mem.Layout{}, 0},
		{"typed failure", math.MaxInt / 24 * 24, typed, 0},
	} {
		got := testing.AllocsPerRun(100, func() {
			if b, err := a.Alloc(c.size, c.l); err == nil {
				a.Free(b, c.l)
			}
		})
		if got != c.want {
			t.Errorf("%s: %v allocations, want %v", c.name, got, c.want)
		}
	}
}

var sinkBytes []byte

func BenchmarkGC(b *testing.B) {
	for _, size := range []int{16, 64, 256, 4096} {
		b.Run(fmt.Sprintf("impl=make/size=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sinkBytes = make([]byte, size)
			}
		})
		b.Run(fmt.Sprintf("impl=gc/size=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			var a mem.Allocator = heap.GC{}
			for b.Loop() {
				s, err := mem.Alloc[byte](a, size)
				if err != nil {
					b.Fatal(err)
				}
				sinkBytes = s
			}
		})
	}
	b.Run("impl=new/type=link24", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sinkLink = new(link24)
		}
	})
	b.Run("impl=gc/type=link24", func(b *testing.B) {
		b.ReportAllocs()
		var a mem.Allocator = heap.GC{}
		for b.Loop() {
			p, err := mem.Create[link24](a)
			if err != nil {
				b.Fatal(err)
			}
			sinkLink = p
		}
	})
}

var sinkLink *link24

func FuzzGC(f *testing.F) {
	f.Add([]byte("\x00\x10\x20\x30\x40\x50\x60\x70\x80\x90\xA0\xB0\xC0\xD0\xE0\xF0"))
	f.Add([]byte("grow, shrink, free, align and forget"))
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) > 4096 {
			return
		}
		for _, a := range gcs {
			allocatortest.Play(t, a, program)
		}
	})
}

// Aligning a block beyond reason is refused, rather than paid for with memory.
func TestGCAlignTooMuch(t *testing.T) {
	for _, c := range []struct {
		log2 int
		ok   bool
	}{{21, true}, {23, true}, {24, false}, {30, false}, {62, false}} {
		if c.log2 >= bits.UintSize-1 {
			continue
		}
		align := mem.Align(1 << c.log2)
		b, err := (heap.GC{}).Alloc(3, mem.Layout{Align: align})
		switch {
		case c.ok && (err != nil || len(b) != 3 || addressOf(b)&align.Mask() != 0):
			t.Errorf("2^%d: %d bytes, %v", c.log2, len(b), err)
		case !c.ok && !errors.Is(err, mem.ErrTooLarge):
			t.Errorf("2^%d: %v, want mem.ErrTooLarge", c.log2, err)
		}
	}
}
