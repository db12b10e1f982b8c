//go:build invariants || race

package heap

import (
	"sync/atomic"

	"github.com/allod-dev/allod/internal/race"
)

// solo stands in allocators for one goroutine at a time and reports when two
// are inside at once, as Go's maps do, and when the allocator was copied after
// its first use. In builds without invariants it is empty. Callers write
//
//	if invariant.Enabled {
//		a.solo.enter("heap: Arena.Alloc")
//		defer a.solo.leave()
//	}
type solo struct {
	self self
	busy atomic.Bool
	who  signature // of who is inside
}

// enter reports misuse and lets the caller go on, as a handler may return.
func (s *solo) enter(op string) {
	// The flag must not order the two goroutines that it watches: the race
	// detector would then overlook the race that it is here to name.
	copied := s.self.moved()
	race.Disable()
	entered := s.busy.CompareAndSwap(false, true)
	race.Enable()
	if copied {
		report(&Misuse{Kind: Copied, Op: op, Hint: "use a pointer to the original"})
	}
	if entered {
		s.who.sign()
	} else {
		report(&Misuse{Kind: ConcurrentUse, Op: op, Hint: "wrap it in heap.ThreadSafe, or give each goroutine its own", Other: s.who.signed()})
	}
}

func (s *solo) leave() {
	race.Disable()
	s.busy.Store(false)
	race.Enable()
}

// signature is empty in builds without invariants.
type signature = trail
