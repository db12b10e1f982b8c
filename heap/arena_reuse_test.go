package heap_test

import (
	"errors"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// A chunk that was aligned for one large block serves blocks of every alignment
// after Reset, and only its first element is aligned like that.
func TestArenaTypedAlignmentAfterReset(t *testing.T) {
	a := heap.NewArena(heap.GC{})
	defer a.Close()
	page := mem.Align(4096)
	mem.Must(mem.AllocAligned[*int](a, 1024, page))
	a.Reset()
	for range 20 {
		mem.Must(mem.Create[*int](a))
		s := mem.Must(mem.AllocAligned[*int](a, 1, page))
		if at := uintptr(unsafe.Pointer(&s[0])); !page.Check(at) {
			t.Fatalf("AllocAligned(1, 4096): at %#x", at)
		}
	}
}

// What an arena knew of its child must not survive a new one: local blocks over
// a scanned child are typed.
func TestArenaInitAgain(t *testing.T) {
	var a heap.Arena
	a.Init(heap.Page{})
	mem.Must(mem.Alloc[byte](&a, 10))
	a.Close()
	a.Init(heap.GC{})
	defer a.Close()
	defer func() {
		if recover() == nil {
			t.Error("a local block of part of an element was served")
		}
	}()
	l := mem.LayoutOf[[2]*int]()
	l.Kind = mem.Local
	a.Alloc(l.Type.Size()/2, l)
}

// unshrinkable refuses every Resize, as an allocator may.
type unshrinkable struct{ mem.Allocator }

func (unshrinkable) Resize(b []byte, _ mem.Layout, _ int) ([]byte, bool) { return b, false }
func (unshrinkable) Remap(b []byte, _ mem.Layout, _ int) ([]byte, bool)  { return b, false }

// What a shrunk block gives up is dirty, also where the chunk stays as it is.
func TestArenasZeroAfterRefusedShrink(t *testing.T) {
	type resetter interface {
		mem.Allocator
		Reset()
		Close() error
	}
	for name, a := range map[string]resetter{
		"Arena":           heap.NewArena(unshrinkable{heap.Page{}}),
		"ConcurrentArena": heap.NewConcurrentArena(unshrinkable{heap.Page{}}),
	} {
		l := mem.Layout{Zero: true}
		b, err := a.Alloc(1<<20, l)
		if err != nil {
			t.Fatal(err)
		}
		for i := range b {
			b[i] = 0xFF
		}
		if _, ok := a.Resize(b, l, 100); !ok {
			t.Errorf("%s: a shrink was refused", name)
		}
		a.Reset()
		if b, err = a.Alloc(1000, l); err != nil {
			t.Fatal(err)
		}
		for i, v := range b {
			if v != 0 {
				t.Fatalf("%s: byte %d is %#x, want 0", name, i, v)
			}
		}
		a.Close()
	}
}

func TestPromotedArenaZero(t *testing.T) {
	var p heap.PromotedArena
	block := make([]byte, 8)
	misuses := misuses(t, func() {
		if b, err := p.Alloc(8, mem.Layout{}); b != nil || err == nil {
			t.Errorf("Alloc = %v, %v", b, err)
		}
		if _, ok := p.Resize(block, mem.Layout{}, 4); ok {
			t.Error("Resize = true")
		}
		if _, ok := p.Remap(block, mem.Layout{}, 4); ok {
			t.Error("Remap = true")
		}
		p.Free(block, mem.Layout{})
	})
	if len(misuses) != 4 || misuses[0].Kind != heap.Uninitialised || p.Pointers() != mem.PlainOnly {
		t.Errorf("reported %v", misuses)
	}
}

// A pool over a small buffer uses what there is.
func TestPoolUsesWhatThereIs(t *testing.T) {
	p := heap.NewPool[[100]byte](heap.NewFixedBuffer(make([]byte, 6000)))
	defer p.Reset()
	n := 0
	for {
		if _, err := p.Create(); err != nil {
			if !errors.Is(err, mem.ErrOutOfMemory) {
				t.Error(err)
			}
			break
		}
		n++
	}
	if n < 55 {
		t.Errorf("%d objects of 100 bytes in 6000", n)
	}
}

// onePointer is a struct of one pointer, which an interface holds as it holds a
// pointer. The field is nil, and the allocator is there all the same.
type onePointer struct{ _ *[64]byte }

func (a onePointer) Alloc(size int, l mem.Layout) ([]byte, error)        { return heap.GC{}.Alloc(size, l) }
func (a onePointer) Resize(b []byte, _ mem.Layout, _ int) ([]byte, bool) { return b, false }
func (a onePointer) Remap(b []byte, _ mem.Layout, _ int) ([]byte, bool)  { return b, false }
func (a onePointer) Free([]byte, mem.Layout)                             {}
func (a onePointer) Pointers() mem.Pointers                              { return mem.Scanned }

func TestNilFieldIsNoNilAllocator(t *testing.T) {
	for _, a := range []mem.Allocator{onePointer{}, heap.NewCounting(onePointer{}), mem.NoGoPointers(onePointer{})} {
		if s, err := mem.Alloc[int](a, 3); len(s) != 3 || err != nil {
			t.Errorf("Alloc from %T = %v, %v", a, s, err)
		}
		mem.Destroy(a, mem.Must(mem.Create[int](a)))
	}
}
