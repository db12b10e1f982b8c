package heap_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// A type with a string and a pointer in it lives in the collected heap, through
// the same functions as everything else.
func ExampleGC() {
	type user struct {
		name string
		boss *user
	}
	u, err := mem.New(heap.GC{}, user{name: "ada", boss: &user{name: "grace"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(u.name, u.boss.name)
	mem.Destroy(heap.GC{}, u)
	// Output: ada grace
}

// What would end the program is an error here.
func ExampleNewGC() {
	a := heap.NewGC(heap.GCOptions{MaxSize: 64 << 20})
	_, err := mem.Alloc[byte](a, 1<<30)
	fmt.Println(err, errors.Is(err, mem.ErrOutOfMemory))
	// Output: mem: request too large true
}
