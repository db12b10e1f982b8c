package measure

import (
	"time"

	"golang.org/x/sys/unix"
)

// ThreadCPU returns the processor time that this thread has used, 0 if that is
// not known.
func ThreadCPU() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
