package heap

import "math/bits"

// smpPages is a set of pages of a segment.
type smpPages [smpSegPages / 64]uint64

// smpMask returns the bits of p's word i that stand for pages from first up to
// end.
func smpMask(i, first, end int) uint64 {
	lo, hi := max(first-64*i, 0), min(end-64*i, 64)
	return ^uint64(0) >> (64 - (hi - lo)) << lo
}

//go:norace
func (p *smpPages) set(first, n int) {
	for i := first / 64; i*64 < first+n; i++ {
		p[i] |= smpMask(i, first, first+n)
	}
}

//go:norace
func (p *smpPages) clear(first, n int) {
	for i := first / 64; i*64 < first+n; i++ {
		p[i] &^= smpMask(i, first, first+n)
	}
}

// count returns how many of n pages are in the set.
//
//go:norace
func (p *smpPages) count(first, n int) (sum int) {
	for i := first / 64; i*64 < first+n; i++ {
		sum += bits.OnesCount64(p[i] & smpMask(i, first, first+n))
	}
	return sum
}

// next returns the first page, from a page on, that is in the set, or is not;
// smpSegPages if there is none.
//
//go:norace
func (p *smpPages) next(from int, in bool) int {
	flip := uint64(0)
	if !in {
		flip = ^flip
	}
	for i := from / 64; i < len(p); i++ {
		if w := (p[i] ^ flip) & smpMask(i, max(from, 64*i), 64*i+64); w != 0 {
			return i*64 + bits.TrailingZeros64(w)
		}
	}
	return smpSegPages
}

// before returns the first of the pages just before a page that are not in the
// set.
//
//go:norace
func (p *smpPages) before(page int) int {
	for i := (page - 1) >> 6; i >= 0; i-- {
		if w := p[i] & smpMask(i, 64*i, min(page, 64*i+64)); w != 0 {
			return i*64 + bits.Len64(w)
		}
	}
	return 0
}

// findFree returns the first of n pages in a row that are not in the set, a
// multiple of align, or -1.
//
//go:norace
func (p *smpPages) findFree(n, align int) int {
	if n <= 64 && align <= 64 {
		return p.findFew(n, align)
	}
	for at := p.next(0, false); at+n <= smpSegPages; {
		end := p.next(at, true)
		if first := (at + align - 1) &^ (align - 1); end-first >= n {
			return first
		}
		at = p.next(end, false)
	}
	return -1
}

// findFew is findFree for up to 64 pages, aligned to no more, however many runs there
// are: of a word and the next it makes the bits of pages that begin so long a run, all
// at once.
//
//go:norace
func (p *smpPages) findFew(n, align int) int {
	starts := ^uint64(0)
	if align > 1 {
		starts /= 1<<align - 1 // one bit in so many
	}
	for i := range p {
		lo, hi := ^p[i], uint64(0)
		if i+1 < len(p) {
			hi = ^p[i+1]
		}
		for have := 1; have < n && lo != 0; {
			more := uint(min(have, n-have)) & 63
			lo &= lo>>more | hi<<(64-more)
			hi &= hi >> more
			have += int(more)
		}
		if lo &= starts; lo != 0 {
			return i*64 + bits.TrailingZeros64(lo)
		}
	}
	return -1
}

// longest returns how many pages the longest run has that is not in the set.
//
//go:norace
func (p *smpPages) longest() (most int) {
	for at := p.next(0, false); at < smpSegPages; {
		end := p.next(at, true)
		most = max(most, end-at)
		at = p.next(end, false)
	}
	return most
}
