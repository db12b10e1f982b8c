// Package elsewhere does not use allod.
package elsewhere

import "unsafe"

func stores(b []byte) { *(**int)(unsafe.Pointer(&b[0])) = new(int) }
