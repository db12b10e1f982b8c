package heap_test

import (
	"errors"
	"fmt"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// Two caches share a budget, and neither may take all of it.
func ExampleLimit() {
	total := heap.NewLimit(heap.Page{}, 100<<10)
	total.Name = "all caches"
	names := heap.NewLimit(total, 80<<10)
	names.Name = "names"
	pages := heap.NewLimit(total, 80<<10)
	pages.Name = "pages"

	n, _ := mem.Alloc[byte](names, 70<<10)
	_, err := mem.Alloc[byte](names, 20<<10)
	fmt.Println(err)
	_, err = mem.Alloc[byte](pages, 40<<10)
	fmt.Println(err, errors.Is(err, mem.ErrLimit))

	mem.Free(names, n)
	p, err := mem.Alloc[byte](pages, 40<<10)
	fmt.Println(len(p), err, total.Available())
	mem.Free(pages, p)
	// Output:
	// heap: Limit "names": 81920 bytes reached
	// heap: Limit "all caches": 102400 bytes reached true
	// 40960 <nil> 61440
}

// Among nested limits, the error tells which one was reached.
func ExampleLimitError() {
	process := heap.NewLimit(heap.Page{}, 1<<20)
	request := heap.NewLimit(process, 1<<10)
	_, err := mem.Alloc[byte](request, 2<<10)
	var full *heap.LimitError
	if errors.As(err, &full) {
		fmt.Println(full.Limit == request, full.Limit.Limit())
	}
	// Output: true 1024
}
