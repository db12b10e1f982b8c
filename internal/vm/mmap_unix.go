//go:build unix && !(linux && (amd64 || arm64 || loong64 || riscv64))

package vm

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

func mmap(n int) ([]byte, error) {
	p, err := unix.MmapPtr(-1, 0, nil, uintptr(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, err // p is no pointer then
	}
	return unsafe.Slice((*byte)(p), n), nil
}

func munmap(b []byte) error {
	return unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(b)), uintptr(len(b)))
}
