package heap

import "github.com/allod-dev/allod/internal/race"

// What the race detector is told of SMP. Everything else stands between
// race.Disable and race.Enable, or is not instrumented.
//
// Who frees a block comes before who gets its memory next, and nobody else comes
// before anybody. As long as a slab lasts, its slots are what memory is cut into,
// and the address of a slot stands for those who freed it. When pages are cut
// otherwise, whoever gets a block there comes after all who freed one in its
// pages as they were before: each page has two bytes whose addresses stand for
// these, one for the present life of the page and one for the life before, in
// turn. Neither who makes a slab nor who ends one has any part in that.

// smpOpened orders the caller, who has got b, after those who had its memory.
func smpOpened(b []byte) {
	if race.Enabled {
		race.Alloc(b)
		seg, first, n := smpUnder(b)
		for i := range n {
			race.Acquire(seg.edge(first+i, 1))
		}
	}
}

// smpShut orders the caller, whose b is freed, before those who will have its
// memory.
func smpShut(b []byte) {
	if race.Enabled {
		race.Free(b)
		seg, first, n := smpUnder(b)
		for i := range n {
			race.Release(seg.edge(first+i, 0))
		}
	}
}

// cleared orders the caller, who changes n pages that are free, after those who
// had them, and changed before those who will.
func (g *smpSegment) cleared(first, n int) {
	if race.Enabled {
		for i := range n {
			race.Acquire(g.edge(first+i, 0))
			race.Acquire(g.edge(first+i, 1))
		}
	}
}

func (g *smpSegment) changed(first, n int) {
	if race.Enabled {
		for i := range n {
			race.Release(g.edge(first+i, 0))
		}
	}
}

// smpUnder returns the pages that b lies in.
//
//go:norace
func smpUnder(b []byte) (seg *smpSegment, first, n int) {
	race.Disable()
	seg = smpSegments.find(address(b))
	race.Enable()
	at := int(address(b) & (smpSegSize - 1))
	first = at >> smpPageShift
	return seg, first, (at+len(b)-1)>>smpPageShift - first + 1
}

// edge returns the byte that stands for those who had a page in its present life,
// or in the one before. No slot begins there.
//
//go:norace
func (g *smpSegment) edge(page int, ago uint8) *byte {
	return &slotBytes(g.base, uintptr(page)*smpPageSize+1+uintptr(g.life[page]+ago)%2, 1)[0]
}

// begin begins another life of n pages: what stood for the life before the last
// will stand for this one, and is added to the last. The lock is held, and the
// synchronisation of the race detector disabled.
//
//go:norace
func (g *smpSegment) begin(first, n int) {
	if !race.Enabled {
		return
	}
	again := false
	for i := first; i < first+n; i++ {
		if g.life[i]++; g.life[i] == 0 {
			g.life[i] = 2
		}
		again = again || g.life[i] > 1
	}
	if again {
		// The caller would add itself. In the detector's eyes a goroutine that is
		// started here comes after nobody.
		carried := make(chan bool)
		go g.carry(first, n, carried)
		<-carried
	}
}

// carry is what begin does in a goroutine of its own.
func (g *smpSegment) carry(first, n int, carried chan<- bool) {
	for i := range n {
		race.Acquire(g.edge(first+i, 0))
		race.Release(g.edge(first+i, 1))
	}
	close(carried)
}
