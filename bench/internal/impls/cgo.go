//go:build cgo

package impls

import (
	"github.com/allod-dev/allod/bench/internal/load/cgomalloc"
	"github.com/allod-dev/allod/bench/internal/spec"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// HaveCgo says whether cgo is in this build.
const HaveCgo = true

var cgo = []Impl{
	one("cgo-malloc", spec.Go, "malloc and free of the C library, through cgo", cgomalloc.New, all),
	through("c", "heap.C: the C library's allocator", plain(func() mem.Allocator { return heap.C{} }), all),
}
