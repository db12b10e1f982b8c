package generic_test

import (
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// lazy is an allocator of one word, which is nil: it looks like a nil pointer to
// who does not look twice.
type lazy struct{ _ *heap.Arena }

func (lazy) Alloc(size int, l mem.Layout) ([]byte, error)        { return heap.GC{}.Alloc(size, l) }
func (lazy) Resize(b []byte, l mem.Layout, n int) ([]byte, bool) { return b, false }
func (lazy) Remap(b []byte, l mem.Layout, n int) ([]byte, bool)  { return b, false }
func (lazy) Free([]byte, mem.Layout)                             {}
func (lazy) Pointers() mem.Pointers                              { return mem.Scanned }

func TestAllocatorOfOneNilWord(t *testing.T) {
	l := generic.NewArrayList[int](lazy{})
	if err := l.Append(1); err != nil {
		t.Error(err)
	}
	l.Close()
	m := generic.NewHashMap[int, int](lazy{})
	if err := m.Put(1, 2); err != nil {
		t.Error(err)
	}
	m.Close()
}
