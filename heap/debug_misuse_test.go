package heap_test

import (
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

func TestDebugDoubleFree(t *testing.T) {
	for _, o := range []heap.DebugOptions{{}, {QuarantineBytes: -1}} { // in quarantine, and after
		forDebug(t, o, func(t *testing.T, d *debugTest, size int) {
			b := debugAlloc(d, size, word8)
			debugFree(d, b, word8)
			d.none()
			debugFreeAgain(d, b, word8)
			m := d.one(heap.DoubleFree, b, size)
			leads(t, "allocation", m.Alloc, "debugAlloc")
			leads(t, "first free", m.Free, "debugFree")
			leads(t, "second free", m.Here, "debugFreeAgain")
			if n := d.Stats().Blocks; n != 0 {
				t.Errorf("%d blocks", n)
			}
		})
	}
}

func TestDebugResizeFreed(t *testing.T) {
	forDebug(t, heap.DebugOptions{}, func(t *testing.T, d *debugTest, size int) {
		b := debugAlloc(d, size, word8)
		if r, ok := d.Resize(b, word8, size); !ok || addr(r) != addr(b) {
			t.Fatalf("Resize to the same size: %t", ok)
		}
		d.none()
		debugFree(d, b, word8)
		for name, f := range map[string]func([]byte, mem.Layout, int) ([]byte, bool){"Resize": d.Resize, "Remap": d.Remap} {
			if r, ok := f(b, word8, size+1); ok || addr(r) != addr(b) || len(r) != size {
				t.Errorf("%s of a freed block: %t", name, ok)
			}
			m := d.one(heap.UseAfterFree, b, size)
			leads(t, "free", m.Free, "debugFree")
			if m.Op != "heap: Debug."+name {
				t.Errorf("Op %q", m.Op)
			}
		}
	})
}

// Whatever is not a block of the Debug is left alone.
func TestDebugFreeForeign(t *testing.T) {
	var onStack [64]byte
	forDebug(t, heap.DebugOptions{}, func(t *testing.T, d *debugTest, size int) {
		b := debugAlloc(d, size, word8)
		c := append(b, 1) // moved to the Go heap
		for _, x := range [][]byte{c, make([]byte, size), onStack[:], nonStatic, unsafe.Slice(unsafe.StringData("constant"), 8)} {
			debugFree(d, x, word8)
			m := d.one(heap.ForeignFree, x, len(x))
			leads(t, "free", m.Here, "debugFree")
			if r, ok := d.Resize(x, word8, 3); ok || addr(r) != addr(x) {
				t.Error("Resize of a foreign block succeeds")
			}
			d.one(heap.ForeignFree, x, len(x))
			if _, ok := d.Remap(x, word8, 3); ok {
				t.Error("Remap of a foreign block succeeds")
			}
			d.one(heap.ForeignFree, x, len(x))
		}
		debugFree(d, b, word8)
	})
}

var nonStatic = []byte("a global variable")

func TestDebugFreeInterior(t *testing.T) {
	forDebug(t, heap.DebugOptions{}, func(t *testing.T, d *debugTest, size int) {
		b := debugAlloc(d, size, word8)
		if size > 1 {
			debugFree(d, b[size/2:], word8)
			m := d.one(heap.InteriorFree, b[size/2:], size-size/2)
			if want := fmt.Sprintf("it is %d bytes into a block of %d", size/2, size); m.Hint != want {
				t.Errorf("hint %q, want %q", m.Hint, want)
			}
			leads(t, "allocation", m.Alloc, "debugAlloc")
		}
		before := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(&b[0]), -1)), 1)
		debugFree(d, before, word8)
		d.one(heap.InteriorFree, before, 1)
		after := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(&b[0]), size)), 1)
		debugFree(d, after, word8)
		d.one(heap.InteriorFree, after, 1)
		b[0], b[size-1] = 1, 2 // still live
		debugFree(d, b, word8)
	})
}

func TestDebugLayoutMismatch(t *testing.T) {
	forDebug(t, heap.DebugOptions{}, func(t *testing.T, d *debugTest, size int) {
		l := mem.Layout{Align: mem.Align(8), Type: mem.TypeFor[uint64]()}
		b := debugAlloc(d, size, l)
		for _, c := range []struct {
			kind heap.MisuseKind
			b    []byte
			l    mem.Layout
		}{
			{heap.SizeMismatch, b[:size-1], l},
			{heap.SizeMismatch, unsafe.Slice(&b[0], size+1), l},
			{heap.AlignMismatch, b, mem.Layout{Align: mem.Align(4), Type: l.Type}},
			{heap.TypeMismatch, b, mem.Layout{Align: l.Align, Type: mem.TypeFor[[2]uint32]()}},
			{heap.TypeMismatch, b, mem.Layout{Align: l.Align}},
		} {
			debugFree(d, c.b, c.l)
			m := d.one(c.kind, b, len(c.b))
			leads(t, "allocation", m.Alloc, "debugAlloc")
			if _, ok := d.Resize(c.b, c.l, size+1); ok {
				t.Errorf("%v: Resize succeeds", c.kind)
			}
			d.one(c.kind, b, len(c.b))
			if _, ok := d.Remap(c.b, c.l, size+1); ok {
				t.Errorf("%v: Remap succeeds", c.kind)
			}
			d.one(c.kind, b, len(c.b))
		}
		type id uint64 // converts to what was allocated
		debugFree(d, b, mem.Layout{Align: l.Align, Type: mem.TypeFor[id](), Zero: true})
	})
}

