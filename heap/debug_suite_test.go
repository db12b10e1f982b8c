package heap_test

import (
	"io"
	"log/slog"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// closing returns a, which must be closed without a leak at the end of the test.
func closing[A interface{ Close() error }](t *testing.T, a A) A {
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// A Debug keeps the contract over every kind of child, with every kind of
// settings.
func TestDebugContract(t *testing.T) {
	for _, c := range []struct {
		name  string
		child func(t *testing.T) mem.Allocator
		o     heap.DebugOptions
		p     allocatortest.Promises
		main  bool // worth the time in every build
	}{
		{"page", func(*testing.T) mem.Allocator { return heap.Page{} },
			heap.DebugOptions{}, allocatortest.Promises{Concurrent: true, NoGarbage: !vm.GoHeap && !invariant.Enabled}, true},
		{"page, small quarantine", func(*testing.T) mem.Allocator { return heap.Page{} },
			heap.DebugOptions{QuarantineBlocks: 5, StackDepth: 2, Redzone: 1}, allocatortest.Promises{Concurrent: true, ReusesFreed: !race.Enabled}, false},
		{"page, all off", func(*testing.T) mem.Allocator { return heap.Page{} },
			heap.DebugOptions{QuarantineBlocks: -1, StackDepth: -1, Redzone: -1, NoFill: true}, allocatortest.Promises{Concurrent: true, ReusesFreed: true, NoGarbage: !vm.GoHeap && !invariant.Enabled}, false},
		{"collected heap", func(*testing.T) mem.Allocator { return heap.GC{} },
			heap.DebugOptions{}, allocatortest.Promises{Concurrent: true}, false},
		{"hybrid, checked and logged", func(*testing.T) mem.Allocator { return heap.NewHybrid(heap.Page{}) },
			heap.DebugOptions{CheckEvery: 50, ResizeStacks: true, Redzone: 100, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))},
			allocatortest.Promises{Concurrent: true}, true},
		{"promised", func(*testing.T) mem.Allocator { return mem.NoGoPointers(heap.Page{}) },
			heap.DebugOptions{QuarantineBytes: 64 << 10}, allocatortest.Promises{Concurrent: true}, false},
		{"strict", func(t *testing.T) mem.Allocator { return allocatortest.New(t) },
			heap.DebugOptions{}, allocatortest.Promises{Concurrent: true}, false},
		{"failing now and then", func(t *testing.T) mem.Allocator {
			return heap.NewFailing(allocatortest.New(t), heap.FailingOptions{})
		}, heap.DebugOptions{}, allocatortest.Promises{Concurrent: true}, false},
		{"debug", func(t *testing.T) mem.Allocator {
			return closing(t, heap.NewDebug(heap.Page{}, heap.DebugOptions{Redzone: 7}))
		}, heap.DebugOptions{}, allocatortest.Promises{Concurrent: true}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !c.main && (race.Enabled || invariant.Enabled || special()) {
				t.Skip("the others tell as much in this build")
			}
			allocatortest.RunWith(t, c.p, func(t *testing.T) mem.Allocator {
				return closing(t, heap.NewDebug(c.child(t), c.o))
			})
		})
	}
}
