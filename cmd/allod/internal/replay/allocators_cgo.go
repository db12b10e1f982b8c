//go:build cgo

package replay

import (
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

func init() {
	allocators["c"] = func() mem.Allocator { return heap.C{} }
}
