package allocatortest_test

import (
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

func TestSuite(t *testing.T) {
	tests := []struct {
		name     string
		promises allocatortest.Promises
		factory  func(t *testing.T) mem.Allocator
	}{
		{"New", allocatortest.Promises{Concurrent: true, ReusesFreed: true},
			func(t *testing.T) mem.Allocator { return allocatortest.New(t) }},
		{"Child", allocatortest.Promises{Concurrent: true, ReusesFreed: true},
			func(t *testing.T) mem.Allocator { return allocatortest.New(t, allocatortest.Child(heap.Page{})) }},
		{"Promised", allocatortest.Promises{},
			func(t *testing.T) mem.Allocator {
				return mem.NoGoPointers(allocatortest.New(t, allocatortest.Child(heap.Page{})))
			}},
		{"NoResize", allocatortest.Promises{},
			func(t *testing.T) mem.Allocator { return allocatortest.New(t, allocatortest.NoResize()) }},
		{"Honest", allocatortest.Promises{ReusesFreed: true},
			func(t *testing.T) mem.Allocator { return newHonest(0) }},
		{"HonestLimited", allocatortest.Promises{ReusesFreed: true, MaxSize: 64 << 10},
			func(t *testing.T) mem.Allocator { return newHonest(64 << 10) }},
		{"HonestTiny", allocatortest.Promises{MaxSize: 512},
			func(t *testing.T) mem.Allocator { return newHonest(512) }},
		{"GC", allocatortest.Promises{Concurrent: true, ReusesFreed: true, ForeignUnknown: true},
			func(t *testing.T) mem.Allocator { return heap.GC{} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { allocatortest.RunWith(t, tt.promises, tt.factory) })
	}
}

// TestSuiteOverDebug has a heap.Debug between the suite and allocators that are
// right, in which it may report nothing. The flag does this to any test of them.
func TestSuiteOverDebug(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	setFlag(t, "allod.debug", "1")
	allocatortest.Run(t, func(*testing.T) mem.Allocator { return heap.GC{} })
	allocatortest.RunWith(t, allocatortest.Promises{MaxSize: 64 << 10}, func(*testing.T) mem.Allocator { return newHonest(64 << 10) })
}
