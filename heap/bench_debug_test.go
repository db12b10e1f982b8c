package heap_test

import (
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// BenchmarkDebug takes the time of an Alloc and a Free in a program whose stack
// is deep, over a child that takes next to none.
func BenchmarkDebug(b *testing.B) {
	stacks, none := heap.NewDebug(newRecycling(), heap.DebugOptions{}), heap.NewDebug(newRecycling(), heap.DebugOptions{StackDepth: -1})
	defer stacks.Close()
	defer none.Close()
	for _, c := range []struct {
		name  string
		alloc mem.Allocator
	}{
		{"impl=debug-16-frames/size=64", stacks},
		{"impl=debug-no-stacks/size=64", none},
		{"impl=validation/size=64", heap.NewValidation(newRecycling())},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			debugNest(20, func() {
				for b.Loop() {
					p, err := c.alloc.Alloc(64, word8)
					if err != nil {
						b.Fatal(err)
					}
					c.alloc.Free(p, word8)
				}
			})
		})
	}
	b.Run("impl=new/size=64", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			benchSinkDebug = new([64]byte)
		}
	})
	d := heap.NewDebug(heap.GC{}, heap.DebugOptions{OnLeak: func(*heap.LeakError) {}})
	defer d.Close()
	for range 100_000 {
		d.Alloc(64, word8)
	}
	b.Run("op=check/live=100000", func(b *testing.B) {
		for b.Loop() {
			d.Check()
		}
	})
	b.Run("op=leaks/live=100000", func(b *testing.B) {
		for b.Loop() {
			d.Leaks()
		}
	})
}

var benchSinkDebug *[64]byte

//go:noinline
func debugNest(n int, f func()) {
	if n == 0 {
		f()
		return
	}
	debugNest(n-1, f)
}

// recycling serves blocks of one size from a list, for as little time as possible.
type recycling struct {
	*heap.FixedBuffer
	free [][]byte
}

func newRecycling() *recycling {
	return &recycling{FixedBuffer: heap.NewFixedBuffer(make([]byte, 2<<20))}
}

func (r *recycling) Alloc(size int, l mem.Layout) ([]byte, error) {
	if n := len(r.free); n > 0 {
		b := r.free[n-1]
		r.free = r.free[:n-1]
		return b, nil
	}
	return r.FixedBuffer.Alloc(size, l)
}

func (r *recycling) Free(b []byte, _ mem.Layout) { r.free = append(r.free, b) }
