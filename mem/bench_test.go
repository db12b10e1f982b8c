package mem_test

import (
	"testing"

	"github.com/allod-dev/allod/internal/rtype"
	"github.com/allod-dev/allod/mem"
)

// bump is the cheapest allocator there can be, so that what these benchmarks
// measure is the typed layer.
type bump struct {
	mem.NoResize
	buf []byte
	off int
}

func (b *bump) Alloc(size int, l mem.Layout) ([]byte, error) {
	if size > len(b.buf)-b.off {
		b.off = 0
	}
	s := b.buf[b.off : b.off+size : b.off+size]
	b.off += (size + 15) &^ 15
	return s, nil
}
func (b *bump) Free([]byte, mem.Layout) {}

var (
	sinkPoint *point
	sinkBool  bool
	sinkType  mem.Type
)

func BenchmarkCreate(b *testing.B) {
	var a mem.Allocator = &bump{buf: make([]byte, 1<<16)}
	b.Run("impl=mem.Create", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sinkPoint, _ = mem.Create[point](a)
		}
	})
	b.Run("impl=new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sinkPoint = new(point)
		}
	})
}

// What it costs to know a type, when the compiler knows T.
func BenchmarkType(b *testing.B) {
	b.Run("ask=HasPointers", func(b *testing.B) {
		for b.Loop() {
			sinkBool = rtype.HasPointers[point]()
		}
	})
	b.Run("ask=TypeFor", func(b *testing.B) {
		for b.Loop() {
			sinkType = mem.TypeFor[point]()
		}
	})
	b.Run("ask=nothing", func(b *testing.B) {
		for b.Loop() {
			sinkBool = true
		}
	})
}
