package guard

import "unsafe"

// address returns the address of b's first byte. The number keeps nothing alive.
func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }
