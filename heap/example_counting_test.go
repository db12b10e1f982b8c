package heap_test

import (
	"fmt"
	"log"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// Two snapshots tell what one phase of a program used, and what it left behind.
func ExampleCounting() {
	c := heap.NewCounting(heap.Page{})
	table, err := mem.Alloc[int64](c, 100)
	if err != nil {
		log.Fatal(err)
	}

	c.ResetPeak()
	before := c.Stats()
	for range 10 {
		scratch, err := mem.Alloc[byte](c, 1000)
		if err != nil {
			log.Fatal(err)
		}
		mem.Free(c, scratch)
	}
	phase := c.Stats().Sub(before)
	fmt.Println("allocated", phase.TotalBytes, "bytes, at most", phase.PeakBytes-before.Bytes, "at a time")
	fmt.Println("left behind", phase.Bytes)

	mem.Free(c, table)
	fmt.Println("now", c.Stats().Bytes)
	// Output:
	// allocated 10000 bytes, at most 1000 at a time
	// left behind 0
	// now 0
}
