package heap_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

func TestNamedCounts(t *testing.T) {
	var r heap.Registry
	n := r.Named(allocatortest.New(t), "cache/index")
	l := mem.Layout{}
	blocks := map[int][]byte{}
	for _, size := range []int{1, 2, 3, 4, 5, 64, 65} {
		blocks[size] = mem.Must(n.Alloc(size, l))
	}
	n.Free(blocks[3], l)
	if b, ok := n.Resize(blocks[65], l, 60); ok {
		blocks[65] = b
	} else {
		t.Fatal("shrinking was refused")
	}
	got := n.Stats()
	want := []heap.SizeStats{{1, 1, 1}, {2, 1, 1}, {4, 1, 2}, {8, 1, 1}, {64, 2, 2}, {128, 0, 1}}
	if diff := cmp.Diff(want, got.Sizes); diff != "" {
		t.Errorf("sizes (-want +got):\n%s", diff)
	}
	if got.Name != "cache/index" || got.Blocks != 6 || got.Bytes != 1+2+4+5+64+60 || got.TotalBlocks != 7 || got.InPlace != 1 {
		t.Errorf("%+v", got)
	}
	for size, b := range blocks {
		if size != 3 {
			n.Free(b, l)
		}
	}
	if got := n.Stats(); got.Blocks != 0 || got.Bytes != 0 || got.TotalBlocks != 7 {
		t.Errorf("after all was freed: %+v", got)
	}
}

// What is refused changes no count.
func TestNamedMisuse(t *testing.T) {
	var r heap.Registry
	n := r.Named(heap.Page{}, "x")
	b := mem.Must(n.Alloc(100, mem.Layout{}))
	before := n.Stats()
	foreign := make([]byte, 64)
	expectMisuse(t, heap.ForeignFree, func() { n.Free(foreign, mem.Layout{}) })
	expectMisuse(t, heap.ForeignFree, func() {
		if _, ok := n.Resize(foreign, mem.Layout{}, 32); ok {
			t.Error("a foreign block was resized")
		}
	})
	after := n.Stats()
	after.Refused = before.Refused
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("a foreign block changed the counts (-before +after):\n%s", diff)
	}
	n.Free(b, mem.Layout{})

	var zero heap.NamedAllocator
	if zero.Close() != nil || zero.Unwrap() != nil || zero.Stats().Blocks != 0 {
		t.Error("the zero value is not quiet")
	}
	for _, name := range []string{"", "/", "/a", "a/", "a//b", "a\xff"} {
		if catch(func() { r.Named(heap.Page{}, name) }) == nil {
			t.Errorf("the name %q did not panic", name)
		}
	}
	if catch(func() { heap.Named(nil, "a") }) == nil || catch(func() { r.Named(nil, "a") }) == nil {
		t.Error("a nil child did not panic")
	}
}

func TestRegistryTree(t *testing.T) {
	var r heap.Registry
	child := allocatortest.New(t)
	a := r.Named(child, "cache/index")
	b := r.Named(child, "cache/data")
	c := r.Named(child, "cache/data")
	d := r.Named(child, "cachet") // sorts between "cache" and "cache/data", byte by byte
	var blocks [][]byte
	for _, n := range []*heap.NamedAllocator{a, b, c, d} {
		blocks = append(blocks, mem.Must(n.Alloc(100, mem.Layout{})))
	}
	lines := func() (got []string) {
		for _, s := range r.Stats() {
			got = append(got, fmt.Sprintf("%s: %d allocators, %d of %d bytes, %d of %d in %d sizes",
				s.Name, s.Allocators, s.Bytes, s.TotalBytes, s.Sizes[0].Blocks, s.Sizes[0].Total, len(s.Sizes)))
		}
		return got
	}
	if diff := cmp.Diff([]string{
		"cache: 3 allocators, 300 of 300 bytes, 3 of 3 in 1 sizes",
		"cache/data: 2 allocators, 200 of 200 bytes, 2 of 2 in 1 sizes",
		"cache/index: 1 allocators, 100 of 100 bytes, 1 of 1 in 1 sizes",
		"cachet: 1 allocators, 100 of 100 bytes, 1 of 1 in 1 sizes",
	}, lines()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if own := r.Own(); len(own) != 3 || own[0].Name != "cache/data" || own[0].Bytes != 200 || own[2].Name != "cachet" {
		t.Errorf("Own: %+v", own)
	}
	b.Close()
	b.Close()
	if diff := cmp.Diff([]string{
		"cache: 2 allocators, 200 of 300 bytes, 2 of 3 in 1 sizes",
		"cache/data: 1 allocators, 100 of 200 bytes, 1 of 2 in 1 sizes",
		"cache/index: 1 allocators, 100 of 100 bytes, 1 of 1 in 1 sizes",
		"cachet: 1 allocators, 100 of 100 bytes, 1 of 1 in 1 sizes",
	}, lines()); diff != "" {
		t.Errorf("after Close (-want +got):\n%s", diff)
	}
	if got := r.Allocators(); len(got) != 3 || got[0] != c || got[1] != a || got[2] != d {
		t.Errorf("Allocators: %v", got)
	}
	var decoded []heap.NamedStats
	if err := json.Unmarshal([]byte(r.String()), &decoded); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r.Stats(), decoded); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
	for i, n := range []*heap.NamedAllocator{a, b, c, d} {
		n.Free(blocks[i], mem.Layout{}) // b serves although it is closed
		n.Close()
	}
	if s := r.Stats(); len(s) != 4 || s[0].Allocators != 0 || s[0].TotalBytes != 300 || s[0].Bytes != 0 {
		t.Errorf("after all were closed: %+v", s)
	}
}

