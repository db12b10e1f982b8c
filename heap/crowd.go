package heap

import (
	"sync/atomic"

	"github.com/allod-dev/allod/internal/race"
)

// crowd stands in allocators that many goroutines may call at once, but for some
// calls, and reports when one of these is under way together with one of the
// others; two of these are for solo to find. It costs two atomic additions a
// call, and so is used only in builds with invariants:
//
//	if invariant.Enabled {
//		a.crowd.enter(op, many, hint)
//		defer a.crowd.leave(many)
//	}
type crowd struct {
	alone signature    // of the last that was alone; there may be many others
	n     atomic.Int64 // calls under way: many in the lower half, alone in the upper
}

// What a caller of enter is.
const (
	many  = 1
	alone = 1 << 32
)

// enter lets the caller in, and tells whether he may be there. If not, that was
// reported, and a handler returned.
func (c *crowd) enter(op string, who int64, hint string) (ok bool) {
	if who == alone {
		c.alone.sign()
	}
	if n := c.add(who); n < alone || n%alone == 0 {
		return true
	}
	inside := false
	defer func() {
		if !inside { // the handler panicked, so that the caller never was in
			c.leave(who)
		}
	}()
	m := &Misuse{Kind: ConcurrentUse, Op: op, Hint: hint}
	if who == many {
		m.Other = c.alone.signed()
	}
	report(m)
	inside = true
	return false
}

func (c *crowd) leave(who int64) { c.add(-who) }

// add must not order the goroutines that it counts: the race detector would then
// overlook the race that this is here to name.
func (c *crowd) add(n int64) int64 {
	race.Disable()
	defer race.Enable()
	return c.n.Add(n)
}
