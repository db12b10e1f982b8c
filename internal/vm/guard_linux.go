package vm

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// CanKeep tells whether this system knows [Keeping].
const CanKeep = true

var guardings = []Guarding{Markers, Protection}

// guardRawMax is how long a range is at most for the call not to be announced to
// the scheduler: it takes no longer than that would; see mmap_raw.go.
const guardRawMax = 64 << 10

func guardOS(b []byte, by Guarding) error {
	if by == Markers {
		return madviseRaw(b, unix.MADV_GUARD_INSTALL) // drops the pages
	}
	if err := protectRaw(b, unix.PROT_NONE); err != nil || by == Keeping {
		return err
	}
	// Only now can nobody write to the pages any more. The system refuses if they
	// are locked.
	if fault(CallDecommit) != nil || madviseRaw(b, unix.MADV_DONTNEED) != nil {
		return ErrKept
	}
	return nil
}

func unguardOS(b []byte, by Guarding) error {
	if by == Markers {
		return madviseRaw(b, unix.MADV_GUARD_REMOVE)
	}
	return protectRaw(b, unix.PROT_READ|unix.PROT_WRITE)
}

func separateOS(b []byte) error { return unix.Madvise(b, unix.MADV_DONTDUMP) }

func madviseRaw(b []byte, advice int) error {
	if len(b) > guardRawMax {
		return unix.Madvise(b, advice)
	}
	return errnoOf(unix.RawSyscall(unix.SYS_MADVISE, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), uintptr(advice)))
}

func protectRaw(b []byte, prot int) error {
	if len(b) > guardRawMax {
		return unix.Mprotect(b, prot)
	}
	return errnoOf(unix.RawSyscall(unix.SYS_MPROTECT, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), uintptr(prot)))
}

func errnoOf(_, _ uintptr, e unix.Errno) error {
	if e != 0 {
		return e
	}
	return nil
}
