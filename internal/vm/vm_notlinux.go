//go:build unix && !linux

package vm

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// decommitOS maps fresh pages over b: elsewhere than on Linux, madvise leaves the
// contents as they are until memory is short.
func decommitOS(b []byte) error {
	if err := fault(CallDecommit); err != nil {
		return err
	}
	_, err := unix.MmapPtr(-1, 0, unsafe.Pointer(unsafe.SliceData(b)), uintptr(len(b)),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_FIXED)
	return err
}

func adviseHugeOS([]byte) error { return ErrUnsupported }

func makeHugeOS([]byte) error { return ErrUnsupported }

func populateOS([]byte) error { return ErrUnsupported }

func nameOS(_, _ []byte) error { return ErrUnsupported }
