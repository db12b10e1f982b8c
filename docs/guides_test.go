package docs_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/heap/heaphttp"
	"github.com/allod-dev/allod/mem"
)

// The code of the guides, which the test of the README looks for here.

type session struct {
	user string
	hits int
}

func (s session) String() string { return fmt.Sprint(s.user, " ", s.hits) }

func Example_refused() {
	_, err := mem.Create[session](heap.Page{})
	fmt.Println(err)
	// Output: mem: docs_test.session.user is a string, which the garbage collector would not see in this memory; use heap.GC or mem.String or the promise mem.NoGoPointers(allocator)
}

func Example_text() {
	a := heap.NewArena(heap.Page{})
	defer a.Close()
	fmt.Println(text(a))
	// Output: <nil>
}

func text(a mem.Allocator) error {
	type entry struct {
		word  mem.String
		count int
	}
	e, err := mem.Create[entry](a)
	if err != nil {
		return err
	}
	word, err := mem.DupeString(a, "allod")
	if err != nil {
		mem.Destroy(a, e)
		return err
	}
	e.word = mem.StringOf(word)
	e.count++
	if e.word.Get() != "allod" {
		return fmt.Errorf("it is %q", e.word.Get())
	}
	return nil
}

type node struct {
	left, right *node
	key         int
}

func Example_promise() {
	tree := mem.NoGoPointers(heap.Page{})
	root, err := mem.Create[node](tree)
	if err != nil {
		panic(err)
	}
	defer mem.Destroy(tree, root)
	root.left, root.right = root, root
	fmt.Println(root.left.right.key)
	// Output: 0
}

func Example_cache() {
	if err := cache(); err != nil {
		panic(err)
	}
	// Output: 1 true
}

func cache() error {
	budget, err := heap.NewBudget(1<<30, heap.BudgetOptions{GCPercent: -1})
	if err != nil {
		return err
	}
	defer budget.Close()

	m := generic.NewStringHashMap[uint64](heap.Default())
	defer m.Close()
	if _, err := m.Put("allod", 1); err != nil {
		return err
	}
	count, ok := m.Get("allod")
	fmt.Println(count, ok)
	return nil
}

func Example_names() {
	index := heap.Named(heap.Default(), "cache/index")
	defer index.Close()
	b := mem.Must(mem.Alloc[byte](index, 1000))
	defer mem.Free(index, b)

	requests := heap.NewArena(heap.Named(heap.Page{}, "requests"))
	defer requests.Close()
	defer heap.Watch(requests, "arena of requests")()
	mem.Must(mem.Alloc[byte](requests, 1000))
	requests.Reset()

	queue := heap.Named(heap.NewProfile(heap.Page{}), "queue")
	defer queue.Close()

	for _, s := range heap.DefaultRegistry.Stats() {
		fmt.Println(s.Name, s.Bytes, s.Footprint.Live)
	}
	// Output:
	// arena of requests 0 1000
	// cache 1000 0
	// cache/index 1000 0
	// queue 0 0
	// requests 65536 0
}

func Example_page() {
	ctx := context.Background()
	mux := http.NewServeMux()
	heaphttp.Register(mux) // at /debug/allod/
	go heaphttp.DefaultMonitor.Record(ctx)
	go http.ListenAndServe("localhost:6060", mux)
}
