package heap_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// One operation is phaseObjects objects of 64 bytes, shared out among the
// goroutines, and one Reset: what ns/op says is for all of them together.
func BenchmarkConcurrentArena(b *testing.B) {
	const phaseObjects, size = 16_384, 64
	type object [size / 8]uint64
	for _, workers := range []int{1, 2, 8} {
		phase := func(work func()) {
			var wg sync.WaitGroup
			for range workers {
				wg.Go(func() {
					for range phaseObjects / workers {
						work()
					}
				})
			}
			wg.Wait()
		}
		for _, zero := range []bool{false, true} {
			l := mem.Layout{Align: mem.Align(8), Zero: zero}
			run := func(impl string, a mem.Allocator, reset func()) {
				b.Run(fmt.Sprintf("impl=%s/goroutines=%d/size=%d/zero=%v", impl, workers, size, zero), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						phase(func() {
							p, err := a.Alloc(size, l)
							if err != nil {
								panic(err)
							}
							p[0] = 1
						})
						reset()
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/phaseObjects, "ns/object")
				})
			}
			c := heap.NewConcurrentArena(heap.Page{})
			run("concurrent", c, c.Reset)
			c.Close()
			if workers == 1 {
				a := heap.NewArena(heap.Page{})
				run("arena", a, a.Reset)
				a.Close()
			}
			a := heap.NewArena(heap.Page{})
			run("threadsafe", heap.NewThreadSafe(a), a.Reset)
			a.Close()
		}
		b.Run(fmt.Sprintf("impl=new/goroutines=%d/size=%d/zero=true", workers, size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var wg sync.WaitGroup
				for range workers {
					wg.Go(func() {
						var last *object
						for range phaseObjects / workers {
							last = new(object)
							last[0] = 1
							escaped(last)
						}
					})
				}
				wg.Wait()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/phaseObjects, "ns/object")
		})
	}
}

// escaped makes the compiler allocate p in the heap, and costs nothing else.
func escaped[T any](p *T) {
	if never {
		kept = p
	}
}

var (
	never bool
	kept  any
)
