package vm

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

func decommitOS(b []byte) error {
	if err := fault(CallDecommit); err != nil {
		return err
	}
	return unix.Madvise(b, unix.MADV_DONTNEED) // on Linux: zero pages at once
}

func adviseHugeOS(b []byte) error {
	if err := fault(CallAdvise); err != nil {
		return err
	}
	return unix.Madvise(b, unix.MADV_HUGEPAGE)
}

func populateOS(b []byte) error {
	if err := fault(CallPopulate); err != nil {
		return err
	}
	return unix.Madvise(b, unix.MADV_POPULATE_WRITE) // since Linux 5.14
}

func nameOS(b, text []byte) error {
	if err := fault(CallName); err != nil {
		return err
	}
	_, _, e := unix.Syscall6(unix.SYS_PRCTL, unix.PR_SET_VMA, unix.PR_SET_VMA_ANON_NAME,
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), uintptr(unsafe.Pointer(unsafe.SliceData(text))), 0)
	if e != 0 {
		return e
	}
	return nil
}
