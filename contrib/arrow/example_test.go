package allodarrow_test

import (
	"fmt"
	"log"

	"github.com/apache/arrow-go/v18/arrow/array"

	allodarrow "github.com/allod-dev/allod/contrib/arrow"
	"github.com/allod-dev/allod/heap"
)

// An array is built within a limit. When it is released, its memory is free.
func ExampleAllocator() {
	limit := heap.NewLimit(heap.Default(), 64<<20)
	b := array.NewInt64Builder(allodarrow.New(limit))
	b.AppendValues([]int64{1, 2, 3}, nil)
	a := b.NewInt64Array()
	b.Release()
	fmt.Println(a, limit.Used() > 0)
	a.Release()
	fmt.Println(limit.Used())
	// Output:
	// [1 2 3] true
	// 0
}

// A Checked tells which array was never released.
func ExampleChecked() {
	c := allodarrow.NewChecked(heap.Default(), heap.DebugOptions{
		StackDepth: -1, // so that the output is the same everywhere
		OnLeak:     func(e *heap.LeakError) { fmt.Println(e.Blocks, "blocks leaked") },
	})
	b := array.NewInt64Builder(c)
	b.AppendValues([]int64{1, 2, 3}, nil)
	b.NewInt64Array() // who releases it?
	b.Release()
	if err := c.Close(); err == nil {
		log.Fatal("nothing was found")
	}
	// Output:
	// 2 blocks leaked
}

// Want of memory is a panic with an error.
func ExampleOutOfMemory() {
	a := allodarrow.New(heap.NewLimit(heap.Default(), 1<<10))
	defer func() {
		if oom, ok := recover().(*allodarrow.OutOfMemory); ok {
			fmt.Println(oom)
		}
	}()
	a.Allocate(4 << 10)
	// Output:
	// allodarrow: Allocator.Allocate: 4096 bytes: heap: Limit: 1024 bytes reached
}
