package heap_test

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"testing"
	"time"
	"weak"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// profiledSMP returns a Profile of that rate around s, or around a cache of it.
func profiledSMP(s *heap.SMP, face func(*heap.SMP) mem.Allocator, rate int) *heap.Profile {
	return heap.NewProfileWith(face(s), heap.ProfileOptions{Rate: rate})
}

// closeFace closes what p wraps, if that is a cache.
func closeFace(p *heap.Profile) {
	if own, ok := p.Unwrap().(*heap.SMPCache); ok {
		own.Close()
	}
}

// With rate 1 every block that is allocated through a Profile is in it, under the
// function that asked for it, and no other; the SMP knows all, if it wants to.
func TestProfileOfSMPExact(t *testing.T) {
	for _, c := range smpProfiles {
		for _, rate := range []int{0, 1, 16 << 20} {
			t.Run(fmt.Sprintf("%s/own=%d", c.name, rate), func(t *testing.T) {
				c.opts.ProfileRate = rate
				s := newSMP(t, c.opts)
				p := profiledSMP(s, c.face, 1)
				blocks := profiledKeeps(p, 10, c.size)
				others := profiledOthers(s, 7, c.size)
				for _, b := range blocks[5:] {
					p.Free(b, mem.Layout{})
				}
				last := profiledKeeps(p, 1, c.size)[0]
				last = profiledResizes(p, last, c.size-3)
				want := map[string]heap.ProfileSite{
					"profiledKeeps":   {Blocks: 5, Bytes: int64(5 * c.size), TotalBlocks: 11, TotalBytes: int64(11 * c.size)},
					"profiledResizes": {Blocks: 1, Bytes: int64(c.size - 3), TotalBlocks: 1, TotalBytes: int64(c.size - 3)},
				}
				if got := sitesOf(p); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("got %v, want %v", got, want)
				}
				if _, ok := p.Resize(last, mem.Layout{}, math.MaxInt); ok {
					t.Fatal("found in place")
				}
				if got := sitesOf(p); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("after a refusal: got %v, want %v", got, want)
				}
				want["profiledOthers"] = heap.ProfileSite{Blocks: 7, Bytes: int64(7 * c.size), TotalBlocks: 7, TotalBytes: int64(7 * c.size)}
				if got := sitesOf(s); rate == 1 && p.Unwrap() == mem.Allocator(s) && fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("of the SMP: got %v, want %v", got, want)
				}
				for _, b := range append(append(blocks[:5], last), others...) {
					p.Free(b, mem.Layout{})
				}
				for _, a := range []interface{ Sites() []heap.ProfileSite }{p, s} {
					for name, site := range sitesOf(a) {
						if site.Blocks != 0 || site.Bytes != 0 {
							t.Errorf("%T: %s: %d bytes in %d blocks are live after all was freed", a, name, site.Bytes, site.Blocks)
						}
					}
				}
				closeFace(p)
				s.Trim() // ends the quarantine of a hardened one
				heap.CheckSMP(s)
			})
		}
	}
}

//go:noinline
func profiledOthers(a mem.Allocator, n, size int) (blocks [][]byte) {
	for range n {
		blocks = append(blocks, mem.Must(a.Alloc(size, mem.Layout{})))
	}
	return blocks
}

