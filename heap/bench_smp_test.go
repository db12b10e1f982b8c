package heap_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// smpRival is what SMP is measured beside.
type smpRival struct {
	name  string
	alloc func(size int) []byte
	free  func(b []byte)
}

// smpRivals returns new ones; more are added where there is cgo.
func smpRivals(b *testing.B) []smpRival {
	s := heap.NewSMP(heap.SMPOptions{})
	c := s.Cache()
	b.Cleanup(func() { s.Close() })
	return append([]smpRival{
		{"smp", func(n int) []byte { p, _ := s.Alloc(n, mem.Layout{}); return p }, func(p []byte) { s.Free(p, mem.Layout{}) }},
		{"cache", func(n int) []byte { p, _ := c.Alloc(n, mem.Layout{}); return p }, func(p []byte) { c.Free(p, mem.Layout{}) }},
		{"make", func(n int) []byte { return make([]byte, n) }, func([]byte) {}},
	}, smpCRivals...)
}

var smpCRivals []smpRival

func BenchmarkSMPPair(b *testing.B) {
	for _, size := range []int{16, 64, 4 << 10, 1 << 20} {
		for _, r := range smpRivals(b) {
			b.Run(fmt.Sprintf("impl=%s/size=%d", r.name, size), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p := r.alloc(size)
					p[0] = 1
					r.free(p)
				}
			})
		}
	}
}

// smpDice returns a source of numbers.
func smpDice() func(n int) int {
	x := uint64(88172645463325252)
	return func(n int) int {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		return int(x >> 1 % uint64(n))
	}
}

// 10^6 blocks of 32 bytes, freed in random order: an operation is all of that.
func BenchmarkSMPRandomFree(b *testing.B) {
	n := 1_000_000
	if testing.Short() {
		n = 10_000
	}
	dice := smpDice()
	order := make([]int32, n)
	for i := range order {
		j := dice(i + 1)
		order[i], order[j] = order[j], int32(i)
	}
	blocks := make([][]byte, n)
	for _, r := range smpRivals(b) {
		b.Run(fmt.Sprintf("impl=%s/n=%d", r.name, n), func(b *testing.B) {
			for b.Loop() {
				for i := range blocks {
					blocks[i] = r.alloc(32)
					blocks[i][0] = 1
				}
				for _, i := range order {
					r.free(blocks[i])
					blocks[i] = nil
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/block")
		})
	}
}

// smpSizes returns sizes between 8 and 4096, as many of each power of two.
func smpSizes() []int {
	dice := smpDice()
	sizes := make([]int, 1<<16)
	for i := range sizes {
		sizes[i] = 8<<dice(9) + dice(8)
		sizes[i] = min(sizes[i]+dice(sizes[i]), 4096)
	}
	return sizes
}

// smpWindow replaces random blocks of 10^4, until next is false.
func smpWindow(r smpRival, sizes []int, next func() bool) {
	dice := smpDice()
	var window [10_000][]byte
	for i := 0; next(); i++ {
		k := dice(len(window))
		if window[k] != nil {
			r.free(window[k])
		}
		window[k] = r.alloc(sizes[i%len(sizes)])
		window[k][0] = 1
	}
	for _, p := range window {
		if p != nil {
			r.free(p)
		}
	}
}

func BenchmarkSMPWindow(b *testing.B) {
	sizes := smpSizes()
	for _, r := range smpRivals(b) {
		b.Run("impl="+r.name, func(b *testing.B) {
			b.ReportAllocs()
			smpWindow(r, sizes, b.Loop)
		})
	}
}

// Trees of 2^16 nodes: an operation is to build one and to free it.
func BenchmarkSMPTree(b *testing.B) {
	type node struct{ left, right *node }
	for _, r := range []struct {
		name string
		a    mem.Allocator
	}{
		{"smp", mem.NoGoPointers(heap.NewSMP(heap.SMPOptions{}))},
		{"cache", mem.NoGoPointers(heap.NewSMP(heap.SMPOptions{}).Cache())},
		{"new", nil},
	} {
		var build func(depth int) *node
		build = func(depth int) *node {
			var n *node
			if r.a == nil {
				n = new(node)
			} else {
				n = must(mem.Create[node](r.a))
			}
			if depth > 0 {
				n.left, n.right = build(depth-1), build(depth-1)
			}
			return n
		}
		var drop func(n *node)
		drop = func(n *node) {
			if n.left != nil {
				drop(n.left)
				drop(n.right)
			}
			mem.Destroy(r.a, n)
		}
		b.Run("impl="+r.name, func(b *testing.B) {
			for b.Loop() {
				if n := build(15); r.a != nil {
					drop(n)
				}
			}
		})
	}
}

// Goroutines on all processors, each with blocks of its own.
func BenchmarkSMPOwn(b *testing.B) {
	sizes := smpSizes()
	for _, r := range smpRivals(b) {
		if r.name == "cache" {
			continue
		}
		b.Run("impl="+r.name, func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) { smpWindow(r, sizes, pb.Next) })
		})
	}
}

// One goroutine allocates what another frees, a hundred at a time.
func BenchmarkSMPHandover(b *testing.B) {
	const batch = 100
	for _, r := range smpRivals(b) {
		if r.name == "cache" {
			continue
		}
		b.Run("impl="+r.name, func(b *testing.B) {
			full, empty := make(chan [][]byte, 8), make(chan [][]byte, 9)
			for range cap(empty) {
				empty <- make([][]byte, batch)
			}
			var wg sync.WaitGroup
			wg.Go(func() {
				for blocks := range full {
					for i := range blocks {
						r.free(blocks[i])
						blocks[i] = nil
					}
					empty <- blocks
				}
			})
			for b.Loop() {
				blocks := <-empty
				for i := range blocks {
					blocks[i] = r.alloc(64)
					blocks[i][0] = 1
				}
				full <- blocks
			}
			close(full)
			wg.Wait()
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/block")
		})
	}
}
