package heap_test

import (
	"errors"
	"runtime"
	"slices"
	"testing"
	"weak"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// arenaChild is a child that the collector does not see into, all of whose doings
// are on arenaRecord.
type arenaChild struct {
	t      testing.TB
	live   map[*byte]mem.Layout
	bytes  int
	calls  int // of any method
	allocs int
	fail   func(size int) error // what Alloc is to answer
	grows  bool                 // Resize is tried
	limit  int                  // bytes that may be live, if not 0
	buf    []byte               // what grows is cut from
}

func newArenaChild(t testing.TB) *arenaChild {
	p := &arenaChild{t: t, live: map[*byte]mem.Layout{}}
	t.Cleanup(func() {
		if len(p.live) != 0 {
			t.Errorf("%d blocks of %d bytes leaked", len(p.live), p.bytes)
		}
	})
	return p
}

func (p *arenaChild) Pointers() mem.Pointers { return mem.PlainOnly }

func (p *arenaChild) Alloc(size int, l mem.Layout) ([]byte, error) {
	p.calls++
	if l.Kind != mem.Plain {
		p.t.Errorf("the child was asked for a %v block", l.Kind)
	}
	if p.fail != nil {
		if err := p.fail(size); err != nil {
			return nil, err
		}
	}
	if p.limit != 0 && size > p.limit-p.bytes {
		return nil, mem.ErrLimit
	}
	reserve := size
	if p.grows {
		reserve = max(size, 1<<20)
	}
	b, err := heap.GC{}.Alloc(reserve, mem.Layout{Align: l.Align})
	if err != nil {
		return nil, err
	}
	if !l.Zero {
		for i := range b {
			b[i] = 0x5C
		}
	}
	p.allocs++
	p.bytes += size
	p.live[&b[0]] = mem.Layout{Align: l.Align}
	if p.grows {
		p.buf = b
	}
	return b[:size:size], nil
}

func (p *arenaChild) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	p.calls++
	p.known(b, l)
	if len(p.buf) == 0 || &p.buf[0] != &b[0] || size > len(p.buf) {
		return b, false
	}
	p.bytes += size - len(b)
	for i := len(b); i < size; i++ {
		p.buf[i] = 0x5C
		if l.Zero {
			p.buf[i] = 0
		}
	}
	return p.buf[:size:size], true
}

func (p *arenaChild) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	return p.Resize(b, l, size)
}

func (p *arenaChild) Free(b []byte, l mem.Layout) {
	p.calls++
	p.known(b, l)
	delete(p.live, &b[0])
	p.bytes -= len(b)
}

func (p *arenaChild) known(b []byte, l mem.Layout) {
	p.t.Helper()
	if was, ok := p.live[&b[0]]; !ok || was.Align != l.Align || was.Type != l.Type {
		p.t.Errorf("block of %d bytes with layout %v: the child knows %v, %v", len(b), l, was, ok)
	}
}

// The contract holds over every kind of child.
func TestArenaContract(t *testing.T) {
	for _, c := range []struct {
		name  string
		p     allocatortest.Promises
		child func(t *testing.T) mem.Allocator
	}{
		{"scanned", allocatortest.Promises{}, func(t *testing.T) mem.Allocator { return allocatortest.New(t) }},
		{"pages", allocatortest.Promises{NoGarbage: !invariant.Enabled}, func(t *testing.T) mem.Allocator { return heap.Page{} }},
		{"promised", allocatortest.Promises{}, func(t *testing.T) mem.Allocator {
			return mem.NoGoPointers(allocatortest.New(t, allocatortest.Child(heap.Page{})))
		}},
		{"buffer", allocatortest.Promises{MaxSize: 1 << 16}, func(t *testing.T) mem.Allocator {
			return heap.NewFixedBuffer(make([]byte, 3<<16))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			allocatortest.RunWith(t, c.p, func(t *testing.T) mem.Allocator {
				a := heap.NewArena(c.child(t))
				t.Cleanup(func() { a.Close() })
				return a
			})
		})
	}
	t.Run("state", func(t *testing.T) {
		allocatortest.Run(t, func(t *testing.T) mem.Allocator {
			s, child := new(heap.ArenaState), allocatortest.New(t, allocatortest.Child(heap.Page{}))
			t.Cleanup(func() { s.Release(child) })
			return s.Promote(child)
		})
	})
}

