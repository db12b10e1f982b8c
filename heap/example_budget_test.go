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

	// C code is about to take 600 MiB, which nobody else would count.
	if err := budget.Reserve(600 << 20); err != nil {
		panic(err)
	}
	fmt.Println("Go has less than", budget.Stats().GoLimit>>20/100*100+100, "MiB")

	_, err = mem.Alloc[byte](heap.Page{}, 256<<20)
	fmt.Println(errors.Is(err, mem.ErrLimit), err)

	budget.Return(600 << 20)
	fmt.Println("Go has more than", budget.Stats().GoLimit>>20/100*100, "MiB")
	// Output:
	// Go has less than 500 MiB
	// true heap: Page: the limit of the budget is reached
	// Go has more than 1000 MiB
}
