//go:build unix && !linux

package vm

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// CanKeep tells whether this system knows [Keeping].
const CanKeep = false

var guardings = []Guarding{Protection}

// guardOS maps fresh pages over b, which in one step takes the old ones away and
// the access to the new ones.
func guardOS(b []byte, by Guarding) error {
	if by != Protection {
		return ErrUnsupported
	}
	_, err := unix.MmapPtr(-1, 0, unsafe.Pointer(unsafe.SliceData(b)), uintptr(len(b)),
		unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_FIXED)
	return err
}

func unguardOS(b []byte, by Guarding) error {
	if by != Protection {
		return ErrUnsupported
	}
	return unix.Mprotect(b, unix.PROT_READ|unix.PROT_WRITE)
}

func separateOS([]byte) error { return ErrUnsupported }
