//go:build unix && !linux

package vm

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

func uncommitOS(b []byte) error {
	if err := fault(CallUncommit); err != nil {
		return err
	}
	_, err := unix.MmapPtr(-1, 0, unsafe.Pointer(unsafe.SliceData(b)), uintptr(len(b)),
		unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_FIXED)
	return err
}
