package demo

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
)

// peakRSS returns the most physical memory that this process ever had, in
// bytes. It is read from /proc, since getrusage also counts the process that
// this one was forked from.
func peakRSS() (int64, error) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			var kib int64
			if _, err := fmt.Sscanf(value, "%d kB", &kib); err != nil {
				return 0, fmt.Errorf("%s: %w", f.Name(), err)
			}
			return kib << 10, nil
		}
	}
	return 0, errors.Join(lines.Err(), fmt.Errorf("%s: no VmHWM", f.Name()))
}
