package heap_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

var guardSizes = []int{1, 8, 4095, 4096, 256 << 10, 2<<20 + 1}

var word1 = mem.Layout{Align: mem.Align(1)}

// guardedDebug returns a Debug whose blocks are guarded.
func guardedDebug(t *testing.T, side heap.DebugGuard, o heap.DebugOptions) *debugTest {
	t.Helper()
	if !vm.HasOS {
		t.Skip("no operating system")
	}
	o.Guard = side
	return newDebug(t, heap.Page{}, o)
}

// eachGuarded runs f for every size and side, with every way to guard.
func eachGuarded(t *testing.T, f func(t *testing.T, d *debugTest, size int)) {
	for _, side := range []heap.DebugGuard{heap.GuardEnd, heap.GuardStart} {
		for _, size := range guardSizes {
			t.Run(fmt.Sprintf("side=%d/size=%d", side, size), func(t *testing.T) {
				d := guardedDebug(t, side, heap.DebugOptions{QuarantineBytes: 64 << 20})
				f(t, d, size)
				d.none()
				if s := d.Stats(); s.Blocks != 0 || s.Guarded != 0 || s.Unguarded != 0 || s.Guarding == "" {
					t.Errorf("%+v", s)
				}
			})
		}
	}
}

// byteAt returns the byte n after the start of b, which need not be in it.
func byteAt(b []byte, n int) *byte {
	return (*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), n))
}

//go:noinline
func debugRead(p *byte) byte { return *p }

//go:noinline
func debugWrite(p *byte) { *p = 1 }

// fault returns what Catch says of an access to *p, which must be of this kind
// and in or near b. Both a read and a write must be caught.
func fault(t *testing.T, kind heap.MisuseKind, b []byte, at int) *heap.Fault {
	t.Helper()
	p := byteAt(b, at)
	read, write := heap.Catch(func() { debugRead(p) }), heap.Catch(func() { debugWrite(p) })
	var last *heap.Fault
	for i, err := range []error{read, write} {
		var f *heap.Fault
		if !errors.As(err, &f) {
			t.Fatalf("access %d at %d of a block of %d: %v, want a Fault", i, at, len(b), err)
		}
		if f.Kind != kind || f.Addr != uintptr(unsafe.Pointer(p)) || f.Block != addr(b) || f.Size != len(b) {
			t.Errorf("%v at %#x in %d bytes at %#x (%v), want %v at %#x in %d at %#x",
				f.Kind, f.Addr, f.Size, f.Block, f, kind, uintptr(unsafe.Pointer(p)), len(b), addr(b))
		}
		leadsIn(t, "access", f.Here, []string{"debugRead", "debugWrite"}[i])
		leadsIn(t, "allocation", f.Alloc, "debugAlloc")
		var re runtime.Error
		if !errors.As(err, &re) {
			t.Errorf("%v does not wrap the runtime's error", err)
		}
		last = f
	}
	return last
}

// leadsIn fails the test unless the stack begins in the function, and goes on in
// a file of these tests.
func leadsIn(t *testing.T, what string, s heap.Stack, function string) {
	t.Helper()
	lines := strings.SplitN(s.String(), "\n", 3)
	if len(lines) < 3 || !strings.HasSuffix(lines[0], "."+function) || !strings.Contains(lines[1], "_test.go:") {
		t.Errorf("the stack of the %s does not begin in %s:\n%v", what, function, s)
	}
}

func TestGuardedUseAfterFree(t *testing.T) {
	eachGuarded(t, func(t *testing.T, d *debugTest, size int) {
		b := debugAlloc(d, size, word1)
		if err := heap.Catch(func() { b[0], b[size-1] = 1, 1 }); err != nil {
			t.Fatalf("a live block: %v", err)
		}
		debugFree(d, b, word1)
		for _, at := range []int{0, size / 2, size - 1} {
			f := fault(t, heap.UseAfterFree, b, at)
			leadsIn(t, "free", f.Free, "debugFree")
			if !strings.Contains(f.Error(), fmt.Sprintf("access after free at offset %d of a block of %d byte", at, size)) {
				t.Errorf("%v", f)
			}
		}
	})
}

// Blocks that left quarantine are inaccessible until their places are needed,
// and are known after Close.
func TestGuardedUseAfterClose(t *testing.T) {
	d := guardedDebug(t, heap.GuardEnd, heap.DebugOptions{QuarantineBlocks: -1})
	b := debugAlloc(d, 30, word1)
	debugFree(d, b, word1)
	if s := d.Stats(); s.Quarantined != 0 {
		t.Fatalf("%+v", s)
	}
	fault(t, heap.UseAfterFree, b, 3)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	fault(t, heap.UseAfterFree, b, 3)
}

