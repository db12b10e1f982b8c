package allocatortest_test

import (
	"fmt"
	"math"
	"reflect"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// The mutants of clauses 5 to 8.

// byteHeader puts 8 bytes in front of each block.
type byteHeader struct{ heap.GC }

func (m byteHeader) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("Alloc", size)
	if l.Kind == mem.Plain || l.Align.Bytes() > 8 {
		return m.GC.Alloc(size, l)
	}
	each := l.Type.Size()
	b, err := m.GC.Alloc((size+8+each-1)/each*each, l)
	if err != nil {
		return nil, err
	}
	return b[8 : 8+size : 8+size], nil
}

func (m byteHeader) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) { return b, false }

type roundsUp struct{ mem.Allocator }

func (m roundsUp) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("Alloc", size)
	if size > math.MaxInt-64 {
		return nil, mem.ErrTooLarge
	}
	b, err := m.Allocator.Alloc((size+63)&^63, l)
	if err != nil {
		return nil, err
	}
	return b[:size:size], nil
}

func (m roundsUp) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) { return b, false }
func (m roundsUp) Remap(b []byte, l mem.Layout, size int) ([]byte, bool)  { return b, false }
func (m roundsUp) Free(b []byte, l mem.Layout)                            { m.Allocator.Free(longer(b, -len(b)&63), l) }

type remapMoves struct{ heap.GC }

func (m remapMoves) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("Remap", size)
	c, err := m.Alloc(size, l)
	if err != nil {
		return b, false
	}
	copy(c, b)
	return c, true
}

// regrows keeps room for blocks to grow and does not clear it.
type regrows struct {
	heap.GC
	whole map[uintptr][]byte
}

func (m *regrows) Alloc(size int, l mem.Layout) ([]byte, error) {
	b, err := m.GC.Alloc(size, l)
	if err == nil {
		m.whole[address(b)] = b
	}
	return b, err
}

func (m *regrows) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("Resize", size)
	whole := m.whole[address(b)]
	if size > len(whole) {
		return b, false
	}
	return whole[:size:size], true
}

// regrowsPlain asks for the room to grow as bytes.
type regrowsPlain struct {
	heap.GC
	whole map[uintptr][]byte
}

func (m *regrowsPlain) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("Alloc", size)
	if l.Kind == mem.Plain || size > 1<<20 {
		return m.GC.Alloc(size, l)
	}
	b, err := m.GC.Alloc(8*size, mem.Layout{Align: l.Align})
	if err != nil {
		return nil, err
	}
	m.whole[address(b)] = b
	return b[:size:size], nil
}

func (m *regrowsPlain) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("Resize", size)
	whole := m.whole[address(b)]
	if size > len(whole) {
		return b, false
	}
	clear(whole[min(size, len(b)):])
	return whole[:size:size], true
}

type clearsBytes struct{ heap.GC }

func (m clearsBytes) Free(b []byte, l mem.Layout) {
	clear(b)
	m.GC.Free(b, l)
}

type clearsLocal struct{ heap.GC }

func (m clearsLocal) Free(b []byte, l mem.Layout) {
	if l.Kind == mem.Local {
		clear(b)
	}
	m.GC.Free(b, l)
}

type shrinksBytes struct{ heap.GC }

func (m shrinksBytes) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("Resize", size)
	if size > len(b) {
		return b, false
	}
	clear(b[size:])
	return b[:size:size], true
}

// reusesBytes clears what it recycles when it is asked for.
type reusesBytes struct{ *recycles }

func (m *reusesBytes) Alloc(size int, l mem.Layout) ([]byte, error) {
	b, err := m.recycles.Alloc(size, l)
	clear(b)
	return b, err
}

func (m *reusesBytes) Free(b []byte, l mem.Layout) {
	k := m.list(len(b), l)
	m.free[k] = append(m.free[k], b)
}

type localStale struct{ *honest }

func (m *localStale) Alloc(size int, l mem.Layout) ([]byte, error) {
	if l.Kind == mem.Local {
		l.Kind = mem.Plain
	}
	return m.honest.Alloc(size, l)
}

