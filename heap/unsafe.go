package heap

import "unsafe"

// Every conversion of package heap between pointers and numbers is in this file.

// address returns the address of b's first byte. The number keeps nothing alive.
func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }
