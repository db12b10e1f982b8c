package allodwazero_test

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	allodwazero "github.com/allod-dev/allod/contrib/wazero"
	"github.com/allod-dev/allod/heap"
)

// What the README shows is compiled, and not run.
func Example_readme() {
	var (
		ctx  = context.Background()
		r    = wazero.NewRuntime(ctx)
		wasm []byte
	)
	limit := heap.NewLimit(heap.NewReserved(0), 1<<30)
	ctx = experimental.WithMemoryAllocator(ctx, allodwazero.New(limit))
	m, err := r.Instantiate(ctx, wasm)
	fmt.Println(m, err)
}
