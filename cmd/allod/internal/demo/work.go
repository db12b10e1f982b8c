package demo

import (
	"time"

	"github.com/allod-dev/allod/cmd/allod/internal/usage"
)

// A work says how much of the processors this process has got, and has waited
// for, since it began.
type work struct{ used, waited time.Duration }

func startWork() work { return work{usage.CPU(), unservedTime()} }

// cpu returns the processor time used meanwhile.
func (w work) cpu() time.Duration { return usage.CPU() - w.used }

// share returns which share of the time in which this process had work for a
// processor it had one, 0 if that is not known. It is 1 where waiting is not
// known.
func (w work) share() float64 {
	used, waited := w.cpu(), max(unservedTime()-w.waited, 0)
	if used <= 0 {
		return 0
	}
	return used.Seconds() / (used + waited).Seconds()
}

// unservedTime returns how long the threads of this process waited for a processor, apart
// from waking them up. It is 0 if that is not known.
func unservedTime() time.Duration {
	const wake = 50 * time.Microsecond // what a thread waits for a processor that is idle
	waited, turns := waitTime()
	return waited - time.Duration(turns)*wake
}
