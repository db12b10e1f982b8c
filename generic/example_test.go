package generic_test

import (
	"fmt"
	"log"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// Lists in a map, all of them off the Go heap: a list holds a pointer to its
// block, which comes from the same allocator. To say so is the promise of
// mem.NoGoPointers, without which the map refuses to hold lists.
func Example() {
	a := mem.NoGoPointers(heap.Default())
	postings := generic.NewHashMap[rune, generic.ArrayListUnmanaged[int]](a)
	defer func() {
		for _, list := range postings.AllPtr() {
			list.Close(a)
		}
		postings.Close()
	}()
	for i, r := range "allodial" {
		slot, err := postings.GetOrPut(r)
		if err != nil {
			log.Fatal(err)
		}
		if err := slot.Value.Append(a, i); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(postings.GetPtr('l').Items())
	// Output: [1 2 7]
}
