package heap_test

import (
	"errors"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

func TestConcurrentArenaMisuse(t *testing.T) {
	for _, answer := range []mem.Pointers{mem.PlainOnly, mem.Scanned} {
		t.Run(answer.String(), func(t *testing.T) {
			a := heap.NewConcurrentArena(&fakeChild{})
			if answer == mem.Scanned {
				a = heap.NewConcurrentArena(heap.GC{})
			}
			l := mem.Layout{}
			x := take(t, a, 16, l)
			y := take(t, a, 16, l)
			var local [16]byte
			for what, b := range map[string][]byte{"Go heap": make([]byte, 16), "stack": local[:], "nil": nil} {
				t.Run(what, func(t *testing.T) {
					wantMisuse(t, heap.ForeignFree, func() { a.Free(b, l) })
					wantMisuse(t, heap.ForeignFree, func() { a.Resize(b, l, 8) })
					wantMisuse(t, heap.ForeignFree, func() { a.Remap(b, l, 32) })
				})
			}
			wantMisuse(t, heap.ForeignFree, func() { mem.Free(a, append(x, 1)) })
			wantMisuse(t, heap.SizeMismatch, func() { a.Free(y[:0], l) })
			wantMisuse(t, heap.SizeMismatch, func() { a.Free(unsafe.Slice(&x[0], 33), l) })
			wantMisuse(t, heap.SizeMismatch, func() { a.Resize(unsafe.Slice(&x[0], 33), l, 8) })
			big := take(t, a, 10_000, l)
			wantMisuse(t, heap.InteriorFree, func() { a.Free(big[1:], l) })
			wantMisuse(t, heap.SizeMismatch, func() { a.Free(big[:9999:9999], l) })
			noMisuse(t, func() { a.Free(big, l); a.Free(y, l); a.Free(x, l) })
			wantMisuse(t, heap.DoubleFree, func() { a.Free(x, l) })
			if answer == mem.Scanned {
				type pair struct{ a, b *int }
				s, err := mem.Alloc[pair](a, 4)
				if err != nil {
					t.Fatal(err)
				}
				l := mem.LayoutOf[pair]()
				raw := unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), 4*l.Type.Size())
				wantMisuse(t, heap.InteriorFree, func() { a.Free(raw[1:], l) })
				wantMisuse(t, heap.SizeMismatch, func() { a.Free(raw[:1:1], l) })
				if _, ok := a.Resize(raw, l, len(raw)+1); ok {
					t.Error("a part of an element was added")
				}
				if r := catch(func() { a.Alloc(l.Type.Size()+1, l) }); r == nil {
					t.Error("Alloc of a part of an element did not panic")
				}
				if r := catch(func() { a.Alloc(8, mem.Layout{Kind: mem.Managed}) }); r == nil {
					t.Error("Alloc of managed bytes did not panic")
				}
				noMisuse(t, func() { mem.Free(a, s) })
			}
		})
	}
}

func TestConcurrentArenaZeroValue(t *testing.T) {
	var a heap.ConcurrentArena
	b := make([]byte, 8)
	wantMisuse(t, heap.Uninitialised, func() {
		if _, err := a.Alloc(8, mem.Layout{}); err == nil {
			t.Error("Alloc succeeded")
		}
	})
	wantMisuse(t, heap.Uninitialised, func() { a.Free(b, mem.Layout{}) })
	wantMisuse(t, heap.Uninitialised, func() { a.Resize(b, mem.Layout{}, 4) })
	wantMisuse(t, heap.Uninitialised, a.Reset)
	noMisuse(t, func() { a.Close() })
	if a.Owns(b) || a.Stats() != (heap.ArenaStats{}) || a.Pointers() != mem.PlainOnly {
		t.Error("the zero value claims something")
	}
	for _, child := range []mem.Allocator{nil, (*fakeChild)(nil)} {
		if catch(func() { heap.NewConcurrentArena(child) }) == nil {
			t.Errorf("NewConcurrentArena(%T) did not panic", child)
		}
	}
}

func TestConcurrentArenaChildLies(t *testing.T) {
	for name, lie := range map[string]func(b []byte) []byte{
		"short":      func(b []byte) []byte { return b[:len(b)-1] },
		"misaligned": func(b []byte) []byte { return unsafe.Slice(&b[1], len(b)) },
		"nothing":    func(b []byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			child := &fakeChild{lie: lie}
			a := heap.NewConcurrentArena(child)
			for _, size := range []int{16, 100_000} {
				wantMisuse(t, heap.ChildLied, func() {
					if b, err := a.Alloc(size, plainAt(16)); b != nil || !errors.Is(err, mem.ErrOutOfMemory) {
						t.Errorf("Alloc(%d): %d bytes, %v", size, len(b), err)
					}
				})
			}
			child.lie = nil
			take(t, a, 16, plainAt(16))
		})
	}
}
