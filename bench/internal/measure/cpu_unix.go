//go:build unix

package measure

import (
	"time"

	"golang.org/x/sys/unix"
)

// CPU returns the processor time that this process has used, 0 if that is not
// known.
//
// Where there is a clock of it, that clock is read: Getrusage has two sums, which
// some systems estimate from ticks and correct against each other, so that their
// sum may be less than it was a moment ago.
func CPU() time.Duration {
	if d, ok := processClock(); ok {
		return d
	}
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
