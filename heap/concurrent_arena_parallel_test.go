package heap_test

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// Workers write their number into every block, free and resize the last ones,
// and look after all they have. Over a child whose memory is zero every zeroed
// block shows at once if the arena is wrong about what is zero.
func TestConcurrentArenaDisjoint(t *testing.T) {
	const workers = 8
	rounds, steps := 4, 2000
	if testing.Short() || race.Enabled {
		steps = 500
	}
	for name, child := range map[string]mem.Allocator{
		"zero":  heap.GC{},
		"dirty": &fakeChild{},
		"pages": heap.Page{},
	} {
		t.Run(name, func(t *testing.T) {
			a := heap.NewConcurrentArena(child)
			defer a.Close()
			for round := range rounds {
				var wg sync.WaitGroup
				for w := range workers {
					wg.Go(func() { churn(t, a, byte(w+1), uint64(round), steps) })
				}
				wg.Wait()
				if st := a.Stats(); st.InUse > st.Capacity || st.Capacity > st.Peak {
					t.Errorf("%+v", st)
				}
				if round%2 == 0 {
					a.Reset()
				} else {
					a.ResetTo(100_000)
				}
			}
		})
	}
}

func churn(t *testing.T, a mem.Allocator, mark byte, seed uint64, steps int) {
	rnd := rand.New(rand.NewPCG(uint64(mark), seed))
	type block struct {
		b []byte
		l mem.Layout
	}
	var blocks []block
	paint := func(b []byte, l mem.Layout) {
		if i := nonzero(b); i >= 0 && l.Zero {
			t.Errorf("byte %d of %d is not zero", i, len(b))
		}
		for i := range b {
			b[i] = mark
		}
	}
	for range steps {
		switch op := rnd.IntN(10); {
		case op < 5 || len(blocks) == 0:
			l := mem.Layout{Align: mem.AlignLog2(rnd.IntN(7)), Zero: rnd.IntN(2) == 0}
			size := 1 + rnd.IntN(200)
			if rnd.IntN(50) == 0 {
				size *= 40
			}
			b, err := a.Alloc(size, l)
			if err != nil {
				t.Error(err)
				return
			}
			if len(b) != size || cap(b) != size || !l.Align.Check(addr(b)) {
				t.Errorf("Alloc(%d, %v): len %d, cap %d at %#x", size, l.Align, len(b), cap(b), addr(b))
			}
			paint(b, l)
			blocks = append(blocks, block{b, l})
		case op < 7:
			k := &blocks[len(blocks)-1]
			n := len(k.b)
			if b, ok := a.Resize(k.b, k.l, 1+rnd.IntN(2*n)); ok {
				if len(b) > n {
					paint(b[n:], k.l)
				}
				k.b = b
			}
		default:
			i := len(blocks) - 1
			if op == 9 {
				i = rnd.IntN(len(blocks))
			}
			k := blocks[i]
			if !bytes.Equal(k.b, filled(len(k.b), mark)) {
				t.Errorf("a block of %d bytes of worker %d holds %x", len(k.b), mark, k.b)
				return
			}
			a.Free(k.b, k.l)
			blocks = append(blocks[:i], blocks[i+1:]...)
		}
	}
	for _, k := range blocks {
		if !bytes.Equal(k.b, filled(len(k.b), mark)) {
			t.Errorf("a block of %d bytes of worker %d holds %x", len(k.b), mark, k.b)
			return
		}
	}
}

// Goroutines give back the last block and get it again where nobody was before,
// as fast as they can: whoever gets bytes that another one gave back must get
// them zero. Since a byte is soiled only once, each step goes on to new ones.
func TestConcurrentArenaStaleMark(t *testing.T) {
	steps := 5000
	if testing.Short() || race.Enabled {
		steps = 1000
	}
	a := heap.NewConcurrentArena(heap.GC{})
	defer a.Close()
	l := mem.Layout{Zero: true}
	for range 4 {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range steps {
					b, err := a.Alloc(48, l)
					if err != nil || nonzero(b) >= 0 {
						t.Errorf("Alloc: %v, byte %d is not zero", err, nonzero(b))
						return
					}
					copy(b, soil)
					a.Free(b, l)
					if b, err = a.Alloc(16, l); err != nil || nonzero(b) >= 0 {
						t.Errorf("Alloc: %v, byte %d is not zero", err, nonzero(b))
						return
					}
				}
			})
		}
		wg.Wait()
		a.Release()
	}
}

