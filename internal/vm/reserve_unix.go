//go:build unix

package vm

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// reserveAligned reserves more than asked for and gives back what is too much. If
// that fails, nothing is lost but addresses.
func reserveAligned(n, align int) ([]byte, error) {
	extra := align - osPageSize
	if n > maxMap-extra {
		return nil, ErrTooLarge
	}
	if err := fault(CallReserve); err != nil {
		return nil, err
	}
	// Inaccessible memory that is private does not count against what the system
	// promises to have; Mprotect makes it count, and so can fail.
	p, err := unix.MmapPtr(-1, 0, nil, uintptr(n+extra), unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	b := unsafe.Slice((*byte)(p), n+extra)
	head := int(-address(b) & uintptr(align-1))
	if head > 0 {
		_ = munmap(b[:head])
	}
	if tail := b[head+n:]; len(tail) > 0 {
		_ = munmap(tail)
	}
	return b[head : head+n : head+n], nil
}

func commitOS(b []byte) error {
	if err := fault(CallCommit); err != nil {
		return err
	}
	return accessOS(b)
}

// accessOS makes b accessible, all of it.
func accessOS(b []byte) error { return unix.Mprotect(b, unix.PROT_READ|unix.PROT_WRITE) }
