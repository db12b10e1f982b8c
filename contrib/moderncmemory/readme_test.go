package memory_test

import (
	"modernc.org/memory"

	"github.com/allod-dev/allod/heap"
)

// What the README shows is compiled, and not run.
func Example_readme() {
	memory.SetDefault(heap.Default())                                     // what the rest of the program uses
	memory.SetDefault(heap.NewSMP(heap.SMPOptions{Retain: 4 << 20}))      // no huge pages
	memory.SetDefault(heap.NewLimit(heap.Default(), 64<<20))              // no more than that
	memory.SetDefault(heap.NewDebug(heap.Default(), heap.DebugOptions{})) // find misuse
}