func TestGuardedOverflow(t *testing.T) {
	for _, size := range guardSizes {
		d := guardedDebug(t, heap.GuardEnd, heap.DebugOptions{})
		b := debugAlloc(d, size, word1)
		for _, at := range []int{0, 1, vm.PageSize() - 1} {
			if f := fault(t, heap.Overflow, b, size+at); f.Free != nil || !strings.Contains(f.Error(), fmt.Sprintf("access %d byte", at)) {
				t.Errorf("%v\n%v", f, f.Free)
			}
		}
		debugFree(d, b, word1)
		d.none()
	}
}

func TestGuardedUnderflow(t *testing.T) {
	for _, size := range guardSizes {
		d := guardedDebug(t, heap.GuardStart, heap.DebugOptions{})
		b := debugAlloc(d, size, word1)
		for _, at := range []int{-1, -2, -vm.PageSize()} {
			if f := fault(t, heap.Underflow, b, at); f.Free != nil {
				t.Errorf("%v\n%v", f, f.Free)
			}
		}
		debugFree(d, b, word1)
		d.none()
	}
}

// What is left of the page on the other side is watched to the byte.
func TestGuardedSlack(t *testing.T) {
	page := vm.PageSize()
	for _, c := range []struct {
		side     heap.DebugGuard
		size, at int
		kind     heap.MisuseKind
		hint     string
	}{
		{heap.GuardEnd, 104, -1, heap.Underflow, "1 byte written, the nearest 1 before the start"},
		{heap.GuardEnd, 104, 104 - page, heap.Underflow, fmt.Sprintf("1 byte written, the nearest %d before the start", page-104)},
		{heap.GuardEnd, 97, 97, heap.Overflow, "1 byte written, the first 0 past the end"},
		{heap.GuardEnd, 97, 103, heap.Overflow, "1 byte written, the first 6 past the end"},
		{heap.GuardStart, 100, 100, heap.Overflow, "1 byte written, the first 0 past the end"},
		{heap.GuardStart, 100, page - 1, heap.Overflow, fmt.Sprintf("1 byte written, the first %d past the end", page-101)},
	} {
		d := guardedDebug(t, c.side, heap.DebugOptions{})
		b := debugAlloc(d, c.size, word8)
		*byteAt(b, c.at)++
		debugFree(d, b, word8)
		if m := d.one(c.kind, b, c.size); m.Hint != c.hint {
			t.Errorf("%+v: %q", c, m.Hint)
		}
		debugFree(d, debugAlloc(d, c.size, word8), word8)
		d.none()
	}
}

// Every other misuse is found as it is without guards.
func TestGuardedMisuse(t *testing.T) {
	d := guardedDebug(t, heap.GuardEnd, heap.DebugOptions{})
	b := debugAlloc(d, 40, word8)
	debugFree(d, b[8:], word8)
	d.one(heap.InteriorFree, b[8:], 32)
	debugFree(d, b[:16:16], word8)
	d.one(heap.SizeMismatch, b, 16)
	debugFree(d, b, word8)
	d.none()
	debugFree(d, b, word8)
	if m := d.one(heap.DoubleFree, b, 40); len(m.Alloc) == 0 || len(m.Free) == 0 {
		t.Error("no stacks")
	}
}

// Guarded blocks neither grow nor shrink, and another size costs a copy.
func TestGuardedResize(t *testing.T) {
	d := guardedDebug(t, heap.GuardEnd, heap.DebugOptions{})
	s, err := mem.Alloc[int32](d, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 11} {
		if _, ok := mem.Resize(d, s, n); ok {
			t.Errorf("resized to %d", n)
		}
	}
	if _, ok := mem.Resize(d, s, 10); !ok {
		t.Error("not resized to what it is")
	}
	s[9] = 7
	old := s
	if s, err = mem.Realloc(d, s, 20); err != nil || s[9] != 7 {
		t.Fatal(err)
	}
	if err := heap.Catch(func() { old[0]++ }); err == nil {
		t.Error("the old block is accessible")
	}
	mem.Free(d, s)
	d.none()
}

// Blocks that the collector scans are served as ever.
func TestGuardedPointers(t *testing.T) {
	if !vm.HasOS {
		t.Skip("no operating system")
	}
	d := newDebug(t, heap.NewHybrid(heap.Page{}), heap.DebugOptions{Guard: heap.GuardEnd})
	p, err := mem.New(d, new(int))
	if err != nil {
		t.Fatal(err)
	}
	n, err := mem.Create[int](d)
	if err != nil {
		t.Fatal(err)
	}
	if s := d.Stats(); s.Blocks != 2 || s.Guarded != 1 || s.Unguarded != 0 {
		t.Errorf("%+v", s)
	}
	runtime.GC()
	**p, *n = 1, 2
	mem.Destroy(d, p)
	mem.Destroy(d, n)
	d.none()
}

func TestGuardedConcurrent(t *testing.T) {
	d := guardedDebug(t, heap.GuardEnd, heap.DebugOptions{QuarantineBlocks: 10})
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 200 {
				b := debugAlloc(d, 64, word8)
				b[0] = 1
				debugFree(d, b, word8)
				heap.Catch(func() { debugRead(&b[0]) }) // it may be another's by now
			}
		}()
	}
	wg.Wait()
	d.none()
}

