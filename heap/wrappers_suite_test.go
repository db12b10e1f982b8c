package heap_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

var wrapperPromises = allocatortest.Promises{
	Concurrent:  true,
	ReusesFreed: true,
	NoGarbage:   !vm.GoHeap && !invariant.Enabled, // the child's checks allocate, and its pages, if Go's heap is all there is
}

// Every wrapper keeps the contract over a child that keeps it.
func TestWrappersContract(t *testing.T) {
	for _, m := range wrapperMakers {
		t.Run(m.name, func(t *testing.T) {
			allocatortest.RunWith(t, wrapperPromises, func(t *testing.T) mem.Allocator {
				return m.make(heap.Page{})
			})
		})
	}
}

// An allocator that ends, at any size, is what a Limit makes of every other.
func TestLimitContract(t *testing.T) {
	p := wrapperPromises
	p.MaxSize = 1 << 20
	allocatortest.RunWith(t, p, func(t *testing.T) mem.Allocator {
		return heap.NewLimit(heap.Page{}, p.MaxSize)
	})
}

// Over a child for one goroutine, ThreadSafe may make the promise.
func TestThreadSafeContract(t *testing.T) {
	allocatortest.RunWith(t, allocatortest.Promises{Concurrent: true}, func(t *testing.T) mem.Allocator {
		a := heap.NewArena(heap.Page{})
		t.Cleanup(func() {
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		})
		return heap.NewThreadSafe(a)
	})
}

// Stacks four deep keep the contract too, over a child that serves every kind
// of block and sees that it gets everything back: all wrappers in two stacks, in
// an order that differs from run to run.
func TestWrapperStacksContract(t *testing.T) {
	p := wrapperPromises
	p.NoGarbage = false // the child keeps stacks
	order := rand.Perm(len(wrapperMakers))
	for _, half := range [][]int{order[:4], order[len(order)-4:]} {
		if testing.Short() || race.Enabled {
			half = half[:2]
		}
		var names []string
		for _, i := range half {
			names = append(names, wrapperMakers[i].name)
		}
		t.Run(strings.Join(names, "-"), func(t *testing.T) {
			allocatortest.RunWith(t, p, func(t *testing.T) mem.Allocator {
				a := mem.Allocator(allocatortest.New(t))
				for _, i := range half {
					a = wrapperMakers[i].make(a)
				}
				return a
			})
		})
	}
}

// Whatever fails below a wrapper, in turn, for a moment or for good, what is
// above it can give everything back, and the child gets everything back.
func TestWrappersAllFailures(t *testing.T) {
	for _, m := range wrapperMakers {
		t.Run(m.name, func(t *testing.T) {
			n := allocatortest.CheckAllFailures(t, func(child mem.Allocator) error {
				return growAndCopy(m.make(child))
			})
			if n < 5 {
				t.Errorf("%d failures were tried, want more", n)
			}
		})
	}
}

// growAndCopy allocates, grows and copies, and leaves nothing behind.
func growAndCopy(a mem.Allocator) error {
	var s []int
	defer func() { mem.Free(a, s) }()
	for i := range 100 {
		var err error
		if s, err = mem.Append(a, s, i); err != nil {
			return err
		}
	}
	c, err := mem.Dupe(a, s)
	if err != nil {
		return err
	}
	defer func() { mem.Free(a, c) }()
	if c, err = mem.Realloc(a, c, 10); err != nil {
		return err
	}
	p, err := mem.Create[int](a)
	mem.Destroy(a, p)
	return err
}
