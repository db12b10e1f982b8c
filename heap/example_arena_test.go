package heap_test

import (
	"fmt"
	"log"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// Reset keeps the arena's memory warm for the next request.
func ExampleArena() {
	a := heap.NewArena(heap.GC{})
	defer a.Close()
	for n := range 2 {
		ids, err := mem.Alloc[int32](a, n)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(len(ids))
		a.Reset() // ids is dead from here on
	}
	// Output:
	// 0
	// 1
}

// Scratch memory goes at the end of a scope, and what was allocated before it
// stays.
func ExampleArena_Scoped() {
	a := heap.NewArena(heap.GC{})
	defer a.Close()
	kept := mem.Must(mem.Alloc[byte](a, 100))
	err := a.Scoped(func() error {
		_, err := mem.Alloc[byte](a, 1000)
		return err
	})
	fmt.Println(err, a.Stats().InUse == len(kept))
	// Output: <nil> true
}

// Many small arenas of one structure need not know their child each.
func ExampleArenaState() {
	type document struct {
		words []string
		arena heap.ArenaState
	}
	var d document
	a := d.arena.Promote(heap.GC{})
	d.words = mem.Must(mem.Alloc[string](a, 2))
	d.words[0], d.words[1] = "held", "outright"
	fmt.Println(d.words)
	d.arena.Release(heap.GC{})
	// Output: [held outright]
}
