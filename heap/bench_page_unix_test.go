//go:build unix

package heap_test

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func init() {
	pageRivals = append(pageRivals, pageRival{"syscall", func(b *testing.B, size int) {
		for b.Loop() {
			m, err := syscall.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
			if err != nil {
				b.Fatal(err)
			}
			if err := syscall.Munmap(m); err != nil {
				b.Fatal(err)
			}
		}
	}})
}
