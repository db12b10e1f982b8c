package heap_test

import (
	"bytes"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// sitesOf returns the sites of a profile by the function that called the
// allocator.
func sitesOf(a interface{ Sites() []heap.ProfileSite }) map[string]heap.ProfileSite {
	sums := map[string]heap.ProfileSite{}
	for _, s := range a.Sites() {
		calls := runtime.CallersFrames(s.Stack)
		f, _ := calls.Next()
		if _, ok := a.(*heap.SMP); ok && strings.Contains(f.Function, ".(*Profile).") {
			f, _ = calls.Next() // of a block that was allocated through one
		}
		name := f.Function[strings.LastIndexByte(f.Function, '.')+1:]
		sum := sums[name]
		sum.Blocks += s.Blocks
		sum.Bytes += s.Bytes
		sum.TotalBlocks += s.TotalBlocks
		sum.TotalBytes += s.TotalBytes
		sums[name] = sum
	}
	return sums
}

// smpProfiles are the ways in which an SMP serves blocks.
var smpProfiles = []struct {
	name string
	opts heap.SMPOptions
	face func(*heap.SMP) mem.Allocator
	size int
}{
	{"Small", heap.SMPOptions{}, smpShared, 100},
	{"Cache", heap.SMPOptions{}, smpOwn, 100},
	{"Hardened", heap.SMPOptions{Hardened: true}, smpShared, 100},
	{"CacheOfHardened", heap.SMPOptions{Hardened: true}, smpOwn, 100},
	{"Large", heap.SMPOptions{}, smpShared, 100_000},
	{"LargeOfCache", heap.SMPOptions{}, smpOwn, 100_000},
	{"Huge", heap.SMPOptions{}, smpShared, 3 << 20},
}

// With rate 1 every block is in the profile, under the function that asked for
// it, and what is freed is not live.
func TestSMPProfileExact(t *testing.T) {
	for _, c := range smpProfiles {
		t.Run(c.name, func(t *testing.T) {
			c.opts.ProfileRate = 1
			s := newSMP(t, c.opts)
			a := c.face(s)
			blocks := profiledKeeps(a, 10, c.size)
			for _, b := range blocks[5:] {
				a.Free(b, mem.Layout{})
			}
			last := profiledKeeps(a, 1, c.size)[0]
			last = profiledResizes(a, last, c.size-3)
			want := map[string]heap.ProfileSite{
				"profiledKeeps":   {Blocks: 5, Bytes: int64(5 * c.size), TotalBlocks: 11, TotalBytes: int64(11 * c.size)},
				"profiledResizes": {Blocks: 1, Bytes: int64(c.size - 3), TotalBlocks: 1, TotalBytes: int64(c.size - 3)},
			}
			if got := sitesOf(s); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got %v, want %v", got, want)
			}
			if _, ok := a.Resize(last, mem.Layout{}, math.MaxInt); ok {
				t.Fatal("found in place")
			}
			if got := sitesOf(s); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("after a refusal: got %v, want %v", got, want)
			}
			for _, b := range append(blocks[:5], last) {
				a.Free(b, mem.Layout{})
			}
			for name, site := range sitesOf(s) {
				if site.Blocks != 0 || site.Bytes != 0 {
					t.Errorf("%s: %d bytes in %d blocks are live after all was freed", name, site.Bytes, site.Blocks)
				}
			}
			if own, ok := a.(*heap.SMPCache); ok {
				own.Close()
			}
			s.Trim() // ends the quarantine of a hardened one
			heap.CheckSMP(s)
		})
	}
}

//go:noinline
func profiledResizes(a mem.Allocator, b []byte, size int) []byte {
	r, ok := a.Resize(b, mem.Layout{}, size)
	if !ok {
		panic("not in place")
	}
	return r
}

// The estimates lean to neither side, whatever the sizes are and however blocks
// come and go. The bounds are seven times the error that is to be expected.
func TestSMPProfileEstimates(t *testing.T) {
	const rate = 2 << 10
	for _, c := range smpProfiles {
		for _, size := range []int{c.size, c.size/6 + 1} {
			t.Run(fmt.Sprintf("%s/%d", c.name, size), func(t *testing.T) {
				c.opts.ProfileRate = rate
				if c.size > 32<<10 {
					c.opts.ProfileRate = c.size
				}
				s := newSMP(t, c.opts)
				a := c.face(s)
				const pairs, kept = 40_000, 4_000
				n, keep := pairs, kept
				if c.size > 32<<10 {
					n, keep = 2000, 10 // 32 bits have no room for more of the largest
				}
				profiledPairs(a, n-keep, size)
				blocks := profiledKeeps(a, keep, size)
				p := -math.Expm1(-float64(size) / float64(c.opts.ProfileRate))
				for name, want := range map[string]int{"profiledPairs": n - keep, "profiledKeeps": keep} {
					got := sitesOf(s)[name].TotalBlocks
					// Of that many, each is in the sample with probability p.
					bound := 7 * math.Sqrt(float64(want)*(1-p)/p)
					// Slots are drawn by their size, which is a little more.
					if diff := math.Abs(float64(got) - float64(want)); diff > bound+1 {
						t.Errorf("%s: %d blocks, want %d: off by %.0f, more than %.0f", name, got, want, diff, bound)
					}
				}
				if got := sitesOf(s)["profiledKeeps"]; got.Blocks != got.TotalBlocks || got.Bytes != got.TotalBytes {
					t.Errorf("%v: not all live", got)
				}
				for _, b := range blocks {
					a.Free(b, mem.Layout{})
				}
				for name, site := range sitesOf(s) {
					if site.Blocks != 0 || site.Bytes != 0 {
						t.Errorf("%s: %d bytes in %d blocks are live after all was freed", name, site.Bytes, site.Blocks)
					}
				}
			})
		}
	}
}

