package generic

import (
	"math"

	"github.com/allod-dev/allod/mem"
)

// allocCtrl returns n words of control bytes, all empty, if a may have the slots
// that they are for.
//
// Blocks with pointers are asked for here and not through package mem: the
// types that have to be looked at are those of the keys and values, and the
// pointers of keys that the map owns need nobody's promise.
func allocCtrl[K comparable, V any](a mem.Allocator, n int, ownedKeys bool) ([]uint64, error) {
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
	return allocOwned[uint64](a, n)
}

// allocSlots returns a block of n slots, which are zero if they hold pointers.
func allocSlots[K comparable, V any](a mem.Allocator, n int) ([]slot[K, V], error) {
	size := sizeOf[slot[K, V]]()
	if size == 0 {
		return make([]slot[K, V], n), nil // of no size, which takes no memory
	}
	if n > math.MaxInt/size {
		return nil, mem.ErrTooLarge
	}
	b, err := a.Alloc(n*size, blockLayout[slot[K, V]](a, false))
	if err != nil {
		return nil, err
	}
	return sliceOf[slot[K, V]](b, n), nil
}

// allocSlab returns memory for parts of n groups each, none with entries.
func allocSlab[K comparable, V any](a mem.Allocator, parts, n int, ownedKeys bool) (x slab[K, V], err error) {
	if parts > math.MaxInt/groupLen/n {
		return x, mem.ErrTooLarge
	}
	if x.ctrl, err = allocCtrl[K, V](a, parts*ctrlWords(n), ownedKeys); err != nil {
		return x, err
	}
	if x.slots, err = allocSlots[K, V](a, parts*n*groupLen); err != nil {
		mem.Free(a, x.ctrl)
		return slab[K, V]{}, err
	}
	return x, nil
}

// cut cuts off the memory of one part of n groups.
func (x *slab[K, V]) cut(n int) slab[K, V] {
	c, s := ctrlWords(n), n*groupLen
	p := slab[K, V]{x.ctrl[:c:c], x.slots[:s:s]}
	x.ctrl, x.slots = x.ctrl[c:], x.slots[s:]
	return p
}

// part returns x as a part, of no depth and no room.
func (x slab[K, V]) part() part[K, V] {
	return part[K, V]{ctrl: &wordBytes(x.ctrl)[0], slots: &x.slots[0]}
}

// free gives x back.
func (x slab[K, V]) free(a mem.Allocator) {
	mem.Free(a, x.ctrl)
	mem.Free(a, x.slots)
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
