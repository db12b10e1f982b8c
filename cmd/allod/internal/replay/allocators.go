package replay

import (
	"maps"
	"slices"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// allocators makes the allocators that a trace can be replayed over: those that
// serve any size and give back what is freed.
var allocators = map[string]func() mem.Allocator{
	"debug": func() mem.Allocator { return heap.NewDebug(heap.Page{}, heap.DebugOptions{}) },
	"gc":    func() mem.Allocator { return heap.GC{} },
	"page":  func() mem.Allocator { return heap.Page{} },
	"smp":   func() mem.Allocator { return heap.NewSMP(heap.SMPOptions{}) },
}

// Allocators returns the names that an allocator can be given by.
func Allocators() []string { return slices.Sorted(maps.Keys(allocators)) }
