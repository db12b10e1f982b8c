// Package forgotten forgets one Free, and is told where the block came from.
package forgotten

import (
	"fmt"
	"io"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// Greet greets everybody. Close returns, and prints, what it forgets to free.
func Greet(w io.Writer, names ...string) error {
	d := heap.NewDebug(heap.Page{}, heap.DebugOptions{})
	for i, name := range names {
		hello := mem.Must(mem.Concat(d, []byte("hello "), []byte(name)))
		fmt.Fprintf(w, "%s\n", hello)
		if i > 0 { // and the first?
			mem.Free(d, hello)
		}
	}
	return d.Close()
}
