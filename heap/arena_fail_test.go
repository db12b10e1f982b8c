package heap_test

import (
	"errors"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// Every request that the arena makes of its child is made to fail in turn.
func TestArenaFailures(t *testing.T) {
	n := allocatortest.CheckAllFailures(t, func(child mem.Allocator) error {
		a := heap.NewArena(child)
		defer a.Close()
		for i := range 300 {
			if _, err := mem.Alloc[byte](a, 1+i); err != nil {
				return err
			}
			if _, err := mem.Create[arenaRecord](a); err != nil {
				return err
			}
			if _, err := mem.Alloc[string](a, 1+i); err != nil {
				return err
			}
		}
		_, err := mem.Alloc[byte](a, 1<<20)
		return err
	})
	if n < 20 {
		t.Errorf("%d requests failed", n)
	}
}

// What is asked in vain leaves no trace.
func TestArenaFailureLeavesAllAsItWas(t *testing.T) {
	type setup struct {
		a    *heap.Arena
		last []byte
	}
	half := 256 / mem.TypeFor[arenaRecord]().Size() // of a first slab
	for name, run := range map[string]func(s setup) error{
		"grow":       func(s setup) error { _, err := s.a.Alloc(2000, plainBytes); return err },
		"exact":      func(s setup) error { _, err := s.a.Alloc(1<<20, mem.Layout{Zero: true}); return err },
		"aligned":    func(s setup) error { _, err := s.a.Alloc(8, mem.Layout{Align: mem.Align(1 << 16)}); return err },
		"lane":       func(s setup) error { _, err := mem.Create[any](s.a); return err },
		"lane grows": func(s setup) error { _, err := mem.Alloc[arenaRecord](s.a, half); return err },
		"lane exact": func(s setup) error { _, err := mem.Alloc[arenaRecord](s.a, 10000); return err },
		"realloc": func(s setup) error {
			_, err := mem.Realloc(s.a, s.last, 100_000)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := allocatortest.CheckUnchanged(t, allocatortest.Operation[setup]{
				Setup: func(child mem.Allocator) (setup, error) {
					a := heap.NewArena(child)
					for range 2 {
						if _, err := mem.Alloc[arenaRecord](a, half); err != nil {
							return setup{}, err
						}
					}
					b, err := a.Alloc(3000, plainBytes)
					return setup{a, b}, err
				},
				Run:      run,
				Snapshot: func(s setup) any { return []any{s.a.Stats(), string(s.last)} },
				Teardown: func(s setup) { s.a.Close() },
			})
			if n == 0 {
				t.Error("nothing was asked of the child")
			}
		})
	}
}

// Growing is a wish, and goes on with less; what was asked for is no wish.
func TestArenaWish(t *testing.T) {
	p := newArenaChild(t)
	p.fail = func(size int) error {
		if size > 100 {
			return mem.ErrOutOfMemory
		}
		return nil
	}
	a := heap.NewArena(p)
	defer a.Close()
	arenaAlloc(t, a, 60, plainBytes)
	if _, err := a.Alloc(101, plainBytes); err != mem.ErrOutOfMemory {
		t.Errorf("Alloc(101): %v", err)
	}
	sorry := errors.New("sorry")
	p.fail = func(int) error { return sorry }
	before := p.calls
	if _, err := a.Alloc(80, plainBytes); err != sorry || p.calls > before+2 {
		t.Errorf("Alloc(80): %v after %d calls", err, p.calls-before)
	}
	c := &moody{Allocator: heap.NewGC(heap.GCOptions{MaxSize: 100})}
	b := heap.NewArena(c)
	if s, err := mem.Create[arenaRecord](b); err != nil || s.name != "" {
		t.Errorf("Create over a small child: %v", err)
	}
	if _, err := mem.Alloc[arenaRecord](b, 6); !errors.Is(err, mem.ErrTooLarge) {
		t.Errorf("Alloc over a small child: %v", err)
	}
	b.Close()
}

