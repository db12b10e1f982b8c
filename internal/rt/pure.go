//go:build !gc || !go1.26 || go1.28 || allod_nolinkname || purego

package rt

import (
	"reflect"
	"sync"
	"unsafe"

	"github.com/allod-dev/allod/internal/rtype"
)

// Linked tells whether the hooks are compiled in.
const Linked = false

func goMemory(uintptr) (is, known bool) { return false, false }

// block is how many elements are cleared at once. Clearing a slice would take
// any number, but allocates its header.
const block = 64

var blocks sync.Map // reflect.Type -> reflect.Type, the array of block elements

func clearArray(id rtype.ID, p unsafe.Pointer, n int) {
	t, size := id.Reflect(), id.Size()
	if n >= block && size <= 1<<20 {
		array, ok := blocks.Load(t)
		if !ok {
			array, _ = blocks.LoadOrStore(t, reflect.ArrayOf(block, t))
		}
		for ; n >= block; n -= block {
			reflect.NewAt(array.(reflect.Type), p).Elem().SetZero()
			if n > block {
				p = unsafe.Add(p, block*size)
			}
		}
	}
	for i := range n {
		reflect.NewAt(t, unsafe.Add(p, i*size)).Elem().SetZero()
	}
}

func newArray(id rtype.ID, n int) unsafe.Pointer {
	t := id.Reflect()
	if n == 1 {
		return reflect.New(t).UnsafePointer()
	}
	return reflect.MakeSlice(reflect.SliceOf(t), n, n).UnsafePointer()
}
