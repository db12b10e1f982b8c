//go:build cgo

package replay

import (
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

func init() {
	allocators["c"] = allocator{"heap.C: malloc of the C library", func() mem.Allocator { return heap.C{} }}
}
