package heap_test

import (
	"slices"
	"testing"

	"github.com/allod-dev/allod/heap"
)

// arenaMisuse runs f, which must commit the given misuse.
func arenaMisuse(t *testing.T, kind heap.MisuseKind, f func()) {
	t.Helper()
	m, ok := catch(f).(*heap.Misuse)
	if !ok {
		t.Errorf("no misuse was reported, want %v", kind)
		return
	}
	if m.Kind != kind {
		t.Errorf("%v, want %v", m, kind)
	}
	foundIn(t, m, f)
}

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
	var held heap.ArenaState
	defer held.Release(heap.GC{})
	kept, err := held.Alloc(heap.GC{}, 8, plainBytes)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func(){
		"ArenaState.Alloc nil":   func() { new(heap.ArenaState).Alloc(nil, 8, plainBytes) },
		"ArenaState.Resize nil":  func() { held.Resize(nil, kept, plainBytes, 4) },
		"ArenaState.Remap nil":   func() { held.Remap(nil, kept, plainBytes, 4) },
		"ArenaState.Free nil":    func() { held.Free(nil, kept, plainBytes) },
		"ArenaState.ResetTo nil": func() { held.ResetTo(nil, 0) },
		"ArenaState.Release nil": func() { held.Release(nil) },
		"ArenaState.Rewind nil":  func() { held.Rewind(nil, heap.Mark{}) },
		"ArenaState.Scoped nil":  func() { held.Scoped(nil, func() error { return nil }) },
		"Alloc(0)":               func() { a.Alloc(0, plainBytes) },
		"Alloc(-1)":              func() { a.Alloc(-1, plainBytes) },
		"Resize(0)":              func() { a.Resize(b, plainBytes, 0) },
		"Remap(-1)":              func() { a.Remap(b, plainBytes, -1) },
		"ResetTo(-1)":            func() { a.ResetTo(-1) },
		"NewArena nil":           func() { heap.NewArena(nil) },
		"Init nil":               func() { new(heap.Arena).Init(nil) },
		"Init in use":            func() { a.Init(heap.GC{}) },
		"Init cycle": func() {
			x, y := new(heap.Arena), new(heap.Arena)
			x.Init(heap.NewCounting(y))
			y.Init(x)
		},
		"Init itself": func() { x := new(heap.Arena); x.Init(x) },
		"Promote nil": func() { new(heap.ArenaState).Promote(nil) },
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
