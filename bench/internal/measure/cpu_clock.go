//go:build darwin || dragonfly || freebsd || linux || openbsd || solaris

package measure

import (
	"time"

	"golang.org/x/sys/unix"
)

// processClock reads the clock of the processor time of this process.
func processClock() (_ time.Duration, ok bool) {
	var t unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t)
	return time.Duration(t.Nano()), err == nil
}
