package heap_test

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// Workers write their number into every block they get. If two blocks shared a
// byte, one of the numbers would be wrong.
func TestSharedBufferDisjoint(t *testing.T) {
	const workers = 8
	buf := make([]byte, 64<<10)
	f := heap.NewFixedBuffer(buf)
	a := f.ThreadSafe()
	for round := range 3 {
		got := make([][][]byte, workers)
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(w), uint64(round)))
				for {
					l := mem.Layout{Align: mem.AlignLog2(rnd.IntN(7)), Zero: rnd.IntN(2) == 0}
					if rnd.IntN(4) == 0 {
						l.Kind, l.Type = mem.Local, mem.TypeFor[*byte]()
					}
					b, err := a.Alloc((1+rnd.IntN(100))*l.Type.Size(), l)
					if err != nil {
						return
					}
					if !l.Align.Check(addr(b)) {
						t.Errorf("address %#x is not aligned to %v", addr(b), l.Align)
					}
					if i := nonzero(b); i >= 0 && (l.Zero || l.Kind != mem.Plain) {
						t.Errorf("byte %d is not zero", i)
					}
					for i := range b {
						b[i] = byte(w + 1)
					}
					got[w] = append(got[w], b)
				}
			})
		}
		wg.Wait()
		total := 0
		for w := range got {
			for _, b := range got[w] {
				total += len(b)
				if !bytes.Equal(b, filled(len(b), byte(w+1))) {
					t.Fatalf("a block of worker %d holds %x", w, b)
				}
			}
		}
		if total > f.Used() || f.Used() > f.Cap() {
			t.Errorf("%d bytes allocated, Used %d, Cap %d", total, f.Used(), f.Cap())
		}
		f.Reset()
	}
}

// Without alignment nothing is skipped: the offset is the sum of all sizes, or a
// block was handed out twice.
func TestSharedBufferLosesNothing(t *testing.T) {
	size := 4 << 20
	if testing.Short() || race.Enabled {
		size = 256 << 10
	}
	f := heap.NewFixedBuffer(make([]byte, size))
	a := f.ThreadSafe()
	var total atomic.Int64
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			sum := 0
			for {
				b, err := a.Alloc(2+w%2, mem.Layout{})
				if err != nil {
					break
				}
				sum += len(b)
			}
			total.Add(int64(sum))
		})
	}
	wg.Wait()
	if int(total.Load()) != f.Used() {
		t.Errorf("%d bytes handed out, Used %d", total.Load(), f.Used())
	}
}

func TestSharedBufferRefuses(t *testing.T) {
	f := heap.NewFixedBuffer(make([]byte, 100))
	a := f.ThreadSafe()
	if a != f.ThreadSafe() {
		t.Error("ThreadSafe returns another view every time")
	}
	b := take(t, a, 16, plainAt(1))
	for _, size := range []int{1, 15, 17} {
		if c, ok := a.Resize(b, plainAt(1), size); ok || len(c) != 16 {
			t.Errorf("Resize to %d: %v", size, ok)
		}
		if c, ok := a.Remap(b, plainAt(1), size); ok || len(c) != 16 {
			t.Errorf("Remap to %d: %v", size, ok)
		}
	}
	if c, ok := a.Resize(b, plainAt(1), 16); !ok || len(c) != 16 {
		t.Errorf("Resize to the same size: %v", ok)
	}
	wantNoReport(t, func() { a.Free(b, plainAt(1)) })
	if f.Used() != 16 || !a.Owns(b) {
		t.Errorf("Used %d, Owns %v, want 16, true", f.Used(), a.Owns(b))
	}
}
