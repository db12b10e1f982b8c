package heap_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// What the tests of the wrappers share: a strict child that can be told to
// fail or to lie, a program of random operations with a model, and the tests
// that every wrapper passes.

// A fakeChild serves plain and local blocks from the Go heap, each with room to
// grow in place, and keeps a table of them. It is safe for concurrent use.
type fakeChild struct {
	fail    bool // Alloc fails
	refuse  bool // Resize and Remap refuse
	move    bool // Remap moves
	panics  bool // every method but Pointers panics
	answer  mem.Pointers
	lie     func(b []byte) []byte // what Alloc, Resize and Remap return instead of b
	entered func()                // called in every method but Pointers

	mu    sync.Mutex
	live  map[uintptr][]byte // whole backing
	sizes map[uintptr]int
	bytes int
	calls int
}

const fakeRoom = 256 // bytes that a block can grow by in place

var errFake = mem.NewError("fake: out of memory", mem.ErrOutOfMemory)

func addr(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

func (f *fakeChild) enter() {
	if f.entered != nil {
		f.entered()
	}
	if f.panics {
		panic("fake: panics")
	}
	f.calls++
}

func (f *fakeChild) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("fake.Alloc", size)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.enter()
	if l.Kind == mem.Managed {
		return nil, mem.Refuse(l)
	}
	if f.fail {
		return nil, errFake
	}
	if size > 1<<24 || l.Align.Log2() > 22 {
		return nil, mem.ErrTooLarge
	}
	b := f.make(size, l)
	if f.lie != nil {
		return f.lie(b), nil
	}
	return b, nil
}

func (f *fakeChild) make(size int, l mem.Layout) []byte {
	back := make([]byte, size+l.Align.Bytes()+fakeRoom)
	pad := l.Align.Pad(addr(back))
	back = back[pad:]
	b := back[:size:size]
	if !l.Zero && l.Kind == mem.Plain {
		for i := range back {
			back[i] = 0xAA
		}
	}
	f.put(b, back)
	return b
}

func (f *fakeChild) put(b, back []byte) {
	if f.live == nil {
		f.live, f.sizes = map[uintptr][]byte{}, map[uintptr]int{}
	}
	f.live[addr(b)], f.sizes[addr(b)] = back, len(b)
	f.bytes += len(b)
}

// own panics unless b is a live block.
func (f *fakeChild) own(op string, b []byte) {
	if size, ok := f.sizes[addr(b)]; !ok || size != len(b) {
		panic(fmt.Sprintf("fake.%s: %d bytes at %#x are not a block (%v, %d)", op, len(b), addr(b), ok, size))
	}
}

func (f *fakeChild) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("fake.Resize", size)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.enter()
	return f.resize(b, l, size)
}

func (f *fakeChild) resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	f.own("Resize", b)
	back := f.live[addr(b)]
	if f.refuse || size > len(back) {
		return b, false
	}
	r := back[:size:size]
	if size > len(b) && (l.Zero || l.Kind != mem.Plain) {
		clear(r[len(b):])
	}
	f.sizes[addr(b)] = size
	f.bytes += size - len(b)
	if f.lie != nil {
		return f.lie(r), true
	}
	return r, true
}

func (f *fakeChild) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("fake.Remap", size)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.enter()
	if !f.move || l.Type.HasPointers() {
		return f.resize(b, l, size)
	}
	f.own("Remap", b)
	if f.refuse || size > 1<<24 {
		return b, false
	}
	r := f.make(size, l)
	copy(r, b)
	f.drop(b)
	if f.lie != nil {
		return f.lie(r), true
	}
	return r, true
}

func (f *fakeChild) Free(b []byte, _ mem.Layout) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.enter()
	f.own("Free", b)
	f.drop(b)
}

func (f *fakeChild) drop(b []byte) {
	back := f.live[addr(b)]
	for i := range back {
		back[i] = 0xDD
	}
	delete(f.live, addr(b))
	delete(f.sizes, addr(b))
	f.bytes -= len(b)
}

func (f *fakeChild) Pointers() mem.Pointers { return f.answer }

// Owns implements mem.Owner.
func (f *fakeChild) Owns(b []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.live[addr(b)]
	return ok
}

// Trim implements mem.Trimmer.
func (f *fakeChild) Trim() int { return 42 }

