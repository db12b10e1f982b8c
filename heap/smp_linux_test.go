package heap_test

import (
	"fmt"
	"runtime/debug"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

// A peak of 1 GiB is given back to the system, and what was known of it.
func TestSMPResident(t *testing.T) {
	if vm.GoHeap || invariant.Enabled {
		t.Skip("needs real pages")
	}
	all := map[string][]int{"small": {32, 300, 2000}, "pages": {9000, 100 << 10}, "all": {32, 300, 2000, 9000, 100 << 10, 3 << 20}}
	n := smpBytes(1 << 30)
	if *smpLong {
		n = 1 << 30
	}
	for name := range all {
		if arg, child := inPageChild(t, fmt.Sprintln(name, n)); child {
			fmt.Sscanln(arg, &name, &n)
			smpResident(t, n, all[name])
			return
		}
	}
}

func smpResident(t *testing.T, n int, sizes []int) {
	s := heap.NewSMP(heap.SMPOptions{})
	size := func(i int) int { return sizes[i%len(sizes)] }
	blocks := make([][]byte, 0, n*len(sizes)/(sizes[0]+sizes[len(sizes)-1])) // more or less
	fill := func(bytes int) {
		for i := 0; bytes > 0; i++ {
			b := must(s.Alloc(size(i), mem.Layout{}))
			for j := 0; j < len(b); j += 4096 {
				b[j] = 1
			}
			blocks, bytes = append(blocks, b), bytes-len(b)
		}
		smpFree(s, blocks)
		clear(blocks)
		blocks = blocks[:0]
	}
	fill(n / 64)
	s.Trim()
	debug.FreeOSMemory()
	_, before := pageStatm(t)
	for range 2 {
		fill(n)
	}
	s.Trim()
	debug.FreeOSMemory()
	_, after := pageStatm(t)
	st := s.Stats()
	if more := after - before; more > max(8<<20, n/100) {
		t.Errorf("%d bytes of RAM are left of a peak of %d: %+v", more, n, st)
	}
	if st.Metadata > st.Reserved/128 {
		t.Errorf("%d bytes tell of %d, none of which are used", st.Metadata, st.Reserved)
	}
}
