//go:build !purego

package generic_test

// maphashAllocates tells whether maphash.Comparable, which hashes the keys that
// package generic has no hash of its own for, allocates. It is part of Go and
// looks at the tag purego, too.
const maphashAllocates = false
