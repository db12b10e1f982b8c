//go:build go1.27

package arena

import "github.com/allod-dev/allod/bench/internal/load"

func (h *handle) New64(v uint64) *load.Obj64 {
	p, err := h.a.New(load.Obj64{First: v, Last: ^v})
	if err != nil {
		panic(err)
	}
	return p
}
