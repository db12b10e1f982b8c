package heap_test

import (
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// wantReport fails unless fn is reported once, as kind, with the stack that
// leads to it, and returns: the handler may return.
func wantReport(t *testing.T, kind heap.MisuseKind, fn func()) {
	t.Helper()
	got := misuses(t, fn)
	if len(got) != 1 || got[0].Kind != kind {
		t.Errorf("got misuses %v, want one %q", got, kind)
		return
	}
	foundIn(t, got[0], fn)
}

// wantNoReport fails if fn is reported.
func wantNoReport(t *testing.T, fn func()) {
	t.Helper()
	if got := misuses(t, fn); len(got) != 0 {
		t.Errorf("got misuses %v, want none", got)
	}
}

func TestFixedBufferFreeForeign(t *testing.T) {
	buf := make([]byte, 300)
	f := heap.NewFixedBuffer(buf[100:200])
	good := take(t, f, 8, plainAt(1))
	var local [16]byte
	for name, a := range map[string]mem.Allocator{"direct": f, "shared": f.ThreadSafe()} {
		for what, b := range map[string][]byte{
			"Go heap":    make([]byte, 16),
			"stack":      local[:],
			"before":     buf[99:101],
			"after":      buf[200:201],
			"nil":        nil,
			"no pointer": unsafe.Slice((*byte)(nil), 0),
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				wantReport(t, heap.ForeignFree, func() { a.Free(b, plainAt(1)) })
				wantReport(t, heap.ForeignFree, func() {
					if c, ok := a.Resize(b, plainAt(1), 1); ok || len(c) != len(b) {
						t.Error("Resize of a foreign block succeeded")
					}
				})
				wantReport(t, heap.ForeignFree, func() {
					if _, ok := a.Remap(b, plainAt(1), 100); ok {
						t.Error("Remap of a foreign block succeeded")
					}
				})
			})
		}
	}
	// append moved it to the Go heap
	grown := append(good, 1)
	wantReport(t, heap.ForeignFree, func() { mem.Free(f, grown) })
	wantNoReport(t, func() { mem.Free(f, good) })
}

// By default a misuse panics, and the FixedBuffer works on.
func TestFixedBufferFreeForeignPanics(t *testing.T) {
	f := heap.NewFixedBuffer(make([]byte, 100))
	func() {
		defer func() {
			if m, ok := recover().(*heap.Misuse); !ok || m.Kind != heap.ForeignFree || m.Op != "heap: FixedBuffer.Free" {
				t.Errorf("recovered %v", m)
			}
		}()
		f.Free(make([]byte, 8), mem.Layout{})
	}()
	take(t, f, 100, plainAt(1))
}

func TestFixedBufferDoubleFree(t *testing.T) {
	f := heap.NewFixedBuffer(make([]byte, 100))
	a := take(t, f, 16, plainAt(1))
	copy(a, "contents")
	b := take(t, f, 16, plainAt(1))
	wantNoReport(t, func() { f.Free(b, plainAt(1)) })
	wantReport(t, heap.DoubleFree, func() { f.Free(b, plainAt(1)) })
	wantReport(t, heap.DoubleFree, func() { f.Resize(b, plainAt(1), 8) })
	if f.Used() != 16 || string(a[:8]) != "contents" {
		t.Errorf("Used %d, block %q: the second Free went into a live block", f.Used(), a[:8])
	}
	m := f.Mark()
	c := take(t, f, 8, plainAt(1))
	f.Rewind(m)
	wantReport(t, heap.DoubleFree, func() { f.Free(c, plainAt(1)) })
	f.Reset()
	wantReport(t, heap.DoubleFree, func() { f.Free(a, plainAt(1)) })
	wantReport(t, heap.DoubleFree, func() { f.ThreadSafe().Free(a, plainAt(1)) })
}