// GoodSize implements mem.GoodSizer.
func (f *fakeChild) GoodSize(size int, _ mem.Layout) int { return (size + 63) &^ 63 }

// UsableSize implements mem.UsableSizer.
func (f *fakeChild) UsableSize(b []byte) int { return len(f.live[addr(b)]) }

// blocks and bytes that are live.
func (f *fakeChild) use() (blocks, bytes int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.live), f.bytes
}

// catch returns what fn panics with, nil if it does not.
func catch(fn func()) (r any) {
	defer func() { r = recover() }()
	fn()
	return nil
}

// misuses runs fn with a handler that returns, and gives what was reported.
// Tests that use it must not run in parallel.
func misuses(t testing.TB, fn func()) []*heap.Misuse {
	t.Helper()
	var mu sync.Mutex
	var got []*heap.Misuse
	before := heap.OnMisuse(func(m *heap.Misuse) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, m)
	})
	defer func() { heap.OnMisuse(before) }()
	fn()
	return got
}

// wantMisuse fails the test unless fn is reported as misuse of this kind, once.
func wantMisuse(t testing.TB, kind heap.MisuseKind, fn func()) {
	t.Helper()
	got := misuses(t, fn)
	if len(got) != 1 || got[0].Kind != kind {
		t.Errorf("reported %v, want one %v", got, kind)
		return
	}
	if len(got[0].Here) == 0 {
		t.Errorf("%v: no stack", got[0])
	}
	// The default handler panics with the same value.
	if m, ok := catch(fn).(*heap.Misuse); ok && m.Kind != kind {
		t.Errorf("panicked with %v, want %v", m, kind)
	}
}

// noMisuse fails the test if fn, the good twin, is reported.
func noMisuse(t testing.TB, fn func()) {
	t.Helper()
	if got := misuses(t, fn); len(got) > 0 {
		t.Errorf("reported %v, want nothing", got)
	}
}

// A wrapperMaker makes one wrapper around child. Model is what a random program
// allocated through it.
type wrapperMaker struct {
	name string
	make func(child mem.Allocator) mem.Allocator
	zero mem.Allocator // the zero value
	// live returns the blocks and bytes that the wrapper knows to be live.
	live func(a mem.Allocator) (blocks, bytes int, known bool)
	// hybrid: blocks of types with pointers do not go to the child.
	hybrid bool
}

var wrapperMakers = []wrapperMaker{
	{
		name: "Counting",
		make: func(child mem.Allocator) mem.Allocator { return heap.NewCounting(child) },
		zero: new(heap.Counting),
		live: func(a mem.Allocator) (int, int, bool) {
			s := a.(*heap.Counting).Stats()
			return int(s.Blocks), int(s.Bytes), true
		},
	},
	{
		name: "Failing",
		make: func(child mem.Allocator) mem.Allocator {
			return heap.NewFailing(child, heap.FailingOptions{})
		},
		zero: new(heap.Failing),
		live: func(a mem.Allocator) (int, int, bool) {
			s := a.(*heap.Failing).Stats()
			return int(s.Live()), int(s.AllocatedBytes - s.FreedBytes), true
		},
	},
	{
		name: "ThreadSafe",
		make: func(child mem.Allocator) mem.Allocator { return heap.NewThreadSafe(child) },
		zero: new(heap.ThreadSafe),
	},
	{
		name: "Limit",
		make: func(child mem.Allocator) mem.Allocator { return heap.NewLimit(child, math.MaxInt) },
		zero: new(heap.Limit),
		live: func(a mem.Allocator) (int, int, bool) {
			// It knows no blocks; -1 is not compared.
			return -1, a.(*heap.Limit).Used(), true
		},
	},
	{
		name: "Logging",
		make: func(child mem.Allocator) mem.Allocator {
			return heap.NewLogging(child, heap.LoggingOptions{Logger: slog.New(slog.DiscardHandler)})
		},
		zero: new(heap.Logging),
	},
	{
		name: "Validation",
		make: func(child mem.Allocator) mem.Allocator { return heap.NewValidation(child) },
		zero: new(heap.Validation),
		live: func(a mem.Allocator) (int, int, bool) {
			blocks, bytes := a.(*heap.Validation).Live()
			return blocks, bytes, true
		},
	},
	{
		name:   "Hybrid",
		make:   func(child mem.Allocator) mem.Allocator { return heap.NewHybrid(child) },
		zero:   new(heap.Hybrid),
		hybrid: true,
	},
}

