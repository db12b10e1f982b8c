package allodarrow_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	allodarrow "github.com/allod-dev/allod/contrib/arrow"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
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

// Want of memory is a panic, which is an error again at the edge of the program.
func ExampleNew() {
	a := allodarrow.New(heap.NewLimit(heap.Default(), 1<<10))
	build := func() (_ arrow.Array, err error) {
		defer mem.Rescue(&err)
		b := array.NewInt64Builder(a)
		defer b.Release()
		b.AppendValues(make([]int64, 4<<10), nil)
		return b.NewArray(), nil
	}
	_, err := build()
	fmt.Println(errors.Is(err, mem.ErrOutOfMemory))
	// Output:
	// true
}