// splitsLocal is scanned in part, and has local blocks in the other one.
type splitsLocal struct{ heap.GC }

func (m splitsLocal) Alloc(size int, l mem.Layout) ([]byte, error) {
	if l.Kind == mem.Local {
		return m.GC.Alloc(size, mem.Layout{Align: l.Align, Zero: true})
	}
	return m.GC.Alloc(size, l)
}

type changesMind struct{ *honest }

func (m *changesMind) Pointers() mem.Pointers {
	if len(m.live) > 0 {
		return mem.Promised
	}
	return mem.PlainOnly
}

type servesManaged struct{ *honest }

func (m *servesManaged) Alloc(size int, l mem.Layout) ([]byte, error) {
	l.Zero = zeroes(l)
	l.Kind = mem.Plain
	return m.honest.Alloc(size, l)
}

type refusesBadly struct {
	*honest
	err error
}

func (m *refusesBadly) Alloc(size int, l mem.Layout) ([]byte, error) {
	if l.Kind == mem.Managed {
		return nil, m.err
	}
	return m.honest.Alloc(size, l)
}

type claimsScanned struct{ servesManaged }

func (m *claimsScanned) Pointers() mem.Pointers { return mem.Scanned }

// ownBuffer serves small blocks itself and inherits the answer of its child.
type ownBuffer struct {
	mem.Allocator
	buf *heap.FixedBuffer
}

func newOwnBuffer(child mem.Allocator) *ownBuffer {
	return &ownBuffer{child, heap.NewFixedBuffer(make([]byte, 64<<10))}
}

func (m *ownBuffer) Alloc(size int, l mem.Layout) ([]byte, error) {
	raw := l
	raw.Kind = min(raw.Kind, mem.Local)
	if b, err := m.buf.Alloc(size, raw); err == nil {
		return b, nil
	}
	return m.Allocator.Alloc(size, l)
}

func (m *ownBuffer) Free(b []byte, l mem.Layout) {
	if !m.buf.Owns(b) {
		m.Allocator.Free(b, l)
	}
}

// recycles serves blocks that were freed to requests with the same key.
type recycles struct {
	mem.Allocator
	free map[string][][]byte
	key  func(mem.Layout) string
}

func newRecycles(key func(mem.Layout) string) *recycles {
	return &recycles{heap.GC{}, make(map[string][][]byte), func(l mem.Layout) string { return key(l) }}
}

func (m *recycles) list(size int, l mem.Layout) string { return fmt.Sprint(size, " ", m.key(l)) }

func (m *recycles) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("Alloc", size)
	k := m.list(size, l)
	if list := m.free[k]; len(list) > 0 {
		b := list[len(list)-1]
		m.free[k] = list[:len(list)-1]
		if l.Kind == mem.Plain && l.Zero {
			clear(b)
		}
		return b, nil
	}
	return m.Allocator.Alloc(size, l)
}

func (m *recycles) Free(b []byte, l mem.Layout) {
	k := m.list(len(b), l)
	l.Type.Clear(b)
	m.free[k] = append(m.free[k], b)
}

// plainFromTyped serves plain blocks from what was typed as pointers. It keeps
// plain blocks to itself, so that it has this one defect.
type plainFromTyped struct{ *recycles }

func (m *plainFromTyped) Free(b []byte, l mem.Layout) {
	if l.Kind != mem.Plain {
		m.recycles.Free(b, l)
	}
}

func pointerOrType(l mem.Layout) string {
	if l.Kind == mem.Plain || l.Type.Reflect().Kind() == reflect.Pointer {
		return "pointers"
	}
	return l.Type.String()
}

// sometimesNoscan serves every hundredth managed block from memory that is not
// scanned.
type sometimesNoscan struct {
	mem.Allocator
	n int
}

func (m *sometimesNoscan) Alloc(size int, l mem.Layout) ([]byte, error) {
	if l.Kind != mem.Plain {
		if m.n++; m.n%20 == 0 {
			return m.Allocator.Alloc(size, mem.Layout{Align: l.Align, Zero: true})
		}
	}
	return m.Allocator.Alloc(size, l)
}