// A program runs random operations on an allocator and compares with a model.
type program struct {
	a      mem.Allocator
	rand   *rand.Rand
	blocks []programBlock
	bytes  int
	typed  bool // also local blocks
}

type programBlock struct {
	b    []byte
	l    mem.Layout
	seed byte
}

func newProgram(a mem.Allocator, seed uint64) *program {
	return &program{a: a, rand: rand.New(rand.NewPCG(seed, 0)), typed: true}
}

type programNode struct {
	_ *programNode
	_ uintptr
}

func (p *program) layout() (mem.Layout, int) {
	if p.typed && p.rand.IntN(4) == 0 {
		l := mem.LayoutOf[programNode]()
		l.Kind = mem.Local
		return l, l.Type.Size()
	}
	return mem.Layout{Align: mem.AlignLog2(p.rand.IntN(8)), Zero: p.rand.IntN(2) == 0}, 1
}

func (p *program) fill(k *programBlock, from int) {
	if k.l.Kind != mem.Plain {
		return // zero it stays
	}
	for i := from; i < len(k.b); i++ {
		k.b[i] = k.seed + byte(i)
	}
}

func (p *program) check(k programBlock, n int) error {
	for i, got := range k.b[:n] {
		want := k.seed + byte(i)
		if k.l.Kind != mem.Plain {
			want = 0
		}
		if got != want {
			return fmt.Errorf("byte %d of %d is %#x, want %#x", i, len(k.b), got, want)
		}
	}
	return nil
}

// step runs one operation and returns an error if the contract was broken.
func (p *program) step() error {
	switch op := p.rand.IntN(8); {
	case op < 3 || len(p.blocks) == 0:
		l, elem := p.layout()
		size := (1 + p.rand.IntN(100)) * elem
		b, err := p.a.Alloc(size, l)
		if err != nil {
			if !errors.Is(err, mem.ErrOutOfMemory) {
				return err
			}
			return nil
		}
		if len(b) != size || cap(b) != size || !l.Align.Check(addr(b)) {
			return fmt.Errorf("Alloc(%d, %v): len %d, cap %d at %#x", size, l, len(b), cap(b), addr(b))
		}
		k := programBlock{b, l, byte(p.rand.Uint32())}
		if l.Zero || l.Kind != mem.Plain {
			for i, v := range b {
				if v != 0 {
					return fmt.Errorf("Alloc(%d, %v): byte %d is %#x", size, l, i, v)
				}
			}
		}
		p.fill(&k, 0)
		p.blocks = append(p.blocks, k)
		p.bytes += size
	case op < 5:
		i := p.rand.IntN(len(p.blocks))
		k := &p.blocks[i]
		size := (1 + p.rand.IntN(100)) * k.l.Type.Size()
		old := len(k.b)
		var b []byte
		var ok bool
		if op == 3 {
			b, ok = p.a.Resize(k.b, k.l, size)
			if ok && addr(b) != addr(k.b) {
				return errors.New("Resize moved the block")
			}
		} else {
			b, ok = p.a.Remap(k.b, k.l, size)
		}
		if !ok {
			if addr(b) != addr(k.b) || len(b) != old {
				return errors.New("a refused resize changed the block")
			}
			return p.check(*k, old)
		}
		if len(b) != size || cap(b) != size {
			return fmt.Errorf("resize to %d: len %d, cap %d", size, len(b), cap(b))
		}
		k.b = b
		p.bytes += size - old
		if err := p.check(*k, min(old, size)); err != nil {
			return fmt.Errorf("resize %d to %d: %w", old, size, err)
		}
		p.fill(k, min(old, size))
	default:
		i := p.rand.IntN(len(p.blocks))
		return p.free(i)
	}
	return nil
}

func (p *program) free(i int) error {
	k := p.blocks[i]
	if err := p.check(k, len(k.b)); err != nil {
		return err
	}
	p.blocks[i] = p.blocks[len(p.blocks)-1]
	p.blocks = p.blocks[:len(p.blocks)-1]
	p.bytes -= len(k.b)
	k.l.Zero = !k.l.Zero // ignored there
	p.a.Free(k.b, k.l)
	return nil
}

