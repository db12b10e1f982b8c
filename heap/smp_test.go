package heap_test

import (
	"syscall"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

func newSMP(t *testing.T, o heap.SMPOptions) *heap.SMP {
	s := heap.NewSMP(o)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestSMP(t *testing.T) {
	p := allocatortest.Promises{Concurrent: true, ReusesFreed: true, NoGarbage: !invariant.Enabled}
	allocatortest.RunWith(t, p, func(t *testing.T) mem.Allocator { return newSMP(t, heap.SMPOptions{}) })
}

func TestSMPCache(t *testing.T) {
	p := allocatortest.Promises{ReusesFreed: true, NoGarbage: !invariant.Enabled}
	allocatortest.RunWith(t, p, func(t *testing.T) mem.Allocator {
		c := newSMP(t, heap.SMPOptions{}).Cache()
		t.Cleanup(func() { c.Close() })
		return c
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// With pages of the system that are larger than those of segments, everything holds
// as well.
func TestSMPLargerPages(t *testing.T) {
	if _, child := inLargerPages(t, 64<<10); !child {
		return
	}
	s := newSMP(t, heap.SMPOptions{})
	for _, size := range []int{32<<10 + 1, 40000, 100_000} {
		a, b := must(s.Alloc(size, mem.Layout{})), must(s.Alloc(size, mem.Layout{}))
		for i := range b {
			b[i] = 1
		}
		clear(pageLonger(a, s.UsableSize(a)))
		for i := range b {
			if b[i] != 1 {
				t.Fatalf("UsableSize is %d for a block of %d, and reaches into the next", s.UsableSize(a), size)
			}
		}
		if st := s.Stats(); st.Live > st.Committed {
			t.Errorf("two blocks of %d: %+v", size, st)
		}
		s.Free(a, mem.Layout{})
		s.Trim()
		for i := range b {
			if b[i] != 1 {
				t.Fatalf("Trim gave memory of a live block of %d back", size)
			}
		}
		s.Free(b, mem.Layout{})
		s.Trim()
		if st := s.Stats(); st.Committed > 0 {
			t.Errorf("nothing is live, and %d bytes are committed after Trim", st.Committed)
		}
	}
	smpFree(s, smpFill(t, s, 1<<20, func(i int) int { return 16 << (i % 12) }))
	s.Trim()
	if st := s.Stats(); st.Committed > 0 {
		t.Errorf("nothing is live, and %d bytes are committed after Trim: %+v", st.Committed, st)
	}
	heap.CheckSMP(s)
	allocatortest.RunWith(t, allocatortest.Promises{Concurrent: true, ReusesFreed: true, NoGarbage: !invariant.Enabled},
		func(t *testing.T) mem.Allocator { return newSMP(t, heap.SMPOptions{}) })
}

// While Trim gives back a page of the system of which a part was never in use,
// others allocate; and if the system refuses, all is as before.
func TestSMPLargerPagesMeanwhile(t *testing.T) {
	if _, child := inLargerPages(t, 64<<10); !child {
		return
	}
	before, _ := vm.Committed()
	s := heap.NewSMP(heap.SMPOptions{})
	s.Free(must(s.Alloc(32<<10+1, mem.Layout{})), mem.Layout{})
	was := s.Stats()
	for _, refused := range []error{syscall.EINVAL, nil} {
		calls := 0
		undo := vm.Inject(func(c vm.Call) error {
			if c != vm.CallDecommit {
				return nil
			}
			if calls++; calls == 1 {
				s.Free(must(s.Alloc(was.Committed, mem.Layout{})), mem.Layout{}) // in invariant builds this checks
			}
			return refused
		})
		given := s.Trim()
		undo()
		heap.CheckSMP(s)
		st := s.Stats()
		switch {
		case vm.GoHeap: // where nobody asks the system
		case calls == 0:
			t.Error("Trim did not ask the system")
		case refused != nil && (given != 0 || st.Returned != 0 || st.Committed < was.Committed || st.Committed > 2*was.Committed):
			t.Errorf("refused: Trim returned %d: %+v, before %+v", given, st, was)
		}
	}
	s.Trim()
	if st := s.Stats(); st.Committed != 0 {
		t.Errorf("nothing is live, and %d bytes are committed: %+v", st.Committed, st)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	// Descriptors and huge blocks that a closed SMP keeps are not committed either.
	if now, _ := vm.Committed(); now != before {
		t.Errorf("%d bytes are committed after Close, %d before", now, before)
	}
}

// The Go heap is asked once for what a processor keeps free slots in, however many
// classes there are.
func TestSMPMagazinesAreOnePiece(t *testing.T) {
	if invariant.Enabled {
		t.Skip("checks ask the Go heap for more")
	}
	asked := func(classes int) float64 {
		return testing.AllocsPerRun(2, func() {
			var s heap.SMP
			var blocks [128][]byte
			for class := range classes {
				for i := range blocks {
					blocks[i] = must(s.Alloc(16*(class+1), mem.Layout{}))
				}
				for _, b := range blocks {
					s.Free(b, mem.Layout{})
				}
			}
			s.Close()
		})
	}
	if few, many := asked(2), asked(32); many > few+8 {
		t.Errorf("%v allocations from the Go heap for 32 classes, %v for 2", many, few)
	}
}

// The slabs of a class are small as long as there are few: of each, a block that is
// left alone there keeps all.
func TestSMPFewSlabsAreSmall(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{})
	var blocks [][]byte
	for range 30 {
		blocks = append(blocks, must(s.Alloc(2048, mem.Layout{})))
	}
	for _, c := range s.Stats().Classes {
		if c.Size == 2048 && c.Slots > 4*c.Slabs {
			t.Errorf("%d slots are in %d slabs, want no more than 4 in each", c.Slots, c.Slabs)
		}
	}
	smpFree(s, blocks)
}
