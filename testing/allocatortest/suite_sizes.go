package allocatortest

import (
	"errors"
	"math"
	"math/bits"

	"github.com/allod-dev/allod/mem"
)

// Clause 1: sizes and alignments, and what happens when there is no memory.

// around returns the sizes around every power of two up to most, in order.
func around(most int) []int {
	var sizes []int
	for n := 1; n <= most; n *= 2 {
		for _, s := range [...]int{n - 1, n, n + 1} {
			if s > 0 && s <= most && (len(sizes) == 0 || s > sizes[len(sizes)-1]) {
				sizes = append(sizes, s)
			}
		}
	}
	return sizes
}

// some returns a few sizes, up to most.
func some(most int) []int {
	var sizes []int
	for _, s := range [...]int{1, 7, 8, 24, 100, 512, 4095, 4096, 70_000, 1 << 20, 2<<20 + 1} {
		if s <= most {
			sizes = append(sizes, s)
		}
	}
	return sizes
}

// aligned returns the layout of raw bytes aligned to n.
func aligned(n int) mem.Layout { return mem.Layout{Align: mem.Align(n)} }

// word is how the suite aligns a block where that is not what matters.
var word = aligned(8)

// zeroed is word, and zero.
var zeroed = mem.Layout{Align: word.Align, Zero: true}

func testSizeNotPositive(p *probe) {
	k := p.alloc(64, word)
	k.paint(1)
	for _, size := range []int{0, -1, -8, math.MinInt} {
		p.panics(request(size, word), func() {
			if b, err := p.a.Alloc(size, word); err == nil && len(b) > 0 {
				p.live = append(p.live, &block{b: b, l: word})
			}
		})
		for _, w := range ways {
			p.panics(w.name+" to a size that is not positive", func() { w.call(p.a, k.b, k.l, size) })
		}
	}
	p.intact(k, len(k.b), "after the panics")
	p.free(k)
	p.alloc(64, word)
}

// panics wants a panic of f.
func (p *probe) panics(what string, f func()) {
	p.Helper()
	defer func() {
		p.Helper()
		if recover() == nil {
			p.Errorf("%s: no panic", what)
		}
	}()
	f()
}

func testSizes(p *probe) {
	for _, size := range around(p.largest()) {
		if !p.need(1, size, aligned(1)) {
			continue
		}
		k := p.alloc(size, aligned(1))
		k.paint(uint64(size))
		p.intact(k, size, "after writing it")
		p.free(k)
	}
}

// beyond yields sizes that hardly any machine can serve, close to where
// arithmetic overflows.
func beyond(yield func(int) bool) {
	for _, k := range []int{0, 1, 7, 8, 15, 16, 31, 32, 63, 64, 255, 4095, 4096, 4097, 65535, 65536, 1<<20 + 1, 2 << 20} {
		if !yield(math.MaxInt - k) {
			return
		}
		// Half of it is more than there is, but on 32 bits.
		if math.MaxInt > math.MaxInt32 && (!yield(math.MaxInt/2+1+k) || !yield(math.MaxInt/2-k)) {
			return
		}
	}
}

func testSizeHuge(p *probe) {
	p.need(3, 64, word)
	before, k, after := p.alloc(64, word), p.alloc(64, word), p.alloc(64, word)
	for i, k := range p.live {
		k.paint(uint64(i))
	}
	for size := range beyond {
		for _, l := range []mem.Layout{aligned(1), zeroed, aligned(64), aligned(4096), {Align: p.MaxAlign}} {
			p.hopeless(size, l)
		}
		for _, w := range ways {
			b, ok := w.call(p.a, k.b, k.l, size)
			switch {
			case ok && len(b) != size:
				p.Errorf("%s(64 -> %d): true with len %d", w.name, size, len(b))
			case ok: // a machine with that much memory
				k.b = b
				p.free(k)
				k = p.alloc(64, word)
				k.paint(1)
			case !same(b, k.b):
				p.Errorf("%s(64 -> %d) = %s, false; want %s", w.name, size, show(b), show(k.b))
			}
		}
	}
	for _, k := range []*block{before, k, after} {
		p.intact(k, 64, "after requests for huge sizes")
	}
}

