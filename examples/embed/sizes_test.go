package embed

import (
	"fmt"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

func Example() {
	sizes := NewSizes(heap.GC{})
	for n := range 10 {
		s, err := mem.Alloc[int32](sizes, n) // 0 to 36 bytes; none for 0
		if err != nil {
			fmt.Println(err)
			return
		}
		defer mem.Free(sizes, s)
	}
	fmt.Print(sizes)
	// Output:
	// up to 4 bytes: 1
	// up to 8 bytes: 1
	// up to 16 bytes: 2
	// up to 32 bytes: 4
	// up to 64 bytes: 1
}

// The suite that allod's own allocators pass: every clause of the contract.
func TestSizes(t *testing.T) {
	allocatortest.RunWith(t, allocatortest.Promises{Concurrent: true}, func(t *testing.T) mem.Allocator {
		return NewSizes(allocatortest.New(t))
	})
}