// lying serves blocks that are too short, or not aligned.
type lying struct {
	mem.NoResize
	short bool
}

func (c lying) Alloc(size int, l mem.Layout) ([]byte, error) {
	b, err := heap.GC{}.Alloc(size+64, mem.Layout{Align: l.Align.Max(mem.Align(64))})
	if c.short {
		return b[:size-1], err
	}
	return b[1 : 1+size], err
}

func (lying) Free([]byte, mem.Layout) {}

func TestArenaChildLies(t *testing.T) {
	for _, short := range []bool{false, true} {
		a := heap.NewArena(lying{short: short})
		m := expectMisuse(t, heap.ChildLied, func() { a.Alloc(8, plainBytes) })
		if m == nil || a.Stats() != (heap.ArenaStats{}) {
			t.Errorf("%v, %+v", m, a.Stats())
		}
	}
}

// entering is a child that calls the arena back.
type entering struct {
	mem.Allocator
	a *heap.Arena
}

func (c *entering) Alloc(size int, l mem.Layout) ([]byte, error) {
	c.a.Free(nil, l)
	return c.Allocator.Alloc(size, l)
}

func TestArenaConcurrentUse(t *testing.T) {
	if !invariant.Enabled {
		t.Skip("not checked in this build")
	}
	c := &entering{Allocator: heap.GC{}}
	c.a = heap.NewArena(c)
	arenaMisuse(t, heap.ConcurrentUse, func() { c.a.Alloc(8, plainBytes) })
}

func TestArenaCopied(t *testing.T) {
	if !invariant.Enabled {
		t.Skip("not checked in this build")
	}
	s := make([]heap.ArenaState, 1, 2)
	arenaAlloc(t, s[0].Promote(heap.GC{}), 8, plainBytes)
	s = append(s, heap.ArenaState{})
	moved := append(s, heap.ArenaState{}) // past the capacity
	arenaMisuse(t, heap.Copied, func() { moved[0].Alloc(heap.GC{}, 8, plainBytes) })
	arenaAlloc(t, s[1].Promote(heap.GC{}), 8, plainBytes)
}

// Poison shows who reads what is no more.
func TestArenaPoison(t *testing.T) {
	if !invariant.Enabled {
		t.Skip("not done in this build")
	}
	a := heap.NewArena(newArenaChild(t))
	defer a.Close()
	for name, end := range map[string]func(b []byte){
		"Free":   func(b []byte) { a.Free(b, plainBytes) },
		"Resize": func(b []byte) { a.Resize(b, plainBytes, 1) },
		"Reset":  func([]byte) { a.Reset() },
	} {
		b := arenaAlloc(t, a, 100, plainBytes)
		b[99] = 'x'
		end(b)
		if b[99] == 'x' {
			t.Errorf("after %s the block can still be read", name)
		}
	}
	m := a.Mark()
	b := arenaAlloc(t, a, 100, plainBytes)
	b[99] = 'x'
	a.Rewind(m)
	if b[99] == 'x' {
		t.Error("after Rewind the block can still be read")
	}
}

