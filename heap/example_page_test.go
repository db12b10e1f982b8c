package heap_test

import (
	"fmt"
	"log"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// A gigabyte costs nothing before it is touched, and is gone when it is freed.
func ExamplePage() {
	var a heap.Page
	counts, err := mem.Alloc[uint32](a, 1<<28)
	if err != nil {
		log.Fatal(err)
	}
	defer mem.Free(a, counts)
	counts[123456789]++
	fmt.Println(counts[123456789], counts[0])
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
