package heap_test

import (
	"fmt"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// Objects without pointers are created, written to and given up in batches of
// live: by Reset, or to the collector. The arena has seen two
// batches before.
func BenchmarkArena(b *testing.B) {
	for _, live := range []int{1000, 1_000_000} {
		benchArena[[2]uint64](b, live)
		benchArena[[8]uint64](b, live)
		benchArena[[16]uint64](b, live)
	}
}

func benchArena[T [2]uint64 | [8]uint64 | [16]uint64](b *testing.B, live int) {
	var pages mem.Allocator = heap.Page{}
	l := mem.LayoutOf[T]()
	size := l.Type.Size()
	run := func(impl string, loop func(b *testing.B, a *heap.Arena)) {
		b.Run(fmt.Sprintf("impl=%s/size=%d/live=%d", impl, size, live), func(b *testing.B) {
			b.ReportAllocs()
			a := heap.NewArena(pages)
			defer a.Close()
			for range 2 {
				for range live {
					mem.Must(mem.Create[T](a))
				}
				a.Reset()
			}
			loop(b, a)
		})
	}
	run("new", func(b *testing.B, _ *heap.Arena) {
		keep := make([]*T, live)
		i := 0
		for b.Loop() {
			p := new(T)
			(*p)[0] = 1
			keep[i] = p
			if i++; i == live {
				i = 0
			}
		}
	})
	raw := func(b *testing.B, a *heap.Arena, l mem.Layout) {
		i := 0
		for b.Loop() {
			p, err := a.Alloc(size, l)
			if err != nil {
				b.Fatal(err)
			}
			p[0] = 1
			if i++; i == live {
				i = 0
				a.Reset()
			}
		}
	}
	run("arena", func(b *testing.B, a *heap.Arena) { raw(b, a, mem.Layout{Align: l.Align, Type: l.Type}) })
	run("arena-zeroed", func(b *testing.B, a *heap.Arena) { raw(b, a, l) })
	pages = heap.NewPages(heap.PageOptions{HugePages: true})
	run("arena-huge-pages", func(b *testing.B, a *heap.Arena) { raw(b, a, mem.Layout{Align: l.Align, Type: l.Type}) })
	pages = heap.Page{}
	run("mem.Create", func(b *testing.B, a *heap.Arena) {
		i := 0
		for b.Loop() {
			p, err := mem.Create[T](a)
			if err != nil {
				b.Fatal(err)
			}
			(*p)[0] = 1
			if i++; i == live {
				i = 0
				a.Reset()
			}
		}
	})
}

// Objects that the collector must see.
func BenchmarkArenaManaged(b *testing.B) {
	const live = 100_000
	b.Run(fmt.Sprintf("impl=new/live=%d", live), func(b *testing.B) {
		b.ReportAllocs()
		keep := make([]*named, live)
		i := 0
		for b.Loop() {
			keep[i] = &named{name: "x", next: keep[(i+live/2)%live]}
			if keep[i].next != nil {
				keep[i].next.next = nil
			}
			if i++; i == live {
				i = 0
			}
		}
	})
	b.Run(fmt.Sprintf("impl=arena/live=%d", live), func(b *testing.B) {
		b.ReportAllocs()
		a := heap.NewArena(heap.GC{})
		defer a.Close()
		var last *named
		i := 0
		for b.Loop() {
			p, err := mem.Create[named](a)
			if err != nil {
				b.Fatal(err)
			}
			p.name, p.next = "x", last
			last = p
			if i++; i == live {
				i, last = 0, nil
				a.Reset()
			}
		}
	})
}

type named struct {
	name string
	next *named
}
