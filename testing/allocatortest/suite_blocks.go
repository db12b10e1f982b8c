package allocatortest

import (
	"math"

	"github.com/allod-dev/allod/mem"
)

// Clause 3: what a block is, and stays.

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
