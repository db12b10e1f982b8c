package heap_test

import (
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// Over a child that watches it, a wrapper keeps the contract whatever the child
// refuses, and in the end knows of nothing that is live. The first byte chooses
// the wrapper, the second the child, and the others are the program.
func FuzzWrappers(f *testing.F) {
	makers := append(wrapperMakers[:len(wrapperMakers):len(wrapperMakers)],
		wrapperMaker{name: "BufferFirst", make: func(child mem.Allocator) mem.Allocator {
			return heap.NewBufferFirst(filled(2048, 0xC3), child)
		}},
		wrapperMaker{name: "Limit of 5000 bytes", make: func(child mem.Allocator) mem.Allocator {
			return heap.NewLimit(child, 5000)
		}},
	)
	const (
		every    = 0x0f // the child refuses each n-th operation of a kind; 0: none
		unmoving = 0x10 // the child changes no block
		plain    = 0x20 // the child serves no managed blocks
	)
	seed := []byte{
		0, 5, 0, 8, // 32 bytes of zeroes
		1, 10, 0, 4, // 1024, aligned to 16
		2, 6, 0, 17, // some with pointers, local
		2, 5, 0, 2, // and managed
		0, 0x2A, 200, 3, // 1824
		4, 0, 6, 0, // resize to 64
		5, 1, 12, 0, // remap to 4096
		7,    // more than there is
		3, 0, // free
		4, 1, 2, 0, // resize to 4
		6, 0, // check
		2, 8, 0, 7, 5, 3, 3, 0, 3, 2, 1, 11, 0, 0,
	}
	for i, m := range makers {
		f.Add(append([]byte{byte(i), 0}, seed...))
		f.Add(append([]byte{byte(i), 3}, seed...))
		switch m.name {
		case "Hybrid": // makes up for the child
			f.Add(append([]byte{byte(i), plain | 3}, seed...))
		case "Limit", "Counting": // have to give back what they counted ahead
			f.Add(append([]byte{byte(i), unmoving | 2}, seed...))
		}
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		s := script(input)
		m, choice := makers[s.byte()%len(makers)], s.byte()
		var options []allocatortest.Option
		if choice&plain != 0 {
			options = append(options, allocatortest.Child(heap.Page{}))
		}
		if choice&unmoving != 0 {
			options = append(options, allocatortest.NoResize())
		}
		rule := heap.FailRule{Every: choice & every}
		a := m.make(heap.NewFailing(allocatortest.New(t, options...),
			heap.FailingOptions{Alloc: rule, Resize: rule, Remap: rule}))
		allocatortest.Play(t, a, s)
		checkUse(t, m, a, &program{})
	})
}
