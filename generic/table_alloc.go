package generic

import (
	"math"

	"github.com/allod-dev/allod/mem"
)

// allocCtrl returns n control bytes, all empty, if a may have the slots that they
// are for.
//
// Blocks with pointers are asked for here and not through package mem: the
// types that have to be looked at are those of the keys and values, and the
// pointers of keys that the map owns need nobody's promise.
func allocCtrl[K comparable, V any](a mem.Allocator, n int, ownedKeys bool) ([]byte, error) {
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
	return allocOwned[byte](a, n)
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
	if x.ctrl, err = allocCtrl[K, V](a, parts*ctrlBytes(n), ownedKeys); err != nil {
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
	c, s := ctrlBytes(n), n*groupLen
	p := slab[K, V]{x.ctrl[:c:c], x.slots[:s:s]}
	x.ctrl, x.slots = x.ctrl[c:], x.slots[s:]
	return p
}

// part returns x as a part without room.
func (x slab[K, V]) part() part[K, V] {
	return part[K, V]{ctrl: &x.ctrl[0], slots: &x.slots[0]}
}

// free gives x back.
func (x slab[K, V]) free(a mem.Allocator) {
	if len(x.slots) == cap(x.slots) {
		mem.Free(a, x.ctrl)
	}
	mem.Free(a, x.slots)
}

// joint tells whether the only part of a table is one block, with the control
// bytes behind the slots. Such a block grows in place where it is the last one
// of an arena or a buffer. In memory that is scanned, what has pointers cannot
// share a block with what has none; elsewhere, such slots are of keys that have
// blocks of their own and come to lie behind that of the table.
func joint[K comparable, V any]() bool {
	return !hasPointers[slot[K, V]]() && sizeOf[slot[K, V]]() > 0
}

// jointSlots returns how many slots take the memory of a part of n groups, with
// its control bytes.
func jointSlots[K comparable, V any](n int) int {
	size := sizeOf[slot[K, V]]()
	return n*groupLen + (ctrlBytes(n)+size-1)/size
}

// jointSlab returns the slab of a block of jointSlots.
func jointSlab[K comparable, V any](block []slot[K, V], n int) slab[K, V] {
	slots := block[:n*groupLen]
	ctrl := bytesOf(block)[n*groupLen*sizeOf[slot[K, V]]():][:ctrlBytes(n)]
	return slab[K, V]{ctrl[:len(ctrl):len(ctrl)], slots}
}

// allocPart returns memory for the only part of a table, of n groups, without
// entries.
func allocPart[K comparable, V any](a mem.Allocator, n int, ownedKeys bool) (slab[K, V], error) {
	if !joint[K, V]() {
		return allocSlab[K, V](a, 1, n, ownedKeys)
	}
	block, err := allocSlots[K, V](a, jointSlots[K, V](n))
	if err != nil {
		return slab[K, V]{}, err
	}
	x := jointSlab(block, n)
	clear(x.ctrl)
	return x, nil
}

// remapPart is allocPart for n groups in the place of x, of a part of fewer,
// whose slots and their control bytes it keeps. It fails where the allocator
// has no such memory, or the error is what it says.
func remapPart[K comparable, V any](a mem.Allocator, x slab[K, V], n int, ownedKeys bool) (y slab[K, V], ok bool, err error) {
	held := len(x.slots)
	switch {
	case sizeOf[slot[K, V]]() == 0:
		return y, false, nil
	case joint[K, V]():
		block, ok := remapBlock(a, x.slots, jointSlots[K, V](n), false)
		if !ok {
			return y, false, nil
		}
		was := jointSlab(block, held>>groupShift)
		y = jointSlab(block, n)
		copy(y.ctrl, was.ctrl[:held])
		clear(y.ctrl[held:])
		return y, true, nil
	}
	ctrl, err := allocCtrl[K, V](a, ctrlBytes(n), ownedKeys)
	if err != nil {
		return y, false, err
	}
	slots, ok := remapBlock(a, x.slots, n<<groupShift, false)
	if !ok {
		mem.Free(a, ctrl)
		return y, false, nil
	}
	copy(ctrl, x.ctrl[:held])
	mem.Free(a, x.ctrl)
	return slab[K, V]{ctrl, slots}, true, nil
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
