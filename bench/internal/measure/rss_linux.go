// Package measure reads what the system and the runtime know of a process.
package measure

import (
	"bytes"
	"os"
	"syscall"
)

// RSS returns the physical memory of this process in bytes, exactly; 0 if that
// is not known. It walks the page tables: it is not for what is timed. It
// allocates nothing, which would be part of what it measures.
func RSS() int64 { return field("/proc/self/smaps_rollup", "Rss:") }

// ResetPeak makes the memory of now the peak that PeakRSS returns. Without it,
// that would be at least what the parent had when it started this process.
func ResetPeak() { os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// PeakRSS returns the most physical memory there was, 0 if that is not known.
// It is exact to some hundred KiB.
func PeakRSS() int64 { return field("/proc/self/status", "VmHWM:") }

// text is where files are read to: they are shorter than that. One goroutine at a
// time measures.
var text [8 << 10]byte

// field returns the number of KiB that a file of the system names, in bytes.
func field(file, name string) (bytesOf int64) {
	fd, err := syscall.Open(file, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer syscall.Close(fd)
	n := 0
	for n < len(text) {
		k, err := syscall.Read(fd, text[n:])
		if err == syscall.EINTR {
			continue
		}
		if k <= 0 || err != nil {
			break
		}
		n += k
	}
	_, rest, _ := bytes.Cut(text[:n], []byte(name))
	for _, c := range bytes.TrimLeft(rest, " \t") {
		if c < '0' || c > '9' {
			break
		}
		bytesOf = bytesOf*10 + int64(c-'0')
	}
	return bytesOf << 10
}
