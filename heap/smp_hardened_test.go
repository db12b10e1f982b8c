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
	expectMisuse(t, heap.DoubleFree, func() { c.Free(b, smpLayout) })
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

// A write to a freed block is found before its memory serves another.
func TestSMPHardenedWriteAfterFree(t *testing.T) {
	if race.Enabled {
		t.Skip("the write is what the race detector would find")
	}
	for _, c := range []struct{ size, rounds int }{
		{64, 30_000}, // enough to meet every slot of the slab
		{40_000, 100},
		{1 << 20, 100},
		{3 << 20, 100},
		{20 << 20, 1}, // unmapped at once
	} {
		for _, spoil := range []bool{false, true} {
			if spoil && c.rounds == 1 {
				continue
			}
			s := newSMP(t, heap.SMPOptions{Hardened: true})
			b := must(s.Alloc(c.size, mem.Layout{}))
			b[10], b[40] = 1, 1
			s.Free(b, mem.Layout{})
			if c.rounds > 1 {
				if b[10] != 0xDE {
					t.Errorf("size %d: a freed block holds %#x", c.size, b[10])
				}
				if spoil {
					b[40] = 1
				}
			}
			found := misuses(t, func() {
				for range c.rounds {
					s.Free(must(s.Alloc(c.size, mem.Layout{})), mem.Layout{})
				}
			})
			if spoil != (len(found) > 0) || spoil && (found[0].Kind != heap.WriteAfterFree || found[0].Addr != addr(b)) {
				t.Errorf("size %d, spoilt: %v, reported %v", c.size, spoil, found)
			}
			s.Trim()
			heap.CheckSMP(s)
		}
	}
}

// Trim and Close look at what is in quarantine, too.
func TestSMPHardenedQuarantineEnds(t *testing.T) {
	if race.Enabled {
		t.Skip("the write is what the race detector would find")
	}
	for _, size := range []int{64, 40_000, 3 << 20} {
		for name, end := range map[string]func(*heap.SMP){
			"Trim":  func(s *heap.SMP) { s.Trim() },
			"Close": func(s *heap.SMP) { s.Close() },
		} {
			s := newSMP(t, heap.SMPOptions{Hardened: true})
			b := must(s.Alloc(size, mem.Layout{}))
			s.Free(b, mem.Layout{})
			b[40] = 1
			found := misuses(t, func() { end(s) })
			// A slab that stays is looked at when the slot is served.
			if size > 64 && (len(found) != 1 || found[0].Kind != heap.WriteAfterFree) {
				t.Errorf("size %d, %s: reported %v", size, name, found)
			}
			if st := s.Stats(); st.Committed != 0 {
				t.Errorf("size %d, after %s: %+v", size, name, st)
			}
		}
	}
}

// A block in quarantine is not live, and one that leaves it can be used again.
func TestSMPHardenedLarge(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{Hardened: true})
	for _, size := range []int{33_000, 1 << 20, 3 << 20} {
		b := must(s.Alloc(size, mem.Layout{}))
		s.Free(b, mem.Layout{})
		if m := misuses(t, func() { s.Free(b, mem.Layout{}) }); len(m) != 1 {
			t.Errorf("size %d: freed twice, reported %v", size, m)
		}
		for range 3 * 16 {
			b := must(s.Alloc(size, mem.Layout{Zero: true}))
			if b[0] != 0 || b[size-1] != 0 {
				t.Fatalf("size %d: not zero", size)
			}
			b[0], b[size-1] = 1, 1
			s.Free(b, mem.Layout{})
		}
	}
	if st := s.Stats(); st.Live != 0 || st.Committed > 64<<20 {
		t.Errorf("%+v", st)
	}
	s.Trim()
	if st := s.Stats(); st.Committed != 0 || st.Reserved < 0 {
		t.Errorf("after Trim: %+v", st)
	}
	heap.CheckSMP(s)
}

// A report from Close, which panics, leaves nothing behind: neither memory nor a
// lock that others wait for.
func TestSMPHardenedCloseReports(t *testing.T) {
	if race.Enabled {
		t.Skip("the detector reports the write")
	}
	s := heap.NewSMP(heap.SMPOptions{Hardened: true})
	c := s.Cache()
	b := must(s.Alloc(64, mem.Layout{}))
	s.Free(b, mem.Layout{})
	b[40] = 1
	func() {
		defer func() {
			if m, ok := recover().(*heap.Misuse); !ok || m.Kind != heap.WriteAfterFree {
				t.Errorf("Close panics with %v", m)
			}
		}()
		s.Close()
	}()
	if st := s.Stats(); st.Reserved != 0 {
		t.Errorf("after Close: %+v", st)
	}
	c.Close()
	s.Cache()
}
