package generic_test

import (
	"fmt"
	"log"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
)

// GetOrPut finds the place of a key, or makes one, with a single search.
func ExampleHashMap() {
	count := generic.NewHashMap[rune, int](heap.Page{})
	defer count.Close()
	for _, r := range "allodial" {
		s, err := count.GetOrPut(r)
		if err != nil {
			log.Fatal(err)
		}
		*s.Value++
	}
	for k, n := range count.All() {
		if n == 1 {
			count.Remove(k) // removing while iterating is allowed
		}
	}
	l, _ := count.Get('l')
	fmt.Println(count.Len(), l, count.Contains('d'))
	// Output: 2 3 false
}

// With room reserved, nothing that follows can fail.
func ExampleHashMapUnmanaged() {
	a := heap.NewFixedBuffer(make([]byte, 1<<10))
	var squares generic.HashMapUnmanaged[int, int] // ready for use
	defer squares.Close(a)
	if err := squares.EnsureTotalCapacity(a, 10); err != nil {
		log.Fatal(err)
	}
	for i := range 10 {
		squares.PutAssumeCapacity(i, i*i)
	}
	fmt.Println(squares.Get(7))
	// Output: 49 true
}
