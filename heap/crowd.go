package heap

import (
	"sync/atomic"

	"github.com/allod-dev/allod/internal/race"
)

// crowd stands in allocators that many goroutines may call at once, but for some
// calls, and reports when one of these is under way together with one of the
// others; two of these are for solo to find. It costs a stack and atomic
// operations a call, and so is used only in builds with invariants:
//
//	if invariant.Enabled {
//		a.crowd.enter(op, many, hint)
//		defer a.crowd.leave(many)
//	}
type crowd struct {
	many  witness      // of many, who entered last
	alone witness      // of those that are to be alone
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
	own, others := &c.many, &c.alone
	if who == alone {
		own, others = others, own
	}
	own.sign()
	if n := c.add(who); n < alone || n%alone == 0 {
		return true
	}
	inside := false
	defer func() {
		if !inside { // the handler panicked, so that the caller never was in
			c.leave(who)
		}
	}()
	report(&Misuse{Kind: ConcurrentUse, Op: op, Hint: hint, Other: others.signed()})
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

// A witness is the signature of the last of several callers, of which one at a
// time signs: who comes while another does leaves none.
type witness struct {
	busy atomic.Bool
	last signature
}

func (w *witness) sign() {
	race.Disable()
	defer race.Enable()
	if w.busy.CompareAndSwap(false, true) {
		w.last.sign()
		w.busy.Store(false)
	}
}

// signed returns nil if somebody is about to sign.
func (w *witness) signed() (s Stack) {
	race.Disable()
	defer race.Enable()
	if w.busy.CompareAndSwap(false, true) {
		s = w.last.signed()
		w.busy.Store(false)
	}
	return s
}
