//go:build !go1.27

package arena

import (
	"unsafe"

	"github.com/allod-dev/allod/bench/internal/load"
	"github.com/allod-dev/allod/mem"
)

var layout64 = mem.Layout{Align: mem.AlignOf[load.Obj64](), Type: mem.TypeFor[load.Obj64]()}

func (h *handle) New64(v uint64) *load.Obj64 {
	b, err := h.a.Alloc(int(unsafe.Sizeof(load.Obj64{})), layout64)
	if err != nil {
		panic(err)
	}
	p := (*load.Obj64)(unsafe.Pointer(unsafe.SliceData(b)))
	p.First, p.Last = v, ^v
	return p
}
