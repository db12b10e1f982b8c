package memory_test

import (
	"fmt"

	"modernc.org/memory"

	"github.com/allod-dev/allod/heap"
)

// Whatever is built on modernc.org/libc may have 64 MiB, and no more.
func ExampleSetDefault() {
	limit := heap.NewLimit(heap.Default(), 64<<20)
	defer memory.SetDefault(memory.SetDefault(limit))

	var a memory.Allocator // as libc has one
	p, err := a.UintptrMalloc(1000)
	fmt.Println(err, limit.Used() >= 1000)
	_, err = a.UintptrRealloc(p, 100<<20)
	fmt.Println(err)
	a.UintptrFree(p)
	// Output:
	// <nil> true
	// heap: Limit: 67108864 bytes reached
}
