package allodswiss

import (
	"unsafe"

	"github.com/cockroachdb/swiss"
)

// table returns the n groups that begin with *first.
func table[K comparable, V any](first *swiss.Group[K, V], n int) []swiss.Group[K, V] {
	// Valid: first is that of n groups which were allocated together.
	return unsafe.Slice(first, n)
}
