package vm

import "golang.org/x/sys/windows"

// CanKeep tells whether this system knows [Keeping].
const CanKeep = false

var guardings = []Guarding{Protection}

// guardOS takes the memory away from b: what has none cannot be accessed.
func guardOS(b []byte, by Guarding) error {
	if by != Protection {
		return ErrUnsupported
	}
	return windows.VirtualFree(address(b), uintptr(len(b)), windows.MEM_DECOMMIT)
}

func unguardOS(b []byte, by Guarding) error {
	if by != Protection {
		return ErrUnsupported
	}
	_, err := windows.VirtualAlloc(address(b), uintptr(len(b)), windows.MEM_COMMIT, windows.PAGE_READWRITE)
	return err
}

func separateOS([]byte) error { return ErrUnsupported }
