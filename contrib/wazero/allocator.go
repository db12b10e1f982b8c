// Package allodwazero lets wazero keep the linear memories of WebAssembly
// programs in memory of an allod allocator: off the Go heap, within a limit, and
// grown in place.
package allodwazero

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/tetratelabs/wazero/experimental"

	"github.com/allod-dev/allod/mem"
)

// An Allocator is wazero's experimental.MemoryAllocator over an allocator of
// allod. Put it into the context that instantiates a module:
//
//	ctx = experimental.WithMemoryAllocator(ctx, allodwazero.New(heap.NewReserved(0)))
//
// Memory comes from the child. Over a [heap.Reserved], itself or within wrappers
// that pass Resize on, such as heap.Limit, memories grow where they are, page by
// page, and never move: that is what to want, and shared memories, those of
// threads, need it. Directly below, a Reserved reserves what the module declares
// as the most that it will have; below a wrapper, what NewReserved was told. Over
// any other child a memory that cannot grow in place moves, as with wazero's own.
//
// A module whose memory.grow the child refuses sees it return -1, and goes on.
// A module whose first memory is refused is not instantiated: wazero knows no
// error there, so the call panics as mem.Must does, and mem.Rescue turns that
// back into an error.
//
// A memory lives until its module is closed, or any that imports it: wazero up to
// 1.12 frees what it was lent, and the process faults if others use it then. Close
// importing modules last. What Memory.Read returned remains a view of a memory that
// grew in place.
//
// An Allocator is safe for concurrent use if its child is. It may be copied. The
// zero Allocator has no child; call [New].
type Allocator struct {
	child  mem.Allocator
	roomer roomer // the child, or nil
}

var _ experimental.MemoryAllocator = (*Allocator)(nil)

// roomer is a heap.Reserved.
type roomer interface {
	AllocRoom(size, room int, l mem.Layout) ([]byte, error)
}

// wasmPage is the unit that memories grow by.
const wasmPage = 64 << 10

var layout = mem.Layout{Align: mem.Align(16), Zero: true, Type: mem.TypeFor[byte]()}

// New returns an Allocator that takes memory from child.
func New(child mem.Allocator) *Allocator {
	if child == nil {
		panic("allodwazero: New: nil Allocator")
	}
	r, _ := child.(roomer)
	return &Allocator{child: child, roomer: r}
}

// Allocate implements [experimental.MemoryAllocator]. It panics, as mem.Must
// does, if the child refuses.
func (a *Allocator) Allocate(capacity, most uint64) experimental.LinearMemory {
	most = max(most, capacity)
	m := &memory{a: a, most: most}
	// A memory of no pages has an address as well, which must not change later.
	size := max(capacity, wasmPage)
	if size > math.MaxInt {
		refused(size, mem.ErrTooLarge)
	}
	var err error
	// On 32-bit systems what a module declares is more than there are addresses.
	if a.roomer != nil && most <= math.MaxInt && bits.UintSize == 64 {
		m.block, err = a.roomer.AllocRoom(int(size), int(most), layout)
	} else {
		m.block, err = a.child.Alloc(int(size), layout)
	}
	if err != nil {
		refused(size, err)
	}
	return m
}

// refused panics because a memory of size bytes cannot be had.
func refused(size uint64, err error) {
	mem.Must(0, fmt.Errorf("allodwazero: Allocator.Allocate: %d bytes: %w", size, err))
}

// Unwrap returns the child.
func (a *Allocator) Unwrap() mem.Allocator { return a.child }

// A memory is one linear memory.
type memory struct {
	a     *Allocator
	block []byte // nil after Free
	most  uint64
}

// Reallocate implements [experimental.LinearMemory].
func (m *memory) Reallocate(size uint64) []byte {
	if size > m.most || size > math.MaxInt || m.block == nil {
		return nil
	}
	n := int(size)
	if n > len(m.block) && !m.grow(n) {
		return nil
	}
	// WebAssembly memories never shrink, so that what is past n is still zero.
	return m.block[:n:n]
}

// grow makes the block at least n bytes long: by just what it takes where that
// can be done in place, and else by half, so that the next time is not soon.
func (m *memory) grow(n int) bool {
	b, ok := m.a.child.Resize(m.block, layout, n)
	if !ok {
		b, ok = m.move(m.ample(n))
	}
	if !ok {
		b, ok = m.move(n)
	}
	if ok {
		m.block = b
	}
	return ok
}

// ample returns a size to move to where n bytes are needed.
func (m *memory) ample(n int) int {
	most := int(min(m.most, math.MaxInt))
	return min(max(n, len(m.block)+len(m.block)/2), max(n, most))
}

// move makes the block n bytes long, elsewhere if need be.
func (m *memory) move(n int) ([]byte, bool) {
	if b, ok := m.a.child.Remap(m.block, layout, n); ok {
		return b, true
	}
	b, err := m.a.child.Alloc(n, layout)
	if err != nil {
		return nil, false
	}
	copy(b, m.block)
	m.a.child.Free(m.block, layout)
	return b, true
}

// Free implements [experimental.LinearMemory].
func (m *memory) Free() {
	if m.block != nil {
		m.a.child.Free(m.block, layout)
		m.block = nil
	}
}
