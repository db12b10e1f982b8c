package heap_test

import (
	"fmt"
	"sync"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// Workers share one arena, which is reset when all of them are done.
func ExampleConcurrentArena() {
	a := heap.NewConcurrentArena(heap.Page{})
	defer a.Close()

	for range 2 { // phases
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 100 {
					if _, err := mem.Alloc[uint64](a, 8); err != nil {
						fmt.Println(err)
					}
				}
			})
		}
		wg.Wait()
		fmt.Println(a.Stats().InUse, "bytes in use")
		a.Reset()
	}
	// Output:
	// 25600 bytes in use
	// 25600 bytes in use
}
