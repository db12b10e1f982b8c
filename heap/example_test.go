package heap_test

import (
	"fmt"
	"log"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

func Example() {
	arena := heap.NewArena(heap.Page{}) // takes its memory from the operating system
	defer arena.Close()                 // and gives all of it back

	for request := range 3 {
		scores, err := mem.Alloc[float64](arena, 1000) // zeroes; running out is an error
		if err != nil {
			log.Fatal(err)
		}
		name, err := mem.DupeString(arena, fmt.Sprint("request ", request))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(name, len(scores))
		arena.Reset() // both are dead, their memory is warm for the next request
	}
	// Output:
	// request 0 1000
	// request 1 1000
	// request 2 1000
}
