package demo

import "unsafe"

const postingSize = int(unsafe.Sizeof(posting{}))

// view returns the bytes of b as a string without copying them. Valid: callers
// use it for lookups, while the document that b is of does not change.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
