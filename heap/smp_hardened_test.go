package heap_test

import (
	"slices"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

func TestSMPHardened(t *testing.T) {
	p := allocatortest.Promises{Concurrent: true, ReusesFreed: true}
	allocatortest.RunWith(t, p, func(t *testing.T) mem.Allocator { return newSMP(t, heap.SMPOptions{Hardened: true}) })
	s := newSMP(t, heap.SMPOptions{Hardened: true})
	c := s.Cache()
	b := must(c.Alloc(100, smpLayout))
	c.Free(b, smpLayout)
	allocatortest.ExpectMisuse(t, heap.DoubleFree, func() { c.Free(b, smpLayout) })
	smpWork(t, s, 1, 1000, make(chan []byte))
	smpWork(t, c, 1, 1000, make(chan []byte))
	s.Trim()
	heap.CheckSMP(s)
	if st := s.Stats(); st.Blocks != 0 || st.Committed != 0 {
		t.Errorf("after all was freed and trimmed: %+v", st)
	}
}

// Blocks are not neighbours, and not served again soon.
func TestSMPHardenedRandom(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{Hardened: true})
	var at []uintptr
	var blocks [][]byte
	for range 500 {
		b := must(s.Alloc(64, mem.Layout{}))
		blocks, at = append(blocks, b), append(at, addr(b))
	}
	next := 0
	for i := 1; i < len(at); i++ {
		if at[i]-at[i-1] == 64 {
			next++
		}
	}
	if next > 50 {
		t.Errorf("%d of %d blocks follow the one before", next, len(at))
	}
	smpFree(s, blocks)
	for range 500 {
		b := must(s.Alloc(64, mem.Layout{}))
		if slices.Contains(at, addr(b)) {
			t.Fatalf("a block was served again at once")
		}
		defer s.Free(b, mem.Layout{})
	}
}

// A write to a freed block is found when its slot is served again.
func TestSMPHardenedWriteAfterFree(t *testing.T) {
	if race.Enabled {
		t.Skip("the write is what the race detector would find")
	}
	for _, spoil := range []bool{false, true} {
		s := newSMP(t, heap.SMPOptions{Hardened: true})
		b := must(s.Alloc(64, mem.Layout{}))
		s.Free(b, mem.Layout{})
		if b[10] != 0xDE {
			t.Errorf("a freed block holds %#x", b[10])
		}
		if spoil {
			b[40] = 1
		}
		found := reported(t, func() {
			for range 30_000 { // enough to meet every slot of the slab
				s.Free(must(s.Alloc(64, mem.Layout{})), mem.Layout{})
			}
		})
		if spoil != (len(found) > 0) || spoil && (found[0].Kind != heap.WriteAfterFree || found[0].Addr != addr(b)) {
			t.Errorf("spoilt: %v, reported %v", spoil, found)
		}
	}
}
