package heap_test

import (
	"fmt"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

var (
	fixedSink     []byte
	fixedSinkQuad *[4]int64
)

func BenchmarkFixedBuffer(b *testing.B) {
	for _, size := range []int{16, 64, 256} {
		for _, zero := range []bool{false, true} {
			b.Run(fmt.Sprintf("impl=fixed/size=%d/zero=%v", size, zero), func(b *testing.B) {
				f := heap.NewFixedBuffer(make([]byte, 64<<10))
				l := mem.Layout{Align: mem.Align(8), Zero: zero}
				b.ReportAllocs()
				for b.Loop() {
					p, err := f.Alloc(size, l)
					if err != nil {
						f.Reset()
						continue
					}
					fixedSink = p
				}
			})
		}
		b.Run(fmt.Sprintf("impl=shared/size=%d/zero=false", size), func(b *testing.B) {
			f := heap.NewFixedBuffer(make([]byte, 64<<10))
			s := f.ThreadSafe()
			l := mem.Layout{Align: mem.Align(8)}
			b.ReportAllocs()
			for b.Loop() {
				p, err := s.Alloc(size, l)
				if err != nil {
					f.Reset()
					continue
				}
				fixedSink = p
			}
		})
		b.Run(fmt.Sprintf("impl=make/size=%d/zero=true", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				fixedSink = make([]byte, size)
			}
		})
	}
}

func BenchmarkFixedBufferCreate(b *testing.B) {
	b.Run("impl=fixed/size=32", func(b *testing.B) {
		f := heap.NewFixedBuffer(make([]byte, 64<<10))
		var a mem.Allocator = f
		b.ReportAllocs()
		for b.Loop() {
			p, err := mem.Create[[4]int64](a)
			if err != nil {
				f.Reset()
				continue
			}
			fixedSinkQuad = p
		}
	})
	b.Run("impl=new/size=32", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			fixedSinkQuad = new([4]int64)
		}
	})
}
