// Command asan reads a block after it was freed, which ends it in a build with
// -asan. Until then it does nothing wrong.
package main

import (
	"os"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/asan"
	"github.com/allod-dev/allod/mem"
)

func main() {
	if !asan.Enabled {
		fail("not a build with -asan")
	}
	word8 := mem.Layout{Align: mem.Align(8)}
	d := heap.NewDebug(heap.Page{}, heap.DebugOptions{QuarantineBlocks: 5})
	alloc := func() []byte {
		b, err := d.Alloc(64, word8)
		if err != nil {
			fail(err.Error())
		}
		return b
	}
	for range 20 { // memory that was poisoned is good again
		b := alloc()
		clear(b)
		d.Free(b, word8)
		d.Check()
	}
	b := alloc()
	read(&b[5])
	d.Free(b, word8)
	os.Stdout.WriteString("nothing wrong so far\n")
	read(&b[5])
	fail("the read was not seen")
}

//go:noinline
func read(p *byte) byte { return *p }

func fail(why string) {
	os.Stderr.WriteString(why + "\n")
	os.Exit(1)
}
