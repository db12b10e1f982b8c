// Package measure reads what the system and the runtime know of a process.
package measure

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
)

// RSS returns the physical memory of this process in bytes, exactly; 0 if that
// is not known. It walks the page tables: it is not for what is timed.
func RSS() int64 { return field("/proc/self/smaps_rollup", "Rss: %d kB") }

// ResetPeak makes the memory of now the peak that PeakRSS returns. Without it,
// that would be at least what the parent had when it started this process.
func ResetPeak() { os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// PeakRSS returns the most physical memory there was, 0 if that is not known.
// It is exact to some hundred KiB.
func PeakRSS() int64 { return field("/proc/self/status", "VmHWM: %d kB") }

func field(file, format string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		var kib int64
		if n, _ := fmt.Sscanf(lines.Text(), format, &kib); n == 1 {
			return kib << 10
		}
	}
	return 0
}
