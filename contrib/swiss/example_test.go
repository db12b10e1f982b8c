package allodswiss_test

import (
	"fmt"
	"log"

	"github.com/cockroachdb/swiss"

	allodswiss "github.com/allod-dev/allod/contrib/swiss"
	"github.com/allod-dev/allod/heap"
)

// A map of which the collector sees nothing.
func ExampleAllocator() {
	a, err := allodswiss.New[uint64, float64](heap.Default())
	if err != nil {
		log.Fatal(err)
	}
	m := swiss.New(1000, a.Option())
	defer m.Close() // gives the memory back
	m.Put(7, 0.5)
	fmt.Println(m.Get(7))
	// Output:
	// 0.5 true
}

// Keys with pointers are an error, rather than memory that the collector frees.
func ExampleNew() {
	_, err := allodswiss.New[string, int](heap.Default())
	fmt.Println(err != nil)
	// Output:
	// true
}
