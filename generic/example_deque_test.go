package generic_test

import (
	"fmt"
	"log"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
)

// A deque holds what is still to be visited in a search, nearest first.
func ExampleDeque() {
	roads := map[string][]string{"Ulm": {"Linz", "Graz"}, "Linz": {"Wien"}, "Graz": {"Wien", "Pula"}}
	seen := map[string]bool{"Ulm": true}
	towns := generic.NewDeque[string](heap.GC{}) // strings are Go pointers
	defer towns.Close()
	if err := towns.PushBack("Ulm"); err != nil {
		log.Fatal(err)
	}
	for town := range towns.Drain() {
		fmt.Print(town, " ")
		for _, next := range roads[town] {
			if seen[next] {
				continue
			}
			seen[next] = true
			if err := towns.PushBack(next); err != nil {
				log.Fatal(err)
			}
		}
	}
	// Output: Ulm Linz Graz Wien Pula
}

// In a buffer of its owner, a deque needs no allocator for its Bounded forms.
func ExampleDequeUnmanaged() {
	var d generic.DequeUnmanaged[int]
	d.FromBuffer(make([]int, 2))
	fmt.Println(d.PushBackBounded(1), d.PushFrontBounded(0), d.PushBackBounded(2))
	// Output: <nil> <nil> mem: memory limit reached
}

// A ring buffer keeps the latest of many.
func ExampleRingBuffer() {
	latest := generic.NewRingBuffer[int](heap.Page{})
	defer latest.Close()
	if err := latest.SetCapacity(3); err != nil {
		log.Fatal(err)
	}
	for n := range 10 {
		latest.PushOverwrite(n * n)
	}
	for n := range latest.Values() {
		fmt.Print(n, " ")
	}
	// Output: 49 64 81
}

// Producers and consumers of bytes work in the buffer's own memory.
func ExampleRingBufferUnmanaged() {
	var r generic.RingBufferUnmanaged[byte]
	r.FromBuffer(make([]byte, 8))
	space, _ := r.Writable()
	r.Commit(copy(space, "allodium"))
	text, _ := r.Readable()
	r.Discard(5)
	fmt.Printf("%s, then %d left\n", text, r.Len())
	// Output: allodium, then 3 left
}
