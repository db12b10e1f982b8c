package heap_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// What a test of misuse needs: a Debug that collects its reports, and functions
// whose names are looked for in the stacks.

type debugTest struct {
	*heap.Debug
	t   *testing.T
	got []*heap.Misuse
}

func newDebug(t *testing.T, child mem.Allocator, o heap.DebugOptions) *debugTest {
	d := &debugTest{t: t}
	o.OnMisuse = func(m *heap.Misuse) { d.got = append(d.got, m) }
	if o.OnLeak == nil {
		o.OnLeak = func(*heap.LeakError) {}
	}
	d.Debug = heap.NewDebug(child, o)
	t.Cleanup(func() { d.Debug.Close() })
	return d
}

// one returns the only report since the last call, which must be of this kind.
func (d *debugTest) one(kind heap.MisuseKind, at []byte, size int) *heap.Misuse {
	d.t.Helper()
	got := d.got
	d.got = nil
	if len(got) != 1 {
		d.t.Fatalf("%d reports, want one of %v: %v", len(got), kind, got)
	}
	m := got[0]
	if m.Kind != kind || m.Addr != addr(at) || m.Size != size {
		d.t.Errorf("report of %v, %d bytes at %#x (%v), want %v, %d bytes at %#x", m.Kind, m.Size, m.Addr, m, kind, size, addr(at))
	}
	return m
}

// none fails the test if there was a report since the last call.
func (d *debugTest) none() {
	d.t.Helper()
	for _, m := range d.got {
		d.t.Errorf("false report: %v\n%v", m, m.Here)
	}
	d.got = nil
}

// leads fails the test unless the stack begins in the function, which is in this
// file.
func leads(t *testing.T, what string, s heap.Stack, function string) {
	t.Helper()
	lines := strings.SplitN(s.String(), "\n", 3)
	if len(lines) < 3 || !strings.HasSuffix(lines[0], "."+function) || !strings.Contains(lines[1], "debug_test.go:") {
		t.Errorf("the stack of the %s does not begin in %s of this file:\n%v", what, function, s)
	}
}

//go:noinline
func debugAlloc(a mem.Allocator, size int, l mem.Layout) []byte {
	b, err := a.Alloc(size, l)
	if err != nil {
		panic(err)
	}
	return b
}

//go:noinline
func debugFree(a mem.Allocator, b []byte, l mem.Layout) { a.Free(b, l) }

//go:noinline
func debugFreeAgain(a mem.Allocator, b []byte, l mem.Layout) { a.Free(b, l) }

var debugSizes = []int{1, 8, 4095, 4096, 256 << 10}

var word8 = mem.Layout{Align: mem.Align(8)}

// forDebug runs a test for every size, over a child off the Go heap, and one on
// it.
func forDebug(t *testing.T, o heap.DebugOptions, f func(t *testing.T, d *debugTest, size int)) {
	for _, child := range []mem.Allocator{heap.Page{}, heap.GC{}} {
		for _, size := range debugSizes {
			t.Run(fmt.Sprintf("%T/%d", child, size), func(t *testing.T) {
				d := newDebug(t, child, o)
				f(t, d, size)
				d.none()
				if s := d.Stats(); s.Blocks != 0 || s.Bytes != 0 {
					t.Errorf("%d blocks of %d bytes are left", s.Blocks, s.Bytes)
				}
			})
		}
	}
}

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