func (p *program) close() error {
	for len(p.blocks) > 0 {
		if err := p.free(0); err != nil {
			return err
		}
	}
	return nil
}

// Blocks and bytes in use correspond to those of the child, one to one, after
// every operation, failed ones too.
func TestWrappersCorrespond(t *testing.T) {
	for _, m := range wrapperMakers {
		t.Run(m.name, func(t *testing.T) {
			child := &fakeChild{}
			a := m.make(child)
			p := newProgram(a, 1)
			p.typed = !m.hybrid
			for i := range 500 {
				child.fail = p.rand.IntN(5) == 0
				child.refuse = p.rand.IntN(5) == 0
				child.move = p.rand.IntN(2) == 0
				if err := p.step(); err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
				checkUse(t, m, a, p)
				if blocks, bytes := child.use(); blocks != len(p.blocks) || bytes != p.bytes {
					t.Fatalf("step %d: the child has %d bytes in %d blocks, want %d in %d", i, bytes, blocks, p.bytes, len(p.blocks))
				}
			}
			if err := p.close(); err != nil {
				t.Fatal(err)
			}
			checkUse(t, m, a, p)
		})
	}
}

func checkUse(t *testing.T, m wrapperMaker, a mem.Allocator, p *program) {
	t.Helper()
	if m.live == nil {
		return
	}
	if blocks, bytes, known := m.live(a); known && (blocks >= 0 && blocks != len(p.blocks) || bytes != p.bytes) {
		t.Fatalf("%s: %d bytes in %d blocks, want %d in %d", m.name, bytes, blocks, p.bytes, len(p.blocks))
	}
}

// Stacks of wrappers, in every order, do what each does alone.
func TestWrapperStacks(t *testing.T) {
	depth, steps := 4, 40
	if testing.Short() || race.Enabled {
		depth, steps = 3, 20
	}
	var build func(stack []int)
	build = func(stack []int) {
		if len(stack) > 0 {
			testStack(t, stack, steps)
		}
		if len(stack) == depth || t.Failed() {
			return
		}
		for i := range wrapperMakers {
			build(append(stack[:len(stack):len(stack)], i))
		}
	}
	build(nil)
}

func testStack(t *testing.T, stack []int, steps int) {
	t.Helper()
	child := &fakeChild{move: true}
	layers := []mem.Allocator{child}
	var name strings.Builder
	for _, i := range stack {
		layers = append(layers, wrapperMakers[i].make(layers[len(layers)-1]))
		name.WriteString(wrapperMakers[i].name + " ")
	}
	p := newProgram(layers[len(layers)-1], uint64(len(stack)))
	p.typed = !strings.Contains(name.String(), "Hybrid") // it sends these elsewhere
	for i := range steps {
		child.fail, child.refuse = i%7 == 6, i%5 == 4
		if err := p.step(); err != nil {
			t.Fatalf("%sstep %d: %v", name.String(), i, err)
		}
		for j, m := range stack {
			checkUse(t, wrapperMakers[m], layers[j+1], p)
		}
		if blocks, bytes := child.use(); blocks != len(p.blocks) || bytes != p.bytes {
			t.Fatalf("%sstep %d: the child has %d bytes in %d blocks, want %d in %d", name.String(), i, bytes, blocks, p.bytes, len(p.blocks))
		}
	}
	if err := p.close(); err != nil {
		t.Fatalf("%s: %v", name.String(), err)
	}
	if blocks, bytes := child.use(); blocks != 0 || bytes != 0 {
		t.Fatalf("%s: %d bytes in %d blocks are left", name.String(), bytes, blocks)
	}
}

