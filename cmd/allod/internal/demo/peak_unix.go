//go:build unix && !linux

package demo

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// peakRSS returns the most physical memory that this process ever had, in
// bytes.
func peakRSS() (int64, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, os.NewSyscallError("getrusage", err)
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return int64(u.Maxrss), nil
	}
	return int64(u.Maxrss) << 10, nil
}
