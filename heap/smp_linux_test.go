package heap_test

import (
	"runtime/debug"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/vm"
)

// A peak of 1 GiB is given back to the system.
func TestSMPResident(t *testing.T) {
	if vm.GoHeap || invariant.Enabled {
		t.Skip("needs real pages")
	}
	if _, child := inPageChild(t, "rss"); !child {
		return
	}
	n := smpBytes(1 << 30)
	if *smpLong {
		n = 1 << 30
	}
	s := heap.NewSMP(heap.SMPOptions{})
	order := []int{32, 300, 2000, 9000, 100 << 10, 3 << 20}
	smpFree(s, smpFill(t, s, n/64, func(i int) int { return order[i%len(order)] }))
	s.Trim()
	debug.FreeOSMemory()
	_, before := pageStatm(t)
	for range 2 {
		blocks := smpFill(t, s, n, func(i int) int { return order[i%len(order)] })
		smpFree(s, blocks)
		clear(blocks)
	}
	s.Trim()
	debug.FreeOSMemory()
	_, after := pageStatm(t)
	if more := after - before; more > max(8<<20, n/100) {
		t.Errorf("%d bytes of RAM are left of a peak of %d: %+v", more, n, s.Stats())
	}
}