// What is no field of a name's statistics is in their JSON as well.
func TestRegistryFragmentation(t *testing.T) {
	var r heap.Registry
	smp := heap.NewSMP(heap.SMPOptions{})
	defer smp.Close()
	n := r.Named(smp, "cache")
	b := mem.Must(n.Alloc(1000, mem.Layout{}))
	defer n.Free(b, mem.Layout{})
	var decoded []struct{ Fragmentation float64 }
	if err := json.Unmarshal([]byte(r.String()), &decoded); err != nil {
		t.Fatal(err)
	}
	if want := r.Stats()[0].Fragmentation(); want <= 0 || len(decoded) != 1 || decoded[0].Fragmentation != want {
		t.Errorf("%+v, want %v", decoded, want)
	}
}

func TestRegistryDefault(t *testing.T) {
	n := heap.Named(heap.Page{}, "registry-default")
	defer n.Close()
	for _, o := range heap.DefaultRegistry.Allocators() {
		if o == n {
			return
		}
	}
	t.Error("the default registry does not know what Named returned")
}

// What is below a name follows it, whatever else other names begin with.
func TestNamedOrder(t *testing.T) {
	want := []string{"a", "a/b", "a/b/c", "a/b c", "a\x00", "a\x00/b", "a b", "a-b/c", "a0", "b"}
	var r heap.Registry
	for _, i := range rand.Perm(len(want)) {
		r.Named(heap.Page{}, want[i])
	}
	var got []string
	for _, s := range r.Own() {
		got = append(got, s.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Statistics are read while allocators come, go and work; totals never fall.
func TestRegistryParallel(t *testing.T) {
	var r heap.Registry
	child := allocatortest.New(t)
	var workers, readers sync.WaitGroup
	stop := make(chan struct{})
	readers.Go(func() {
		var last int64
		for {
			for _, s := range r.Stats() {
				if s.Name == "p" {
					if s.TotalBlocks < last {
						t.Errorf("the total fell from %d to %d", last, s.TotalBlocks)
					}
					last = s.TotalBlocks
				}
			}
			select {
			case <-stop:
				return
			default:
				runtime.Gosched()
			}
		}
	})
	const each, blocks = 20, 30
	for g := range 4 {
		workers.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(g), 1))
			for range each {
				n := r.Named(child, "p/q")
				for range blocks {
					size := rnd.IntN(1000) + 1
					n.Free(mem.Must(n.Alloc(size, mem.Layout{})), mem.Layout{})
				}
				n.Close()
			}
		})
	}
	workers.Wait()
	close(stop)
	readers.Wait()
	for _, s := range r.Stats() {
		if s.TotalBlocks != 4*each*blocks || s.Blocks != 0 || s.Allocators != 0 {
			t.Errorf("%+v", s)
		}
	}
}

// FuzzNamed plays programs against the counts that a map of live blocks gives.
func FuzzNamed(f *testing.F) {
	f.Add([]byte{0, 10, 0, 20, 1, 200, 2, 0})
	f.Add([]byte("allocate, resize and free"))
	f.Fuzz(func(t *testing.T, program []byte) {
		var r heap.Registry
		n := r.Named(heap.NewArena(heap.Page{}), "f")
		defer n.Unwrap().(*heap.Arena).Close()
		var live [][]byte
		for ; len(program) > 1; program = program[2:] {
			arg := int(program[1])
			switch op := program[0] % 3; {
			case op == 0:
				live = append(live, mem.Must(n.Alloc(arg*7+1, mem.Layout{})))
			case len(live) == 0:
			case op == 1:
				if b, ok := n.Resize(live[len(live)-1], mem.Layout{}, arg*3+1); ok {
					live[len(live)-1] = b
				}
			case op == 2:
				n.Free(live[len(live)-1], mem.Layout{})
				live = live[:len(live)-1]
			}
			bytes, bySize := int64(0), map[int]int64{}
			for _, b := range live {
				bytes += int64(len(b))
				size := 1
				for size < len(b) {
					size *= 2
				}
				bySize[size]++
			}
			s := n.Stats()
			if s.Blocks != int64(len(live)) || s.Bytes != bytes {
				t.Fatalf("%v, want %d bytes in %d blocks", s.CountingStats, bytes, len(live))
			}
			for _, c := range s.Sizes {
				if c.Blocks != bySize[c.MaxSize] || c.Total < c.Blocks {
					t.Fatalf("%+v, want %d", c, bySize[c.MaxSize])
				}
				delete(bySize, c.MaxSize)
			}
			for size, blocks := range bySize {
				if blocks != 0 {
					t.Fatalf("%d blocks of size %d are not counted", blocks, size)
				}
			}
		}
	})
}

func BenchmarkNamed(b *testing.B) {
	buf := heap.NewFixedBuffer(make([]byte, 1<<12))
	for _, c := range []struct {
		impl string
		a    mem.Allocator
	}{
		{"child", buf},
		{"counting", heap.NewCounting(buf)},
		{"named", new(heap.Registry).Named(buf, "bench")},
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