// arenaMisuse runs f, which must commit the given misuse.
func arenaMisuse(t *testing.T, kind heap.MisuseKind, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if m, ok := recover().(*heap.Misuse); !ok {
			t.Errorf("no misuse was reported, want %v", kind)
		} else if m.Kind != kind {
			t.Errorf("%v, want %v", m, kind)
		} else if len(m.Here) == 0 {
			t.Errorf("%v comes without a stack", m)
		}
	}()
	f()
}

func arenaAlloc(t testing.TB, a mem.Allocator, size int, l mem.Layout) []byte {
	t.Helper()
	b, err := a.Alloc(size, l)
	if err != nil {
		t.Fatalf("Alloc(%d): %v", size, err)
	}
	if len(b) != size || cap(b) != size {
		t.Fatalf("Alloc(%d): len %d, cap %d", size, len(b), cap(b))
	}
	return b
}

var plainBytes = mem.Layout{}

func TestArenaMisuse(t *testing.T) {
	type env struct {
		a *heap.Arena
		b []byte
	}
	for _, c := range []struct {
		name      string
		kind      heap.MisuseKind
		bad, good func(env)
	}{
		{"FreeForeign", heap.ForeignFree,
			func(e env) { e.a.Free(make([]byte, 8), plainBytes) },
			func(e env) { e.a.Free(e.b, plainBytes) }},
		{"FreeAppended", heap.ForeignFree,
			func(e env) { e.a.Free(append(e.b, 1), plainBytes) },
			func(e env) { e.a.Free(append(e.b[:7], 1), plainBytes) }},
		{"FreeNil", heap.ForeignFree,
			func(e env) { e.a.Free(nil, plainBytes) },
			func(e env) {}},
		{"ResizeForeign", heap.ForeignFree,
			func(e env) { e.a.Resize(make([]byte, 8), plainBytes, 9) },
			func(e env) { e.a.Resize(e.b, plainBytes, 9) }},
		{"RemapForeign", heap.ForeignFree,
			func(e env) { e.a.Remap(make([]byte, 8), plainBytes, 9) },
			func(e env) { e.a.Remap(e.b, plainBytes, 9) }},
		{"FreeTwice", heap.DoubleFree,
			func(e env) { e.a.Free(e.b, plainBytes); e.a.Free(e.b, plainBytes) },
			func(e env) { e.a.Free(e.b, plainBytes) }},
		{"ResizeFreed", heap.DoubleFree,
			func(e env) { e.a.Free(e.b, plainBytes); e.a.Resize(e.b, plainBytes, 4) },
			func(e env) { e.a.Resize(e.b, plainBytes, 4); e.a.Free(e.b[:4], plainBytes) }},
		{"FreeTooLong", heap.SizeMismatch,
			func(e env) {
				b, _ := e.a.Resize(e.b, plainBytes, 4)
				e.a.Free(b[:1:1], plainBytes)
				e.a.Free(e.b, plainBytes)
			},
			func(e env) { b, _ := e.a.Resize(e.b, plainBytes, 4); e.a.Free(b, plainBytes) }},
		{"FreeExactInterior", heap.InteriorFree,
			func(e env) { b := arenaAlloc(t, e.a, 1<<16, plainBytes); e.a.Free(b[1:], plainBytes) },
			func(e env) { b := arenaAlloc(t, e.a, 1<<16, plainBytes); e.a.Free(b, plainBytes) }},
		{"FreeExactShort", heap.SizeMismatch,
			func(e env) { b := arenaAlloc(t, e.a, 1<<16, plainBytes); e.a.Free(b[:9:9], plainBytes) },
			func(e env) { b := arenaAlloc(t, e.a, 1<<16, plainBytes); e.a.Free(b[:1<<16:1<<16], plainBytes) }},
		{"FreeExactTwice", heap.ForeignFree,
			func(e env) {
				b := arenaAlloc(t, e.a, 1<<16, plainBytes)
				e.a.Free(b, plainBytes)
				e.a.Free(b, plainBytes)
			},
			func(e env) { b := arenaAlloc(t, e.a, 1<<16, plainBytes); e.a.Free(b, plainBytes) }},
		{"FreeAfterReset", heap.DoubleFree,
			func(e env) { e.a.Reset(); e.a.Free(e.b, plainBytes) },
			func(e env) { e.a.Free(e.b, plainBytes); e.a.Reset() }},
		{"FreeAfterRelease", heap.ForeignFree,
			func(e env) { e.a.Release(); e.a.Free(e.b, plainBytes) },
			func(e env) { e.a.Free(e.b, plainBytes); e.a.Release() }},
		{"FreeAfterClose", heap.UseAfterClose,
			func(e env) { e.a.Close(); e.a.Free(e.b, plainBytes) },
			func(e env) { e.a.Free(e.b, plainBytes); e.a.Close() }},
		{"ResizeAfterClose", heap.UseAfterClose,
			func(e env) { e.a.Close(); e.a.Resize(e.b, plainBytes, 1) },
			func(e env) { e.a.Resize(e.b, plainBytes, 1); e.a.Close() }},
		{"RemapAfterClose", heap.UseAfterClose,
			func(e env) { e.a.Close(); e.a.Remap(e.b, plainBytes, 1) },
			func(e env) { e.a.Remap(e.b, plainBytes, 1); e.a.Close() }},
		{"RewindTwice", heap.StaleMark,
			func(e env) { m := e.a.Mark(); e.a.Rewind(m); e.a.Rewind(m) },
			func(e env) { m := e.a.Mark(); e.a.Rewind(m); m = e.a.Mark(); e.a.Rewind(m) }},
		{"RewindKept", heap.StaleMark,
			func(e env) { m := e.a.Mark(); e.a.Keep(m); e.a.Rewind(m) },
			func(e env) { m := e.a.Mark(); e.a.Keep(m) }},
		{"RewindZero", heap.StaleMark,
			func(e env) { e.a.Rewind(heap.Mark{}) },
			func(e env) { e.a.Rewind(e.a.Mark()) }},
		{"RewindOuter", heap.OutOfOrder,
			func(e env) { m := e.a.Mark(); e.a.Mark(); e.a.Rewind(m) },
			func(e env) { m := e.a.Mark(); e.a.Rewind(e.a.Mark()); e.a.Rewind(m) }},
		{"KeepOuter", heap.OutOfOrder,
			func(e env) { m := e.a.Mark(); e.a.Mark(); e.a.Keep(m) },
			func(e env) { m := e.a.Mark(); e.a.Keep(e.a.Mark()); e.a.Keep(m) }},
		{"RewindForeign", heap.WrongAllocator,
			func(e env) { e.a.Mark(); e.a.Rewind(new(heap.ArenaState).Mark()) },
			func(e env) { e.a.Rewind(e.a.Mark()) }},
		{"ResetMarked", heap.OutOfOrder,
			func(e env) { e.a.Mark(); e.a.Reset() },
			func(e env) { e.a.Rewind(e.a.Mark()); e.a.Reset() }},
		{"ReleaseMarked", heap.OutOfOrder,
			func(e env) { e.a.Mark(); e.a.Release() },
			func(e env) { e.a.Keep(e.a.Mark()); e.a.Release() }},
		{"CloseMarked", heap.OutOfOrder,
			func(e env) { e.a.Mark(); e.a.Close() },
			func(e env) { e.a.Rewind(e.a.Mark()); e.a.Close() }},
		{"ScopedLeavesMark", heap.OutOfOrder,
			func(e env) { e.a.Scoped(func() error { e.a.Mark(); return nil }) },
			func(e env) { e.a.Scoped(func() error { e.a.Rewind(e.a.Mark()); return nil }) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newArenaChild(t)
			run := func(f func(env)) {
				a := heap.NewArena(p)
				f(env{a, arenaAlloc(t, a, 8, plainBytes)})
				a.Close()
			}
			run(c.good)
			arenaMisuse(t, c.kind, func() {
				a := heap.NewArena(p)
				defer func() {
					r := recover()
					func() {
						defer func() { recover() }() // marks may be open
						a.Close()
					}()
					if p.bytes != 0 {
						t.Errorf("%d bytes live after Close", p.bytes)
					}
					panic(r)
				}()
				c.bad(env{a, arenaAlloc(t, a, 8, plainBytes)})
			})
		})
	}
}

