// Package tooearly frees a block too early, and is told who read it, who freed
// it and who allocated it.
package tooearly

import (
	"fmt"
	"io"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// Greet greets somebody. Blocks of a guarded Debug cannot be read once they are
// freed, and Catch returns who tried.
func Greet(w io.Writer, name string) error {
	d := heap.NewDebug(heap.Page{}, heap.DebugOptions{Guard: heap.GuardEnd})
	defer d.Close()
	hello := mem.Must(mem.Concat(d, []byte("hello "), []byte(name)))
	mem.Free(d, hello) // two lines too early
	return heap.Catch(func() {
		for _, c := range hello {
			fmt.Fprintf(w, "%c", c)
		}
	})
}
