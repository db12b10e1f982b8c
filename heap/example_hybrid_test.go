package heap_test

import (
	"fmt"
	"log"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// One allocator serves the many plain values from the child, and the few with
// pointers from the collected heap.
func ExampleHybrid() {
	plain := heap.NewCounting(heap.Page{})
	h := heap.NewHybrid(plain)

	samples, err := mem.Alloc[float64](h, 1000)
	if err != nil {
		log.Fatal(err)
	}
	names, err := mem.Alloc[string](h, 2)
	if err != nil {
		log.Fatal(err)
	}
	names[0], names[1] = "left", "right"
	fmt.Println(len(samples), names, "from the child:", plain.Stats().Bytes)

	mem.Free(h, samples)
	mem.Free(h, names)
	// Output: 1000 [left right] from the child: 8000
}
