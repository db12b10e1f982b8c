package heap_test

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"sync"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/tools/pprof"
	"github.com/allod-dev/allod/mem"
)

// profileOf returns what go tool pprof makes of p: the flat value of the given
// sample type, by function.
func profileOf(t *testing.T, p *heap.Profile, sample string) map[string]float64 {
	t.Helper()
	var b bytes.Buffer
	if err := p.WriteProfile(&b); err != nil {
		t.Fatal(err)
	}
	out := pprof.Text(t, b.Bytes(), "-top", "-cum", "-nodefraction=0", "-unit=B", "-sample_index="+sample)
	got := make(map[string]float64)
	line := regexp.MustCompile(`(?m)^\s*\S+\s+\S+\s+\S+\s+([0-9.]+)B?\s+\S+\s+\S*heap_test\.(\w+)( \(inline\))?$`)
	for _, m := range line.FindAllStringSubmatch(out, -1) {
		var err error
		if got[m[2]], err = strconv.ParseFloat(m[1], 64); err != nil {
			t.Fatal(err)
		}
	}
	return got
}

//go:noinline
func profiledKeeps(a mem.Allocator, n, size int) (blocks [][]byte) {
	for range n {
		blocks = append(blocks, mem.Must(a.Alloc(size, mem.Layout{})))
	}
	return blocks
}

//go:noinline
func profiledGrows(a mem.Allocator, b []byte, size int) []byte {
	r, ok := a.Remap(b, mem.Layout{}, size)
	if !ok {
		panic("not in place")
	}
	return r
}

// With rate 1 every block is in the profile, and what is freed is not live.
func TestProfileExact(t *testing.T) {
	p := heap.NewProfileWith(heap.NewArena(heap.Page{}), heap.ProfileOptions{Rate: 1})
	blocks := profiledKeeps(p, 10, 100)
	for _, b := range blocks[5:] {
		p.Free(b, mem.Layout{})
	}
	last := profiledKeeps(p, 1, 1000)[0]
	last = profiledGrows(p, last, 1500)
	for sample, want := range map[string]map[string]float64{
		"alloc_objects": {"profiledKeeps": 11, "profiledGrows": 1},
		"alloc_space":   {"profiledKeeps": 2000, "profiledGrows": 1500},
		"inuse_objects": {"profiledKeeps": 5, "profiledGrows": 1},
		"inuse_space":   {"profiledKeeps": 500, "profiledGrows": 1500},
	} {
		got := profileOf(t, p, sample)
		for function, value := range want {
			if got[function] != value {
				t.Errorf("%s of %s: %v, want %v (of %v)", sample, function, got[function], value, got)
			}
		}
	}
	// What is refused is in the profile as before.
	if _, ok := p.Resize(last, mem.Layout{}, math.MaxInt); ok {
		t.Fatal("found in place")
	}
	if got := profileOf(t, p, "inuse_space"); got["profiledGrows"] != 1500 {
		t.Errorf("after a refusal: %v", got)
	}
}

// A sample of the blocks tells how many there are, to within its error: some
// 6,000 of 100,000, so 1.3 %.
func TestProfileEstimates(t *testing.T) {
	p := heap.NewProfileWith(closing(t, heap.NewArena(heap.Page{})), heap.ProfileOptions{Rate: 16 << 10})
	blocks := profiledKeeps(p, 100_000, 1000)
	for _, b := range blocks[50_000:] {
		p.Free(b, mem.Layout{})
	}
	for sample, want := range map[string]float64{
		"alloc_objects": 100_000, "alloc_space": 100_000_000, "inuse_objects": 50_000, "inuse_space": 50_000_000,
	} {
		if got := profileOf(t, p, sample)["profiledKeeps"]; got < 0.9*want || got > 1.1*want {
			t.Errorf("%s: %v, want about %v", sample, got, want)
		}
	}
	for _, b := range blocks[:50_000] {
		p.Free(b, mem.Layout{})
	}
	if got := profileOf(t, p, "inuse_space")["profiledKeeps"]; got != 0 {
		t.Errorf("%v bytes are live after all was freed", got)
	}
}

