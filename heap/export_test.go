package heap

import (
	"time"

	"github.com/allod-dev/allod/mem"
)

// CheckSMP re-derives all that s knows, and panics where it is wrong. Nobody else
// may call s meanwhile, and the caches that s.Cache made must be closed.
func CheckSMP(s *SMP) { s.checkAll() }

// SMPFar makes s look for all its segments as for those that are far away.
func SMPFar(s *SMP) {
	for i := range s.near {
		s.near[i].Store(nil)
	}
}

// SMPRow is how many bytes of addresses an SMP finds the segments of at once.
const SMPRow = smpNear << smpSegShift

// SMPSegmentPages is how many pages a segment has.
const SMPSegmentPages = smpSegPages

// SMPFindFree returns the first of n pages in a row, a multiple of align, that an SMP
// finds in a segment with these pages in use; -1 if there are none.
func SMPFindFree(used []int, n, align int) int {
	var p smpPages
	for _, page := range used {
		p.set(page%smpSegPages, 1)
	}
	return p.findFree(n, align)
}

// SMPWait makes s believe that time passed since it last looked at the clock.
func SMPWait(s *SMP, d time.Duration) { s.rest.since = s.rest.since.Add(-d) }

// EnterCache does what a goroutine does that begins to use c, and returns what it
// does at the end.
func EnterCache(c *SMPCache) (leave func()) {
	c.state.use |= smpBusy
	c.state.who.sign()
	return c.state.leave
}

// SMPPasses returns how many blocks a cache passes over that is told to pass over
// n.
func SMPPasses(n uintptr) (passed uintptr) {
	s := NewSMP(SMPOptions{ProfileRate: 1})
	var e smpEntry
	e.pass(n)
	for {
		for e.count >= smpTurn { // as Alloc does, where it has a slot
			e.count -= smpTurn
			passed++
		}
		if e.turn(s.sampling().own, 1) {
			return passed
		}
		passed++
	}
}

// SMPSamplers returns how many sample the blocks of s, and the rate at which it
// draws for them.
func SMPSamplers(s *SMP) (n int, rate float64) {
	s.lockCaches()
	defer s.unlockCaches()
	x := s.sampling()
	return len(x.all), x.draw.rate
}

// SMPSlotsReady returns how many slots the caches of processors have.
func SMPSlotsReady(s *SMP) int {
	s.lockCaches()
	defer s.unlockCaches()
	return s.checkCaches()
}

// ResizeHurt does what Resize does with a block that is damaged, and meanwhile calls
// a function.
func ResizeHurt(d *Debug, b []byte, l mem.Layout, meanwhile func()) {
	var k debugBlock
	front, length := d.expect(b, l)
	d.table.hold(b, l, front, length, &k, 0, 0, 0)
	h := d.inspect(&k)
	meanwhile()
	d.land("heap: Debug.Resize", b, &k, len(b), 0, "", nil, h)
}

// DebugNodes returns how many nodes the table of d ever used.
func DebugNodes(d *Debug) int { return int(d.table.nodes) }
