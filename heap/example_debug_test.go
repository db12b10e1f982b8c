package heap_test

import (
	"fmt"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// A Debug tells what a program forgot, and what it did twice. Reports also have
// the stacks of all that happened to the block: print Alloc, Free and Here.
func ExampleDebug() {
	d := heap.NewDebug(heap.Page{}, heap.DebugOptions{
		StackDepth: -1, // so that the output is the same everywhere
		OnMisuse:   func(m *heap.Misuse) { fmt.Println(m.Kind) },
		OnLeak:     func(e *heap.LeakError) { fmt.Println(e) },
	})
	defer d.Close()

	s, _ := mem.Alloc[int64](d, 100)
	mem.Free(d, s)
	mem.Free(d, s) // too often
	s[3] = 1       // too late

	mem.Dupe(d, []byte("forgotten"))
	// Output:
	// double free
	// heap: Debug.Close: leaked 1 block of 9 bytes
	// 1 block of 9 bytes of type uint8
	// write after free
}
