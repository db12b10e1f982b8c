//go:build cgo

package heap_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/asan"
	"github.com/allod-dev/allod/internal/cmalloc"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/rt"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

func TestC(t *testing.T) {
	allocatortest.RunWith(t, allocatortest.Promises{
		Concurrent: true, ReusesFreed: !asan.Enabled, ForeignUnknown: true, NoGarbage: !invariant.Enabled,
	}, func(*testing.T) mem.Allocator { return heap.C{} })
}

func TestRawC(t *testing.T) {
	allocatortest.RunWith(t, allocatortest.Promises{
		Concurrent: true, ReusesFreed: !asan.Enabled, ForeignUnknown: true, NoGarbage: !invariant.Enabled,
		MaxAlign: mem.Align(cmalloc.MaxAlign),
	}, func(*testing.T) mem.Allocator { return heap.RawC{} })
}

func FuzzC(f *testing.F) {
	f.Add([]byte("malloc, realloc, posix_memalign, free"))
	f.Add([]byte{255, 3, 1, 0, 9, 200, 17, 4, 4, 4, 250, 250, 250, 0, 0, 1})
	f.Fuzz(func(t *testing.T, program []byte) {
		allocatortest.Play(t, heap.C{}, program)
		allocatortest.Play(t, heap.RawC{}, program)
	})
}

func TestCAlignment(t *testing.T) {
	for log2 := 0; log2 <= 22; log2++ {
		for _, size := range []int{1, 8, 100, 5000, 300_000} {
			for _, zero := range []bool{false, true} {
				l := mem.Layout{Align: mem.AlignLog2(log2), Zero: zero}
				b, err := heap.C{}.Alloc(size, l)
				if err != nil {
					t.Fatal(err)
				}
				if !l.Align.Check(addressOf(b)) || len(b) != size || cap(b) != size {
					t.Errorf("Alloc(%d, %v): %d bytes at %#x", size, l.Align, len(b), addressOf(b))
				}
				if i := pageNot(b, 0); zero && i >= 0 {
					t.Errorf("Alloc(%d, %v): byte %d is not zero", size, l.Align, i)
				}
				pageFill(b, 1)
				heap.C{}.Free(b, l)
			}
		}
	}
	for _, size := range []int{1, 16, 1000} {
		l := mem.Layout{Align: mem.Align(2 * cmalloc.MaxAlign)}
		if _, err := (heap.RawC{}).Alloc(size, l); !errors.Is(err, mem.ErrTooLarge) {
			t.Errorf("RawC.Alloc(%d, %v): %v", size, l.Align, err)
		}
	}
}

func TestCTooLarge(t *testing.T) {
	for k := 0; k <= 64<<10; k = k*2 + 1 {
		for name, a := range map[string]mem.Allocator{"C": heap.C{}, "RawC": heap.RawC{}} {
			for _, l := range []mem.Layout{{}, {Zero: true}, {Align: mem.Align(1 << 20)}} {
				if b, err := a.Alloc(math.MaxInt-k, l); err == nil {
					a.Free(b, l)
				} else if !errors.Is(err, mem.ErrOutOfMemory) {
					t.Errorf("%s: Alloc(MaxInt-%d): %v", name, k, err)
				}
			}
		}
		b := pageAlloc(t, heap.C{}, 10, mem.Layout{})
		if _, ok := (heap.C{}).Remap(b, mem.Layout{}, math.MaxInt-k); ok {
			t.Fatalf("Remap(MaxInt-%d): true", k)
		}
		heap.C{}.Free(b, mem.Layout{})
	}
}

// In place, growth within what the library rounded up to; shrinking always.
func TestCResize(t *testing.T) {
	l := mem.Layout{Zero: true}
	b := pageAlloc(t, heap.C{}, 100, l)
	pageFill(b, 1)
	b, ok := heap.C{}.Resize(b, l, 10)
	if !ok || len(b) != 10 || cap(b) != 10 {
		t.Fatalf("shrink: %v, len %d, cap %d", ok, len(b), cap(b))
	}
	if cmalloc.Usable(b) > 10 {
		r, ok := heap.C{}.Resize(b, l, cmalloc.Usable(b))
		if !ok || pageNot(r[:10], 1) >= 0 || pageNot(r[10:], 0) >= 0 {
			t.Errorf("growth to the usable size: %v, or contents are wrong", ok)
		}
		b = r
	}
	if _, ok := (heap.C{}).Resize(b, l, 1<<20); ok {
		t.Error("100 bytes became a MiB in place")
	}
	b, ok = heap.C{}.Remap(b, l, 1<<20)
	if !ok || pageNot(b[:10], 1) >= 0 || pageNot(b[10:], 0) >= 0 {
		t.Errorf("Remap: %v, or contents are wrong", ok)
	}
	heap.C{}.Free(b, l)

	raw := pageAlloc(t, heap.RawC{}, 100, l)
	for size, want := range map[int]bool{99: false, 100: true, 101: false} {
		if _, ok := (heap.RawC{}).Resize(raw, l, size); ok != want {
			t.Errorf("RawC.Resize(100 -> %d): %v", size, ok)
		}
	}
	raw, ok = heap.RawC{}.Remap(raw, l, 1000)
	if !ok || pageNot(raw, 0) >= 0 {
		t.Errorf("RawC.Remap: %v, or not zero", ok)
	}
	heap.C{}.Free(raw, l) // one may free what the other served
}