// A handler that returns sees the misused call do nothing.
func TestArenaMisuseHandled(t *testing.T) {
	var kinds []heap.MisuseKind
	before := heap.OnMisuse(func(m *heap.Misuse) { kinds = append(kinds, m.Kind) })
	defer func() { heap.OnMisuse(before) }()
	a := heap.NewArena(newArenaChild(t))
	b := arenaAlloc(t, a, 8, plainBytes)
	copy(b, "survives")
	foreign := make([]byte, 8)
	a.Free(foreign, plainBytes)
	if r, ok := a.Resize(foreign, plainBytes, 4); ok || len(r) != 8 {
		t.Errorf("Resize of a foreign block: %d bytes, %v", len(r), ok)
	}
	if r, ok := a.Remap(foreign, plainBytes, 4); ok || len(r) != 8 {
		t.Errorf("Remap of a foreign block: %d bytes, %v", len(r), ok)
	}
	m := a.Mark()
	a.Reset()
	if a.ResetTo(10) {
		t.Error("ResetTo with an open mark: true")
	}
	a.Release()
	a.Rewind(m)
	a.Rewind(m)
	if string(b) != "survives" {
		t.Errorf("the block reads %q", b)
	}
	a.Close()
	a.Free(b, plainBytes)
	if _, err := new(heap.Arena).Alloc(1, plainBytes); err == nil {
		t.Error("a zero Arena served a block")
	}
	want := []heap.MisuseKind{
		heap.ForeignFree, heap.ForeignFree, heap.ForeignFree, heap.OutOfOrder, heap.OutOfOrder,
		heap.OutOfOrder, heap.StaleMark, heap.UseAfterClose, heap.Uninitialised,
	}
	if !slices.Equal(kinds, want) {
		t.Errorf("reported %v, want %v", kinds, want)
	}
}

