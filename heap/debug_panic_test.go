package heap_test

import (
	"fmt"
	"slices"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// heard is what a handler was told that panics each time, as that does which is
// there by default.
type heard struct {
	all    []*heap.Misuse
	leaked int // blocks
}

func (h *heard) options(o heap.DebugOptions) heap.DebugOptions {
	o.OnMisuse = func(m *heap.Misuse) { h.all = append(h.all, m); panic(m) }
	o.OnLeak = func(e *heap.LeakError) { h.leaked += e.Blocks; panic(e) }
	return o
}

// in calls f, which must panic, and wants the handler to hear just that, each with
// the stack of the call.
func (h *heard) in(t *testing.T, f func(), want ...string) {
	t.Helper()
	h.all = nil
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		f()
	}()
	var got []string
	for _, m := range h.all {
		got = append(got, fmt.Sprintf("%v of %d", m.Kind, m.Size))
		if firstFunction(m.Here) != firstFunction(h.all[0].Here) {
			t.Errorf("report of %v begins in %s, and that of %v in %s", m.Kind, firstFunction(m.Here), h.all[0].Kind, firstFunction(h.all[0].Here))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
}

// poke writes to the byte n after the start of b, which need not be in it.
func poke(b []byte, n int) { *(*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), n)) ^= 1 }

// A call that finds more than one thing tells of all, although the handler panics
// at the first.
func TestDebugPanicLosesNothing(t *testing.T) {
	child := heap.NewCounting(heap.GC{})
	var h heard
	d := heap.NewDebug(child, h.options(heap.DebugOptions{QuarantineBlocks: 1, CheckEvery: 9}))
	gone, b := debugAlloc(d, 10, word8), debugAlloc(d, 20, word8)
	debugFree(d, gone, word8)
	poke(gone, 3)
	poke(b, -1)
	poke(b, 20)
	h.in(t, func() { debugFree(d, b, word8) }, "write after free of 10", "write before the start of 20", "write past the end of 20")
	if s := d.Stats(); s.Blocks != 0 || s.Quarantined != 1 || child.Stats().Blocks != 1 {
		t.Errorf("after Free: %+v, and the child has %d", s, child.Stats().Blocks)
	}

	x, y := debugAlloc(d, 30, word8), debugAlloc(d, 40, word8)
	poke(x, 30)
	poke(y, 40)
	h.in(t, func() { // in one of these calls it is time for a check
		for range 9 {
			debugFree(d, debugAlloc(d, 5, word8), word8)
		}
	}, "write past the end of 30", "write past the end of 40")

	poke(x, 30)
	poke(y, 40)
	h.in(t, func() { d.Close() }, "write past the end of 30", "write past the end of 40")
	if h.leaked != 2 || child.Stats().Blocks != 2 {
		t.Errorf("after Close: heard of %d leaked blocks, and the child has %d, want 2", h.leaked, child.Stats().Blocks)
	}
}

// The panics of one call are bounded, even if the reports are not. What is not handed
// over is counted.
func TestDebugPanicsBounded(t *testing.T) {
	const n, most = 2500, 1000
	told := 0
	d := heap.NewDebug(heap.GC{}, heap.DebugOptions{StackDepth: -1, MaxReports: -1, OnMisuse: func(m *heap.Misuse) { told++; panic(m) },
		OnLeak: func(*heap.LeakError) {}})
	for range n {
		poke(debugAlloc(d, 8, word8), 8)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		d.Close()
	}()
	if s := d.Stats(); told != most || s.Reports != n {
		t.Errorf("%d reports, %d handed over, want %d and %d", s.Reports, told, n, most)
	}
}

// A Free in which it is time for a check frees its block, whatever that finds.
func TestDebugPanicInCheck(t *testing.T) {
	var h heard
	d := heap.NewDebug(heap.GC{}, h.options(heap.DebugOptions{CheckEvery: 3}))
	x, y := debugAlloc(d, 30, word8), debugAlloc(d, 40, word8)
	poke(x, 30)
	h.in(t, func() { debugFree(d, y, word8) }, "write past the end of 30")
	if s := d.Stats(); s.Blocks != 1 || d.Owns(y) {
		t.Errorf("after Free %d blocks are live, want 1", s.Blocks)
	}
	debugFree(d, x, word8)
	y = debugAlloc(d, 50, word8)
	poke(x, 3)
	h.in(t, func() { debugFree(d, y[1:], word8) }, "free of an interior pointer of 49", "write after free of 30")
	debugFree(d, y, word8)
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// A Resize that is told of by a panic changed nothing.
func TestDebugPanicInResize(t *testing.T) {
	for name, change := range map[string]func(mem.Allocator, []byte, mem.Layout, int) ([]byte, bool){
		"Resize": mem.Allocator.Resize, "Remap": mem.Allocator.Remap,
	} {
		for _, child := range []mem.Allocator{heap.GC{}, heap.Page{}} {
			var h heard
			d := heap.NewDebug(child, h.options(heap.DebugOptions{MemoryLimit: 5000}))
			for _, size := range []int{3, 5000} {
				b := debugAlloc(d, 100, word8)
				b[99] = 7
				poke(b, 100)
				poke(b, -1)
				h.in(t, func() { change(d, b, word8, size) }, "write before the start of 100", "write past the end of 100")
				if s := d.Stats(); s.Bytes != 100 || b[99] != 7 || !d.Owns(b) {
					t.Errorf("%s to %d over %T: %d bytes live, want 100", name, size, child, s.Bytes)
				}
				c, ok := change(d, b, word8, size) // the damage is repaired
				if !ok {
					c = b
				}
				if s := d.Stats(); s.Bytes != len(c) || ok && len(c) != size {
					t.Errorf("%s to %d over %T: %t, and %d bytes are live", name, size, child, ok, s.Bytes)
				}
				d.Free(c, word8)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