func TestGuardedAllocates(t *testing.T) {
	d := guardedDebug(t, heap.GuardEnd, heap.DebugOptions{QuarantineBlocks: 10})
	pair := func() { debugFree(d, debugAlloc(d, 64, word8), word8) }
	for range 200 {
		pair()
	}
	if n := testing.AllocsPerRun(100, pair); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestGuardedContract(t *testing.T) {
	// What the child says that it holds is not asked: guarded blocks are not its.
	type silent struct{ mem.Allocator }
	for _, side := range []heap.DebugGuard{heap.GuardEnd, heap.GuardStart} {
		t.Run(fmt.Sprint(side), func(t *testing.T) {
			allocatortest.RunWith(t, allocatortest.Promises{Concurrent: true}, func(t *testing.T) mem.Allocator {
				return closing(t, heap.NewDebug(silent{heap.Page{}}, heap.DebugOptions{Guard: side}))
			})
		})
	}
}

func BenchmarkGuarded(b *testing.B) {
	for _, c := range []struct {
		name string
		o    heap.DebugOptions
	}{
		{"guard=none", heap.DebugOptions{}},
		{"guard=end", heap.DebugOptions{Guard: heap.GuardEnd}},
		{"guard=start", heap.DebugOptions{Guard: heap.GuardStart}},
	} {
		b.Run(c.name, func(b *testing.B) {
			d := heap.NewDebug(heap.Page{}, c.o)
			defer d.Close()
			b.ReportAllocs()
			for b.Loop() {
				p, _ := mem.Create[[8]int](d)
				p[0] = 1
				mem.Destroy(d, p)
			}
		})
	}
}

// What guarded blocks hold is known, and Trim makes it nothing when all are freed.
// Of a Debug without guards it is what its child holds.
func TestDebugFootprint(t *testing.T) {
	d := guardedDebug(t, heap.GuardEnd, heap.DebugOptions{})
	var r heap.Registry
	n := r.Named(d, "guarded")
	page := int64(os.Getpagesize())
	var all [][]byte
	for range 3 {
		b := debugAlloc(n, 100, word1)
		b[0] = 1
		all = append(all, b)
	}
	odd := debugAlloc(d, 10, mem.Layout{Align: mem.AlignLog2(23)}) // which is not guarded
	f := d.Footprint()
	if f.Blocks != 4 || f.Live != 3*page+10 || f.Committed < f.Live || f.Reserved < f.Live+3*page {
		t.Errorf("%+v with three blocks of less than a page and one without guards", f)
	}
	if got := n.Stats().Footprint; got.Live != f.Live {
		t.Errorf("%+v by name, want %+v", got, f)
	}
	d.Free(odd, mem.Layout{Align: mem.AlignLog2(23)})
	for _, b := range all {
		n.Free(b, word1)
	}
	before, _ := vm.Committed()
	kept := d.Footprint()
	if kept.Blocks != 0 || kept.Live != 0 || kept.Committed > 3*page {
		t.Errorf("%+v with no block", kept)
	}
	d.Trim()
	after, _ := vm.Committed()
	if f := d.Footprint(); f.Committed != 0 || int64(before-after) < kept.Committed {
		t.Errorf("%+v after Trim, which gave back %d bytes of %d", f, before-after, kept.Committed)
	}
	d.none()

	pages := heap.NewPages(heap.PageOptions{})
	u := newDebug(t, pages, heap.DebugOptions{})
	x := r.Named(u.Debug, "unguarded")
	b := debugAlloc(x, 100, word1)
	if f, want := x.Stats().Footprint, pages.Footprint(); f.Live != want.Live || want.Live == 0 || u.Footprint().Live != want.Live {
		t.Errorf("%+v of a Debug, want its child's %+v", f, want)
	}
	for _, f := range r.Footprints() {
		if f.Name == "unguarded" && f.Type != "*heap.Pages" {
			t.Errorf("what is held is said to be of a %s", f.Type)
		}
	}
	x.Free(b, word1)
}

// As [TestDebugClosedInAlloc], with pages that are being made accessible.
func TestGuardedClosedInAlloc(t *testing.T) {
	d := guardedDebug(t, heap.GuardEnd, heap.DebugOptions{})
	d.Free(debugAlloc(d, 40, word8), word8)
	d.Trim()
	before, _ := vm.Committed()
	undo := vm.Inject(func(c vm.Call) error {
		if c == vm.CallUnmark || c == vm.CallUnprotect {
			d.Close()
		}
		return nil
	})
	b, err := d.Alloc(40, word8)
	undo()
	if err != mem.ErrClosed {
		t.Errorf("%d bytes and %v, want %v", len(b), err, mem.ErrClosed)
	}
	other := guardedDebug(t, heap.GuardEnd, heap.DebugOptions{})
	other.Trim()
	if after, _ := vm.Committed(); after > before || d.Footprint().Live != 0 {
		t.Errorf("%d bytes more are committed, %+v", after-before, d.Footprint())
	}
	d.none()
}
