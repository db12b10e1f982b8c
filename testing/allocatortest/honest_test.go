package allocatortest_test

import (
	"math"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// honest is a small allocator that keeps the contract. The mutants embed it, and
// break one thing each.
//
// It bumps through chunks of the Go heap, grows and shrinks the newest block in
// place, and serves freed blocks to requests for the same size.
type honest struct {
	chunk []byte
	off   int
	live  map[uintptr]int  // address -> size
	free  map[int][][]byte // size -> blocks
	all   [][]byte         // chunks, which live as long as the allocator
	limit int              // bytes in all chunks, 0 for no limit
}

func newHonest(limit int) *honest {
	return &honest{live: make(map[uintptr]int), free: make(map[int][][]byte), limit: limit}
}

const honestChunk = 64 << 10

func (h *honest) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("honest.Alloc", size)
	if err := mem.Refuse(l); err != nil {
		return nil, err
	}
	list := h.free[size]
	for i, b := range list {
		if l.Align.Check(address(b)) {
			h.free[size] = append(list[:i:i], list[i+1:]...)
			h.live[address(b)] = size
			if zeroes(l) {
				clear(b)
			}
			return b, nil
		}
	}
	b, err := h.bump(size, l.Align)
	if err != nil {
		return nil, err
	}
	h.live[address(b)] = size
	if zeroes(l) {
		clear(b)
	}
	return b, nil
}

func zeroes(l mem.Layout) bool { return l.Zero || l.Kind != mem.Plain }

// bump cuts a block off the chunk, or of a new one.
func (h *honest) bump(size int, align mem.Alignment) ([]byte, error) {
	for range 2 {
		if h.chunk != nil {
			start := h.off + align.Pad(address(h.chunk)+uintptr(h.off))
			if start <= len(h.chunk) && size <= len(h.chunk)-start {
				h.off = start + size
				return h.chunk[start:h.off:h.off], nil
			}
		}
		if size > 1<<28 || align.Log2() > 24 {
			return nil, mem.ErrTooLarge
		}
		n := max(honestChunk, size+align.Bytes())
		if h.limit > 0 {
			if h.chunk != nil {
				return nil, mem.ErrOutOfMemory
			}
			n = h.limit
		}
		h.chunk, h.off = make([]byte, n), 0
		h.all = append(h.all, h.chunk)
	}
	return nil, mem.ErrTooLarge
}

// owns panics with a misuse unless b is a live block.
func (h *honest) owns(op string, b []byte) {
	if h.live[address(b)] != len(b) {
		panic(&heap.Misuse{Kind: heap.ForeignFree, Op: op, Addr: address(b), Size: len(b)})
	}
}

// last tells whether b is the newest block of the chunk.
func (h *honest) last(b []byte) bool {
	return h.chunk != nil && address(b)+uintptr(len(b)) == address(h.chunk)+uintptr(h.off)
}

func (h *honest) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("honest.Resize", size)
	h.owns("honest.Resize", b)
	if !h.last(b) || size > math.MaxInt/2 {
		return b, false
	}
	start := h.off - len(b)
	if size > len(h.chunk)-start {
		return b, false
	}
	h.off = start + size
	c := h.chunk[start:h.off:h.off]
	if size > len(b) && zeroes(l) {
		clear(c[len(b):])
	}
	h.live[address(c)] = size
	return c, true
}

func (h *honest) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	if c, ok := h.Resize(b, l, size); ok {
		return c, true
	}
	c, err := h.Alloc(size, mem.Layout{Align: l.Align, Zero: zeroes(l)})
	if err != nil {
		return b, false
	}
	copy(c, b)
	h.Free(b, l)
	return c, true
}

func (h *honest) Free(b []byte, l mem.Layout) {
	h.owns("honest.Free", b)
	delete(h.live, address(b))
	if h.last(b) {
		h.off -= len(b)
		return
	}
	h.free[len(b)] = append(h.free[len(b)], b)
}

func (h *honest) Pointers() mem.Pointers { return mem.PlainOnly }