// A freed block leaves quarantine when others push it out.
func TestDebugQuarantine(t *testing.T) {
	d := newDebug(t, heap.GC{}, heap.DebugOptions{QuarantineBlocks: 3})
	b := debugAlloc(d, 100, word8)
	debugFree(d, b, word8)
	b[5] = 1
	for i := range 3 {
		d.none()
		if s := d.Stats(); s.Quarantined != i+1 {
			t.Fatalf("%d in quarantine, want %d", s.Quarantined, i+1)
		}
		debugFree(d, debugAlloc(d, 100, word8), word8)
	}
	d.one(heap.WriteAfterFree, b, 100)
	if s := d.Stats(); s.Quarantined != 3 || s.Blocks != 0 {
		t.Errorf("%+v", s)
	}
	d = newDebug(t, heap.GC{}, heap.DebugOptions{QuarantineBytes: 1000})
	for range 100 {
		debugFree(d, debugAlloc(d, 100, word8), word8)
		debugFree(d, debugAlloc(d, 1001, word8), word8)
		if s := d.Stats(); s.QuarantinedBytes > 1000 {
			t.Fatalf("%+v", s)
		}
	}
	if freed := d.Trim(); freed == 0 || d.Stats().Quarantined != 0 {
		t.Errorf("Trim gave %d bytes, %+v", freed, d.Stats())
	}
}

// Memory reads as the options say.
func TestDebugFills(t *testing.T) {
	all := func(b []byte, v byte) bool { return strings.Count(string(b), string([]byte{v})) == len(b) }
	forDebug(t, heap.DebugOptions{}, func(t *testing.T, d *debugTest, size int) {
		b := debugAlloc(d, size, word8)
		if !all(b, 0xAA) {
			t.Errorf("a fresh block is %x", b[:1])
		}
		z := debugAlloc(d, size, mem.Layout{Align: word8.Align, Zero: true})
		if !all(z, 0) {
			t.Errorf("a zeroed block is %x", z[:1])
		}
		c, ok := d.Resize(z, mem.Layout{Align: word8.Align, Zero: true}, size+5)
		if ok && !all(c, 0) {
			t.Error("a zeroed block that grew is not zero")
		}
		d.Free(c, word8)
		if c, ok = d.Resize(b, word8, size+5); ok && !all(c, 0xAA) {
			t.Error("a block that grew is not filled")
		}
		d.Free(c, word8)
		if size < 100<<10 && !all(c, 0xDD) {
			t.Errorf("a freed block is %x", c[:1])
		}
		f := debugAlloc(d, size, mem.Layout{Type: mem.TypeFor[bool]()})
		for _, v := range f {
			if v > 1 {
				t.Fatalf("a bool is %#x", v)
			}
		}
		d.Free(f, mem.Layout{Type: mem.TypeFor[bool]()})
	})
	d := newDebug(t, heap.GC{}, heap.DebugOptions{Fresh: 1, Freed: 2})
	b := debugAlloc(d, 50, word8)
	fresh := all(b, 1)
	if d.Free(b, word8); !fresh || !all(b, 2) {
		t.Error("the fills in the options are not used")
	}
	d = newDebug(t, heap.GC{}, heap.DebugOptions{NoFill: true})
	b = debugAlloc(d, 50, word8)
	copy(b, "text")
	d.Free(b, word8)
	if string(b[:4]) != "text" {
		t.Error("NoFill, and filled")
	}
}

func TestDebugUseAfterClose(t *testing.T) {
	d := newDebug(t, heap.GC{}, heap.DebugOptions{})
	b := debugAlloc(d, 10, word8)
	dead := debugAlloc(d, 10, word8)
	d.Free(dead, word8)
	if err := d.Close(); err == nil {
		t.Error("no leak")
	}
	if err := d.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
	if _, err := d.Alloc(10, word8); err != mem.ErrClosed {
		t.Errorf("Alloc: %v", err)
	}
	d.none()
	debugFree(d, b, word8)
	m := d.one(heap.UseAfterClose, b, 10)
	leads(t, "allocation", m.Alloc, "debugAlloc")
	if _, ok := d.Resize(b, word8, 5); ok {
		t.Error("Resize succeeds")
	}
	d.one(heap.UseAfterClose, b, 10)
	d.Remap(b, word8, 5)
	d.one(heap.UseAfterClose, b, 10)
	d.Free(make([]byte, 3), word8)
	if len(d.got) != 1 || d.got[0].Kind != heap.UseAfterClose {
		t.Errorf("%v", d.got)
	}
}

