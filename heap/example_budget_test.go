package heap_test

import (
	"fmt"

	"github.com/allod-dev/allod/heap"
)

// A process of 2 GiB that keeps its data off the Go heap. As the data grows,
// Go's memory limit goes down, and the collector knows how little is left.
func ExampleBudget() {
	budget, err := heap.NewBudget(2<<30-1, heap.BudgetOptions{
		GCPercent: -1, // the little on the Go heap is collected when memory runs short
	})
	if err != nil {
		panic(err)
	}
	defer budget.Close()

	// C code is about to take 256 MiB, which nobody else would count. Pages that
	// allocators take count by themselves.
	before := budget.Stats().GoLimit
	if err := budget.Reserve(256 << 20); err != nil {
		panic(err)
	}
	less := before - budget.Stats().GoLimit
	fmt.Printf("Go's limit is %d MiB lower, give or take a step\n", (less>>20+16)/32*32)

	budget.Return(256 << 20)
	// Output:
	// Go's limit is 256 MiB lower, give or take a step
}
