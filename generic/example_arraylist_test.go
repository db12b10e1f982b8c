package generic_test

import (
	"fmt"
	"log"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
)

// A list grows in memory of its allocator, and gives it back when closed.
func ExampleArrayList() {
	primes := generic.NewArrayList[int](heap.Page{})
	defer primes.Close()
	for n := 2; primes.Len() < 5; n++ {
		prime := true
		for p := range primes.Values() {
			prime = prime && n%p != 0
		}
		if !prime {
			continue
		}
		if err := primes.Append(n); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(primes.Items())
	// Output: [2 3 5 7 11]
}

// The unmanaged form is what to embed where many containers share an allocator.
func ExampleArrayListUnmanaged() {
	type bucket struct {
		rows generic.ArrayListUnmanaged[int32]
	}
	a := heap.NewFixedBuffer(make([]byte, 1<<10))
	var b bucket // ready for use
	defer b.rows.Close(a)
	if err := b.rows.AppendSlice(a, []int32{3, 1, 2}); err != nil {
		log.Fatal(err)
	}
	// Arguments may be part of the list itself.
	if err := b.rows.InsertSlice(a, 0, b.rows.Items()[1:]); err != nil {
		log.Fatal(err)
	}
	last, _ := b.rows.Pop()
	fmt.Println(b.rows.Items(), last)
	// Output: [1 2 3 1] 2
}
