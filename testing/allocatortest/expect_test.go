package allocatortest_test

import (
	"strings"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// guarded returns an allocator for t whose blocks lie against a guarded page.
func guarded(t *testing.T, side heap.DebugGuard) mem.Allocator {
	t.Helper()
	a := allocatortest.New(t, allocatortest.Debug(heap.DebugOptions{Guard: side}))
	b := mem.Must(a.Alloc(8, word))
	defer a.Free(b, word)
	if d, ok := mem.As[*heap.Debug](a); !ok || d.Stats().Guarded == 0 {
		t.Skip("no page can be guarded here")
	}
	return a
}

var sink byte

func readByte(p *byte) { sink = *p }

func TestExpectFault(t *testing.T) {
	for _, size := range sizes {
		a := guarded(t, heap.GuardEnd)
		// With an alignment of 1 the block ends where the guarded page begins.
		l := mem.Layout{}
		b := mem.Must(a.Alloc(size, l))
		f := allocatortest.ExpectFault(t, heap.Overflow, func() { readByte(at(b, size)) })
		if f == nil || f.Size != size || !strings.Contains(f.Here.String(), "readByte") || !strings.Contains(f.Alloc.String(), "TestExpectFault") {
			t.Errorf("size %d: ExpectFault = %+v", size, f)
		}
		freeAll(a, b, l)
		f = allocatortest.ExpectFault(t, heap.UseAfterFree, func() { readByte(&b[size/2]) })
		if f == nil || !strings.Contains(f.Free.String(), "freeAll") {
			t.Errorf("size %d: ExpectFault = %+v", size, f)
		}
	}
	a := guarded(t, heap.GuardStart)
	b := mem.Must(a.Alloc(8, word))
	allocatortest.ExpectFault(t, heap.Underflow, func() { readByte(at(b, -1)) })
	readByte(&b[7])
	a.Free(b, word)
}

func freeAll(a mem.Allocator, b []byte, l mem.Layout) { a.Free(b, l) }

func TestExpectFaultFails(t *testing.T) {
	r := allocatortest.NewRecorder()
	if f := allocatortest.ExpectFault(r, heap.UseAfterFree, func() {}); f != nil {
		t.Errorf("ExpectFault = %v, want nil", f)
	}
	want(t, r, "no fault, want use after free")

	a := guarded(t, heap.GuardEnd)
	b := mem.Must(a.Alloc(8, word))
	freeAll(a, b, word)
	r = allocatortest.NewRecorder()
	allocatortest.ExpectFault(r, heap.Overflow, func() { readByte(&b[0]) })
	want(t, r, "want write past the end", "accessed by", "readByte", "the block was allocated by", "and freed by", "freeAll")
}
