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

// Keys are copied, so that they may be of a buffer that is read into again.
// Update counts in one step that nobody can come between.
func ExampleStringConcurrentMap() {
	hits := generic.NewStringConcurrentMap[int](heap.Default())
	defer hits.Close()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			path := []byte("/index")
			for range 10 {
				if err := hits.Update(string(path), func(n *int, _ bool) bool { *n++; return true }); err != nil {
					log.Fatal(err)
				}
			}
			copy(path, "/other")
		})
	}
	wg.Wait()
	hits.View("/index", func(n *int) { fmt.Println(*n) })
	// Output: 40
}

// AppendGet copies into memory of the caller, View lends for the time of a call:
// a value that another goroutine frees is never looked at.
func ExampleConcurrentBufMap() {
	sessions := generic.NewConcurrentBufMap(heap.Default())
	defer sessions.Close()
	if err := sessions.Put("cookie", []byte("user=gopher")); err != nil {
		log.Fatal(err)
	}
	var buf []byte
	buf, ok := sessions.AppendGet(buf[:0], "cookie")
	sessions.Remove("cookie")
	fmt.Printf("%s %v\n", buf, ok)
	fmt.Println(sessions.View("cookie", func(v []byte) { fmt.Println("never called") }))
	// Output:
	// user=gopher true
	// false
}
