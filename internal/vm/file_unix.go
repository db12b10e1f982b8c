//go:build unix

package vm

import "golang.org/x/sys/unix"

// mapFile makes the first n bytes of an open file memory that is shared with it.
func mapFile(fd uintptr, n int) ([]byte, error) {
	return unix.Mmap(int(fd), 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

func unmapFile(b []byte) error { return unix.Munmap(b) }