// Each of two Debugs with the same settings knows its own.
func TestDebugWrongAllocator(t *testing.T) {
	forDebug(t, heap.DebugOptions{}, func(t *testing.T, d *debugTest, size int) {
		other := newDebug(t, heap.Page{}, heap.DebugOptions{})
		b := debugAlloc(other, size, word8)
		debugFree(d, b, word8)
		m := d.one(heap.WrongAllocator, b, size)
		leads(t, "allocation", m.Alloc, "debugAlloc")
		if !strings.Contains(m.Hint, "the block is of Debug ") {
			t.Errorf("hint %q", m.Hint)
		}
		outer := newDebug(t, d, heap.DebugOptions{})
		c := debugAlloc(outer, size, word8)
		debugFree(d, c, word8) // one floor too low
		d.one(heap.WrongAllocator, c, size)
		debugFree(outer, c, word8)
		outer.Close() // gives back what is in quarantine
		debugFree(other, b, word8)
		other.none()
		outer.none()
	})
}

// Every byte next to a block is watched, in Free, Resize, Check and Close.
func TestDebugOverflowUnderflow(t *testing.T) {
	finders := map[string]func(d *debugTest, b []byte) []byte{
		"Free":   func(d *debugTest, b []byte) []byte { debugFree(d, b, word8); return nil },
		"Resize": func(d *debugTest, b []byte) []byte { r, _ := d.Resize(b, word8, len(b)); return r },
		"Check":  func(d *debugTest, b []byte) []byte { d.got = append(d.got, d.Check()...); return b },
	}
	forDebug(t, heap.DebugOptions{}, func(t *testing.T, d *debugTest, size int) {
		for name, find := range finders {
			for _, off := range []int{-32, -9, -1, size, size + 1, size + 7, size + 31} {
				for _, v := range []byte{0, 1, 0xff} {
					b := debugAlloc(d, size, word8)
					*(*byte)(unsafe.Add(unsafe.Pointer(&b[0]), off)) = v
					b2 := find(d, b)
					kind, hint := heap.Underflow, fmt.Sprintf("1 byte written, the nearest %d before the start", -off)
					if off >= 0 {
						kind, hint = heap.Overflow, fmt.Sprintf("1 byte written, the first %d past the end", off-size)
					}
					m := d.one(kind, b, size)
					if m.Hint != hint || m.Op != "heap: Debug."+name {
						t.Errorf("%s, byte %d: %v, want %q", name, off, m, hint)
					}
					leads(t, "allocation", m.Alloc, "debugAlloc")
					if len(m.Free) != 0 {
						t.Errorf("freed at\n%v", m.Free)
					}
					if b2 != nil {
						debugFree(d, b2, word8) // is repaired
						d.none()
					}
				}
			}
		}
	})
}

// The slack that alignment and elements leave is watched as well.
func TestDebugOverflowElements(t *testing.T) {
	type node struct {
		_ *int
		_ [3]byte
	}
	l := mem.Layout{Align: mem.AlignOf[node](), Zero: true, Kind: mem.Local, Type: mem.TypeFor[node]()}
	for _, align := range []int{8, 64, 4096} {
		l.Align = mem.Align(align)
		size := 3 * int(unsafe.Sizeof(node{}))
		for _, child := range []mem.Allocator{heap.Page{}, heap.GC{}} {
			for _, off := range []int{-1, -16, size, size + 17} {
				d := newDebug(t, child, heap.DebugOptions{})
				b := debugAlloc(d, size, l)
				b[0], b[size-1] = 0, 1
				d.Free(b, l)
				d.none()
				b = debugAlloc(d, size, l)
				*(*byte)(unsafe.Add(unsafe.Pointer(&b[0]), off)) = 1
				d.Free(b, l)
				kind := heap.Underflow
				if off > 0 {
					kind = heap.Overflow
				}
				d.one(kind, b, size)
			}
		}
	}
}

func TestDebugWriteAfterFree(t *testing.T) {
	finders := map[string]func(d *debugTest){
		"Free":  func(d *debugTest) { d.Trim() },
		"Check": func(d *debugTest) { d.got = append(d.got, d.Check()...) },
		"Close": func(d *debugTest) { d.Close() },
	}
	for name, find := range finders {
		forDebug(t, heap.DebugOptions{}, func(t *testing.T, d *debugTest, size int) {
			b := debugAlloc(d, size, word8)
			debugFree(d, b, word8)
			b[size-1] = 7
			find(d)
			m := d.one(heap.WriteAfterFree, b, size)
			leads(t, "allocation", m.Alloc, "debugAlloc")
			leads(t, "free", m.Free, "debugFree")
			if m.Op != "heap: Debug."+name || m.Hint != fmt.Sprintf("1 byte written, the first at offset %d", size-1) {
				t.Errorf("%v", m)
			}
			d.Trim() // it is reported once
		})
	}
}