// Whoever else samples the blocks of an SMP, and at whatever rate, each sample leans
// to neither side, and knows what it has to know. The bounds are seven times the
// error that is to be expected.
func TestProfileOfSMPEstimates(t *testing.T) {
	const n = 40_000
	for _, size := range []int{24, 1000} {
		for _, rates := range [][3]int{{500, 4000, 1500}, {4000, 500, 500}, {0, 3000, 1000}, {1, 2000, 8000}} {
			t.Run(fmt.Sprintf("size=%d/rates=%v", size, rates), func(t *testing.T) {
				s := newSMP(t, heap.SMPOptions{ProfileRate: rates[0]})
				profiledPairs(s, 100, size) // there are caches, which count
				p := [...]*heap.Profile{profiledSMP(s, smpShared, rates[1]), profiledSMP(s, smpShared, rates[2])}
				for range n / 100 { // in turns
					profiledPairs(p[0], 100, size)
					profiledOthers100(p[1], size)
				}
				check := func(who string, got heap.ProfileSite, want, rate int) {
					q := -math.Expm1(-float64(size) / float64(rate))
					if diff, bound := math.Abs(float64(got.TotalBlocks)-float64(want)), 7*math.Sqrt(float64(want)*(1-q)/q)+1; diff > bound {
						t.Errorf("%s: %d blocks, want %d: off by %.0f, more than %.0f", who, got.TotalBlocks, want, diff, bound)
					}
					if got.Blocks != 0 {
						t.Errorf("%s: %d blocks are live", who, got.Blocks)
					}
				}
				check("of one", sitesOf(p[0])["profiledPairs"], n, rates[1])
				check("of the other", sitesOf(p[1])["profiledOthers100"], n, rates[2])
				if len(sitesOf(p[0])) > 1 || len(sitesOf(p[1])) > 1 {
					t.Errorf("one knows of the other: %v, %v", sitesOf(p[0]), sitesOf(p[1]))
				}
				if own := sitesOf(s); rates[0] > 0 {
					check("of one, the SMP", own["profiledPairs"], n+100, rates[0])
					check("of the other, the SMP", own["profiledOthers100"], n, rates[0])
				}
				runtime.KeepAlive(p)
			})
		}
	}
}

//go:noinline
func profiledOthers100(a mem.Allocator, size int) {
	for range 100 {
		a.Free(mem.Must(a.Alloc(size, mem.Layout{})), mem.Layout{})
	}
}

// What is done with a block of a Profile behind its back, through the SMP, is noticed
// as far as it ends there.
func TestProfileOfSMPBehind(t *testing.T) {
	for _, size := range []int{100, 100_000, 3 << 20} {
		s := newSMP(t, heap.SMPOptions{})
		p := profiledSMP(s, smpShared, 1)
		b := profiledKeeps(p, 3, size)
		s.Free(b[0], mem.Layout{})
		b[1] = profiledResizes(s, b[1], size-3)
		if got := sitesOf(p); len(got) != 1 || got["profiledKeeps"].Blocks != 1 || got["profiledKeeps"].TotalBlocks != 3 {
			t.Errorf("size %d: %+v, want one block of three", size, got)
		}
		p.Free(b[1], mem.Layout{})
		p.Free(b[2], mem.Layout{})
		if got := sitesOf(p)["profiledKeeps"]; got.Blocks != 0 || got.Bytes != 0 {
			t.Errorf("size %d, after all: %+v", size, got)
		}
		heap.CheckSMP(s)
	}
}

// Blocks in the sample of a Profile are served as all others are.
func TestProfileOfSMPContract(t *testing.T) {
	for _, hardened := range []bool{false, true} {
		t.Run(fmt.Sprintf("hardened=%t", hardened), func(t *testing.T) {
			allocatortest.Run(t, func(t *testing.T) mem.Allocator {
				return profiledSMP(newSMP(t, heap.SMPOptions{Hardened: hardened}), smpShared, 1)
			})
		})
	}
}

// What is wrong with a block in the sample is told as ever, and the block stays
// in it.
func TestProfileOfSMPMisuse(t *testing.T) {
	testSampledMisuse(t, func(s *heap.SMP) profiling { return profiledSMP(s, smpShared, 1) }, heap.SMPOptions{})
}

