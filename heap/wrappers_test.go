package heap_test

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/asan"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

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
	foundIn(t, got[0], fn)
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
	name  string
	maker string // the function that makes one, if it is not New and the name
	make  func(child mem.Allocator) mem.Allocator
	zero  mem.Allocator // the zero value
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
		name:  "Profile",
		maker: "NewProfileWith",
		make: func(child mem.Allocator) mem.Allocator {
			return heap.NewProfileWith(child, heap.ProfileOptions{Rate: 1}) // every block is in the sample
		},
		zero: new(heap.Profile),
		live: func(mem.Allocator) (int, int, bool) { return 0, 0, false },
	},
	{
		name:  "NamedAllocator",
		maker: "Registry.Named",
		make:  func(child mem.Allocator) mem.Allocator { return new(heap.Registry).Named(child, "wrapper/test") },
		zero:  new(heap.NamedAllocator),
		live: func(a mem.Allocator) (int, int, bool) {
			s := a.(*heap.NamedAllocator).Stats()
			return int(s.Blocks), int(s.Bytes), true
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
			want := "heap: " + cmp.Or(m.maker, "New"+m.name) + ": nil "
			if !strings.HasPrefix(got, want) || !strings.Contains(got, "Allocator") {
				t.Errorf("%s of a %T: panic %q, want %q...", m.name, child, got, want)
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
	if asan.Enabled {
		t.Skip("sanitized builds allocate more")
	}
	for _, m := range wrapperMakers {
		t.Run(m.name, func(t *testing.T) {
			if m.name == "Profile" && invariant.Enabled {
				t.Skip("what its invariants are checked with allocates")
			}
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
