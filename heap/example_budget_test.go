package heap_test

import (
	"errors"
	"fmt"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// A process of 1 GiB that keeps its data off the Go heap. As the data grows,
// Go's memory limit goes down, and the collector knows how little is left.
func ExampleBudget() {
	budget, err := heap.NewBudget(1<<30, heap.BudgetOptions{
		HardLimit: 768 << 20, // the rest is for Go
		GCPercent: -1,        // the little on the Go heap is collected when memory runs short
	})
	if err != nil {
		panic(err)
	}
	defer budget.Close()

	// C code is about to take 256 MiB, which nobody else would count.
	before := budget.Stats().GoLimit
	if err := budget.Reserve(256 << 20); err != nil {
		panic(err)
	}
	less := before - budget.Stats().GoLimit
	fmt.Printf("Go's limit is %d MiB lower, give or take a few\n", (less>>20+8)/16*16)

	_, err = mem.Alloc[byte](heap.Page{}, 700<<20)
	fmt.Println(errors.Is(err, mem.ErrLimit), err)

	budget.Return(256 << 20)
	// Output:
	// Go's limit is 256 MiB lower, give or take a few
	// true heap: Page: the limit of the budget is reached
}