// Profiles come and go while blocks do.
func TestProfileOfSMPParallel(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{})
	handed := make(chan []byte, 100)
	var makers, takers sync.WaitGroup
	for m := range 2 {
		makers.Go(func() {
			p := profiledSMP(s, smpShared, 1000)
			for i := range 2000 {
				b := mem.Must(p.Alloc(1+i*i%50_000, mem.Layout{}))
				b[0] = 1
				handed <- b
				if i%200 == 0 {
					p.Sites()
					p = profiledSMP(s, smpShared, 1000-i/200-100*m)
					s.Trim()
				}
			}
		})
		takers.Go(func() {
			for b := range handed {
				b[0]++
				s.Free(b, mem.Layout{})
			}
		})
	}
	makers.Wait()
	close(handed)
	takers.Wait()
	heap.CheckSMP(s)
}

// An SMP forgets a Profile that was dropped, and counts on as if it had never been.
func TestProfileOfSMPDropped(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{ProfileRate: 16 << 20})
	var kept *heap.Profile
	var b []byte
	func() {
		p := profiledSMP(s, smpShared, 1)
		kept = profiledSMP(s, smpShared, 1<<20)
		b = profiledKeeps(kept, 1, 100)[0]
		b2 := profiledKeeps(p, 1, 100)[0]
		if n, rate := heap.SMPSamplers(s); n != 3 || rate != 1 {
			t.Errorf("%d sample, at a rate of %v", n, rate)
		}
		t.Cleanup(func() { s.Free(b2, mem.Layout{}) }) // which was in a sample
	}()
	n, rate := 3, 0.0
	for range 200 {
		runtime.GC()
		if n, rate = heap.SMPSamplers(s); n == 2 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if n != 2 || rate != 1<<20 {
		t.Errorf("%d sample, at a rate of %v, want 2 and 1 MiB", n, rate)
	}
	kept.Free(b, mem.Layout{})
	runtime.KeepAlive(kept)
}

// So does the one that is for the whole process.
func TestProfileOfDefaultDropped(t *testing.T) {
	before, _ := heap.SMPSamplers(heap.Default())
	profiledPairs(heap.NewProfile(heap.Default()), 10, 100)
	for range 200 {
		runtime.GC()
		if n, _ := heap.SMPSamplers(heap.Default()); n <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("the Profile is still there")
}

// To take a sample of what it knows already costs no memory of the Go heap.
func TestProfileOfSMPNoGarbage(t *testing.T) {
	if invariant.Enabled {
		t.Skip("what its invariants are checked with allocates")
	}
	for _, size := range []int{100, 100_000} {
		s := newSMP(t, heap.SMPOptions{ProfileRate: 1})
		p := profiledSMP(s, smpShared, 1)
		if n := testing.AllocsPerRun(1000, func() { profiledPairs(p, 10, size) }); n > 0 {
			t.Errorf("size %d: %v allocations for 10 blocks", size, n)
		}
	}
}

// A Profile that was dropped is forgotten at any time, so while its SMP is closed as
// well; to make one takes the same way. The SMP stays closed.
func TestProfileOfSMPClosed(t *testing.T) {
	for i := range 2000 {
		s := heap.NewSMP(heap.SMPOptions{})
		profiledPairs(s, 100, 100) // there are caches
		made := make(chan *heap.Profile)
		begun := make(chan bool)
		go func() {
			begun <- true
			made <- profiledSMP(s, smpShared, 1)
		}()
		<-begun
		for start := time.Now(); time.Since(start) < time.Duration(i%100)*time.Microsecond; {
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		p := <-made
		if n := heap.SMPSlotsReady(s); n != 0 {
			t.Fatalf("%d slots are ready after Close", n)
		}
		if _, err := p.Alloc(100, mem.Layout{}); err != mem.ErrClosed {
			t.Fatalf("after Close: %v", err)
		}
	}
}

// What an SMP and a Profile around it are fields of is collected like anything else.
func TestProfileOfSMPEmbedded(t *testing.T) {
	type both struct {
		smp     heap.SMP
		profile *heap.Profile
	}
	x := new(both)
	x.profile = heap.NewProfile(&x.smp)
	profiledPairs(x.profile, 10, 100)
	if err := x.smp.Close(); err != nil {
		t.Fatal(err)
	}
	testCollected(t, weak.Make(x))
}
