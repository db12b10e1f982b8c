package heap_test

import (
	"errors"
	"math"
	"math/bits"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// panicked returns the misuse that call panics with; nil if it returns.
func panicked(t *testing.T, call func()) (m *heap.Misuse) {
	t.Helper()
	defer func() {
		if v := recover(); v != nil {
			var ok bool
			if m, ok = v.(*heap.Misuse); !ok {
				panic(v)
			}
		}
	}()
	call()
	return nil
}

// smpOrdered tests that the race detector heeds what orders the caller and
// others: if a report had left that disabled, it would see a race here.
func smpOrdered() {
	shared, done := 0, make(chan bool)
	go func() {
		shared = 1
		done <- true
	}()
	<-done
	shared++
}

// A report that panics costs no block, no page and no lock, wherever it comes
// from.
func TestSMPReportsPanic(t *testing.T) {
	const small, large, huge = 2000, 40_000, 2<<20 + 1
	// churn makes what was freed before leave the quarantine.
	churn := func(a mem.Allocator, size int) {
		for range max(20, 1100*64/size) {
			a.Free(must(a.Alloc(size, mem.Layout{})), mem.Layout{})
		}
	}
	type place struct {
		name  string
		size  int
		wrong func(s *heap.SMP, a mem.Allocator, free []byte)
	}
	places := []place{
		{"Alloc", small, func(_ *heap.SMP, a mem.Allocator, free []byte) {
			for range 3000 {
				b := must(a.Alloc(small, mem.Layout{}))
				defer a.Free(b, mem.Layout{})
			}
		}},
		{"Free", small, func(_ *heap.SMP, a mem.Allocator, free []byte) { churn(a, 64) }},
		{"Trim", small, func(s *heap.SMP, a mem.Allocator, _ []byte) { mem.Trim(a) }},
		{"FreeLarge", large, func(_ *heap.SMP, a mem.Allocator, _ []byte) { churn(a, large) }},
		{"TrimLarge", large, func(s *heap.SMP, a mem.Allocator, _ []byte) { mem.Trim(a) }},
		{"FreeHuge", huge, func(_ *heap.SMP, a mem.Allocator, _ []byte) { churn(a, huge) }},
		{"TrimHuge", huge, func(s *heap.SMP, a mem.Allocator, _ []byte) { mem.Trim(a) }},
	}
	for _, p := range places {
		for name, face := range map[string]func(*heap.SMP) mem.Allocator{"SMP": smpShared, "Cache": smpOwn} {
			t.Run(p.name+"/"+name, func(t *testing.T) {
				s := newSMP(t, heap.SMPOptions{Hardened: true, ProfileRate: 1 << 20})
				a := face(s)
				var blocks [][]byte
				for range 20 {
					blocks = append(blocks, must(a.Alloc(p.size, mem.Layout{})))
				}
				b, others := blocks[len(blocks)-1], blocks[:len(blocks)-1]
				if p.name != "Alloc" { // the others keep the slab
					smpFree(s, others)
				}
				a.Free(b, mem.Layout{})
				if p.name == "Alloc" {
					churn(a, 64)
				}
				b[40] = 1
				m := panicked(t, func() { p.wrong(s, a, b) })
				if m == nil || m.Kind != heap.WriteAfterFree || m.Addr != addr(b) {
					t.Errorf("reported %v, not the block at %#x", m, addr(b))
				}
				smpOrdered()
				if p.name == "Alloc" {
					smpFree(s, others)
				}
				if m := panicked(t, func() { churn(a, p.size); mem.Trim(a) }); m != nil {
					t.Errorf("reported again: %v", m)
				}
				heap.CheckSMP(s)
				if st := s.Stats(); st.Blocks != 0 || st.Cached != 0 || st.Committed != 0 {
					t.Errorf("after all was freed and trimmed: %+v", st)
				}
			})
		}
	}
}

// Each of several mistakes is reported, though the first report panics.
func TestSMPReportsAll(t *testing.T) {
	s := heap.NewSMP(heap.SMPOptions{Hardened: true})
	spoilt := map[uintptr]bool{}
	for _, size := range []int{64, 64, 2000, 40_000, 2<<20 + 1} {
		b := must(s.Alloc(size, mem.Layout{}))
		s.Free(b, mem.Layout{})
		b[40] = 1
		spoilt[addr(b)] = true
	}
	survivor := must(s.Alloc(64, mem.Layout{})) // so that its slab does not go before
	_ = survivor
	before := heap.OnMisuse(func(m *heap.Misuse) {
		if m.Kind != heap.WriteAfterFree || !spoilt[m.Addr] {
			t.Errorf("reported %v", m)
		}
		delete(spoilt, m.Addr)
		panic(m)
	})
	defer func() { heap.OnMisuse(before) }()
	panicked(t, func() { s.Close() })
	if len(spoilt) > 0 {
		t.Errorf("%d of five were not reported", len(spoilt))
	}
	if st := s.Stats(); st.Reserved != 0 {
		t.Errorf("after Close: %+v", st)
	}
}

// A report about a block in the sample that panics leaves it there.
func TestSMPReportsKeepSample(t *testing.T) {
	for _, size := range []int{100, 100_000, 3 << 20} {
		s := newSMP(t, heap.SMPOptions{ProfileRate: 1})
		b := profiledKeeps(s, 1, size)[0]
		for name, wrong := range map[string]func(){
			"Free of half":   func() { s.Free(b[:size/2], mem.Layout{}) },
			"Resize of half": func() { s.Resize(b[:size/2], mem.Layout{}, size/4) },
			"Remap of half":  func() { s.Remap(b[:size/2], mem.Layout{}, size*2) },
		} {
			if panicked(t, wrong) == nil {
				t.Errorf("size %d, %s: no report", size, name)
			}
			smpOrdered()
			if got := sitesOf(s)["profiledKeeps"]; got.Blocks != 1 || got.Bytes != int64(size) {
				t.Errorf("size %d, after %s: %+v", size, name, got)
			}
		}
		s.Free(b, mem.Layout{})
		heap.CheckSMP(s)
	}
}

// Whoever uses a cache that is in use is told so, and that one stays in use.
func TestSMPReportsConcurrentUse(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{})
	c := s.Cache()
	b := must(c.Alloc(10, mem.Layout{}))
	other := next()
	leave := heap.EnterCache(c) // as another goroutine would
	for name, use := range map[string]func(){
		"Alloc": func() { c.Alloc(10, mem.Layout{}) },
		"Free":  func() { c.Free(b, mem.Layout{}) },
		"Trim":  func() { c.Trim() },
		"Close": func() { c.Close() },
	} {
		for range 2 {
			if m := panicked(t, use); m == nil || m.Kind != heap.ConcurrentUse {
				t.Errorf("%s: reported %v", name, m)
			} else if invariant.Enabled && begins(m.Other.Program()) != other {
				t.Errorf("%s: at the same time as\n%v, want %s", name, m.Other, other)
			}
			smpOrdered()
		}
	}
	leave()
	c.Free(b, mem.Layout{})
	c.Close()
	heap.CheckSMP(s)
}

// What can never be served does not cost what is kept.
func TestSMPTooLargeKeeps(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{Retain: 64 << 20})
	const kept = 3 << 20
	s.Free(must(s.Alloc(kept, mem.Layout{})), mem.Layout{})
	for _, l := range []mem.Layout{{}, {Align: mem.AlignLog2(30)}} {
		for _, size := range []int{math.MaxInt, math.MaxInt - 1<<16, math.MaxInt - math.MaxInt>>8} {
			if bits.UintSize == 32 && size < math.MaxInt-1<<16 {
				continue // the system may have that much
			}
			if _, err := s.Alloc(size, l); !errors.Is(err, mem.ErrTooLarge) {
				t.Errorf("Alloc(%#x): %v", size, err)
			}
		}
	}
	if st := s.Stats(); st.Committed < kept && !race.Enabled {
		t.Errorf("nothing is kept any more: %+v", st)
	}
}
