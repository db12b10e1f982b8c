package allocatortest

import (
	"errors"
	"math"
	"math/bits"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// Clauses 1 to 4, which are about every block.

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

func testLayoutAfterAlloc(p *probe) {
	type pair [2]uint64
	t := mem.TypeFor[pair]()
	plain := mem.Layout{Align: word.Align, Type: t}
	layouts := []mem.Layout{plain, {Align: word.Align, Type: t, Zero: true}}
	if p.scanned() {
		layouts = append(layouts, mem.Layout{Align: word.Align, Type: mem.TypeFor[*pair](), Kind: mem.Managed},
			mem.Layout{Align: word.Align, Type: mem.TypeFor[*pair](), Kind: mem.Local})
	}
	for _, l := range layouts {
		for _, kind := range []mem.Kind{mem.Plain, mem.Local, mem.Managed} {
			for _, zero := range []bool{false, true} {
				if !p.need(3, 64, word) {
					return
				}
				other := l
				other.Kind, other.Zero = kind, zero
				k := p.alloc(64, l)
				k.l = other
				if l.Kind == mem.Plain {
					k.paint(7)
				}
				p.provoke("", func() { // nothing of it is a misuse
					p.change(resize, k, 64)
					p.free(k)
				})
			}
		}
	}
}

// provoke calls f, which the suite knows to be misuse, if what is not empty. It
// wants that reported, if it is not.
func (p *probe) provoke(what string, f func()) {
	p.Helper()
	found := watch(f)
	if what == "" {
		for _, m := range found {
			p.Errorf("%v reported, of no misuse\n%s", m, describe(m))
		}
	}
}

func testLayoutWrong(p *probe) {
	if p.ForeignUnknown {
		p.Skip("an allocator that cannot tell its blocks")
	}
	l := mem.Layout{Align: word.Align, Type: mem.TypeFor[uint64]()}
	const size = 72 // no whole number of what it may be mistaken for
	crimes := []struct {
		name string
		do   func(*mem.Layout)
	}{
		{"smaller Align", func(l *mem.Layout) { l.Align = mem.Align(1) }},
		{"larger Align", func(l *mem.Layout) { l.Align = mem.Align(64) }},
		{"other Type", func(l *mem.Layout) { l.Type = mem.TypeFor[[2]uint32]() }},
	}
	for _, crime := range crimes {
		p.renew() // so that the blocks are likely to be neighbours
		if !p.need(12, 2*size, word) {
			return
		}
		before, k, after := p.alloc(size, l), p.alloc(size, l), p.alloc(size, l)
		for i, k := range []*block{before, k, after} {
			k.paint(uint64(i))
		}
		bad := k.l
		crime.do(&bad)
		found := watch(func() { p.a.Free(k.b, bad) })
		if len(found) > 0 {
			p.intact(k, size, "after Free with "+crime.name+" was reported")
			p.free(k)
		} else {
			p.forget(k)
		}
		for _, n := range [...]int{size, 8, 24, size / 2, 2 * size, 56, size, size} {
			k := p.alloc(n, l)
			for _, other := range []*block{before, after} {
				if overlap(k.b, other.b) {
					p.Errorf("after Free with %s: Alloc served %s, which overlaps %s", crime.name, show(k.b), show(other.b))
				}
			}
			k.paint(99)
		}
		for _, k := range []*block{before, after} {
			p.intact(k, size, "after Free with "+crime.name)
		}
		p.freeAll()
	}
}

func testFreeOrder(p *probe) {
	const n = 6
	orders := [][]int{{0, 1, 2, 3, 4, 5}, {5, 4, 3, 2, 1, 0}, {0, 2, 4, 1, 3, 5}, {3, 5, 0, 4, 1, 2}}
	for _, size := range some(p.largest() / (4 * n)) {
		for _, order := range orders {
			if !p.need(3*n, size, word) {
				break
			}
			var blocks [n]*block
			for i := range blocks {
				blocks[i] = p.alloc(size, word)
				blocks[i].paint(uint64(i))
			}
			for i, x := range order {
				p.intact(blocks[x], size, "after others were freed")
				p.free(blocks[x])
				if i == 1 || i == n/2 {
					for range i + 1 { // into the gaps, or elsewhere
						p.alloc(size, word).paint(77)
					}
				}
			}
			p.freeAll()
		}
	}
}

func testLenCap(p *probe) {
	sizes := around(min(p.largest(), 1<<16))
	for size := 1; size <= min(p.largest(), 300); size++ {
		sizes = append(sizes, size)
	}
	for _, size := range sizes {
		for _, l := range []mem.Layout{aligned(1), word, zeroed, {Align: mem.Align(64).Min(p.MaxAlign)}} {
			if !p.need(1, size, l) {
				continue
			}
			p.spent += size + l.Align.Bytes() - 1 + 16
			b, err := p.a.Alloc(size, l)
			switch {
			case err != nil && b != nil:
				p.Errorf("%v: error %v and a block, %s", request(size, l), err, show(b))
			case err != nil:
				p.Errorf("%v: %v", request(size, l), err)
			case b == nil:
				p.Errorf("%v: no block and no error", request(size, l))
			case len(b) != size:
				p.Errorf("%v: len %d, want %d", request(size, l), len(b), size)
			case cap(b) != size:
				p.Errorf("%v: cap %d, want %d", request(size, l), cap(b), size)
			}
			if err == nil && len(b) > 0 {
				p.a.Free(b, l)
			}
		}
	}
}

func testAlign(p *probe) {
	sizes := []int{1, 3, 8, 24, 100, 4096, 5000}
	for log2 := 0; log2 <= p.MaxAlign.Log2(); log2++ {
		l := mem.Layout{Align: mem.AlignLog2(log2)}
		for _, size := range sizes {
			if !p.need(3, size, l) {
				break
			}
			// Three in a row, with an odd one between: nobody is aligned by luck.
			for range 2 {
				k := p.alloc(size, l)
				if !l.Align.Check(address(k.b)) {
					p.Errorf("%v: address %#x is not aligned", request(size, l), address(k.b))
				}
				k.paint(3)
				p.alloc(1, aligned(1))
			}
			p.freeAll()
		}
	}
}

func testOverlap(p *probe) {
	sizes := []int{1, 3, 8, 16, 24, 61, 128, 1000, 4096}
	for range 3 {
		p.need(24, 4096, aligned(64))
		for i := 0; i < 24; i++ {
			l := mem.Layout{Align: mem.AlignLog2(i % 7).Min(p.MaxAlign), Zero: i%3 == 0}
			size := min(sizes[i%len(sizes)], max(p.largest()/64, 1))
			k := p.alloc(size, l)
			for _, other := range p.live[:len(p.live)-1] {
				if overlap(k.b, other.b) {
					p.Errorf("%v served %s, which overlaps %s", request(size, l), show(k.b), show(other.b))
				}
			}
			k.paint(uint64(i))
			if i%5 == 4 {
				p.intact(p.live[i/3], len(p.live[i/3].b), "after more blocks were served")
				p.free(p.live[i/3])
			}
		}
		for _, k := range p.live {
			p.intact(k, len(k.b), "after more blocks were served")
		}
		p.freeAll()
	}
}

func testZero(p *probe) {
	for _, size := range some(p.largest() / 8) {
		if !p.need(8, size, word) {
			continue
		}
		for round := range 3 {
			if !p.need(4, size, word) {
				break
			}
			var blocks [3]*block
			for i := range blocks {
				l := zeroed
				if round == 0 && i == 1 {
					l = word // memory that nobody had zeroed
				}
				k := p.alloc(size, l)
				if i := cleared(k.b); l.Zero && i >= 0 {
					p.Errorf("%v: byte %d is %#x", request(size, l), i, k.b[i])
				}
				dirty(k.b)
				blocks[i] = k
			}
			for i := range blocks {
				p.free(blocks[(i*2+round)%3])
			}
			// Smaller ones now fall into the same memory.
			small := max(size/3, 1)
			k := p.alloc(small, zeroed)
			if i := cleared(k.b); i >= 0 {
				p.Errorf("%v: byte %d is %#x", request(small, zeroed), i, k.b[i])
			}
			dirty(k.b)
			p.free(k)
		}
	}
}

func testGrowthZero(p *probe) {
	for _, w := range ways {
		for _, size := range some(p.largest() / 16) {
			if !p.need(8, size, word) {
				continue
			}
			// Shrink and grow again: what was cut off was dirty.
			k := p.alloc(size, zeroed)
			dirty(k.b)
			k.paint(5)
			half := max(size/2, 1)
			if p.change(w, k, half) && p.change(w, k, size) {
				p.intact(k, half, w.name+" down and up")
				if i := cleared(k.b[half:]); i >= 0 {
					p.Errorf("%s(%d -> %d): byte %d is %#x, want 0", w.name, half, size, half+i, k.b[half+i])
				}
			}
			dirty(k.b)
			p.free(k)

			// Grow into what another block left behind.
			k = p.alloc(size, zeroed)
			next := p.alloc(2*size, word)
			dirty(next.b)
			p.free(next)
			k.paint(6)
			if p.change(w, k, 2*size) {
				p.intact(k, size, w.name+" into memory that was used")
				if i := cleared(k.b[size:]); i >= 0 {
					p.Errorf("%s(%d -> %d): byte %d is %#x, want 0", w.name, size, 2*size, size+i, k.b[size+i])
				}
			}
			p.free(k)
		}
	}
}

func testContents(p *probe) {
	for _, w := range ways {
		for _, size := range some(p.largest() / 32) {
			for _, to := range []int{size, size + 1, size * 2, size * 3, size - 1, size / 2, 1} {
				if to <= 0 || !p.need(6, max(size, to), word) {
					continue
				}
				before := p.alloc(size, word)
				k := p.alloc(size, word)
				for i, k := range p.live {
					k.paint(uint64(i))
				}
				if p.change(w, k, to) { // the last block
					p.intact(k, min(size, to), w.name)
				} else {
					p.intact(k, size, w.name+" = false")
				}
				k.paint(9)
				p.intact(before, size, w.name+" of its neighbour")
				if p.change(w, before, to) { // not the last
					p.intact(before, min(size, to), w.name)
				} else {
					p.intact(before, size, w.name+" = false")
				}
				before.paint(10)
				p.intact(k, len(k.b), w.name+" of its neighbour")
				p.freeAll()
			}
		}
	}
}

func testInPlace(p *probe) {
	for _, size := range some(p.largest() / 16) {
		for _, to := range []int{size, size + 1, 2 * size, size/2 + 1, 1} {
			if !p.need(6, max(size, to), word) {
				continue
			}
			blocks := [...]*block{p.alloc(size, word), p.alloc(size, word), p.alloc(size, word)}
			for _, i := range [...]int{2, 0, 1} { // the last one first
				k := blocks[i]
				at := address(k.b)
				if p.change(resize, k, to) && address(k.b) != at {
					p.Errorf("Resize(%d -> %d): moved from %#x to %#x", size, to, at, address(k.b))
				}
			}
			p.freeAll()
		}
	}
}

func testGrown(p *probe) {
	for _, w := range ways {
		for _, size := range some(p.largest() / 64) {
			for _, factor := range []int{2, 3, 5} {
				if !p.need(16, size*factor, word) {
					continue
				}
				before, k, after := p.alloc(size, word), p.alloc(size, word), p.alloc(size, word)
				for i, k := range p.live {
					k.paint(uint64(i))
				}
				p.change(w, k, factor*size)
				p.change(w, after, factor*size)
				// All of it is theirs, now and after others were served.
				k.paint(11)
				after.paint(12)
				for i := range 6 {
					p.alloc(size, word).paint(uint64(20 + i))
				}
				for i, k := range p.live {
					for _, other := range p.live[:i] {
						if overlap(k.b, other.b) {
							p.Errorf("after %s(%d -> %d): %s overlaps %s", w.name, size, factor*size, show(k.b), show(other.b))
						}
					}
				}
				what := w.name + " of a neighbour"
				p.intact(before, size, what)
				p.intact(k, len(k.b), what)
				p.intact(after, len(after.b), what)
				p.freeAll()
			}
		}
	}
}

func testRefused(p *probe) {
	for _, w := range ways {
		for _, size := range some(p.largest() / 16) {
			for _, to := range []int{size + 1, 2 * size, 7 * size, max(size/2, 1), 1, 1 << 40 & math.MaxInt, math.MaxInt / 3} {
				if to <= 0 || !p.need(10, size, word) {
					continue
				}
				if to > size && to < p.largest() && !p.need(4, size+to, word) {
					continue
				}
				k := p.alloc(size, word)
				next := p.alloc(size, word)
				k.paint(1)
				next.paint(2)
				if p.change(w, k, to) {
					p.freeAll()
					continue
				}
				p.intact(k, size, w.name+" = false")
				p.intact(next, size, w.name+" = false of its neighbour")
				other := p.alloc(size, word)
				other.paint(3)
				if overlap(other.b, k.b) {
					p.Errorf("%s(%d -> %d) = false, and its memory was served again: %s, %s", w.name, size, to, show(k.b), show(other.b))
				}
				p.intact(k, size, w.name+" = false and another block")
				k.paint(4)
				p.intact(next, size, w.name+" = false and writing the block")
				p.freeAll()
			}
		}
	}
}

func testForeign(p *probe) {
	if p.ForeignUnknown {
		p.Skip("an allocator that cannot tell foreign blocks")
	}
	for _, size := range []int{1, 8, 24, 64, 512, 4095, 4096, 64 << 10} {
		if !p.need(12, size, word) {
			continue
		}
		before := p.alloc(size, word)
		before.paint(1)
		moved := append(before.b, 1) // the commonest way to a foreign block
		strangers := []struct {
			name string
			b    []byte
		}{
			{"a block that append moved", moved},
			{"a block of the Go heap", make([]byte, size)},
			{"a block of a global", global[64 : 64+min(size, 256) : 64+min(size, 256)]},
		}
		for _, s := range strangers {
			paint(s.b, 42)
			for _, crime := range []struct {
				name string
				do   func() bool
			}{
				{"Free", func() bool { p.a.Free(s.b, word); return true }},
				{"Resize", func() bool { b, ok := p.a.Resize(s.b, word, len(s.b)*2); return !ok && same(b, s.b) }},
				{"Remap", func() bool { b, ok := p.a.Remap(s.b, word, len(s.b)*2); return !ok && same(b, s.b) }},
			} {
				untouched := true
				found := watch(func() { untouched = crime.do() })
				// An allocator that never resizes need not look at what.
				if len(found) == 0 && crime.name == "Free" {
					p.Errorf("%s of %s, %d bytes: not reported", crime.name, s.name, len(s.b))
				}
				for _, m := range found {
					if m.Kind != heap.ForeignFree && m.Kind != heap.WrongAllocator {
						p.Errorf("%s of %s: reported as %v", crime.name, s.name, m)
					}
				}
				if !untouched {
					p.Errorf("%s of %s, %d bytes: not refused", crime.name, s.name, len(s.b))
				}
				if i := painted(s.b, len(s.b), 42); i >= 0 {
					p.Errorf("%s of %s, %d bytes: byte %d changed", crime.name, s.name, len(s.b), i)
				}
			}
			for range 3 {
				k := p.alloc(size, word)
				if overlap(k.b, s.b) {
					p.Fatalf("after Free of %s: Alloc served it, %s", s.name, show(k.b))
				}
				k.paint(5)
			}
		}
		p.intact(before, size, "after foreign blocks")
		p.freeAll()
	}
}

// global is memory that no allocator has served.
var global [1024]byte

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
