package generic

import (
	"math"

	"github.com/allod-dev/allod/mem"
)

// allocGroups returns a block of n empty groups.
//
// Blocks with pointers are asked for here and not through package mem: the
// types that have to be looked at are those of the keys and values, and the
// pointers of keys that the map owns need nobody's promise.
func allocGroups[K comparable, V any](a mem.Allocator, n int, ownedKeys bool) ([]group[K, V], error) {
	if hasPointers[K]() && !ownedKeys {
		if err := mayHold[K](a); err != nil {
			return nil, err
		}
	}
	if hasPointers[V]() {
		if err := mayHold[V](a); err != nil {
			return nil, err
		}
	}
	return allocOwned[group[K, V]](a, n)
}

// mayHold returns the error that the typed layer has for Ts in memory of a.
func mayHold[T any](a mem.Allocator) error {
	if _, err := mem.AllocUninit[T](&askers[a.Pointers()], 1); err != nil && err != errAsked {
		return err
	}
	return nil
}

// An asker has no memory. It exists to be asked for what it does not have, and
// to see whether the question is allowed.
type asker struct {
	mem.NoResize
	answer mem.Pointers
}

var askers = [...]asker{
	mem.PlainOnly: {answer: mem.PlainOnly},
	mem.Promised:  {answer: mem.Promised},
	mem.Scanned:   {answer: mem.Scanned},
}

var errAsked = mem.NewError("generic: the question is allowed", mem.ErrOutOfMemory)

func (*asker) Alloc(int, mem.Layout) ([]byte, error) { return nil, errAsked }
func (*asker) Free([]byte, mem.Layout)               {}
func (k *asker) Pointers() mem.Pointers              { return k.answer }

// allocOwned returns a block of n zero Ts whose pointers are to memory of the
// same allocator, and need nobody's promise therefore.
func allocOwned[T any](a mem.Allocator, n int) ([]T, error) {
	size := sizeOf[T]()
	if n > math.MaxInt/size {
		return nil, mem.ErrTooLarge
	}
	b, err := a.Alloc(n*size, blockLayout[T](a, true))
	if err != nil {
		return nil, err
	}
	return sliceOf[T](b, n), nil
}
