package demo

import (
	"runtime/debug"
	"sync/atomic"

	"github.com/allod-dev/allod/mem"
)

// A budget divides a fixed amount of memory between the Go heap and what comes
// from its child, which the Go runtime does not count: each byte taken from the
// child is taken off the runtime's memory limit. Pointers is promoted: a budget
// changes nothing about the blocks.
type budget struct {
	mem.Allocator
	total int64 // 0: no limit is set
	taken atomic.Int64
}

// What the runtime does not count either: the program itself, and the part of
// the collector that runs while the limit is near.
const programSize = 16 << 20

// However much is taken, the Go heap keeps this much: with less, the collector
// would run all the time.
const leastGoHeap = 32 << 20

func newBudget(child mem.Allocator, total int64) *budget {
	b := &budget{Allocator: child, total: total}
	b.take(0)
	return b
}

func (b *budget) take(n int) {
	taken := b.taken.Add(int64(n))
	if b.total > 0 {
		debug.SetMemoryLimit(max(b.total-programSize-taken, leastGoHeap))
	}
}

// Alloc implements [mem.Allocator].
func (b *budget) Alloc(size int, l mem.Layout) ([]byte, error) {
	block, err := b.Allocator.Alloc(size, l)
	b.take(len(block))
	return block, err
}

// Resize implements [mem.Allocator].
func (b *budget) Resize(block []byte, l mem.Layout, size int) ([]byte, bool) {
	r, ok := b.Allocator.Resize(block, l, size)
	b.take(len(r) - len(block))
	return r, ok
}

// Remap implements [mem.Allocator].
func (b *budget) Remap(block []byte, l mem.Layout, size int) ([]byte, bool) {
	r, ok := b.Allocator.Remap(block, l, size)
	b.take(len(r) - len(block))
	return r, ok
}

// Free implements [mem.Allocator].
func (b *budget) Free(block []byte, l mem.Layout) {
	b.Allocator.Free(block, l)
	b.take(-len(block))
}

// Unwrap returns the child.
func (b *budget) Unwrap() mem.Allocator { return b.Allocator }
