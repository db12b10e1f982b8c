package heap_test

import (
	"fmt"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// stale is an allocator with a bug: it forgets to clear memory that it uses
// again.
type stale struct {
	mem.NoResize
	free [][]byte
}

func (s *stale) Alloc(size int, l mem.Layout) ([]byte, error) {
	if n := len(s.free); n > 0 && len(s.free[n-1]) == size {
		b := s.free[n-1]
		s.free = s.free[:n-1]
		return b, nil
	}
	return heap.GC{}.Alloc(size, l)
}

func (s *stale) Free(b []byte, _ mem.Layout) { s.free = append(s.free, b) }

// Both sides of the contract are checked: the program's, and the allocator's.
func ExampleValidation() {
	before := heap.OnMisuse(func(m *heap.Misuse) {
		fmt.Printf("%v: %s\n", m.Kind, m.Hint)
	})
	defer func() { heap.OnMisuse(before) }()
	v := heap.NewValidation(&stale{})

	s, _ := mem.AllocUninit[byte](v, 16)
	copy(s, "text of long ago")
	mem.Free(v, s[1:]) // a mistake of the program
	mem.Free(v, s)
	mem.Free(v, s) // another

	_, err := mem.Alloc[byte](v, 16) // a mistake of the allocator
	fmt.Println(err)
	// Output:
	// free of an interior pointer: it is 1 bytes into a live block of 16
	// double free: the block was freed, or moved by Remap, before
	// child broke the contract: the block is not zero, as was asked
	// heap: Validation: the child broke the contract
}