//go:noinline
func leakOne(a mem.Allocator) []byte { return debugAlloc(a, 100, word8) }

//go:noinline
func leakTwo(a mem.Allocator) []int64 {
	s, err := mem.Alloc[int64](a, 500)
	if err != nil {
		panic(err)
	}
	return s
}

// Close returns the leak and hands it over, grouped by stack, largest first.
func TestDebugLeaks(t *testing.T) {
	var told *heap.LeakError
	d := newDebug(t, heap.Page{}, heap.DebugOptions{OnLeak: func(e *heap.LeakError) { told = e }})
	if e := d.Leaks(); e != nil {
		t.Errorf("leaks of nothing: %v", e)
	}
	var kept [][]byte
	for range 3 {
		kept = append(kept, leakOne(d))
	}
	s := leakTwo(d)
	now := d.Snapshot()
	if e := d.LeaksSince(now); e != nil {
		t.Errorf("leaks since now: %v", e)
	}
	kept = append(kept, leakOne(d))
	if e := d.LeaksSince(now); e == nil || e.Blocks != 1 || e.Bytes != 100 {
		t.Errorf("leaks since: %v", e)
	}
	d.Free(kept[3], word8)
	e := d.Leaks()
	if e == nil || e.Blocks != 4 || e.Bytes != 4300 || len(e.Groups) != 2 {
		t.Fatalf("leaks: %v", e)
	}
	if g := e.Groups[0]; g.Blocks != 1 || g.Bytes != 4000 || g.Type != "int64" || !strings.Contains(g.Stack.String(), "heap_test.leakTwo\n") {
		t.Errorf("largest group: %+v\n%v", g, g.Stack)
	}
	if g := e.Groups[1]; g.Blocks != 3 || g.Bytes != 300 || g.Type != "" || !strings.Contains(g.Stack.String(), "heap_test.leakOne\n") {
		t.Errorf("second group: %+v\n%v", g, g.Stack)
	}
	err := d.Close()
	var le *heap.LeakError
	if !errors.As(err, &le) || le != told || le.Blocks != 4 || le.Op != "heap: Debug.Close" {
		t.Errorf("Close: %v, told %v", err, told)
	}
	if !strings.Contains(err.Error(), "debug_test.go:") {
		t.Errorf("no line in %q", err)
	}
	s[0], kept[0][0] = 1, 1 // the leaked blocks are left alone
}

// By default a leak goes to standard error.
func TestDebugLeakPrinted(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Skip(err)
	}
	before := os.Stderr
	os.Stderr = w
	d := heap.NewDebug(heap.GC{}, heap.DebugOptions{StackDepth: -1})
	debugAlloc(d, 10, word8)
	d.Close()
	os.Stderr = before
	w.Close()
	buf := make([]byte, 1000)
	n, _ := r.Read(buf)
	r.Close()
	if got, want := string(buf[:n]), "heap: Debug.Close: leaked 1 block of 10 bytes\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

