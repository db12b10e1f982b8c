//go:build linux || netbsd

package vm

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const canMove = true

func moveOS(b []byte, n int) ([]byte, error) {
	if err := fault(CallMove); err != nil {
		return nil, err
	}
	p, err := unix.MremapPtr(unsafe.Pointer(unsafe.SliceData(b)), uintptr(len(b)), nil, uintptr(n), remapMayMove)
	if err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(p), n), nil
}
