package vm

import "golang.org/x/sys/windows"

// reserveAligned is [mapAligned] without the memory.
func reserveAligned(n, align int) ([]byte, error) {
	if n > maxMap-align {
		return nil, ErrTooLarge
	}
	if err := fault(CallReserve); err != nil {
		return nil, err
	}
	if align <= granularity {
		addr, err := windows.VirtualAlloc(0, uintptr(n), windows.MEM_RESERVE, windows.PAGE_NOACCESS)
		if err != nil {
			return nil, err
		}
		return at(addr, n), nil
	}
	var err error
	for range 16 {
		var room, addr uintptr
		room, err = windows.VirtualAlloc(0, uintptr(n+align-granularity), windows.MEM_RESERVE, windows.PAGE_NOACCESS)
		if err != nil {
			return nil, err
		}
		if err = windows.VirtualFree(room, 0, windows.MEM_RELEASE); err != nil {
			return nil, err
		}
		aligned := (room + uintptr(align-1)) &^ uintptr(align-1)
		addr, err = windows.VirtualAlloc(aligned, uintptr(n), windows.MEM_RESERVE, windows.PAGE_NOACCESS)
		if err == nil {
			return at(addr, n), nil
		}
		if err != windows.ERROR_INVALID_ADDRESS {
			break
		}
	}
	return nil, err
}

func commitOS(b []byte) error {
	if err := fault(CallCommit); err != nil {
		return err
	}
	_, err := windows.VirtualAlloc(address(b), uintptr(len(b)), windows.MEM_COMMIT, windows.PAGE_READWRITE)
	return err
}

// accessOS has nothing to do: a range that is kept is committed before its use.
func accessOS([]byte) error { return nil }

func uncommitOS(b []byte) error {
	if err := fault(CallUncommit); err != nil {
		return err
	}
	return windows.VirtualFree(address(b), uintptr(len(b)), windows.MEM_DECOMMIT)
}