// A child that breaks the contract is named as the one to blame.
func TestDebugChildLied(t *testing.T) {
	for _, c := range []struct {
		name string
		lie  func(b []byte) []byte
	}{
		{"short", func(b []byte) []byte { return b[: len(b)-1 : len(b)-1] }},
		{"room", func(b []byte) []byte { return b[:len(b)-1] }},
		{"misaligned", func(b []byte) []byte { return unsafe.Slice(&b[1], len(b)) }},
		{"nothing", func(b []byte) []byte { return nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			child := &fakeChild{}
			d := newDebug(t, child, heap.DebugOptions{})
			b := debugAlloc(d, 100, word8)
			copy(b, "text")
			child.lie = c.lie
			if _, err := d.Alloc(100, word8); err == nil {
				t.Error("Alloc succeeds")
			}
			if len(d.got) != 1 || d.got[0].Kind != heap.ChildLied {
				t.Errorf("Alloc: %v", d.got)
			}
			d.got = nil
			if _, ok := d.Resize(b, word8, 110); ok {
				t.Error("Resize succeeds")
			}
			if len(d.got) != 1 || d.got[0].Kind != heap.ChildLied {
				t.Errorf("Resize: %v", d.got)
			}
			if s := d.Stats(); s.Blocks != 1 || s.Bytes != 100 {
				t.Errorf("%+v", s)
			}
		})
	}
	t.Run("overlap", func(t *testing.T) {
		child := &fakeChild{}
		d := newDebug(t, child, heap.DebugOptions{})
		b := debugAlloc(d, 100, word8)
		copy(b, "text")
		child.lie = func(x []byte) []byte { return unsafe.Slice(&b[64-64%8], len(x)) }
		if _, err := d.Alloc(8, word8); err == nil || len(d.got) != 1 || d.got[0].Kind != heap.ChildLied {
			t.Errorf("%v, %v", err, d.got)
		}
		d.got = nil
		if string(b[:4]) != "text" || b[99] != 0xAA {
			t.Error("the block that was served twice is damaged")
		}
		d.Free(b, word8)
		d.none()
	})
	t.Run("not zero", func(t *testing.T) {
		child := &fakeChild{lie: func(x []byte) []byte { x[len(x)-1] = 1; return x }}
		d := newDebug(t, child, heap.DebugOptions{})
		if _, err := d.Alloc(8, mem.Layout{Zero: true}); err == nil || len(d.got) != 1 || d.got[0].Kind != heap.ChildLied {
			t.Errorf("%v, %v", err, d.got)
		}
		if s := d.Stats(); s.Blocks != 0 || s.Bytes != 0 || child.bytes != 0 {
			t.Errorf("%+v, %d bytes in the child", s, child.bytes)
		}
	})
}

// Two calls at work on one block are found.
func TestDebugConcurrentUse(t *testing.T) {
	child := &fakeChild{}
	d := newDebug(t, child, heap.DebugOptions{})
	b := debugAlloc(d, 100, word8)
	child.entered = func() {
		child.entered = nil
		debugFree(d, b, word8) // while the child resizes it
	}
	b, _ = d.Resize(b, word8, 90)
	m := d.one(heap.ConcurrentUse, b, 100)
	leads(t, "allocation", m.Alloc, "debugAlloc")
	d.Free(b, word8)
	d.none()
}

// What goes wrong below changes nothing.
func TestDebugStrongGuarantee(t *testing.T) {
	child := &fakeChild{}
	d := newDebug(t, child, heap.DebugOptions{MemoryLimit: 1000})
	b := debugAlloc(d, 600, word8)
	for i := range b {
		b[i] = byte(i)
	}
	same := func(when string) {
		t.Helper()
		s := d.Stats()
		for i := range b {
			if b[i] != byte(i) {
				t.Fatalf("%s: byte %d changed", when, i)
			}
		}
		if s.Blocks != 1 || s.Bytes != 600 || d.Check() != nil {
			t.Errorf("%s: %+v", when, s)
		}
		d.none()
	}
	if _, err := d.Alloc(401, word8); !errors.Is(err, mem.ErrLimit) {
		t.Errorf("over the limit: %v", err)
	}
	same("over the limit")
	if _, ok := d.Resize(b, word8, 1001); ok {
		t.Error("Resize over the limit")
	}
	same("Resize over the limit")
	child.fail, child.refuse = true, true
	for range 10 {
		if _, err := d.Alloc(400, word8); !errors.Is(err, mem.ErrOutOfMemory) {
			t.Errorf("child fails: %v", err)
		}
		for _, n := range []int{10, 700} {
			if _, ok := d.Resize(b, word8, n); ok {
				t.Error("Resize that the child refuses")
			}
			if _, ok := d.Remap(b, word8, n); ok {
				t.Error("Remap that the child refuses")
			}
		}
	}
	same("child fails")
	child.panics = true
	for _, f := range []func(){
		func() { d.Alloc(10, word8) },
		func() { d.Resize(b, word8, 10) },
		func() { d.Remap(b, word8, 700) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the child's panic is lost")
				}
			}()
			f()
		}()
		same("child panics")
	}
	child.panics, child.fail, child.refuse = false, false, false
	c := debugAlloc(d, 400, word8) // exactly to the limit
	d.Free(c, word8)
	for _, n := range []int{1000, 5, 600} {
		r, ok := d.Remap(b, word8, n)
		if ok {
			b = r
		}
	}
	d.Free(b, word8)
	if s := d.Stats(); s.Bytes != 0 || s.PeakBytes != 1000 || s.Failures != 11 {
		t.Errorf("%+v", s)
	}
	d.Close()
	if child.bytes != 0 {
		t.Errorf("%d bytes were not given back", child.bytes)
	}
}

