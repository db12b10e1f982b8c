package memory_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"modernc.org/memory"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// on makes a the source of memory until the test ends.
func on(t testing.TB, a mem.Allocator) {
	before := memory.SetDefault(a)
	t.Cleanup(func() { memory.SetDefault(before) })
}

// A program of mallocs, reallocs and frees keeps every byte, on sources that
// resize and that do not.
func TestModel(t *testing.T) {
	for _, opts := range [][]allocatortest.Option{nil, {allocatortest.NoResize()}} {
		on(t, allocatortest.New(t, opts...))
		var a memory.Allocator
		r := rand.New(rand.NewPCG(1, 2))
		live := map[uintptr][]byte{} // what was written at the address
		check := func(p uintptr, want []byte) {
			t.Helper()
			if got := unsafe.Slice((*byte)(ptr(p)), len(want)); string(got) != string(want) {
				t.Fatalf("contents of %d bytes are lost", len(want))
			}
		}
		random := func(p uintptr, n int) []byte {
			b := unsafe.Slice((*byte)(ptr(p)), n)
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			return append([]byte(nil), b...)
		}
		for range 3000 {
			size := 1 + r.IntN(1<<r.IntN(14))
			var old uintptr
			for old = range live {
				break
			}
			switch r.IntN(4) {
			case 0:
				p, err := a.UintptrMalloc(size)
				if err != nil || p%16 != 0 || memory.UintptrUsableSize(p) < size {
					t.Fatalf("Malloc(%d): %#x, %v", size, p, err)
				}
				live[p] = random(p, size)
			case 1:
				p, err := a.UintptrCalloc(size)
				if err != nil {
					t.Fatal(err)
				}
				check(p, make([]byte, size))
				live[p] = random(p, memory.UintptrUsableSize(p)) // all of it
			case 2:
				if old == 0 {
					continue
				}
				p, err := a.UintptrRealloc(old, size)
				if err != nil || memory.UintptrUsableSize(p) < size {
					t.Fatalf("Realloc(%d): %v", size, err)
				}
				check(p, live[old][:min(size, len(live[old]))])
				delete(live, old)
				live[p] = random(p, size)
			case 3:
				check(old, live[old])
				delete(live, old)
				if err := a.UintptrFree(old); err != nil {
					t.Fatal(err)
				}
			}
		}
		if a.Allocs != len(live) || a.Close() == nil && len(live) > 0 {
			t.Errorf("%d blocks are live, counted %d", len(live), a.Allocs)
		}
		for p := range live {
			a.UintptrFree(p)
		}
		if err := a.Close(); err != nil || a.Bytes != 0 {
			t.Errorf("Close: %v; %d bytes", err, a.Bytes)
		}
	}
}