func TestFixedBufferFreeInterior(t *testing.T) {
	f := heap.NewFixedBuffer(make([]byte, 100))
	take(t, f, 16, plainAt(1))
	b := take(t, f, 16, plainAt(1))
	wantReport(t, heap.InteriorFree, func() { f.Free(b[1:], plainAt(1)) })
	wantReport(t, heap.InteriorFree, func() { f.Free(b[4:8], plainAt(1)) })
	if f.Used() != 32 {
		t.Errorf("Used %d, want 32", f.Used())
	}
	wantNoReport(t, func() { f.Free(b, plainAt(1)) })
}

func TestFixedBufferSizeMismatch(t *testing.T) {
	f := heap.NewFixedBuffer(make([]byte, 100))
	a := take(t, f, 16, plainAt(1))
	b := take(t, f, 16, plainAt(1))
	long := unsafe.Slice(&a[0], 48) // over both and beyond
	for name, wrong := range map[string][]byte{
		"cut":    b[:15:15],
		"empty":  b[:0],
		"beyond": long[16:],
		"both":   long[:32],
		"part":   long[8:24],
		"far":    long,
	} {
		t.Run(name, func(t *testing.T) {
			wantReport(t, heap.SizeMismatch, func() { f.Free(wrong, plainAt(1)) })
			wantReport(t, heap.SizeMismatch, func() {
				if c, ok := f.Resize(wrong, plainAt(1), 17); ok || len(c) != len(wrong) {
					t.Error("Resize succeeded")
				}
			})
		})
	}
	if f.Used() != 32 {
		t.Errorf("Used %d, want 32", f.Used())
	}
	wantNoReport(t, func() { mem.Free(f, b[:0]) }) // the typed layer gives back b[:cap(b)]
}

func TestFixedBufferMarkMisuse(t *testing.T) {
	f := heap.NewFixedBuffer(make([]byte, 100))
	g := heap.NewFixedBuffer(make([]byte, 100))
	outer := f.Mark()
	b := take(t, f, 16, plainAt(1))
	inner := f.Mark()
	take(t, f, 16, plainAt(1))
	for name, undo := range map[string]func(*heap.FixedBuffer, heap.BufferMark){
		"Rewind": (*heap.FixedBuffer).Rewind,
		"Keep":   (*heap.FixedBuffer).Keep,
	} {
		t.Run(name, func(t *testing.T) {
			wantReport(t, heap.OutOfOrder, func() { undo(f, outer) })
			wantReport(t, heap.WrongAllocator, func() { undo(g, outer) })
			wantReport(t, heap.StaleMark, func() { undo(f, heap.BufferMark{}) })
		})
	}
	wantReport(t, heap.OutOfOrder, f.Reset)
	if f.Used() != 32 {
		t.Errorf("Used %d, want 32", f.Used())
	}
	wantNoReport(t, func() { f.Rewind(inner) })
	wantReport(t, heap.StaleMark, func() { f.Rewind(inner) })
	inner2 := f.Mark()
	wantReport(t, heap.StaleMark, func() { f.Rewind(inner) }) // same depth, another mark
	inner3 := f.Mark()
	wantReport(t, heap.StaleMark, func() { f.Rewind(inner) })
	wantNoReport(t, func() { f.Keep(inner3); f.Keep(inner2); f.Free(b, plainAt(1)); f.Rewind(outer); f.Reset() })
	wantReport(t, heap.StaleMark, func() { f.Rewind(outer) })
	f.Mark()
	f.Init(make([]byte, 10))
	wantNoReport(t, f.Reset)
	wantReport(t, heap.OutOfOrder, func() {
		f.Scoped(func() error { f.Mark(); return nil })
	})
}

func TestFixedBufferCopied(t *testing.T) {
	if !invariant.Enabled {
		t.Skip("checked in builds with invariants")
	}
	f := heap.NewFixedBuffer(make([]byte, 100))
	take(t, f, 1, plainAt(1))
	g := unsafe.Slice((*byte)(unsafe.Pointer(f)), unsafe.Sizeof(*f))
	copied := new(heap.FixedBuffer)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(copied)), len(g)), g) // what vet forbids
	wantReport(t, heap.Copied, func() { copied.Alloc(1, plainAt(1)) })
	take(t, f, 1, plainAt(1))
}