// hopeless asks for what cannot be served.
func (p *probe) hopeless(size int, l mem.Layout) {
	p.Helper()
	b, err := p.a.Alloc(size, l)
	switch {
	case err == nil && len(b) != size:
		p.Errorf("%v: len %d and no error", request(size, l), len(b))
	case err == nil: // a machine with that much memory
		p.a.Free(b, l)
	case b != nil:
		p.Errorf("%v: error %v and a block, %s", request(size, l), err, show(b))
	case !errors.Is(err, mem.ErrOutOfMemory):
		p.Errorf("%v: error %q, which does not wrap mem.ErrOutOfMemory", request(size, l), err)
	}
}

func testAlignHuge(p *probe) {
	k := p.alloc(64, word)
	k.paint(1)
	// Below this a machine may have the memory, and be busy for a while.
	const hopeless = bits.UintSize - 2 - bits.UintSize/64*16
	for log2 := max(p.MaxAlign.Log2()+1, hopeless); log2 < bits.UintSize-1; log2++ {
		l := mem.Layout{Align: mem.AlignLog2(log2)}
		for _, size := range []int{1, 4096, math.MaxInt, math.MaxInt - l.Align.Bytes(), math.MaxInt - l.Align.Bytes() + 2} {
			b, err := p.a.Alloc(size, l)
			switch {
			case err == nil && (len(b) != size || !l.Align.Check(address(b))):
				p.Errorf("%v = %s and no error", request(size, l), show(b))
			case err == nil:
				p.a.Free(b, l)
			case !errors.Is(err, mem.ErrOutOfMemory):
				p.Errorf("%v: error %q, which does not wrap mem.ErrOutOfMemory", request(size, l), err)
			}
		}
	}
	p.intact(k, 64, "after requests for huge alignments")
}

func testFailedAlloc(p *probe) {
	size := min(p.largest()/4, 1<<16)
	if !p.need(2, size, word) {
		return
	}
	k := p.alloc(size, word)
	k.paint(1)
	for range 64 {
		for _, huge := range []int{math.MaxInt - 4096, math.MaxInt - 1} {
			p.hopeless(huge, word)
		}
	}
	if p.MaxSize > 0 && p.MaxSize < math.MaxInt/16 {
		for range 64 {
			p.hopeless(p.MaxSize*16, word)
		}
	}
	p.intact(k, size, "after failed requests")
	other := p.alloc(size, word) // is there still
	if overlap(k.b, other.b) {
		p.Errorf("after failed requests: Alloc served %s, which overlaps %s", show(other.b), show(k.b))
	}
}

func testExhaust(p *probe) {
	if p.MaxSize == 0 {
		p.Skip("an allocator without MaxSize")
	}
	size := max(p.MaxSize/64, 1)
	beyond := size * 64 * 16
	if beyond/1024 != size {
		beyond = math.MaxInt
	}
	var err error
	for i := 0; ; i++ {
		var b []byte
		if b, err = p.a.Alloc(size, word); err != nil {
			break
		}
		k := &block{b: b, l: word}
		k.paint(uint64(i))
		p.live = append(p.live, k)
		if i == 4096 {
			p.Logf("served 64 times MaxSize; not exhausted")
			return
		}
	}
	if !errors.Is(err, mem.ErrOutOfMemory) {
		p.Errorf("Alloc when memory ran out: %q, which does not wrap mem.ErrOutOfMemory", err)
	}
	for range 3 {
		if b, err := p.a.Alloc(beyond, word); err == nil {
			p.a.Free(b, word)
		}
		if n := len(p.live); n > 0 {
			p.change(resize, p.live[n/2], beyond)
			p.change(remap, p.live[n-1], beyond)
		}
	}
	for _, k := range p.live {
		p.intact(k, len(k.b), "after memory ran out")
	}
	if len(p.live) == 0 {
		p.Fatalf("%v of a new allocator with MaxSize %d: %v", request(size, word), p.MaxSize, err)
	}
	if p.ReusesFreed {
		p.free(p.live[len(p.live)/2])
		p.alloc(size, word) // what was just given back
	}
}
