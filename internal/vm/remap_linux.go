package vm

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const remapMayMove = unix.MREMAP_MAYMOVE

func growOS(b []byte, n int) error {
	if err := fault(CallGrow); err != nil {
		return err
	}
	_, err := unix.MremapPtr(unsafe.Pointer(unsafe.SliceData(b)), uintptr(len(b)), nil, uintptr(n), 0)
	return err
}
