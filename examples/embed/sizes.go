// Package embed shows how to write an allocator of one's own by embedding
// another: only the methods that differ are written.
package embed

import (
	"fmt"
	"math/bits"
	"strings"
	"sync/atomic"

	"github.com/allod-dev/allod/mem"
)

// Sizes wraps an allocator and counts the blocks that it hands out by their
// size, so that a program can be asked what it needs.
//
// Resize, Remap, Free and Pointers are promoted from the child: a Sizes serves
// every block from its child and passes the layout on as it is, so the child's
// answers are right for it. An allocator that served some blocks from memory of
// its own would have to write all five methods.
//
// A Sizes is safe for concurrent use if its child is.
type Sizes struct {
	mem.Allocator
	counts [bits.UintSize]atomic.Int64 // by bits of size-1
}

// NewSizes returns child with its sizes counted.
func NewSizes(child mem.Allocator) *Sizes { return &Sizes{Allocator: child} }

// Alloc implements [mem.Allocator].
func (s *Sizes) Alloc(size int, l mem.Layout) ([]byte, error) {
	b, err := s.Allocator.Alloc(size, l)
	if err == nil {
		s.counts[bits.Len(uint(size-1))].Add(1)
	}
	return b, err
}

// Unwrap returns the child, so that mem.As finds what the child can do.
func (s *Sizes) Unwrap() mem.Allocator { return s.Allocator }

// String lists the counts, a line for each power of two.
func (s *Sizes) String() string {
	var b strings.Builder
	for i := range s.counts {
		if n := s.counts[i].Load(); n > 0 {
			fmt.Fprintf(&b, "up to %d bytes: %d\n", uint(1)<<i, n)
		}
	}
	return b.String()
}
