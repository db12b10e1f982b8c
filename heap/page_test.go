package heap_test

import (
	"errors"
	"math"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

var pageSize = vm.PageSize()

func TestPageAlloc(t *testing.T) {
	var a heap.Page
	for _, size := range []int{1, 7, pageSize - 1, pageSize, pageSize + 1, 10 * pageSize, 3<<20 + 1} {
		for log2 := 0; log2 <= 22; log2++ {
			l := mem.Layout{Align: mem.AlignLog2(log2)}
			b, err := a.Alloc(size, l)
			if err != nil {
				t.Fatalf("Alloc(%d, %d): %v", size, l.Align.Bytes(), err)
			}
			if len(b) != size || cap(b) != size {
				t.Errorf("Alloc(%d, %d): len %d, cap %d", size, l.Align.Bytes(), len(b), cap(b))
			}
			if addr := addressOf(b); !l.Align.Check(addr) {
				t.Errorf("Alloc(%d, %d): at %#x", size, l.Align.Bytes(), addr)
			}
			if !pageIsZero(b) {
				t.Errorf("Alloc(%d, %d): not zero", size, l.Align.Bytes())
			}
			pageFill(b, 0xA5)
			a.Free(b, l)
		}
	}
}

func TestPageTooLarge(t *testing.T) {
	var a heap.Page
	for k := 0; k <= 64<<10; k = k*2 + 1 {
		if _, err := a.Alloc(math.MaxInt-k, mem.Layout{}); !errors.Is(err, mem.ErrOutOfMemory) {
			t.Fatalf("Alloc(MaxInt-%d): %v", k, err)
		}
	}
}

func pageIsZero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}

func pageFill(b []byte, v byte) {
	for i := range b {
		b[i] = v
	}
}

func TestPageResize(t *testing.T) {
	var a heap.Page
	l := mem.Layout{Zero: true}
	b, err := a.Alloc(3*pageSize, l)
	if err != nil {
		t.Fatal(err)
	}
	pageFill(b, 1)
	b, ok := a.Resize(b, l, 2*pageSize-10)
	if !ok || len(b) != 2*pageSize-10 {
		t.Fatalf("shrink: %d bytes, %v", len(b), ok)
	}
	b, ok = a.Resize(b, l, 2*pageSize)
	if !ok || !pageIsZero(b[2*pageSize-10:]) {
		t.Fatalf("growth in the last page: %v, or not zero", ok)
	}
	if r, ok := a.Remap(b, l, 100*pageSize); ok {
		b = r
		if !pageIsZero(b[2*pageSize:]) || b[0] != 1 {
			t.Errorf("Remap lost contents, or added some")
		}
	}
	a.Free(b, l)
}
