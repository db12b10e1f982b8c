// Package cmalloc is the allocator of the C library, on slices. It is empty in
// builds without cgo.
package cmalloc
