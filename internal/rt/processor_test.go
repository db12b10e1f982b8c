package rt_test

import (
	"runtime"
	"sync"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/internal/rt"
)

// processor returns the number of the processor, which the caller may have left
// since.
//
//go:nosplit
//go:noinline
func processor() int { return int(**(**int32)(unsafe.Add(rt.ThisM(), rt.ProcessorAt))) }

func TestProcessorAt(t *testing.T) {
	if !rt.Pins {
		if rt.ProcessorAt != 0 {
			t.Error("ProcessorAt is known where nothing is")
		}
		return
	}
	if rt.ProcessorAt == 0 {
		t.Fatal("the processor is not found in this release; Pin serves instead, more slowly")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(7))
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for range 100 {
				i := rt.Pin()
				got := processor()
				rt.Unpin()
				if got != i {
					t.Errorf("processor %d, want %d", got, i)
				}
				runtime.Gosched()
			}
		})
	}
	all.Wait()
}

// countOf is a count for each processor that is read, held for some time, and
// written, without anything that would be atomic.
var countOf [8]counter

type counter struct {
	n uint64
	_ [120]byte
}

//go:nosplit
//go:noinline
//go:norace
func count() {
	c := &countOf[uint(**(**uint32)(unsafe.Add(rt.ThisM(), rt.ProcessorAt)))%8]
	n := c.n
	for i := range 5000 {
		if uint64(i) > n>>63+5000 { // never
			n = 0
		}
	}
	c.n = n + 1
}

// Nobody is preempted in a function that is marked go:nosplit, where it makes no
// call: not by the clock, and not by those who stop the world.
func TestNosplitIsNotPreempted(t *testing.T) {
	if rt.ProcessorAt == 0 {
		t.Skip("Pin serves instead")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	countOf = [8]counter{}
	const goroutines, rounds = 16, 1000
	var all sync.WaitGroup
	for i := range goroutines {
		all.Go(func() {
			for k := range rounds {
				count()
				if k%50 == i {
					var m runtime.MemStats
					runtime.ReadMemStats(&m) // stops the world
				}
			}
		})
	}
	all.Wait()
	sum := uint64(0)
	for i := range countOf {
		sum += countOf[i].n
	}
	if sum != goroutines*rounds {
		t.Errorf("counted %d, want %d", sum, goroutines*rounds)
	}
}
