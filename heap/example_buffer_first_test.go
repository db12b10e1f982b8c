package heap_test

import (
	"fmt"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// Small inputs never ask the child.
func ExampleBufferFirst() {
	child := heap.NewCounting(heap.GC{})
	a := heap.NewBufferFirst(make([]byte, 1024), child)
	for _, n := range []int{100, 5000} {
		fields, err := mem.Alloc[byte](a, n)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(n, "bytes,", child.Stats().TotalBytes, "from the child")
		mem.Free(a, fields)
	}
	// Output:
	// 100 bytes, 0 from the child
	// 5000 bytes, 5000 from the child
}
