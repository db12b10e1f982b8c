package allodwazero_test

import (
	"context"
	"fmt"
	"log"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	allodwazero "github.com/allod-dev/allod/contrib/wazero"
	"github.com/allod-dev/allod/heap"
)

// All memories of all modules together stay within a limit. They grow in place.
func ExampleAllocator() {
	limit := heap.NewLimit(heap.NewReserved(0), 20*64<<10)
	ctx := experimental.WithMemoryAllocator(context.Background(), allodwazero.New(limit))
	r := wazero.NewRuntime(ctx)
	defer r.Close(ctx)

	m, err := r.Instantiate(ctx, growing(1, 100, false)) // exports memory.grow
	if err != nil {
		log.Fatal(err)
	}
	for _, pages := range []uint64{10, 10, 9} {
		res, err := m.ExportedFunction("grow").Call(ctx, pages)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(int32(res[0]), m.Memory().Size()>>16, limit.Used()>>16)
	}
	m.Close(ctx)
	fmt.Println(limit.Used())
	// Output:
	// 1 11 11
	// -1 11 11
	// 11 20 20
	// 0
}
