package heap_test

import (
	"fmt"
	"log"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// A list whose nodes the collector never looks at: nodes point at nodes only,
// and the pool keeps them alive, which is what the promise says.
func ExamplePool() {
	type node struct {
		next *node
		word int
	}
	pool := heap.NewPool[node](mem.NoGoPointers(heap.Page{}))
	defer pool.Close()
	var list *node
	for i := range 3 {
		n, err := pool.New(node{next: list, word: i})
		if err != nil {
			log.Fatal(err)
		}
		list = n
	}
	for list != nil {
		next := list.next
		fmt.Println(list.word)
		pool.Destroy(list)
		list = next
	}
	// Output:
	// 2
	// 1
	// 0
}

// A pool over the collected heap takes any type, and says what was left.
func ExamplePool_Close() {
	type session struct {
		user string
		tags map[string]bool
	}
	pool := heap.NewPool[session](heap.GC{})
	if _, err := pool.New(session{"ada", nil}); err != nil {
		log.Fatal(err)
	}
	err := pool.Close()
	if leak, ok := err.(*heap.LeakError); ok {
		fmt.Println(leak.Blocks, "session left")
	}
	// Output: 1 session left
}

// A pool with a bound does not grow past it.
func ExampleNewPoolWith() {
	pool := heap.NewPoolWith[[512]byte](heap.Page{}, heap.PoolOptions{Preheat: 2, Max: 2})
	defer pool.Close()
	for range 3 {
		_, err := pool.Create()
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// <nil>
	// mem: memory limit reached
}
