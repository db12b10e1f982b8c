package heap_test

import (
	"errors"
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

// Trim gives slabs back that no object is in.
func ExamplePool_Trim() {
	pool := heap.NewPool[[64]byte](heap.GC{})
	defer pool.Close()
	v, err := pool.Create()
	if err != nil {
		log.Fatal(err)
	}
	stats := pool.Stats()
	fmt.Println(stats.Live, stats.Slabs, pool.Trim())
	pool.Destroy(v)
	fmt.Println(pool.Len(), pool.Trim() == stats.Bytes, pool.Stats().Slabs)
	// Output:
	// 1 1 0
	// 0 true 0
}

// The error of Close has the blocks in groups.
func ExampleLeakGroup() {
	pool := heap.NewPool[uint64](heap.Page{})
	for range 3 {
		if _, err := pool.Create(); err != nil {
			log.Fatal(err)
		}
	}
	var leak *heap.LeakError
	if errors.As(pool.Close(), &leak) {
		var group heap.LeakGroup = leak.Groups[0]
		fmt.Println(group.Blocks, group.Bytes, group.Type)
	}
	// Output: 3 24 uint64
}
