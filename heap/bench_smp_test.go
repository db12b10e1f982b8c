package heap_test

import (
	"fmt"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

func BenchmarkSMPPair(b *testing.B) {
	for _, size := range []int{16, 64, 4096, 1 << 20} {
		b.Run(fmt.Sprintf("impl=smp/size=%d", size), func(b *testing.B) {
			s := heap.NewSMP(heap.SMPOptions{})
			defer s.Close()
			b.ReportAllocs()
			for b.Loop() {
				p, _ := s.Alloc(size, mem.Layout{})
				p[0] = 1
				s.Free(p, mem.Layout{})
			}
		})
	}
}

func BenchmarkSMPRandomFree(b *testing.B) {
	const n = 1_000_000
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	x := uint64(88172645463325252)
	for i := n - 1; i > 0; i-- {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		j := int(x % uint64(i+1))
		order[i], order[j] = order[j], order[i]
	}
	blocks := make([][]byte, n)
	s := heap.NewSMP(heap.SMPOptions{})
	defer s.Close()
	b.Run("impl=smp", func(b *testing.B) {
		for b.Loop() {
			for i := range blocks {
				blocks[i], _ = s.Alloc(32, mem.Layout{})
				blocks[i][0] = 1
			}
			for _, i := range order {
				s.Free(blocks[i], mem.Layout{})
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/pair")
	})
	b.Run("impl=smpPhases", func(b *testing.B) {
		var a, f int64
		for b.Loop() {
			t0 := b.Elapsed()
			for i := range blocks {
				blocks[i], _ = s.Alloc(32, mem.Layout{})
				blocks[i][0] = 1
			}
			t1 := b.Elapsed()
			for _, i := range order {
				s.Free(blocks[i], mem.Layout{})
			}
			t2 := b.Elapsed()
			a += int64(t1 - t0)
			f += int64(t2 - t1)
		}
		b.ReportMetric(float64(a)/float64(b.N)/n, "ns/alloc")
		b.ReportMetric(float64(f)/float64(b.N)/n, "ns/free")
	})
}

func BenchmarkSMPWindow(b *testing.B) {
	const n = 10000
	s := heap.NewSMP(heap.SMPOptions{})
	defer s.Close()
	var blocks [n][]byte
	sizes := make([]int, 1<<16)
	x := uint64(88172645463325252)
	for i := range sizes {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		k := 3 + x%9
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		sizes[i] = 1<<k + int(x%(1<<k))
		if sizes[i] > 4096 {
			sizes[i] = 4096
		}
	}
	i := 0
	for b.Loop() {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		j := x % n
		if blocks[j] != nil {
			s.Free(blocks[j], mem.Layout{})
		}
		i++
		blocks[j], _ = s.Alloc(sizes[i&(1<<16-1)], mem.Layout{})
		blocks[j][0] = 1
	}
}