// What append made of a block is in the Go heap, which is told.
func TestCForeign(t *testing.T) {
	if _, known := rt.GoMemory(0); !known {
		t.Skip("this build cannot tell Go memory")
	}
	for name, a := range map[string]mem.Allocator{"C": heap.C{}, "RawC": heap.RawC{}} {
		b := pageAlloc(t, a, 100, mem.Layout{})
		for what, bad := range map[string][]byte{"append": append(b, 1), "nil": nil} {
			t.Run(name+"/"+what, func(t *testing.T) {
				expectMisuse(t, heap.ForeignFree, func() { a.Free(bad, mem.Layout{}) })
				expectMisuse(t, heap.ForeignFree, func() {
					if _, ok := a.Resize(bad, mem.Layout{}, max(1, len(bad))); ok {
						t.Error("Resize: true")
					}
				})
				expectMisuse(t, heap.ForeignFree, func() {
					if _, ok := a.Remap(bad, mem.Layout{}, 500); ok {
						t.Error("Remap: true")
					}
				})
			})
		}
		allocatortest.NoMisuse(t, func() { a.Free(b, mem.Layout{}) })
	}
}

func TestCManaged(t *testing.T) {
	for name, a := range map[string]mem.Allocator{"C": heap.C{}, "RawC": heap.RawC{}} {
		for _, align := range []int{8, 64} {
			l := mem.LayoutOf[*int]()
			l.Align = mem.Align(align)
			if _, err := a.Alloc(64, l); !errors.Is(err, mem.ErrPointers) {
				t.Errorf("%s: managed block: %v", name, err)
			}
		}
		if a.Pointers() != mem.PlainOnly {
			t.Errorf("%s: Pointers() = %v", name, a.Pointers())
		}
	}
}

func TestCDoesNotAllocate(t *testing.T) {
	for name, a := range map[string]mem.Allocator{"C": heap.C{}, "RawC": heap.RawC{}} {
		if n := testing.AllocsPerRun(100, func() {
			b, err := a.Alloc(100, mem.Layout{Zero: true})
			if err != nil {
				t.Error(err)
				return
			}
			b, _ = a.Resize(b, mem.Layout{}, 50)
			b, _ = a.Remap(b, mem.Layout{}, 5000)
			a.Free(b, mem.Layout{})
			if _, err := a.Alloc(math.MaxInt-10, mem.Layout{}); err == nil {
				t.Error("MaxInt-10 bytes were served")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func ExampleC() {
	b, err := mem.AllocAligned[float32](heap.C{}, 8, mem.Align(64))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer mem.FreeAligned(heap.C{}, b, mem.Align(64))
	fmt.Println(len(b), b[7])
	// Output: 8 0
}

func BenchmarkC(b *testing.B) {
	for _, size := range []int{64, 4096} {
		for name, a := range map[string]mem.Allocator{"c": heap.C{}, "rawc": heap.RawC{}} {
			b.Run(fmt.Sprintf("impl=%s/size=%d", name, size), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					m, err := a.Alloc(size, mem.Layout{})
					if err != nil {
						b.Fatal(err)
					}
					a.Free(m, mem.Layout{})
				}
			})
		}
		b.Run(fmt.Sprintf("impl=make/size=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sink = make([]byte, size)
			}
		})
	}
}

// RawC is for memory that C will free, or that C allocated: what it hands out is
// what malloc returned.
func ExampleRawC() {
	b, err := mem.DupeZ(heap.RawC{}, "for C")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%q\n", b[:cap(b)])
	mem.Free(heap.RawC{}, b)
	// Output: "for C\x00"
}
