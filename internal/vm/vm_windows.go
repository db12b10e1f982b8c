package vm

import (
	"syscall"

	"golang.org/x/sys/windows"
)

const (
	hasOS      = true
	canSplit   = false // a reservation is given back whole
	canDiscard = false
	canMove    = false
)

var (
	outOfMemory = []error{windows.ERROR_NOT_ENOUGH_MEMORY, windows.ERROR_OUTOFMEMORY, windows.ERROR_COMMITMENT_LIMIT,
		windows.ERROR_NO_SYSTEM_RESOURCES, windows.ERROR_WORKING_SET_QUOTA, windows.ERROR_PAGEFILE_QUOTA, windows.ERROR_NONPAGED_SYSTEM_RESOURCES}
	otherErrors = []error{windows.ERROR_INVALID_PARAMETER, windows.ERROR_INVALID_ADDRESS, windows.ERROR_ACCESS_DENIED,
		windows.ERROR_PRIVILEGE_NOT_HELD}
)

// badAddress is what a call says that was handed memory which nobody can access.
const badAddress = windows.ERROR_NOACCESS

func systemPageSize() int { return syscall.Getpagesize() }

// granularity is what the system aligns reservations to.
const granularity = 64 << 10

func reserve(addr uintptr, n int) (uintptr, error) {
	if err := fault(CallMap); err != nil {
		return 0, err
	}
	return windows.VirtualAlloc(addr, uintptr(n), windows.MEM_RESERVE|windows.MEM_COMMIT, windows.PAGE_READWRITE)
}

// mapAligned reserves and commits in one step. For more alignment than the
// system gives, it looks for a place with room, gives that up, and asks for the
// aligned address in it: another thread may be faster, so it tries a few times.
func mapAligned(n, align int) ([]byte, error) {
	if n > maxMap-align {
		return nil, ErrTooLarge
	}
	if align <= granularity {
		addr, err := reserve(0, n)
		if err != nil {
			return nil, err
		}
		return at(addr, n), nil
	}
	var err error
	for range 16 {
		var room uintptr
		if err = fault(CallMap); err != nil {
			return nil, err
		}
		room, err = windows.VirtualAlloc(0, uintptr(n+align-granularity), windows.MEM_RESERVE, windows.PAGE_NOACCESS)
		if err != nil {
			return nil, err
		}
		if err = windows.VirtualFree(room, 0, windows.MEM_RELEASE); err != nil {
			return nil, err
		}
		var addr uintptr
		if addr, err = reserve((room+uintptr(align-1))&^uintptr(align-1), n); err == nil {
			return at(addr, n), nil
		}
		if err != windows.ERROR_INVALID_ADDRESS {
			break
		}
	}
	return nil, err
}

func unmapOS(b []byte) error {
	if err := fault(CallUnmap); err != nil {
		return err
	}
	return windows.VirtualFree(address(b), 0, windows.MEM_RELEASE)
}

func decommitOS(b []byte) error {
	if err := fault(CallDecommit); err != nil {
		return err
	}
	return windows.VirtualFree(address(b), uintptr(len(b)), windows.MEM_DECOMMIT)
}

// recommitOS makes memory that was decommitted usable. It is zero.
func recommitOS(b []byte) error {
	_, err := windows.VirtualAlloc(address(b), uintptr(len(b)), windows.MEM_COMMIT, windows.PAGE_READWRITE)
	return err
}

// growOS commits the pages after b, which succeeds only if they belong to the
// same reservation: b was shrunk before.
func growOS(b []byte, n int) error {
	if err := fault(CallGrow); err != nil {
		return err
	}
	_, err := windows.VirtualAlloc(address(b)+uintptr(len(b)), uintptr(n-len(b)), windows.MEM_COMMIT, windows.PAGE_READWRITE)
	return err
}

func moveOS([]byte, int) ([]byte, error) { return nil, ErrUnsupported }

func adviseHugeOS([]byte) error { return ErrUnsupported }

func makeHugeOS([]byte) error { return ErrUnsupported }

func lockOS(b []byte) error {
	if err := fault(CallLock); err != nil {
		return err
	}
	return windows.VirtualLock(address(b), uintptr(len(b)))
}

func unlockOS(b []byte) error {
	if err := fault(CallUnlock); err != nil {
		return err
	}
	return windows.VirtualUnlock(address(b), uintptr(len(b)))
}

func populateOS([]byte) error { return ErrUnsupported }

func nameOS(_, _ []byte) error { return ErrUnsupported }
