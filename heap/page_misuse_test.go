package heap_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

func TestPageMisuse(t *testing.T) {
	page := vm.PageSize()
	other := heap.NewPages(heap.PageOptions{})
	for _, size := range []int{1, 8, page - 1, page, 256 << 10, 2<<20 + 1} {
		for _, c := range []struct {
			name   string
			kind   heap.MisuseKind
			block  func(b []byte) []byte
			unless bool
		}{
			{"Foreign", heap.ForeignFree, func([]byte) []byte { return make([]byte, size) }, false},
			{"ForeignNil", heap.ForeignFree, func([]byte) []byte { return nil }, false},
			{"ForeignGlobal", heap.ForeignFree, func([]byte) []byte { return pageGlobal[:] }, false},
			{"ForeignStack", heap.ForeignFree, func([]byte) []byte { var s [64]byte; return s[:] }, false},
			{"Append", heap.ForeignFree, func(b []byte) []byte { return append(b, 1) }, false},
			{"Interior", heap.InteriorFree, func(b []byte) []byte { return b[1:] }, size == 1},
			{"InteriorPage", heap.InteriorFree, func(b []byte) []byte { return b[page:] }, size <= page},
			{"Shorter", heap.SizeMismatch, func(b []byte) []byte { return b[: size-1 : size-1] }, size == 1},
			{"HalfMapping", heap.SizeMismatch, func(b []byte) []byte { return b[: size/2 : size/2] }, size < 2*page},
			{"Longer", heap.SizeMismatch, func(b []byte) []byte { return pageLonger(b, size+1) }, false},
			{"OtherPages", heap.WrongAllocator, func(b []byte) []byte {
				return pageAlloc(t, other, size, mem.Layout{})
			}, false},
		} {
			if c.unless {
				continue
			}
			t.Run(fmt.Sprintf("%s/size=%d", c.name, size), func(t *testing.T) {
				var a heap.Page
				b := pageAlloc(t, a, size, mem.Layout{})
				pageFill(b, 7)
				before := a.Stats()
				bad := c.block(b)
				expectMisuse(t, c.kind, func() { a.Free(bad, mem.Layout{}) })
				for _, to := range []int{len(bad), 1, len(bad) + 10*page} {
					if to == 0 {
						continue
					}
					expectMisuse(t, c.kind, func() {
						if r, ok := a.Resize(bad, mem.Layout{}, to); ok || len(r) != len(bad) {
							t.Errorf("Resize(%d) of a bad block: true", to)
						}
					})
					expectMisuse(t, c.kind, func() {
						if _, ok := a.Remap(bad, mem.Layout{}, to); ok {
							t.Errorf("Remap(%d) of a bad block: true", to)
						}
					})
				}
				if i := pageNot(b, 7); i >= 0 {
					t.Errorf("byte %d of the block changed", i)
				}
				if s := a.Stats(); s.Blocks != before.Blocks || s.Bytes != before.Bytes {
					t.Errorf("stats changed from %+v to %+v", before, s)
				}
				// The good twin.
				allocatortest.NoMisuse(t, func() { a.Free(b, mem.Layout{}) })
				if c.kind == heap.WrongAllocator {
					allocatortest.NoMisuse(t, func() { other.Free(bad, mem.Layout{}) })
				}
			})
		}
	}
	if s := other.Stats(); s.Blocks != 0 {
		t.Errorf("%d blocks left", s.Blocks)
	}
}

var pageGlobal [100]byte

func TestPageDoubleFree(t *testing.T) {
	var a heap.Page
	b := pageAlloc(t, a, 100, mem.Layout{})
	a.Free(b, mem.Layout{})
	kind := heap.DoubleFree
	if vm.GoHeap {
		kind = heap.ForeignFree // the address may be anyone's by now
	}
	expectMisuse(t, kind, func() { a.Free(b, mem.Layout{}) })
	expectMisuse(t, kind, func() { a.Resize(b, mem.Layout{}, 50) })
	expectMisuse(t, kind, func() { a.Remap(b, mem.Layout{}, 1<<20) })
}

// Of many goroutines that free one block, one does, and the others are told.
func TestPageDoubleFreeAtOnce(t *testing.T) {
	if race.Enabled {
		t.Skip("the detector calls it a race, and is right")
	}
	for range 20 {
		b := pageAlloc(t, heap.Page{}, 100, mem.Layout{})
		var told sync.Map
		old := heap.OnMisuse(func(m *heap.Misuse) { told.Store(m, true) })
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { heap.Page{}.Free(b, mem.Layout{}) })
		}
		wg.Wait()
		heap.OnMisuse(old)
		n := 0
		for range told.Range {
			n++
		}
		if n != 3 {
			t.Fatalf("%d goroutines were told, want 3", n)
		}
	}
}

// The report says what is known.
func TestPageMisuseHints(t *testing.T) {
	var a heap.Page
	b := pageAlloc(t, a, 100, mem.Layout{})
	for _, c := range []struct {
		want  string
		kind  heap.MisuseKind
		block []byte
	}{
		{"append", heap.ForeignFree, make([]byte, 100)},
		{"offset 10 of the block of 100 bytes", heap.InteriorFree, b[10:]},
		{"the block has 100 bytes", heap.SizeMismatch, b[:50:50]},
	} {
		m := expectMisuse(t, c.kind, func() { a.Free(c.block, mem.Layout{}) })
		if m == nil || !strings.Contains(m.Error(), c.want) || !strings.Contains(m.Error(), "heap: Page.Free") {
			t.Errorf("report %v does not say %q", m, c.want)
		}
	}
	a.Free(b, mem.Layout{})
}