func TestArenaUninitialised(t *testing.T) {
	var a heap.Arena
	arenaMisuse(t, heap.Uninitialised, func() { a.Alloc(1, plainBytes) })
	arenaMisuse(t, heap.Uninitialised, func() { a.Free(make([]byte, 1), plainBytes) })
	a.Reset()
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

func TestArenaPanics(t *testing.T) {
	a := heap.NewArena(newArenaChild(t))
	defer a.Close()
	b := arenaAlloc(t, a, 8, plainBytes)
	for name, f := range map[string]func(){
		"Alloc(0)":     func() { a.Alloc(0, plainBytes) },
		"Alloc(-1)":    func() { a.Alloc(-1, plainBytes) },
		"Resize(0)":    func() { a.Resize(b, plainBytes, 0) },
		"Remap(-1)":    func() { a.Remap(b, plainBytes, -1) },
		"ResetTo(-1)":  func() { a.ResetTo(-1) },
		"NewArena nil": func() { heap.NewArena(nil) },
		"Init nil":     func() { new(heap.Arena).Init(nil) },
		"Init in use":  func() { a.Init(heap.GC{}) },
		"Promote nil":  func() { new(heap.ArenaState).Promote(nil) },
	} {
		func() {
			defer func() {
				if _, ok := recover().(string); !ok {
					t.Errorf("%s: no panic with a message", name)
				}
			}()
			f()
		}()
	}
}

func TestArenaClose(t *testing.T) {
	p := newArenaChild(t)
	a := heap.NewArena(p)
	arenaAlloc(t, a, 8, plainBytes)
	for range 2 {
		if err := a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if _, err := a.Alloc(8, plainBytes); !errors.Is(err, mem.ErrClosed) {
		t.Errorf("Alloc after Close: %v", err)
	}
	a.Init(p)
	arenaAlloc(t, a, 8, plainBytes)
	a.Close()
}

// Over a child that cannot extend chunks, n bytes cost O(log n) calls, and what
// is held and not used stays below half.
func TestArenaGrowth(t *testing.T) {
	p := newArenaChild(t)
	a := heap.NewArena(p)
	used := 0
	for used < 10<<20 {
		arenaAlloc(t, a, 1000, plainBytes)
		used += 1000
	}
	st := a.Stats()
	if p.allocs > 14 || st.Chunks != p.allocs {
		t.Errorf("10 MiB took %d chunks, Stats says %d", p.allocs, st.Chunks)
	}
	if st.InUse < used || st.Capacity > 2*used+4096 || st.Capacity != p.bytes || st.Peak != p.bytes {
		t.Errorf("%d bytes asked for, %d held: %+v", used, p.bytes, st)
	}
	a.Close()
}

// A large block gets exactly its size, and the newest chunk stays in use.
func TestArenaExact(t *testing.T) {
	p := newArenaChild(t)
	a := heap.NewArena(p)
	defer a.Close()
	arenaAlloc(t, a, 8, plainBytes)
	before := p.bytes
	big := arenaAlloc(t, a, 100<<20+1, mem.Layout{Align: mem.Align(4096), Zero: true})
	if p.bytes-before != len(big) {
		t.Errorf("a block of %d bytes took %d", len(big), p.bytes-before)
	}
	if arenaAlloc(t, a, 8, plainBytes); p.allocs != 2 {
		t.Errorf("the newest chunk was left: %d chunks", p.allocs)
	}
	big, ok := a.Resize(big, plainBytes, 1000)
	if !ok || len(big) != 1000 {
		t.Errorf("shrunk to %d, %v", len(big), ok)
	}
	big[999] = 1
	if big, ok = a.Resize(big, mem.Layout{Zero: true}, 5000); !ok || big[1000] != 0 || big[4999] != 0 || big[999] != 1 {
		t.Errorf("regrown to %d, %v", len(big), ok)
	}
	a.Free(big, plainBytes)
	if p.bytes != before {
		t.Errorf("%d bytes held after the free, want %d", p.bytes, before)
	}
}

// Many large blocks do not cost a chunk each for ever.
func TestArenaManyLarge(t *testing.T) {
	p := newArenaChild(t)
	a := heap.NewArena(p)
	for range 1000 {
		arenaAlloc(t, a, 3000, plainBytes)
	}
	if p.allocs > 25 {
		t.Errorf("1000 blocks took %d chunks", p.allocs)
	}
	a.Close()
}

// A child that can extend the chunk is asked to.
func TestArenaExtend(t *testing.T) {
	p := newArenaChild(t)
	p.grows = true
	a := heap.NewArena(p)
	for range 500 {
		b := arenaAlloc(t, a, 1000, mem.Layout{Zero: true})
		for i := range b {
			if b[i] != 0 {
				t.Fatalf("byte %d is %d", i, b[i])
			}
			b[i] = 1
		}
	}
	if p.allocs != 1 {
		t.Errorf("%d chunks, want 1", p.allocs)
	}
	b, ok := a.Resize(arenaAlloc(t, a, 8, plainBytes), mem.Layout{Zero: true}, 200_000)
	if !ok || b[8] != 0 || b[199_999] != 0 {
		t.Errorf("the last block did not grow: %v", ok)
	}
	a.Close()
}

// A child near its limit gives what it has.
func TestArenaLimit(t *testing.T) {
	p := newArenaChild(t)
	p.limit = 100_000
	a := heap.NewArena(p)
	n := 0
	for {
		if _, err := a.Alloc(16, plainBytes); err != nil {
			if !errors.Is(err, mem.ErrLimit) {
				t.Error(err)
			}
			break
		}
		n += 16
	}
	if n < 99_900 {
		t.Errorf("served %d of 100000 bytes", n)
	}
	a.Close()
}

func TestArenaHuge(t *testing.T) {
	a := heap.NewArena(heap.GC{})
	defer a.Close()
	arenaAlloc(t, a, 8, plainBytes)
	before := a.Stats()
	const most = int(^uint(0) >> 1)
	for k := range 70 {
		for _, align := range []mem.Alignment{mem.Align(1), mem.Align(4096)} {
			if _, err := a.Alloc(most-k, mem.Layout{Align: align}); !errors.Is(err, mem.ErrOutOfMemory) {
				t.Fatalf("Alloc(max-%d): %v", k, err)
			}
		}
	}
	b := arenaAlloc(t, a, 8, plainBytes)
	if _, ok := a.Resize(b, plainBytes, most); ok {
		t.Error("grew to MaxInt")
	}
	a.Free(b, plainBytes)
	if after := a.Stats(); after != before {
		t.Errorf("%+v, was %+v", after, before)
	}
}

func TestArenaLastBlock(t *testing.T) {
	a := heap.NewArena(newArenaChild(t))
	defer a.Close()
	x, y := arenaAlloc(t, a, 64, plainBytes), arenaAlloc(t, a, 64, plainBytes)
	if b, ok := a.Resize(x, plainBytes, 65); ok || &b[0] != &x[0] {
		t.Error("a block in the middle grew")
	}
	if b, ok := a.Resize(x, plainBytes, 60); !ok || len(b) != 60 || cap(b) != 60 {
		t.Error("a block in the middle did not shrink")
	}
	y, ok := a.Resize(y, plainBytes, 128)
	if !ok || len(y) != 128 || cap(y) != 128 {
		t.Fatal("the last block did not grow")
	}
	if _, ok := a.Resize(y, plainBytes, 1<<20); ok {
		t.Fatal("the last block grew past the chunk")
	}
	if y, ok = a.Resize(y, plainBytes, 16); !ok {
		t.Fatal("the last block did not shrink")
	}
	if used := a.Stats().InUse; used != 64+16 {
		t.Errorf("%d bytes are in use after shrinking", used)
	}
	z := arenaAlloc(t, a, 16, plainBytes)
	a.Free(z, plainBytes)
	a.Free(y, plainBytes)
	if again := arenaAlloc(t, a, 64, plainBytes); &again[0] != &y[0] {
		t.Error("the space of the last block did not come back")
	}
	a.Free(x[:60:60], plainBytes)
}

func TestArenaResetModes(t *testing.T) {
	p := newArenaChild(t)
	a := heap.NewArena(p)
	defer a.Close()
	if !a.ResetTo(10) || !a.ResetTo(0) {
		t.Error("resetting an empty arena failed")
	}
	fill := func() int {
		for range 100 {
			arenaAlloc(t, a, 1000, plainBytes)
		}
		return p.bytes
	}
	total := fill()
	a.Reset()
	if st := a.Stats(); st.Chunks != 1 || st.Capacity != total || st.InUse != 0 || p.bytes != total {
		t.Errorf("after Reset %+v, want one chunk of %d", st, total)
	}
	calls := p.calls
	for range 5 {
		fill()
		a.Reset()
	}
	if p.calls != calls {
		t.Errorf("the child was called %d times", p.calls-calls)
	}
	fill()
	if !a.ResetTo(50_000) || p.bytes != 50_000 || a.Stats().Capacity != 50_000 {
		t.Errorf("after ResetTo(50000) %d bytes are held", p.bytes)
	}
	total = fill()
	p.fail = func(int) error { return mem.ErrOutOfMemory }
	if a.ResetTo(total - 1) {
		t.Error("ResetTo with a failing child: true")
	}
	if st := a.Stats(); st.Chunks != 1 || st.InUse != 0 {
		t.Errorf("after a failed ResetTo %+v", st)
	}
	arenaAlloc(t, a, 1000, plainBytes)
	p.fail = nil
	fill()
	if !a.ResetTo(0) || p.bytes != 0 {
		t.Errorf("after ResetTo(0) %d bytes are held", p.bytes)
	}
	fill()
	a.Release()
	if p.bytes != 0 {
		t.Errorf("after Release %d bytes are held", p.bytes)
	}
	fill()
}

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

func TestArenaRefusesPointers(t *testing.T) {
	a := heap.NewArena(newArenaChild(t))
	defer a.Close()
	type node struct{ next *node }
	if _, err := mem.Create[node](a); !errors.Is(err, mem.ErrPointers) {
		t.Errorf("Create over pages: %v", err)
	}
	b := heap.NewArena(mem.NoGoPointers(newArenaChild(t)))
	defer b.Close()
	var head *node
	for range 1000 {
		n, err := mem.Create[node](b)
		if err != nil || n.next != nil {
			t.Fatal(n, err)
		}
		n.next, head = head, n
	}
	n := 0
	for ; head != nil; head = head.next {
		n++
	}
	if n != 1000 || a.Pointers() != mem.PlainOnly || b.Pointers() != mem.Promised {
		t.Errorf("%d nodes", n)
	}
}

func TestArenaOwns(t *testing.T) {
	a := heap.NewArena(newArenaChild(t))
	defer a.Close()
	small, big := arenaAlloc(t, a, 8, plainBytes), arenaAlloc(t, a, 1<<20, plainBytes)
	if !a.Owns(small) || !a.Owns(big[1<<20-1:]) || a.Owns(make([]byte, 8)) || a.Owns(nil) {
		t.Error("Owns is wrong")
	}
}

func TestArenaState(t *testing.T) {
	p := newArenaChild(t)
	var states [3]heap.ArenaState
	for i := range states {
		s := &states[i]
		a := s.Promote(p)
		xs, err := mem.Alloc[int32](a, 5000)
		if err != nil {
			t.Fatal(err)
		}
		xs[4999] = int32(i)
		b := arenaAlloc(t, s.Promote(p), 10, mem.Layout{Zero: true})
		b, ok := a.Resize(b, plainBytes, 12)
		if !ok {
			t.Error("the last block did not grow")
		}
		a.Free(b, plainBytes)
		m := s.Mark()
		arenaAlloc(t, a, 10, plainBytes)
		s.Rewind(p, m)
		s.Keep(s.Mark())
		s.Scoped(p, func() error { return nil })
		if xs, ok = mem.Remap(mem.Allocator(a), xs, 4000); !ok || len(xs) != 4000 || !s.Owns(b) || s.Stats().InUse < 16_000 || a.Pointers() != mem.PlainOnly {
			t.Errorf("%+v", s.Stats())
		}
		if i == 0 {
			s.Reset(p)
			arenaAlloc(t, a, 10, plainBytes)
		}
		if !s.ResetTo(p, 100) {
			t.Error("ResetTo failed")
		}
		s.Release(p)
	}
}

func TestArenaAllocs(t *testing.T) {
	if invariant.Enabled {
		t.Skip("the checks allocate")
	}
	a := heap.NewArena(heap.GC{})
	defer a.Close()
	run := func() {
		m := a.Mark()
		for range 100 {
			b, _ := a.Alloc(100, mem.Layout{Zero: true})
			b, _ = a.Resize(b, plainBytes, 120)
			a.Free(b, plainBytes)
			a.Alloc(30, plainBytes)
			mem.Create[arenaRecord](a)
			mem.Alloc[arenaRecord](a, 3)
		}
		a.Rewind(m)
		a.Reset()
	}
	run()
	run()
	if n := testing.AllocsPerRun(20, run); n != 0 {
		t.Errorf("%v allocations a run", n)
	}
	p := newArenaChild(t)
	p.fail = func(int) error { return mem.ErrOutOfMemory }
	f := heap.NewArena(p)
	if n := testing.AllocsPerRun(20, func() { f.Alloc(100, plainBytes); f.Alloc(1<<20, plainBytes) }); n != 0 {
		t.Errorf("%v allocations a failure", n)
	}
}

type arenaRecord struct {
	id   int
	name string
	next *arenaRecord
	obj  *[64]byte
}

// What managed objects refer to lives as long as they do.
func TestArenaManaged(t *testing.T) {
	a := heap.NewArena(heap.GC{})
	defer a.Close()
	stop := make(chan bool)
	defer func() { stop <- true }()
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	for phase := range 5 {
		var head *arenaRecord
		var refs []weak.Pointer[[64]byte]
		for i := range 2000 {
			r, err := mem.Create[arenaRecord](a)
			if err != nil || *r != (arenaRecord{}) {
				t.Fatalf("phase %d, %d: %+v, %v", phase, i, *r, err)
			}
			*r = arenaRecord{i, string(rune('a' + i%26)), head, new([64]byte)}
			refs = append(refs, weak.Make(r.obj))
			head = r
			if i%3 == 0 {
				s, err := mem.Alloc[*int](a, 1+i%40)
				if err != nil {
					t.Fatal(err)
				}
				for j := range s {
					if s[j] != nil {
						t.Fatal("not zero")
					}
					s[j] = new(int)
				}
			}
		}
		if testing.Short() || phase == 0 {
			runtime.GC()
		}
		for i, r := 1999, head; r != nil; i, r = i-1, r.next {
			if r.id != i || refs[i].Value() != r.obj {
				t.Fatalf("phase %d: arenaRecord %d is %+v", phase, i, *r)
			}
		}
		runtime.KeepAlive(head)
		a.Reset()
	}
}

// What is reset, rewound, freed or shrunk keeps nothing alive.
func TestArenaRetainsNothing(t *testing.T) {
	a := heap.NewArena(heap.GC{})
	defer a.Close()
	mem.Must(mem.Create[*[64]byte](a)) // the slab is there before the mark
	put := func(n int) ([]*[64]byte, []weak.Pointer[[64]byte]) {
		s := mem.Must(mem.Alloc[*[64]byte](a, n))
		refs := make([]weak.Pointer[[64]byte], n)
		for i := range s {
			s[i] = new([64]byte)
			refs[i] = weak.Make(s[i])
		}
		return s, refs
	}
	gone := func(how string, refs []weak.Pointer[[64]byte], want bool) {
		t.Helper()
		runtime.GC()
		runtime.GC()
		for i, r := range refs {
			if (r.Value() == nil) != want {
				t.Fatalf("%s: referent %d gone: %v, want %v", how, i, r.Value() == nil, want)
			}
		}
	}
	for _, n := range []int{1, 5, 3000} {
		s, refs := put(n)
		gone("allocated", refs, false)
		mem.Free(a, s)
		gone("freed", refs, true)

		m := a.Mark()
		_, refs = put(n)
		put(1)
		gone("marked", refs, false)
		a.Rewind(m)
		gone("rewound", refs, true)

		s, refs = put(n + 1)
		s, ok := mem.Resize(a, s, 1)
		if !ok {
			t.Fatal("did not shrink")
		}
		gone("shrunk", refs[:1], false)
		gone("shrunk", refs[1:], true)
		if r, ok := mem.Resize(a, s, 2); ok && (r[1] != nil || r[0] == nil) {
			t.Error("regrown memory is not zero")
		}

		_, refs = put(n)
		a.Reset()
		gone("reset", refs, true)
	}
}

// Types get slabs of their own, which survive Reset as one, and no larger types
// keep them from it.
func TestArenaTypedReset(t *testing.T) {
	c := &arenaScanned{Allocator: heap.GC{}}
	a := heap.NewArena(c)
	defer a.Close()
	fill := func() {
		for i := range 3000 {
			mem.Must(mem.Create[arenaRecord](a))
			if i%10 == 0 {
				mem.Must(mem.Create[string](a))
				mem.Must(mem.Create[int](a))
			}
		}
		mem.Must(mem.Alloc[any](a, 100_000)) // a chunk of its own
	}
	fill()
	a.Reset()
	st := a.Stats()
	if st.Chunks != 4 || st.InUse != 0 {
		t.Errorf("after Reset %+v", st)
	}
	c.calls = 0
	for range 3 {
		fill()
		a.Reset()
	}
	if c.calls != 0 || a.Stats() != st {
		t.Errorf("%d calls of the child, %+v", c.calls, a.Stats())
	}
	fill()
	if !a.ResetTo(100_000) || a.Stats().Capacity > 100_000 {
		t.Errorf("after ResetTo(100000) %+v", a.Stats())
	}
	fill()
	a.Release()
	if a.Stats().Capacity != 0 {
		t.Errorf("after Release %+v", a.Stats())
	}
}

type arenaScanned struct {
	mem.Allocator
	calls int
}

func (c *arenaScanned) Alloc(size int, l mem.Layout) ([]byte, error) {
	c.calls++
	return c.Allocator.Alloc(size, l)
}
