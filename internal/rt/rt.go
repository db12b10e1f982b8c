// Package rt reaches into the Go runtime for what no public function offers.
//
// Each hook is a symbol that the runtime exports to package reflect by linkname
// and that has kept its signature for years. A later release may withdraw it,
// and a withdrawn symbol breaks every link, so the hooks are compiled only for
// releases they were tried on, and never under the tags allod_nolinkname and
// purego. Everywhere else the pure Go twin in pure.go serves, more slowly or
// answering that it cannot tell.
package rt

import (
	"unsafe"

	"github.com/allod-dev/allod/internal/rtype"
)

// GoMemory tells whether addr lies in memory that the Go runtime manages: the
// collected heap or a goroutine's stack, in use or not. Pages that allocators
// hold do not count, even where they are made of the Go heap. Known is false
// where that cannot be told. Nothing is dereferenced.
func GoMemory(addr uintptr) (is, known bool) {
	is, known = goMemory(addr)
	if is && heldPages != nil && heldPages(addr) {
		return false, known
	}
	return is, known
}

// heldPages tells whether addr lies in a page that an allocator holds.
var heldPages func(addr uintptr) bool

// HeldPages sets the function that tells pages made of the Go heap from the
// rest of it. The package that makes such pages calls it once, from init.
func HeldPages(f func(addr uintptr) bool) { heldPages = f }

// ClearArray sets n values of the type named by id, the first at p, to zero with
// write barriers. It allocates nothing.
func ClearArray(id rtype.ID, p unsafe.Pointer, n int) { clearArray(id, p, n) }

// NewArray returns the address of n zero values of the type named by id, which
// is not the zero ID, in the collected heap and typed as the array they are.
// The size in bytes must not overflow an int. Where the hooks are linked, the
// array is all that it allocates.
func NewArray(id rtype.ID, n int) unsafe.Pointer { return newArray(id, n) }
