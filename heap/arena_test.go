package heap_test

import (
	"errors"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/asan"
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
	if asan.Enabled {
		t.Skip("sanitized builds allocate more")
	}
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
