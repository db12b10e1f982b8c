//go:build linux && (amd64 || arm64 || loong64 || riscv64)

package vm

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Mapping and unmapping a few pages takes the system about as long as it takes
// the Go scheduler to be told of two system calls, so it is not told, as the
// runtime does not tell it of its own. To unmap much takes long, and the
// scheduler must know, lest a collection wait for it.

// rawMax is the longest range that is unmapped without telling the scheduler.
const rawMax = 256 << 10

func mmap(n int) ([]byte, error) {
	addr, _, e := unix.RawSyscall6(unix.SYS_MMAP, 0, uintptr(n), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_ANON|unix.MAP_PRIVATE, ^uintptr(0), 0)
	if e != 0 {
		return nil, e
	}
	return at(addr, n), nil
}

func munmap(b []byte) error {
	p := unsafe.Pointer(unsafe.SliceData(b))
	if len(b) > rawMax {
		return unix.MunmapPtr(p, uintptr(len(b)))
	}
	if _, _, e := unix.RawSyscall(unix.SYS_MUNMAP, uintptr(p), uintptr(len(b)), 0); e != 0 {
		return e
	}
	return nil
}
