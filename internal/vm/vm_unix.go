//go:build unix

package vm

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	hasOS      = true
	canSplit   = true // a part of a mapping can be unmapped
	canDiscard = true // what is decommitted can be read, and is zero
)

var (
	outOfMemory = []error{unix.ENOMEM, unix.EAGAIN}
	otherErrors = []error{unix.EPERM, unix.EINVAL, unix.EACCES, unix.EBUSY, unix.EFAULT, unix.EINTR,
		unix.EIO, unix.ENODEV, unix.ENOSYS, unix.ENOTSUP, unix.EOVERFLOW}
)

// badAddress is what a call says that was handed memory which nobody can access.
const badAddress = unix.EFAULT

func systemPageSize() int { return syscall.Getpagesize() }

func mapOS(n int) ([]byte, error) {
	if err := fault(CallMap); err != nil {
		return nil, err
	}
	return mmap(n)
}

// mapAligned maps more than asked for and gives back what is too much.
func mapAligned(n, align int) ([]byte, error) {
	extra := align - osPageSize
	if n > maxMap-extra {
		return nil, ErrTooLarge
	}
	b, err := mapOS(n + extra)
	if err != nil || extra == 0 {
		return b, err
	}
	head := int(-address(b) & uintptr(align-1))
	if head > 0 {
		release(b[:head])
	}
	if tail := b[head+n:]; len(tail) > 0 {
		release(tail)
	}
	return b[head : head+n : head+n], nil
}

func unmapOS(b []byte) error {
	if err := fault(CallUnmap); err != nil {
		return err
	}
	return munmap(b)
}

// recommitOS makes memory that was decommitted usable: it is.
func recommitOS([]byte) error { return nil }

func lockOS(b []byte) error {
	if err := fault(CallLock); err != nil {
		return err
	}
	return unix.Mlock(b)
}

func unlockOS(b []byte) error {
	if err := fault(CallUnlock); err != nil {
		return err
	}
	return unix.Munlock(b)
}
