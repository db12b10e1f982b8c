package heap_test

import (
	"errors"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

func TestArenaMarks(t *testing.T) {
	p := newArenaChild(t)
	a := heap.NewArena(p)
	defer a.Close()
	virgin := a.Mark()
	for range 20 {
		arenaAlloc(t, a, 1000, plainBytes)
	}
	a.Rewind(virgin)
	if st := a.Stats(); st.InUse != 0 || st.Chunks != 1 {
		t.Errorf("back at the beginning %+v", st)
	}
	x := arenaAlloc(t, a, 100, plainBytes)
	for range 5 {
		m := a.Mark()
		// Older blocks do not reach past the mark.
		if _, ok := a.Resize(x, plainBytes, 200); ok {
			t.Fatal("a block from before the mark grew")
		}
		a.Free(x, plainBytes)
		for range 30 {
			arenaAlloc(t, a, 1000, plainBytes)
		}
		inner := a.Mark()
		for range 30 {
			arenaAlloc(t, a, 3000, plainBytes)
		}
		a.Rewind(inner)
		arenaAlloc(t, a, 100_000, plainBytes)
		a.Rewind(m)
		if st := a.Stats(); st.InUse != 100 {
			t.Fatalf("after Rewind %+v", st)
		}
	}
	m := a.Mark()
	arenaAlloc(t, a, 100, plainBytes)
	a.Keep(m)
	if got := a.Stats().InUse; got != 204 && got != 200 {
		t.Errorf("after Keep %d bytes are in use", got)
	}
}

// A loop that marks and rewinds asks the child for nothing after a while.
func TestArenaMarkLoop(t *testing.T) {
	p := newArenaChild(t)
	a := heap.NewArena(p)
	defer a.Close()
	arenaAlloc(t, a, 10, plainBytes)
	for i := range 20 {
		m := a.Mark()
		calls := p.calls
		for range 100 {
			arenaAlloc(t, a, 1000, plainBytes)
		}
		if i > 4 && p.calls != calls {
			t.Errorf("round %d called the child", i)
		}
		a.Rewind(m)
	}
}

// Types follow marks as raw blocks do, through slabs that come and go.
func TestArenaMarksTyped(t *testing.T) {
	a := heap.NewArena(heap.GC{})
	defer a.Close()
	half := 256 / mem.TypeFor[arenaRecord]().Size() // of a first slab
	mem.Must(mem.Alloc[arenaRecord](a, half))
	used := a.Stats().InUse
	for range 5 {
		m := a.Mark()
		for range 10 {
			mem.Must(mem.Alloc[arenaRecord](a, half))
		}
		inner := a.Mark()
		a.Rewind(inner)
		last := mem.Must(mem.Alloc[arenaRecord](a, half))
		with := a.Stats().InUse
		mem.Free(a, last)
		if a.Stats().InUse != with-half*mem.TypeFor[arenaRecord]().Size() {
			t.Error("the last block was not taken back")
		}
		a.Rewind(m)
		if st := a.Stats(); st.InUse != used || st.Chunks > 2 {
			t.Errorf("after Rewind %+v, want %d in use", st, used)
		}
	}

	// A first slab that is left while a mark stands in it.
	b := heap.NewArena(heap.GC{})
	defer b.Close()
	mem.Must(mem.Alloc[arenaRecord](b, half))
	outer := b.Mark()
	mem.Must(mem.Alloc[arenaRecord](b, half))
	last := mem.Must(mem.Alloc[arenaRecord](b, 1)) // starts the second slab
	b.Rewind(b.Mark())
	used = b.Stats().InUse
	mem.Free(b, last)
	if got := b.Stats().InUse; got != used-mem.TypeFor[arenaRecord]().Size() {
		t.Errorf("%d bytes in use after the free, were %d", got, used)
	}
	b.Rewind(outer)
}

func TestArenaScoped(t *testing.T) {
	a := heap.NewArena(newArenaChild(t))
	defer a.Close()
	boom := errors.New("boom")
	err := a.Scoped(func() error {
		arenaAlloc(t, a, 10_000, plainBytes)
		return a.Scoped(func() error {
			arenaAlloc(t, a, 10_000, plainBytes)
			return boom
		})
	})
	if err != boom || a.Stats().InUse != 0 {
		t.Errorf("%v, %+v", err, a.Stats())
	}
	func() {
		defer func() {
			if recover() != boom {
				t.Error("the panic changed")
			}
		}()
		a.Scoped(func() error {
			a.Mark()
			arenaAlloc(t, a, 10, plainBytes)
			panic(boom)
		})
	}()
	if a.Stats().InUse != 0 {
		t.Errorf("after a panic %+v", a.Stats())
	}
	a.Reset() // no mark is open
}
