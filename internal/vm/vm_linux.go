package vm

import (
	"bytes"
	"sync"
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

// makeHugeOS asks itself whether there may be huge pages: MADV_COLLAPSE, unlike the
// advice, does not.
func makeHugeOS(b []byte) error {
	if err := fault(CallCollapse); err != nil {
		return err
	}
	if !hugeAllowed() {
		return ErrUnsupported
	}
	return unix.Madvise(b, unix.MADV_COLLAPSE) // since Linux 6.1
}

var hugeAllowed = sync.OnceValue(func() bool {
	fd, err := unix.Open("/sys/kernel/mm/transparent_hugepage/enabled", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	var text [64]byte
	n, err := unix.Read(fd, text[:])
	return err == nil && n > 0 && !bytes.Contains(text[:n], []byte("[never]"))
})

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