// A child that panics leaves the wrapper as it was.
func TestWrappersChildPanics(t *testing.T) {
	for _, m := range wrapperMakers {
		t.Run(m.name, func(t *testing.T) {
			child := &fakeChild{}
			a := m.make(child)
			p := newProgram(a, 2)
			for len(p.blocks) < 5 {
				if err := p.step(); err != nil {
					t.Fatal(err)
				}
			}
			k := p.blocks[0]
			child.panics = true
			for _, fn := range []func(){
				func() { a.Alloc(64, mem.Layout{}) },
				func() { a.Resize(k.b, k.l, len(k.b)+k.l.Type.Size()) },
				func() { a.Remap(k.b, k.l, len(k.b)+k.l.Type.Size()) },
			} {
				if got := catch(fn); got != "fake: panics" {
					t.Fatalf("panic %v did not come through", got)
				}
				checkUse(t, m, a, p)
			}
			child.panics = false
			if err := p.close(); err != nil {
				t.Fatal(err)
			}
			checkUse(t, m, a, p)
		})
	}
}

func TestWrappersNilChild(t *testing.T) {
	for _, m := range wrapperMakers {
		for _, child := range []mem.Allocator{nil, (*fakeChild)(nil)} {
			got, _ := catch(func() { m.make(child) }).(string)
			want := "heap: New" + m.name + ": nil "
			if !strings.HasPrefix(got, want) || !strings.Contains(got, "Allocator") {
				t.Errorf("New%s(%T): panic %q, want %q...", m.name, child, got, want)
			}
		}
	}
}

func TestWrappersZeroValue(t *testing.T) {
	for _, m := range wrapperMakers {
		t.Run(m.name, func(t *testing.T) {
			a, b := m.zero, make([]byte, 8)
			var err error
			wantMisuse(t, heap.Uninitialised, func() { _, err = a.Alloc(8, mem.Layout{}) })
			if err == nil {
				t.Error("Alloc returned no error")
			}
			wantMisuse(t, heap.Uninitialised, func() { a.Free(b, mem.Layout{}) })
			ok := true
			wantMisuse(t, heap.Uninitialised, func() { _, ok = a.Resize(b, mem.Layout{}, 4) })
			wantMisuse(t, heap.Uninitialised, func() { _, ok = a.Remap(b, mem.Layout{}, 4) })
			if ok {
				t.Error("Resize of the zero value answered true")
			}
			if a.Pointers() != mem.PlainOnly {
				t.Error("the zero value answers", a.Pointers())
			}
		})
	}
}

func TestWrappersSizes(t *testing.T) {
	for _, m := range wrapperMakers {
		t.Run(m.name, func(t *testing.T) {
			a := m.make(&fakeChild{})
			b, err := a.Alloc(8, mem.Layout{})
			if err != nil {
				t.Fatal(err)
			}
			for _, size := range []int{0, -1, -1 << 31} {
				for method, fn := range map[string]func(){
					"Alloc":  func() { a.Alloc(size, mem.Layout{}) },
					"Resize": func() { a.Resize(b, mem.Layout{}, size) },
					"Remap":  func() { a.Remap(b, mem.Layout{}, size) },
				} {
					want := fmt.Sprintf("heap: %s.%s: size %d is not positive", m.name, method, size)
					if got := catch(fn); got != want {
						t.Errorf("panic %v, want %v", got, want)
					}
				}
			}
			for _, size := range []int{1 << 25, 1<<31 - 1, int(^uint(0) >> 1)} {
				if _, err := a.Alloc(size, mem.Layout{}); !errors.Is(err, mem.ErrOutOfMemory) {
					t.Errorf("Alloc(%d): %v", size, err)
				}
				if _, ok := a.Resize(b, mem.Layout{}, size); ok {
					t.Errorf("Resize(%d) answered true", size)
				}
				if _, ok := a.Remap(b, mem.Layout{}, size); ok {
					t.Errorf("Remap(%d) answered true", size)
				}
			}
			a.Free(b, mem.Layout{})
		})
	}
}

func TestWrappersAllocateNothing(t *testing.T) {
	for _, m := range wrapperMakers {
		t.Run(m.name, func(t *testing.T) {
			child := &oneBlock{block: make([]byte, 256)}
			a := m.make(child)
			l := mem.Layout{Align: mem.Align(8)}
			allocs := testing.AllocsPerRun(100, func() {
				b, err := a.Alloc(64, l)
				if err != nil {
					t.Fatal(err)
				}
				b, _ = a.Resize(b, l, 128)
				b, _ = a.Remap(b, l, 32)
				a.Free(b, l)
				child.fail = true
				if _, err := a.Alloc(64, l); err == nil {
					t.Fatal("no error")
				}
				child.fail = false
			})
			if allocs != 0 {
				t.Errorf("%v allocations per run, want 0", allocs)
			}
		})
	}
}