// ptr turns an address into a pointer as transpiled C does.
func ptr(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

func TestSlices(t *testing.T) {
	on(t, allocatortest.New(t))
	var a memory.Allocator
	b, err := a.Calloc(100)
	if err != nil || len(b) != 100 || cap(b) < 100 || memory.UsableSize(&b[0]) != cap(b) {
		t.Fatalf("Calloc: %d of %d bytes, %v", len(b), cap(b), err)
	}
	b[99] = 7
	if b, err = a.Realloc(b, 10_000); err != nil || len(b) != 10_000 || b[99] != 7 {
		t.Fatalf("Realloc: %d bytes, %v", len(b), err)
	}
	if err := a.Free(b[:0]); err != nil {
		t.Error(err)
	}
	c, err := a.Malloc(0)
	if c != nil || err != nil {
		t.Errorf("Malloc(0): %v, %v", c, err)
	}
	if c, err = a.Realloc(c, 5); len(c) != 5 || err != nil {
		t.Errorf("Realloc of nothing: %d bytes, %v", len(c), err)
	}
	if c, err = a.Realloc(c, 0); c != nil || err != nil || a.Free(nil) != nil {
		t.Errorf("Realloc to nothing: %v, %v", c, err)
	}
	p, err := a.UnsafeMalloc(10)
	if err != nil || memory.UnsafeUsableSize(p) < 10 {
		t.Error(err)
	}
	if p, err = a.UnsafeRealloc(p, 1000); err != nil {
		t.Error(err)
	}
	if err := a.UnsafeFree(p); err != nil {
		t.Error(err)
	}
	if p, err = a.UnsafeCalloc(10); err != nil || *(*[10]byte)(p) != [10]byte{} {
		t.Error(err)
	}
	a.UnsafeFree(p)
	if err := a.Trim(); err != nil || memory.UintptrUsableSize(0) != 0 || a.UintptrFree(0) != nil {
		t.Error("what is nothing is something")
	}
}

func TestOutOfMemory(t *testing.T) {
	on(t, heap.NewLimit(allocatortest.New(t, allocatortest.NoResize()), 5000))
	var a memory.Allocator
	p, err := a.UintptrMalloc(3000)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{2500, math.MaxInt - 5, math.MaxInt} {
		if q, err := a.UintptrMalloc(size); q != 0 || !errors.Is(err, mem.ErrOutOfMemory) {
			t.Errorf("Malloc(%d): %#x, %v", size, q, err)
		}
		if q, err := a.UintptrRealloc(p, max(size, 4000)); q != 0 || !errors.Is(err, mem.ErrOutOfMemory) {
			t.Errorf("Realloc(%d): %#x, %v", size, q, err)
		}
	}
	q, err := a.UintptrMalloc(1500)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := a.UintptrRealloc(p, 1000); r != p || err != nil {
		t.Errorf("Realloc to less, without memory: %#x, %v", r, err)
	}
	a.UintptrFree(p)
	a.UintptrFree(q)
	for _, f := range []func(){func() { a.UintptrMalloc(-1) }, func() { a.UintptrRealloc(1, -1) }} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a negative size did not panic")
				}
			}()
			f()
		}()
	}
}

// Blocks go back to where they came from, whatever is the default by then.
func TestSetDefault(t *testing.T) {
	one, two := allocatortest.New(t), allocatortest.New(t)
	on(t, one)
	var a memory.Allocator
	p, _ := a.UintptrMalloc(100)
	if before := memory.SetDefault(two); before != mem.Allocator(one) {
		t.Error("SetDefault returned something else")
	}
	q, _ := a.UintptrMalloc(100)
	memory.SetDefault(nil)
	q, _ = a.UintptrRealloc(q, 100_000)
	a.UintptrFree(p)
	a.UintptrFree(q)
}

// What was damaged or was never there is an error, and what is freed twice is
// found by the source.
func TestMisuse(t *testing.T) {
	d := heap.NewDebug(heap.Default(), heap.DebugOptions{})
	defer d.Close()
	on(t, d)
	var a memory.Allocator
	var none [64]byte
	inside := uintptr(unsafe.Pointer(&none[32]))
	_, err := a.UintptrRealloc(inside, 8)
	if !errors.Is(err, memory.ErrNotAllocated) || !errors.Is(a.UintptrFree(inside), memory.ErrNotAllocated) || memory.UintptrUsableSize(inside) != 0 {
		t.Errorf("a foreign pointer: %v", err)
	}
	p, _ := a.UintptrMalloc(100)
	block := unsafe.Slice((*byte)(ptr(p)), 101)
	block[100] = 1
	allocatortest.ExpectMisuse(t, heap.Overflow, func() { a.UintptrFree(p) })
	if err := a.UintptrFree(p); !errors.Is(err, memory.ErrNotAllocated) { // the header was filled
		t.Errorf("freed twice: %v", err)
	}
}

func BenchmarkMalloc(b *testing.B) {
	for _, size := range []int{16, 256, 4096, 64 << 10} {
		b.Run(fmt.Sprint("size=", size), func(b *testing.B) {
			b.ReportAllocs()
			var a memory.Allocator
			for b.Loop() {
				p, err := a.UintptrMalloc(size)
				if err != nil {
					b.Fatal(err)
				}
				a.UintptrFree(p)
			}
		})
	}
}
