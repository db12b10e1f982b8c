//go:build cgo

package heap_test

import (
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

func init() {
	var c heap.RawC
	smpCRivals = []smpRival{{
		"cgo-malloc",
		func(n int) []byte { p, _ := c.Alloc(n, mem.Layout{}); return p },
		func(p []byte) { c.Free(p, mem.Layout{}) },
	}}
}
