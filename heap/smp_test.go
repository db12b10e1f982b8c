package heap_test

import (
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

func newSMP(t *testing.T, o heap.SMPOptions) *heap.SMP {
	s := heap.NewSMP(o)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestSMP(t *testing.T) {
	p := allocatortest.Promises{Concurrent: true, ReusesFreed: true, NoGarbage: !invariant.Enabled}
	allocatortest.RunWith(t, p, func(t *testing.T) mem.Allocator { return newSMP(t, heap.SMPOptions{}) })
}

func TestSMPCache(t *testing.T) {
	p := allocatortest.Promises{ReusesFreed: true, NoGarbage: !invariant.Enabled}
	allocatortest.RunWith(t, p, func(t *testing.T) mem.Allocator {
		c := newSMP(t, heap.SMPOptions{}).Cache()
		t.Cleanup(func() { c.Close() })
		return c
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
