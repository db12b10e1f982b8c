package heap_test

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

// Huge pages are asked for part by part, when little of one is not used, and what is
// there already becomes one, whether blocks are served or grow.
func TestSMPHugeParts(t *testing.T) {
	if !vm.CanMove {
		t.Skip("huge pages are not asked for here")
	}
	const page = 8 << 10
	block := 8 * page
	part := min(vm.HugePageSize(), heap.SMPSegmentPages*page)
	for _, grow := range []bool{false, true} {
		advised, made := 0, 0
		undo := vm.Inject(func(c vm.Call) error {
			switch c {
			case vm.CallAdvise:
				advised++
			case vm.CallCollapse:
				made++
				return errors.New("it has none")
			}
			return nil
		})
		s := newSMP(t, heap.SMPOptions{HugePages: true})
		var blocks [][]byte
		wantAdvised, wantMade, last := 0, 0, -1
		for used := block; used <= 12*part; used += block {
			if at := len(blocks) - 1; grow && used%(2*block) == 0 {
				b, ok := s.Resize(blocks[at], mem.Layout{}, 2*block)
				if !ok {
					t.Fatalf("no room after %d bytes", used)
				}
				blocks[at] = b
			} else {
				blocks = append(blocks, must(s.Alloc(block, mem.Layout{})))
			}
			in := (used - 1) / part
			if rest := (in+1)*part - used; in > last && (used <= 8<<20 || 8*rest <= used) {
				last = in
				wantAdvised++
				if part-rest > block && part >= vm.HugePageSize() {
					wantMade++
				}
			}
			if advised != wantAdvised || made != wantMade {
				t.Fatalf("grow %v: with %d bytes in use, %d parts are advised to be huge and %d made so, want %d and %d",
					grow, used, advised, made, wantAdvised, wantMade)
			}
		}
		if advised != 12 {
			t.Errorf("grow %v: %d parts of 12", grow, advised)
		}
		undo()
		smpFree(s, blocks)
		heap.CheckSMP(s)
	}
}

// Pages are gathered while others allocate, write to their blocks, and trim, and
// nothing that is in them changes.
func TestSMPHugeInParallel(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{HugePages: true})
	var wg, others sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for range 3 {
				var blocks [][]byte
				for used := 0; used < 8<<20; {
					b := must(s.Alloc(1+(used*7+w*1000)%100_000, mem.Layout{}))
					smpWrite(b, byte(w))
					blocks, used = append(blocks, b), used+len(b)
				}
				for _, b := range blocks {
					if b[0] != byte(w) || b[len(b)/2] != byte(w) || b[len(b)-1] != byte(w) {
						t.Errorf("a block of %d bytes was overwritten", len(b))
					}
				}
				smpFree(s, blocks)
			}
		})
	}
	var done atomic.Bool
	others.Go(func() {
		for !done.Load() {
			s.Trim()
			runtime.Gosched()
		}
	})
	wg.Wait()
	done.Store(true)
	others.Wait()
	heap.CheckSMP(s)
}
