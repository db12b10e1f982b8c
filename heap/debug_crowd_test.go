package heap_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// Close meets calls of other goroutines: each is served or told, and no block is
// lost from sight.
func TestDebugClosedMeanwhile(t *testing.T) {
	for range 8 {
		var served, freed atomic.Int64
		d := heap.NewDebug(testSMP(t), heap.DebugOptions{
			OnLeak: func(*heap.LeakError) {},
			OnMisuse: func(m *heap.Misuse) {
				if m.Kind != heap.UseAfterClose {
					t.Errorf("%v", m)
				}
			},
		})
		var wg sync.WaitGroup
		begun := make(chan struct{}, 4)
		for range 4 {
			wg.Go(func() {
				for i := 0; ; i++ {
					b, err := d.Alloc(1+i%7*200, word8)
					if err != nil {
						if !errors.Is(err, mem.ErrClosed) {
							t.Error(err)
						}
						return
					}
					served.Add(1)
					b[0], b[len(b)-1] = 1, 2 // it stays, closed or not
					if i%3 != 0 {
						d.Free(b, word8)
						freed.Add(1)
					}
					if i == 10 {
						begun <- struct{}{}
					}
				}
			})
		}
		for range 4 {
			<-begun
		}
		told, _ := d.Close().(*heap.LeakError)
		wg.Wait()
		if s := d.Stats(); told == nil || told.Blocks != s.Blocks {
			t.Fatalf("told of %v, %d blocks are live", told, s.Blocks)
		} else if int64(s.Allocs) != served.Load() || int64(s.Frees) > freed.Load() || int64(s.Blocks) != served.Load()-int64(s.Frees) {
			t.Fatalf("%d served, %d freed: %+v", served.Load(), freed.Load(), s)
		}
	}
}

// An Alloc that meets Close is not served, and what it had got by then goes back.
func TestDebugClosedInAlloc(t *testing.T) {
	for _, o := range []heap.DebugOptions{{}, {MemoryLimit: 10_000}} {
		for _, size := range []int{40, 5000} {
			child := &fakeChild{}
			d := newDebug(t, child, o)
			child.entered = func() {
				if child.calls == 0 {
					d.Close()
				}
			}
			if b, err := d.Alloc(size, word8); err != mem.ErrClosed {
				t.Errorf("%d bytes: %d and %v, want %v", size, len(b), err, mem.ErrClosed)
			}
			if s := d.Stats(); s.Blocks != 0 || s.Bytes != 0 || child.calls != 2 || child.bytes != 0 {
				t.Errorf("%d bytes: %+v, the child has %d bytes", size, s, child.bytes)
			}
			d.none()
		}
	}
}

// Ten thousand goroutines on one processor, and a profiler that interrupts them,
// get their work done.
func TestDebugCrowd(t *testing.T) {
	crowd := 10_000
	if race.Enabled { // which knows some thousand goroutines
		crowd = 1000
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if pprof.StartCPUProfile(io.Discard) == nil {
		defer pprof.StopCPUProfile()
	}
	var mu sync.Mutex
	d := heap.NewDebug(testSMP(t), heap.DebugOptions{QuarantineBlocks: 100, OnMisuse: func(m *heap.Misuse) {
		mu.Lock()
		defer mu.Unlock()
		t.Errorf("false report: %v", m)
	}})
	var wg sync.WaitGroup
	for w := range crowd {
		wg.Go(func() {
			b := debugAlloc(d, 1+w%300, word8)
			b[0] = byte(w)
			runtime.Gosched()
			b, _ = d.Resize(b, word8, 1+w%200)
			runtime.Gosched()
			if b[0] != byte(w) {
				t.Errorf("goroutine %d finds %d", w, b[0])
			}
			d.Free(b, word8)
		})
	}
	wg.Wait()
	if s := d.Stats(); s.Blocks != 0 || int(s.Allocs) != crowd {
		t.Errorf("%+v", s)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// With all checks that the collector has on itself, it finds nothing wrong with
// what holds pointers.
func TestUnderCollectorChecks(t *testing.T) {
	if testing.Short() || race.Enabled || special() {
		t.Skip("it is the collector that is asked, once")
	}
	c := exec.Command(os.Args[0], "-test.count=1", "-test.short",
		"-test.run=^(TestGC|TestPool|TestHybridKeepsAlive|TestArenaManaged|TestDebugManaged|TestPoolUnderCollection|TestPoolRetention|TestConcurrentArenaManaged|TestConcurrentArenaForgets|TestBufferFirstPointers)$")
	c.Env = append(os.Environ(), "GODEBUG=clobberfree=1,gccheckmark=1,invalidptr=1,cgocheck=1")
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
