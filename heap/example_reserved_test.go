package heap_test

import (
	"fmt"
	"log"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// A table grows where it is, so that what points into it stays right.
func ExampleReserved() {
	a := heap.NewReserved(64 << 20) // of addresses, for each block
	table, err := mem.Alloc[int64](a, 1000)
	if err != nil {
		log.Fatal(err)
	}
	seventh := &table[7]
	*seventh = 49
	table, ok := mem.Resize(a, table, 1_000_000)
	fmt.Println(ok, len(table), seventh == &table[7], table[7])
	mem.Free(a, table)
	// Output:
	// true 1000000 true 49
}
