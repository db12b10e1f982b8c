package generic_test

import (
	"fmt"
	"log"
	"sync"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
)

// AppendGet copies, so that the value outlives the entry.
func ExampleCache() {
	pages := generic.NewCache(heap.GC{}, 1<<20)
	defer pages.Close()
	if err := pages.Put("/", []byte("<h1>allod</h1>")); err != nil {
		log.Fatal(err)
	}
	body, ok := pages.AppendGet(nil, "/")
	pages.Remove("/")
	fmt.Printf("%s %v\n", body, ok)
	_, ok = pages.AppendGet(nil, "/")
	fmt.Println(ok)
	// Output:
	// <h1>allod</h1> true
	// false
}

func ExampleCacheStats() {
	c := generic.NewCache(heap.GC{}, 1<<20)
	defer c.Close()
	if err := c.Put("key", []byte("value")); err != nil {
		log.Fatal(err)
	}
	c.AppendGet(nil, "key")
	c.AppendGet(nil, "another")
	s := c.Stats()
	fmt.Println(s.Hits, s.Misses, s.Entries)
	// Output: 1 1 1
}

// Update reads and writes in one step that nobody can come between.
func ExampleConcurrentMap() {
	count := generic.NewConcurrentMap[rune, int](heap.NewThreadSafe(heap.NewArena(heap.Page{})))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, r := range "allodial" {
				if err := count.Update(r, func(n *int, _ bool) bool { *n++; return true }); err != nil {
					log.Fatal(err)
				}
			}
		})
	}
	wg.Wait()
	fmt.Println(count.Get('l'))
	// Output: 12 true
}