// A child without memory gets the quarantine back.
func TestDebugQuarantineGivesWay(t *testing.T) {
	limit := heap.NewLimit(heap.Page{}, 10_000)
	d := newDebug(t, limit, heap.DebugOptions{})
	for range 100 {
		d.Free(debugAlloc(d, 4000, word8), word8)
	}
	if limit.Used() == 0 {
		t.Error("nothing in quarantine")
	}
	d.none()
}

func TestDebugAllFailures(t *testing.T) {
	allocatortest.CheckAllFailures(t, func(child mem.Allocator) error {
		// With a quarantine the Debug asks a second time.
		d := heap.NewDebug(child, heap.DebugOptions{QuarantineBytes: -1})
		defer d.Close()
		return growAndCopy(d)
	})
}

// A handler that panics finds everything done, and may go on with the Debug.
func TestDebugHandlerPanics(t *testing.T) {
	d := heap.NewDebug(heap.GC{}, heap.DebugOptions{})
	b := debugAlloc(d, 10, word8)
	*(*byte)(unsafe.Add(unsafe.Pointer(&b[0]), 10)) = 1
	for i, want := range []heap.MisuseKind{heap.Overflow, heap.DoubleFree} {
		func() {
			defer func() {
				if m, ok := recover().(*heap.Misuse); !ok || m.Kind != want {
					t.Errorf("Free %d: panic with %v, want %v", i, m, want)
				}
			}()
			d.Free(b, word8)
		}()
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// The handler may use the Debug, and hears no more than it wants to.
func TestDebugHandler(t *testing.T) {
	heard := 0
	var d *heap.Debug
	d = heap.NewDebug(heap.Page{}, heap.DebugOptions{MaxReports: 3, OnMisuse: func(m *heap.Misuse) {
		heard++
		d.Free(debugAlloc(d, 10, word8), word8)
		d.Check()
	}})
	for range 10 {
		d.Free(make([]byte, 10), word8)
	}
	if s := d.Stats(); heard != 3 || s.Reports != 10 {
		t.Errorf("heard %d of %d reports, want 3 of 10", heard, s.Reports)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestDebugCheckEvery(t *testing.T) {
	d := newDebug(t, heap.Page{}, heap.DebugOptions{CheckEvery: 4})
	b := debugAlloc(d, 10, word8)
	*(*byte)(unsafe.Add(unsafe.Pointer(&b[0]), 10)) = 1
	for range 4 {
		d.Free(debugAlloc(d, 10, word8), word8)
	}
	d.one(heap.Overflow, b, 10)
	d.Free(b, word8)
	d.none()
}

func TestDebugOptions(t *testing.T) {
	d := newDebug(t, heap.Page{}, heap.DebugOptions{StackDepth: -1, Redzone: -1})
	b := debugAlloc(d, 10, word8)
	d.Free(b, word8)
	d.Free(b, word8)
	if m := d.one(heap.DoubleFree, b, 10); m.Alloc != nil || m.Free != nil || len(m.Here) == 0 {
		t.Errorf("stacks that are off: %v %v", m.Alloc, m.Free)
	}
	d = newDebug(t, heap.Page{}, heap.DebugOptions{ResizeStacks: true})
	b = debugAlloc(d, 10, word8)
	b, _ = debugResize(d, b, word8, 20)
	d.Free(b[:19], word8)
	leads(t, "resize", d.one(heap.SizeMismatch, b, 19).Alloc, "debugResize")
	d.Free(b, word8)

	var log strings.Builder
	d = newDebug(t, heap.NewLimit(heap.Page{}, 200), heap.DebugOptions{
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	b = debugAlloc(d, 10, word8)
	b, _ = d.Resize(b, word8, 12)
	b, _ = d.Remap(b, word8, 1000)
	d.Alloc(1000, word8)
	d.Free(b, word8)
	for _, want := range []string{"msg=alloc ", "msg=resize ", `msg="remap refused"`, `level=ERROR msg="alloc failed"`, "msg=free "} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in\n%s", want, log.String())
		}
	}
	for name, f := range map[string]func(){
		"nil child": func() { heap.NewDebug(nil, heap.DebugOptions{}) },
		"limit":     func() { heap.NewDebug(heap.Page{}, heap.DebugOptions{MemoryLimit: -1}) },
		"check":     func() { heap.NewDebug(heap.Page{}, heap.DebugOptions{CheckEvery: -1}) },
	} {
		func() {
			defer func() {
				if s, ok := recover().(string); !ok || !strings.HasPrefix(s, "heap: NewDebug: ") {
					t.Errorf("%s: panic with %v", name, s)
				}
			}()
			f()
		}()
	}
}

//go:noinline
func debugResize(d *debugTest, b []byte, l mem.Layout, size int) ([]byte, bool) {
	return d.Resize(b, l, size)
}

func TestDebugZeroValue(t *testing.T) {
	var d heap.Debug
	b := make([]byte, 8)
	for _, f := range []func(){
		func() {
			if _, err := d.Alloc(8, word8); err == nil {
				t.Error("Alloc succeeds")
			}
		},
		func() { d.Resize(b, word8, 9) },
		func() { d.Remap(b, word8, 9) },
		func() { d.Free(b, word8) },
	} {
		allocatortest.ExpectMisuse(t, heap.Uninitialised, f)
	}
	if d.Close() != nil || d.Trim() != 0 || d.Pointers() != mem.PlainOnly {
		t.Error("the zero Debug does something")
	}
}

// Requests that are nonsense go no further.
func TestDebugRequests(t *testing.T) {
	d := newDebug(t, heap.GC{}, heap.DebugOptions{})
	typ := mem.TypeFor[*int]()
	for _, l := range []mem.Layout{{Kind: mem.Local}, {Kind: mem.Managed, Type: typ}, {Kind: 7, Type: typ}} {
		if _, err := d.Alloc(9, l); err == nil || len(d.got) != 1 || d.got[0].Kind != heap.TypeMismatch {
			t.Errorf("%v: %v, %v", l, err, d.got)
		}
		d.got = nil
	}
	l := mem.Layout{Align: mem.Align(8), Kind: mem.Managed, Type: typ}
	b := debugAlloc(d, 16, l)
	if _, ok := d.Resize(b, l, 9); ok || len(d.got) != 1 || d.got[0].Kind != heap.TypeMismatch {
		t.Errorf("Resize: %v", d.got)
	}
	d.got = nil
	d.Free(b, l)
	d.none()
}

// A managed block keeps what it points to until it is freed, and not after.
func TestDebugManaged(t *testing.T) {
	d := newDebug(t, heap.NewHybrid(heap.Page{}), heap.DebugOptions{})
	type node struct {
		next *node
		name string
	}
	collected := make(chan bool, 1)
	n, err := mem.Create[node](d)
	if err != nil {
		t.Fatal(err)
	}
	n.next = &node{name: strings.Repeat("x", 100)}
	runtime.AddCleanup(n.next, func(int) { collected <- true }, 0)
	runtime.GC()
	if len(n.next.name) != 100 || len(collected) != 0 {
		t.Fatal("collected while live")
	}
	mem.Destroy(d, n)
	for i := 0; len(collected) == 0; i++ {
		if i == 100 {
			t.Fatal("quarantine keeps it")
		}
		runtime.GC()
		runtime.Gosched()
	}
	d.none()
}

func TestDebugAllocates(t *testing.T) {
	if race.Enabled || invariant.Enabled {
		t.Skip("Page allocates in these builds")
	}
	d := newDebug(t, heap.Page{}, heap.DebugOptions{QuarantineBlocks: 8, MemoryLimit: 1 << 20})
	run := func() {
		b, _ := d.Alloc(100, word8)
		b, _ = d.Resize(b, word8, 200)
		d.Free(b, word8)
		d.Alloc(2<<20, word8)
		d.Check()
	}
	for range 20 {
		run()
	}
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Blocks pass between goroutines, and nothing is said of it.
func TestDebugConcurrent(t *testing.T) {
	var mu sync.Mutex
	said := 0
	d := heap.NewDebug(heap.NewHybrid(heap.Page{}), heap.DebugOptions{QuarantineBlocks: 50, CheckEvery: 100, OnMisuse: func(m *heap.Misuse) {
		mu.Lock()
		defer mu.Unlock()
		if said++; said < 5 {
			t.Errorf("false report: %v", m)
		}
	}})
	rounds := 2000
	if race.Enabled || testing.Short() {
		rounds = 400
	}
	pass := make(chan []byte, 16)
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rnd := rand.New(rand.NewPCG(uint64(w), 1))
			for range rounds {
				b := debugAlloc(d, 1+rnd.IntN(500), word8)
				b[0], b[len(b)-1] = 1, 2
				b, _ = d.Resize(b, word8, 1+rnd.IntN(500))
				b[0] = 3
				select {
				case pass <- b:
				case c := <-pass:
					d.Free(c, word8)
					d.Free(b, word8)
				}
				if rnd.IntN(100) == 0 {
					d.Leaks()
					d.Trim()
				}
			}
		}()
	}
	wg.Wait()
	close(pass)
	for b := range pass {
		d.Free(b, word8)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// Random valid operations, of every kind, are never reported.
func TestDebugNoFalseReports(t *testing.T) {
	n := 1_000_000
	if race.Enabled || testing.Short() {
		n = 50_000
	}
	d := newDebug(t, heap.NewHybrid(heap.Page{}), heap.DebugOptions{CheckEvery: n / 20, QuarantineBlocks: 200})
	type held struct {
		b []byte
		l mem.Layout
	}
	types := []mem.Layout{mem.LayoutOf[*int](), mem.LayoutOf[struct {
		a byte
		s string
	}](), mem.LayoutOf[[3]uint16](), mem.LayoutOf[bool]()}
	rnd := rand.New(rand.NewPCG(1, 2))
	var live []held
	write := func(h held) {
		if h.l.Kind == mem.Plain {
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
	d.none()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	d.none()
}

func FuzzDebug(f *testing.F) {
	f.Add([]byte("a program of some length, of which every byte is an operation"), byte(0))
	f.Add([]byte{0, 4, 100, 7, 2, 3, 9, 1, 4, 0, 3, 9, 5, 1, 8, 3, 0, 6, 1, 3}, byte(0xff))
	f.Fuzz(func(t *testing.T, program []byte, how byte) {
		var child mem.Allocator = heap.Page{}
		if how&1 != 0 {
			child = heap.NewHybrid(heap.Page{})
		}
		o := heap.DebugOptions{CheckEvery: int(how >> 1 & 3), Redzone: int(how>>3&3) - 1, QuarantineBlocks: int(how>>5&3) - 1, NoFill: how&128 != 0}
		d := newDebug(t, child, o)
		allocatortest.Play(t, d, program)
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		d.none()
	})
}
