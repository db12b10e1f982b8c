package heap_test

import (
	"errors"
	"fmt"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// pair makes two buffers, or none.
func pair(a mem.Allocator) (x, y []byte, err error) {
	if x, err = mem.Alloc[byte](a, 100); err != nil {
		return nil, nil, err
	}
	if y, err = mem.Alloc[byte](a, 200); err != nil {
		mem.Free(a, x) // the line that is never run, until it must be
		return nil, nil, err
	}
	return x, y, nil
}

// Each allocation is made to fail in turn. What is left when pair returns an
// error is a leak.
func ExampleFailing() {
	for k := 1; ; k++ {
		f := heap.NewFailing(heap.Page{}, heap.FailingOptions{
			Alloc: heap.FailRule{At: k},
		})
		x, y, err := pair(f)
		if err == nil {
			fmt.Println("done:", len(x), len(y))
			break
		}
		fmt.Println(errors.Is(err, mem.ErrOutOfMemory), "leaked:", f.Stats().Live())
	}
	// Output:
	// true leaked: 0
	// true leaked: 0
	// done: 100 200
}

// Memory that has run out for large requests, one time in ten.
func ExampleFailing_Arm() {
	f := heap.NewFailing(heap.Page{}, heap.FailingOptions{})
	index, _ := mem.Alloc[int](f, 1000) // the fixture is built in peace

	f.Arm(heap.FailingOptions{
		Alloc: heap.FailRule{MinSize: 4096, Probability: 0.1},
		Seed:  4,
	})
	failed := 0
	for range 100 {
		if _, err := mem.Alloc[byte](f, 4096); err != nil {
			failed++
		}
	}
	fmt.Println(len(index), failed)
	// Output: 1000 8
}

// A rule may look at the request; here, only large blocks are refused.
func ExampleFailOp() {
	a := heap.NewFailing(heap.GC{}, heap.FailingOptions{Alloc: heap.FailRule{
		If: func(op heap.FailOp, size int, l mem.Layout) bool {
			fmt.Println(op, size, l.Type)
			return size > 100
		},
	}})
	_, err := mem.Alloc[int32](a, 10)
	fmt.Println(err)
	_, err = mem.Alloc[int32](a, 100)
	fmt.Println(err)
	// Output:
	// Alloc 40 int32
	// <nil>
	// Alloc 400 int32
	// heap: Failing: induced failure
}
