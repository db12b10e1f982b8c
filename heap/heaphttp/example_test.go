package heaphttp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/heap/heaphttp"
	"github.com/allod-dev/allod/mem"
)

// On an address of its own that only this machine reaches, with a history from
// the start.
func ExampleRegister() {
	ctx := context.Background() // of the program

	mux := http.NewServeMux()
	heaphttp.Register(mux) // at /debug/allod/
	go heaphttp.DefaultMonitor.Record(ctx)
	go http.ListenAndServe("localhost:6060", mux)
}

// A library shows a registry of its own, at a path of its own, and a program
// reads what the page reads.
func ExampleMonitor() {
	var registry heap.Registry
	index := registry.Named(heap.Page{}, "index")
	b := mem.Must(mem.Alloc[byte](index, 1<<20))
	defer mem.Free(index, b)

	monitor := heaphttp.NewMonitor(heaphttp.Options{Registry: &registry})
	mux := http.NewServeMux()
	mux.Handle("/library/memory/", monitor)

	server := httptest.NewServer(mux)
	defer server.Close()
	response, err := http.Get(server.URL + "/library/memory/stats")
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	var stats heaphttp.Stats
	if err := json.NewDecoder(response.Body).Decode(&stats); err != nil {
		log.Fatal(err)
	}
	for _, a := range stats.Allocators {
		fmt.Println(a.Name, a.Bytes)
	}
	// Output: index 1048576
}

// The stacks that hold the most, in the program itself.
func ExampleMonitor_Leaks() {
	var registry heap.Registry
	profile := heap.NewProfileWith(heap.Page{}, heap.ProfileOptions{Rate: 1}) // every block, for a few
	queue := registry.Named(profile, "queue")
	forgotten := mem.Must(mem.Alloc[byte](queue, 1000))

	monitor := heaphttp.NewMonitor(heaphttp.Options{Registry: &registry})
	for _, site := range monitor.Leaks("queue", 10).Sites {
		fmt.Println(site.Allocator, site.Bytes, "bytes by", site.Stack[0].Function)
	}
	mem.Free(queue, forgotten)
	// Output: queue 1000 bytes by github.com/allod-dev/allod/heap/heaphttp_test.ExampleMonitor_Leaks
}
