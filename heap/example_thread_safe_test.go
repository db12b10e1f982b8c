package heap_test

import (
	"fmt"
	"sync"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// Goroutines share an allocator that is made for one.
func ExampleThreadSafe() {
	c := heap.NewCounting(heap.GC{}) // an Arena or a FixedBuffer, as a rule
	a := heap.NewThreadSafe(c)

	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			s, err := mem.Alloc[int](a, 100)
			if err != nil {
				return
			}
			s[0] = i
			mem.Free(a, s)
		})
	}
	wg.Wait()
	fmt.Println(c.Stats().TotalBlocks, c.Stats().Blocks)
	// Output: 4 0
}