// Memory that is reused reads as zero when that is asked for, and only then is
// it cleared.
func TestArenaZero(t *testing.T) {
	zero := mem.Layout{Zero: true}
	for name, child := range map[string]mem.Allocator{
		"clean": heap.Page{}, "dirty": newArenaChild(t), "promised": mem.NoGoPointers(heap.Page{}),
	} {
		a := heap.NewArena(child)
		check := func(n int, l mem.Layout) {
			t.Helper()
			b := arenaAlloc(t, a, n, l)
			for i := range b {
				if b[i] != 0 && (l.Zero || l.Kind != mem.Plain) {
					t.Fatalf("%s: byte %d of %d is %#x", name, i, n, b[i])
				}
				b[i] = 0xFF
			}
		}
		for range 4 {
			for i := range 300 {
				check(1+i, zero)
				if i%3 == 0 {
					check(1+i*7, plainBytes)
				}
				if i%5 == 0 {
					m := a.Mark()
					check(500, plainBytes)
					inner := a.Mark()
					check(5000, zero)
					a.Rewind(inner)
					check(100, zero)
					a.Rewind(m)
				}
				b := arenaAlloc(t, a, 50, zero)
				b[49] = 1
				if b, ok := a.Resize(b, zero, 20); ok {
					if b, ok = a.Resize(b, zero, 60); ok && b[49] != 0 {
						t.Fatalf("%s: regrown byte is %d", name, b[49])
					}
				}
			}
			check(1<<20, zero)
			if child.Pointers() == mem.Promised {
				check(2<<20, mem.Layout{Kind: mem.Local, Type: mem.TypeFor[*int](), Align: mem.AlignOf[*int]()})
				check(64, mem.Layout{Kind: mem.Local, Type: mem.TypeFor[*int](), Align: mem.AlignOf[*int]()})
			}
			a.Reset()
		}
		a.Close()
	}
}

// Types with odd sizes and requests beyond the alignment of their type.
func TestArenaTypedAlignment(t *testing.T) {
	a := heap.NewArena(allocatortest.New(t))
	defer a.Close()
	type odd struct {
		p *int
		_ [5]byte
	}
	type even struct {
		p *int
		_ [56]byte
	}
	for log2 := range 14 {
		align := mem.AlignLog2(log2)
		for range 3 {
			x := mem.Must(mem.AllocAligned[odd](a, 3, align))
			y := mem.Must(mem.AllocAligned[even](a, 2, align))
			z := mem.Must(mem.Create[odd](a))
			x[2].p, y[1].p, z.p = new(int), new(int), new(int)
			x, ok := mem.Resize(a, x, 2)
			if !ok {
				t.Error("did not shrink")
			}
			mem.FreeAligned(a, x, align)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("half an element was served")
		}
	}()
	a.Alloc(13, mem.Layout{Kind: mem.Managed, Type: mem.TypeFor[*int](), Align: mem.AlignOf[*int]()})
}

// Blocks in older chunks, of either kind, shrink and are freed to no effect.
func TestArenaOldChunks(t *testing.T) {
	a := heap.NewArena(allocatortest.New(t))
	defer a.Close()
	old := arenaAlloc(t, a, 1000, plainBytes)
	recs := mem.Must(mem.Alloc[arenaRecord](a, 2))
	for range 100 {
		arenaAlloc(t, a, 1000, plainBytes)
		mem.Must(mem.Alloc[arenaRecord](a, 10))
	}
	used := a.Stats().InUse
	if _, ok := a.Resize(old, plainBytes, 1001); ok {
		t.Error("a block in an old chunk grew")
	}
	if b, ok := a.Remap(old, plainBytes, 10); !ok || len(b) != 10 {
		t.Error("a block in an old chunk did not shrink")
	}
	a.Free(old[:10:10], plainBytes)
	if r, ok := mem.Resize(a, recs, 3); ok || len(r) != 2 {
		t.Error("records in an old chunk grew")
	}
	if recs, ok := mem.Resize(a, recs, 1); !ok || len(recs) != 1 {
		t.Error("records in an old chunk did not shrink")
	}
	if a.Stats().InUse != used {
		t.Errorf("%d bytes in use, want %d", a.Stats().InUse, used)
	}
	big := mem.Must(mem.Alloc[arenaRecord](a, 5000))
	big[4999].id = 7
	if r, ok := mem.Resize(a, big, 6000); ok {
		big = r
	}
	big, ok := mem.Resize(a, big, 10)
	if !ok {
		t.Fatal("a slab of one block did not shrink")
	}
	if r, ok := mem.Resize(a, big, 20); ok && r[19] != (arenaRecord{}) {
		t.Error("regrown records are not zero")
	}
	arenaMisuse(t, heap.SizeMismatch, func() { mem.Free(a, big[:3:3]) })
}
