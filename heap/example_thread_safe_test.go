package heap_test

import (
	"fmt"
	"sync"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// Goroutines share an Arena, which is made for one. What an Arena has beyond the
// methods of an allocator is called under the same lock.
func ExampleThreadSafe() {
	arena := heap.NewArena(heap.Page{})
	defer arena.Close()
	a := heap.NewThreadSafe(arena)

	var wg sync.WaitGroup
	squares := make([][]int, 4)
	for i := range squares {
		wg.Go(func() {
			s, err := mem.Alloc[int](a, 100)
			if err != nil {
				return
			}
			for n := range s {
				s[n] = i * n * n
			}
			squares[i] = s
		})
	}
	wg.Wait()
	fmt.Println(squares[3][99])
	a.Do(arena.Reset) // ends the life of every block
	// Output: 29403
}