// oneBlock serves its block, to one at a time, without allocating.
type oneBlock struct {
	block []byte
	fail  bool
}

func (o *oneBlock) Alloc(size int, l mem.Layout) ([]byte, error) {
	if o.fail || size > len(o.block) {
		return nil, errFake
	}
	b := o.block[:size:size]
	if l.Zero || l.Kind != mem.Plain {
		clear(b)
	}
	return b, nil
}

func (o *oneBlock) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	if o.fail || size > len(o.block) {
		return b, false
	}
	r := o.block[:size:size]
	if size > len(b) && (l.Zero || l.Kind != mem.Plain) {
		clear(r[len(b):])
	}
	return r, true
}

func (o *oneBlock) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	return o.Resize(b, l, size)
}
func (o *oneBlock) Free([]byte, mem.Layout) {}
func (o *oneBlock) Pointers() mem.Pointers  { return mem.PlainOnly }

// Many goroutines allocate through every wrapper at once.
func TestWrappersConcurrent(t *testing.T) {
	for _, m := range wrapperMakers {
		t.Run(m.name, func(t *testing.T) {
			child := &fakeChild{move: true}
			a := m.make(child)
			steps := 300
			if testing.Short() || race.Enabled {
				steps = 60
			}
			var wg sync.WaitGroup
			for g := range 8 {
				wg.Go(func() {
					p := newProgram(a, uint64(g))
					for range steps {
						if err := p.step(); err != nil {
							t.Error(err)
							return
						}
						if g%4 == 0 {
							runtime.Gosched()
						}
					}
					if err := p.close(); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if blocks, bytes := child.use(); blocks != 0 || bytes != 0 {
				t.Errorf("%d bytes in %d blocks are left", bytes, blocks)
			}
			checkUse(t, m, a, newProgram(a, 0))
		})
	}
}

// Abilities of the child are found through the wrapper.
func TestWrappersAbilities(t *testing.T) {
	for _, m := range wrapperMakers {
		if m.hybrid {
			continue // has a test of its own
		}
		t.Run(m.name, func(t *testing.T) {
			a := m.make(&fakeChild{})
			b, err := a.Alloc(10, mem.Layout{})
			if err != nil {
				t.Fatal(err)
			}
			if got := mem.Trim(a); got != 42 {
				t.Errorf("Trim() = %d, want the child's 42", got)
			}
			if got := mem.GoodSize(a, 100, mem.Layout{}); got != 128 {
				t.Errorf("GoodSize(100) = %d, want the child's 128", got)
			}
			if o, ok := mem.As[mem.Owner](a); !ok || !o.Owns(b) || o.Owns(make([]byte, 1)) {
				t.Errorf("Owns is not the child's (found: %v)", ok)
			}
			if u, ok := mem.As[mem.UsableSizer](a); !ok || u.UsableSize(b) <= 10 {
				t.Errorf("UsableSize is not the child's (found: %v)", ok)
			}
			a.Free(b, mem.Layout{})

			a = m.make(&oneBlock{block: make([]byte, 64)})
			if _, ok := mem.As[mem.Owner](a); ok {
				t.Error("Owns is claimed although the child has none")
			}
			if got := mem.Trim(a); got != 0 {
				t.Errorf("Trim() = %d, want 0", got)
			}
			if got := mem.GoodSize(a, 50, mem.Layout{}); got != 50 {
				t.Errorf("GoodSize(50) = %d, want 50", got)
			}
		})
	}
}

func TestWrappersPointers(t *testing.T) {
	for _, m := range wrapperMakers {
		if m.hybrid {
			continue // has a test of its own
		}
		for _, answer := range []mem.Pointers{mem.PlainOnly, mem.Promised} {
			if got := m.make(&fakeChild{answer: answer}).Pointers(); got != answer {
				t.Errorf("%s: Pointers() = %v, want %v", m.name, got, answer)
			}
		}
		a := m.make(&fakeChild{})
		if _, err := a.Alloc(16, mem.LayoutOf[programNode]()); !errors.Is(err, mem.ErrPointers) {
			t.Errorf("%s: a managed block from an unscanned child: %v", m.name, err)
		}
	}
}
