package heap_test

import (
	"errors"
	"fmt"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// With guarded blocks, a read of memory that was freed is an error that tells
// where it was freed.
func ExampleCatch() {
	d := heap.NewDebug(heap.Page{}, heap.DebugOptions{Guard: heap.GuardEnd})
	defer d.Close()
	p, err := mem.New(d, int64(42))
	if err != nil {
		fmt.Println(err)
		return
	}
	mem.Destroy(d, p)
	var fault *heap.Fault
	if err := heap.Catch(func() { fmt.Println(*p) }); errors.As(err, &fault) {
		fmt.Println(fault.Kind, "at offset", fault.Addr-fault.Block, "of", fault.Size, "bytes")
		fmt.Println("freed in the example:", len(fault.Free) > 0)
	}
	// Output:
	// use after free at offset 0 of 8 bytes
	// freed in the example: true
}
