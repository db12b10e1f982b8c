package replay

import (
	"maps"
	"slices"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// An allocator is one that a trace can be replayed over: it serves any size, and
// gives back what is freed.
type allocator struct {
	about string
	open  func() mem.Allocator
}

var allocators = map[string]allocator{
	"debug": {"heap.Debug over heap.SMP", func() mem.Allocator {
		return heap.NewDebug(heap.NewSMP(heap.SMPOptions{}), heap.DebugOptions{})
	}},
	"gc":   {"heap.GC: Go's make, and its collector", func() mem.Allocator { return heap.GC{} }},
	"page": {"heap.Page: a mapping for each block", func() mem.Allocator { return heap.Page{} }},
	"smp":  {"heap.SMP, the default", func() mem.Allocator { return heap.NewSMP(heap.SMPOptions{}) }},
	"smp-hardened": {"heap.SMP with Hardened", func() mem.Allocator {
		return heap.NewSMP(heap.SMPOptions{Hardened: true})
	}},
	"smp-profile": {"heap.SMP with a profile, as heap.Default has", func() mem.Allocator {
		return heap.NewSMP(heap.SMPOptions{ProfileRate: 512 << 10})
	}},
}

// Allocators returns the names that an allocator can be given by.
func Allocators() []string { return slices.Sorted(maps.Keys(allocators)) }

// About says what the named allocator is.
func About(name string) string { return allocators[name].about }