//go:noinline
func profiledPairs(a mem.Allocator, n, size int) {
	for range n {
		a.Free(mem.Must(a.Alloc(size, mem.Layout{})), mem.Layout{})
	}
}

// More blocks are passed over than a cache has room to count.
func TestSMPProfilePasses(t *testing.T) {
	for _, n := range []uintptr{0, 1, 1000, 1<<23 - 1, 1 << 23, 1<<24 + 12345} {
		if got := heap.SMPPasses(n); got != n {
			t.Errorf("told to pass %d blocks over, it passed over %d", n, got)
		}
	}
}

// Blocks in the sample are served as all others are.
func TestSMPProfileContract(t *testing.T) {
	for _, hardened := range []bool{false, true} {
		t.Run(fmt.Sprintf("hardened=%t", hardened), func(t *testing.T) {
			allocatortest.Run(t, func(t *testing.T) mem.Allocator {
				return newSMP(t, heap.SMPOptions{ProfileRate: 1, Hardened: hardened})
			})
		})
	}
}

// What is wrong with a block in the sample is told as ever, and the block stays
// in it.
func TestSMPProfileMisuse(t *testing.T) {
	testSampledMisuse(t, func(s *heap.SMP) profiling { return s }, heap.SMPOptions{ProfileRate: 1})
}

// profiling is an allocator with a sample of its blocks.
type profiling interface {
	mem.Allocator
	Sites() []heap.ProfileSite
}

// testSampledMisuse misuses blocks of what open makes of an SMP, all of which are in
// its sample.
func testSampledMisuse(t *testing.T, open func(*heap.SMP) profiling, o heap.SMPOptions) {
	for _, size := range []int{24, 100, 100_000, 3 << 20} {
		a := open(newSMP(t, o))
		b := profiledKeeps(a, 1, size)[0]
		for name, wrong := range map[string]func(){
			"Free of half":   func() { a.Free(b[:size/2], mem.Layout{}) },
			"Resize of half": func() { a.Resize(b[:size/2], mem.Layout{}, size/4) },
			"Free of inside": func() { a.Free(b[8:], mem.Layout{}) },
			"Free of within": func() { a.Free(b[16:], mem.Layout{}) },
		} {
			if got := misuses(t, wrong); len(got) != 1 {
				t.Errorf("size %d, %s: reported %v", size, name, got)
			}
			if got := sitesOf(a)["profiledKeeps"]; got.Blocks != 1 || got.Bytes != int64(size) {
				t.Errorf("size %d, after %s: %+v", size, name, got)
			}
		}
		a.Free(b, mem.Layout{})
		if got := misuses(t, func() { a.Free(b, mem.Layout{}) }); len(got) != 1 || got[0].Kind != heap.DoubleFree && size < 1<<20 {
			t.Errorf("size %d: freed twice, reported %v", size, got)
		}
		if got := sitesOf(a)["profiledKeeps"]; got.Blocks != 0 || got.Bytes != 0 {
			t.Errorf("size %d, after all: %+v", size, got)
		}
	}
}

func TestSMPProfileParallel(t *testing.T) {
	s := newSMP(t, heap.SMPOptions{ProfileRate: 1000})
	handed := make(chan []byte, 100)
	var makers, takers sync.WaitGroup
	for range 2 {
		makers.Go(func() {
			for i := range 2000 {
				b := mem.Must(s.Alloc(1+i*i%50_000, mem.Layout{}))
				b[0] = 1
				handed <- b
				if i%500 == 0 {
					s.Sites()
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
	for _, site := range s.Sites() {
		if site.Blocks != 0 || site.Bytes != 0 {
			t.Errorf("%d bytes are live of\n%v", site.Bytes, site.Stack)
		}
	}
	heap.CheckSMP(s)
}

func TestSMPWriteProfile(t *testing.T) {
	if err := newSMP(t, heap.SMPOptions{}).WriteProfile(new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), "ProfileRate") {
		t.Errorf("without a profile: %v", err)
	}
	var b bytes.Buffer
	if err := heap.Default().WriteProfile(&b); err != nil || b.Len() == 0 {
		t.Errorf("%v, %d bytes", err, b.Len())
	}
	if catch(func() { heap.NewSMP(heap.SMPOptions{ProfileRate: -1}) }) == nil {
		t.Error("negative ProfileRate: no panic")
	}
}

func ExampleSMP_WriteProfile() {
	s := heap.NewSMP(heap.SMPOptions{ProfileRate: 1}) // every block, for a few
	defer s.Close()
	b := mem.Must(mem.Alloc[byte](s, 1<<20))
	defer mem.Free(s, b)

	var profile bytes.Buffer // for go tool pprof; a program writes a file, or a response
	if err := s.WriteProfile(&profile); err != nil {
		panic(err)
	}
	for _, site := range s.Sites() { // the same as values
		fmt.Println(site.Bytes, "bytes in", site.Blocks, "block")
	}
	// Output: 1048576 bytes in 1 block
}
