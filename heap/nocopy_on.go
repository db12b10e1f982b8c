//go:build invariants || race

package heap

import (
	"sync/atomic"

	"github.com/allod-dev/allod/internal/race"
)

// self knows where it is, from its first use on.
type self struct {
	at atomic.Pointer[self] // also keeps it off stacks, which move
}

// moved tells whether s is a copy. It orders nobody in the race detector's eyes.
func (s *self) moved() bool {
	race.Disable()
	defer race.Enable()
	return !s.at.CompareAndSwap(nil, s) && s.at.Load() != s
}
