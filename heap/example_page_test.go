package heap_test

import (
	"fmt"
	"log"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// A large block costs nothing before it is touched, and is gone when it is
// freed.
func ExamplePage() {
	var a heap.Page
	counts, err := mem.Alloc[uint32](a, 1<<24)
	if err != nil {
		log.Fatal(err)
	}
	defer mem.Free(a, counts)
	counts[12345678]++
	fmt.Println(counts[12345678], counts[0])
	// Output: 1 0
}

// Keys that must not be written to swap.
func ExampleNewPages() {
	a := heap.NewPages(heap.PageOptions{Lock: true, Name: "keys"})
	key, err := mem.Alloc[byte](a, 32)
	if err != nil {
		fmt.Println(err) // too many locked pages already, or no right to lock any
		return
	}
	defer mem.Free(a, key)
	defer clear(key)
	fmt.Println(len(key), a.Stats().Blocks)
	// Output: 32 1
}
