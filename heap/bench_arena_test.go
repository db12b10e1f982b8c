package heap_test

import (
	"fmt"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

type (
	obj16  struct{ _ [2]uint64 }
	obj64  struct{ _ [8]uint64 }
	obj128 struct{ _ [16]uint64 }
)

func benchCreate[T any](b *testing.B, n int) {
	var v T
	size := int(sizeOf(v))
	keep := make([]*T, n)
	name := func(impl string) string { return fmt.Sprintf("impl=%s/size=%d/live=%d", impl, size, n) }
	b.Run(name("new"), func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			keep[i] = new(T)
			if i++; i == n {
				i = 0
			}
		}
		clear(keep)
	})
	keepBytes := make([]*byte, n)
	raw := func(zero bool) func(b *testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			a := heap.NewArena(heap.GC{})
			l := mem.LayoutOf[T]()
			l.Zero = zero
			i := 0
			for b.Loop() {
				p, err := a.Alloc(size, l)
				if err != nil {
					b.Fatal(err)
				}
				keepBytes[i] = &p[0]
				if i++; i == n {
					i = 0
					a.Reset()
				}
			}
			clear(keepBytes)
			a.Close()
		}
	}
	b.Run(name("arena-raw"), raw(false))
	b.Run(name("arena-raw-zeroed"), raw(true))
	b.Run(name("arena-mem.Create"), func(b *testing.B) {
		b.ReportAllocs()
		a := heap.NewArena(heap.GC{})
		i := 0
		for b.Loop() {
			p, err := mem.Create[T](a)
			if err != nil {
				b.Fatal(err)
			}
			keep[i] = p
			if i++; i == n {
				i = 0
				a.Reset()
			}
		}
		clear(keep)
		a.Close()
	})
}

func sizeOf[T any](v T) int { return mem.TypeFor[T]().Size() }

func BenchmarkArena(b *testing.B) {
	for _, n := range []int{1000, 1000_000} {
		benchCreate[obj16](b, n)
		benchCreate[obj64](b, n)
		benchCreate[obj128](b, n)
	}
}