func TestProfileParallel(t *testing.T) {
	p := heap.NewProfileWith(heap.Page{}, heap.ProfileOptions{Rate: 1000, StackDepth: 3})
	handed := make(chan []byte, 100)
	var makers, takers sync.WaitGroup
	for range 2 {
		makers.Go(func() {
			for i := range 1000 {
				b := mem.Must(p.Alloc(i+1, mem.Layout{}))
				b[0] = 1
				handed <- b
			}
		})
		takers.Go(func() {
			for b := range handed {
				b[0]++
				p.Free(b, mem.Layout{})
			}
		})
	}
	makers.Wait()
	close(handed)
	takers.Wait()
	for function, live := range profileOf(t, p, "inuse_space") {
		if live != 0 {
			t.Errorf("%v bytes of %s are live", live, function)
		}
	}
}

func TestProfileOptions(t *testing.T) {
	for name, o := range map[string]heap.ProfileOptions{"rate": {Rate: -1}, "depth": {StackDepth: -1}} {
		if catch(func() { heap.NewProfileWith(heap.Page{}, o) }) == nil {
			t.Errorf("negative %s: no panic", name)
		}
	}
	p := heap.NewProfileWith(heap.Page{}, heap.ProfileOptions{Rate: 1 << 30, StackDepth: 1000})
	if b, err := p.Alloc(1<<30-1, mem.Layout{}); err == nil { // chance and size do not overflow
		p.Free(b, mem.Layout{})
	}
}

func ExampleProfile() {
	p := heap.NewProfileWith(heap.Page{}, heap.ProfileOptions{Rate: 1}) // every block, for a few
	b := mem.Must(mem.Alloc[byte](p, 1<<20))
	defer mem.Free(p, b)

	var profile bytes.Buffer // a program writes a file, or a response
	if err := p.WriteProfile(&profile); err != nil {
		panic(err)
	}
	fmt.Println(profile.Len() > 100)
	// Output: true
}

// Who has what, as values.
func ExampleProfileSite() {
	p := heap.NewProfileWith(heap.Page{}, heap.ProfileOptions{Rate: 1})
	a := mem.Must(mem.Alloc[byte](p, 1000))
	b := mem.Must(mem.Alloc[byte](p, 3000))
	mem.Free(p, a)
	for _, s := range p.Sites() {
		fmt.Println(s.Bytes, "bytes of", s.TotalBytes)
	}
	mem.Free(p, b)
	// Output:
	// 3000 bytes of 3000
	// 0 bytes of 1000
}

// A passing wraps an allocator and does nothing.
type passing struct{ child mem.Allocator }

//go:noinline
func (p *passing) Alloc(size int, l mem.Layout) ([]byte, error) { return p.child.Alloc(size, l) }

func (p *passing) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	return p.child.Resize(b, l, size)
}

func (p *passing) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	return p.child.Remap(b, l, size)
}

func (p *passing) Free(b []byte, l mem.Layout) { p.child.Free(b, l) }

func (p *passing) Pointers() mem.Pointers { return p.child.Pointers() }

// What it costs to profile an SMP: by itself, and by a Profile around it, beside a
// wrapper that does nothing.
func BenchmarkProfile(b *testing.B) {
	for _, c := range []struct {
		impl string
		a    mem.Allocator
	}{
		{"smp", heap.NewSMP(heap.SMPOptions{})},
		{"smp-profile", heap.NewSMP(heap.SMPOptions{ProfileRate: 512 << 10})},
		{"nothing", &passing{heap.NewSMP(heap.SMPOptions{})}},
		{"profile", heap.NewProfile(heap.NewSMP(heap.SMPOptions{}))},
	} {
		b.Run("impl="+c.impl, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p, err := c.a.Alloc(64, mem.Layout{})
				if err != nil {
					b.Fatal(err)
				}
				c.a.Free(p, mem.Layout{})
			}
		})
	}
}
