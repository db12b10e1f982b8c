package heap_test

import (
	"fmt"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// What a wrapper adds to a child that costs next to nothing, beside that child
// and the plain Go way.

var benchSink []byte

func benchWrappers() []wrapperMaker {
	bare := wrapperMaker{name: "bare", make: func(child mem.Allocator) mem.Allocator { return child }}
	return append([]wrapperMaker{bare}, wrapperMakers...)
}

func BenchmarkWrappers(b *testing.B) {
	for _, size := range []int{64, 4096} {
		for _, m := range benchWrappers() {
			b.Run(fmt.Sprintf("impl=%s/size=%d", m.name, size), func(b *testing.B) {
				a := m.make(heap.NewFixedBuffer(make([]byte, 8192)))
				l := mem.Layout{Align: mem.Align(8)}
				b.ReportAllocs()
				for b.Loop() {
					p, err := a.Alloc(size, l)
					if err != nil {
						b.Fatal(err)
					}
					a.Free(p, l)
				}
			})
		}
		b.Run(fmt.Sprintf("impl=make/size=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				benchSink = make([]byte, size)
			}
		})
	}
}

// BenchmarkWrappersResize grows and shrinks one block in place.
func BenchmarkWrappersResize(b *testing.B) {
	for _, m := range benchWrappers() {
		b.Run("impl="+m.name, func(b *testing.B) {
			a := m.make(heap.NewFixedBuffer(make([]byte, 8192)))
			l := mem.Layout{Align: mem.Align(8)}
			p := mem.Must(a.Alloc(64, l))
			b.ReportAllocs()
			for b.Loop() {
				p, _ = a.Resize(p, l, 128)
				p, _ = a.Resize(p, l, 64)
			}
		})
	}
}

// BenchmarkWrappersFailure is an Alloc that returns an error.
func BenchmarkWrappersFailure(b *testing.B) {
	for _, m := range benchWrappers() {
		b.Run("impl="+m.name, func(b *testing.B) {
			a := m.make(&oneBlock{fail: true})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Alloc(64, mem.Layout{}); err == nil {
					b.Fatal("no error")
				}
			}
		})
	}
}

// BenchmarkWrappersParallel shares one wrapper between all processors. The child
// has nothing that they could share.
func BenchmarkWrappersParallel(b *testing.B) {
	for _, m := range benchWrappers() {
		b.Run("impl="+m.name, func(b *testing.B) {
			a := m.make(heap.GC{})
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					p, err := a.Alloc(64, mem.Layout{})
					if err != nil {
						b.Error(err)
						return
					}
					a.Free(p, mem.Layout{})
				}
			})
		})
	}
	b.Run("impl=make", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			n := 0
			for pb.Next() {
				p := make([]byte, 64+n)
				n = len(p) & 1
			}
		})
	})
}

// What it costs to look at a program with many names.
func BenchmarkRegistryStats(b *testing.B) {
	for _, names := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("names=%d", names), func(b *testing.B) {
			b.ReportAllocs()
			var r heap.Registry
			s := heap.NewSMP(heap.SMPOptions{})
			for i := range names {
				n := r.Named(s, fmt.Sprintf("service%d/table%d/part%d", i%10, i%100, i))
				for k := range 6 {
					mem.Must(n.Alloc(16<<k, mem.Layout{}))
				}
			}
			for b.Loop() {
				if len(r.Stats()) < names {
					b.Fatal("names are missing")
				}
			}
		})
	}
}
