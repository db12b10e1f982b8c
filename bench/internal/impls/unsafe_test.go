package impls_test

import "unsafe"

func addressOf(b *[16]byte) unsafe.Pointer { return unsafe.Pointer(b) }