var soil = filled(64, 0xEE)

// A block may be freed, resized and read by another goroutine than the one that
// asked for it. Under the race detector this says that it reports nothing.
func TestConcurrentArenaHandOver(t *testing.T) {
	for name, child := range map[string]mem.Allocator{"GC": heap.GC{}, "pages": heap.Page{}, "buffer": heap.NewFixedBuffer(make([]byte, 1<<20))} {
		t.Run(name, func(t *testing.T) {
			a := heap.NewConcurrentArena(child)
			defer a.Close()
			blocks := make(chan []byte)
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for i := range 200 {
						b, err := a.Alloc(1+i, mem.Layout{Zero: i&1 == 0})
						if err != nil {
							t.Error(err)
							return
						}
						b[0] = 1
						blocks <- b
					}
				})
				wg.Go(func() {
					for range 200 {
						b := <-blocks
						b[0]++
						if b, ok := a.Resize(b, mem.Layout{Zero: true}, 2*len(b)); ok {
							b[len(b)-1] = 1
							a.Free(b, mem.Layout{})
							continue
						}
						a.Free(b, mem.Layout{})
					}
				})
			}
			wg.Wait()
			a.Reset()
			take(t, a, 100, mem.Layout{Zero: true})[0] = 1
		})
	}
}

// Large blocks come and go while others look up theirs.
func TestConcurrentArenaLargeConcurrent(t *testing.T) {
	child := &fakeChild{move: true}
	a := heap.NewConcurrentArena(child)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 50 {
				b, err := a.Alloc(5000+100*w, mem.Layout{Zero: true})
				if err != nil || nonzero(b) >= 0 {
					t.Errorf("Alloc: %v, byte %d is not zero", err, nonzero(b))
					return
				}
				b[0], b[len(b)-1] = byte(w), byte(w)
				small, _ := a.Alloc(64, mem.Layout{})
				n := len(b)
				if b, _ = a.Remap(b, mem.Layout{}, 6000+i); b[0] != byte(w) || b[n-1] != byte(w) {
					t.Error("Remap lost the contents")
				}
				if !a.Owns(b) || !a.Owns(small) {
					t.Error("a block is not owned")
				}
				a.Free(small, mem.Layout{})
				a.Free(b, mem.Layout{})
				a.Stats()
			}
		})
	}
	wg.Wait()
	a.Close()
	if blocks, _ := child.use(); blocks != 0 {
		t.Errorf("%d blocks of the child are left", blocks)
	}
}

// A handler runs while the call that it hears of is under way, so that a call
// from the handler stands for one from another goroutine.
func TestConcurrentArenaResetMeanwhile(t *testing.T) {
	if !invariant.Enabled {
		t.Skip("checked in builds with invariants")
	}
	a := heap.NewConcurrentArena(heap.GC{})
	b := take(t, a, 16, mem.Layout{})
	for name, call := range map[string]func(){
		"Reset":   a.Reset,
		"ResetTo": func() { a.ResetTo(1) },
		"Release": a.Release,
		"Close":   func() { a.Close() },
	} {
		var (
			kinds []heap.MisuseKind
			other heap.Stack
		)
		before := heap.OnMisuse(nil)
		heap.OnMisuse(func(m *heap.Misuse) {
			kinds, other = append(kinds, m.Kind), m.Other
			if len(kinds) == 1 {
				call()
			}
		})
		at := next()
		a.Free(make([]byte, 1), mem.Layout{})
		heap.OnMisuse(before)
		if got := begins(other.Program()); got != at {
			t.Errorf("%s: during a call at %q, want %q", name, got, at)
		}
		if len(kinds) != 2 || kinds[1] != heap.ConcurrentUse || !a.Owns(b) {
			t.Errorf("%s during Free: %v, want %v", name, kinds, heap.ConcurrentUse)
		}
	}
	noMisuse(t, func() { a.Free(b, mem.Layout{}); a.Reset(); a.Close() })
}
