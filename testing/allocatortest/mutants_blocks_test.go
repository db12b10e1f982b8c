package allocatortest_test

import (
	"errors"
	"runtime"
	"sync/atomic"

	"github.com/allod-dev/allod/mem"
)

// The mutants of clauses 1 to 4, of failures and of promises.

type sizeZero struct{ *honest }

func (m *sizeZero) Alloc(size int, l mem.Layout) ([]byte, error) {
	if size == 0 {
		return []byte{}, nil
	}
	return m.honest.Alloc(size, l)
}

type negativeResize struct{ *honest }

func (m *negativeResize) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	if size < 0 {
		return b, false
	}
	return m.honest.Resize(b, l, size)
}

type sizeOverflows struct{ *honest }

func (m *sizeOverflows) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("Alloc", size)
	const header = 16
	n := size + header // wraps
	if n < 0 {
		n = header
	}
	b, err := m.honest.Alloc(n, l)
	if err != nil {
		return nil, err
	}
	return b[:min(size, n)], nil
}

type makes struct{ *honest }

func (m *makes) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("Alloc", size)
	if size > 1<<28 {
		// A 32-bit system may have so many bytes, or end the process for want of them.
		return mem.SliceAsBytes(make([]uint64, size)), nil
	}
	return m.honest.Alloc(size, l)
}

type resizeOverflows struct{ *honest }

func (m *resizeOverflows) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("Resize", size)
	if n := (size + 15) &^ 15; n <= len(b) { // wraps
		return b, true
	}
	return m.honest.Resize(b, l, size)
}

type otherError struct{ *honest }

func (m *otherError) Alloc(size int, l mem.Layout) ([]byte, error) {
	b, err := m.honest.Alloc(size, l)
	if err != nil {
		return nil, errors.New("too bad")
	}
	return b, nil
}

type alignOverflows struct{ *honest }

func (m *alignOverflows) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("Alloc", size)
	if n := size + l.Align.Bytes() - 1; n < 0 || l.Align.Log2() > 30 { // wraps, or is 32 bits wide
		l.Align = mem.Alignment{}
		size = min(size, 8)
	}
	return m.honest.Alloc(size, l)
}

type routesByKind struct{ plain, scanned mem.Allocator }

func (m *routesByKind) to(l mem.Layout) mem.Allocator {
	if l.Kind == mem.Plain {
		return m.plain
	}
	return m.scanned
}

func (m *routesByKind) Alloc(size int, l mem.Layout) ([]byte, error) { return m.to(l).Alloc(size, l) }
func (m *routesByKind) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	return m.to(l).Resize(b, l, size)
}
func (m *routesByKind) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	return m.to(l).Remap(b, l, size)
}
func (m *routesByKind) Free(b []byte, l mem.Layout) { m.to(l).Free(b, l) }
func (m *routesByKind) Pointers() mem.Pointers      { return mem.Scanned }

// trustsAlign believes that a block was as long as its layout makes it look.
type trustsAlign struct{ *honest }

func (m *trustsAlign) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("Alloc", size)
	n := (size + l.Align.Bytes() - 1) &^ (l.Align.Bytes() - 1)
	for have, list := range m.free {
		if have >= n && len(list) > 0 && have < 1024 {
			b := list[0]
			m.free[have] = list[1:]
			m.live[address(b)] = size
			// The rest is another free block.
			if rest := b[n:]; len(rest) > 0 {
				m.free[len(rest)] = append(m.free[len(rest)], rest)
			}
			return b[:size:size], nil
		}
	}
	return m.honest.Alloc(size, l)
}

func (m *trustsAlign) Free(b []byte, l mem.Layout) {
	m.owns("Free", b)
	delete(m.live, address(b))
	n := (len(b) + l.Align.Bytes() - 1) &^ (l.Align.Bytes() - 1)
	b = longer(b, n-len(b))
	m.free[n] = append(m.free[n], b)
}

type stack struct{ *honest }

func (m *stack) Free(b []byte, l mem.Layout) {
	m.owns("Free", b)
	delete(m.live, address(b))
	if off := address(b) - address(m.chunk); off < uintptr(len(m.chunk)) {
		m.off = int(off) // also if there is a block above
	}
}

type forgets struct {
	mem.Allocator
	n int
}

func (m *forgets) Free(b []byte, l mem.Layout) {
	if m.n++; m.n%7 != 0 {
		m.Allocator.Free(b, l)
	}
}

type freesTwice struct{ mem.Allocator }

func (m *freesTwice) Free(b []byte, l mem.Layout) {
	m.Allocator.Free(b, l)
	m.Allocator.Free(b, l)
}

type overlapping struct {
	*honest
	n    int
	last []byte
}

func (m *overlapping) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("Alloc", size)
	if m.n++; m.n%5 == 0 && size < len(m.last) && l.Align.Check(address(m.last)) {
		return m.last[:size:size], nil
	}
	b, err := m.honest.Alloc(size, l)
	m.last = b
	return b, err
}

type overlapsByOne struct{ *honest }

func (m *overlapsByOne) Alloc(size int, l mem.Layout) ([]byte, error) {
	b, err := m.honest.Alloc(size, l)
	if err == nil && m.last(b) && m.off > 1 {
		m.off-- // off by one
	}
	return b, err
}

type misaligned struct {
	*honest
	most int
}

func (m *misaligned) Alloc(size int, l mem.Layout) ([]byte, error) {
	l.Align = l.Align.Min(mem.AlignLog2(m.most))
	return m.honest.Alloc(size, l)
}

type reshaped struct {
	*honest
	shape func([]byte) []byte
}

func (m *reshaped) Alloc(size int, l mem.Layout) ([]byte, error) {
	b, err := m.honest.Alloc(size, l)
	if err == nil {
		b = m.shape(b)
		b = b[:len(b):len(b)]
		m.live[address(b)] = len(b)
	}
	return b, err
}

type rounded struct {
	*honest
	shape func(b []byte, size int) []byte
}

func (m *rounded) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("Alloc", size)
	b, err := m.honest.Alloc(size+size%2, l)
	if err == nil {
		b = m.shape(b, size)
		m.live[address(b)] = len(b)
	}
	return b, err
}

type nilNil struct{ *honest }

func (m *nilNil) Alloc(size int, l mem.Layout) ([]byte, error) {
	if size > 10_000 {
		return nil, nil
	}
	return m.honest.Alloc(size, l)
}

type errorAndBlock struct{ *honest }

func (m *errorAndBlock) Alloc(size int, l mem.Layout) ([]byte, error) {
	b, err := m.honest.Alloc(size, l)
	if size > 1000 {
		err = mem.ErrOutOfMemory
	}
	return b, err
}

type stale struct{ *honest }

func (m *stale) Alloc(size int, l mem.Layout) ([]byte, error) {
	l.Zero = false
	return m.honest.Alloc(size, l)
}

// dropsLayout loses a part of the layout on its way to the child.
type dropsLayout struct {
	mem.Allocator
	drop func(*mem.Layout)
}

func (m *dropsLayout) Alloc(size int, l mem.Layout) ([]byte, error) {
	m.drop(&l)
	return m.Allocator.Alloc(size, l)
}

type zeroesTooLittle struct{ *honest }

func (m *zeroesTooLittle) Alloc(size int, l mem.Layout) ([]byte, error) {
	zero := l.Zero
	l.Zero = false
	b, err := m.honest.Alloc(size, l)
	if err == nil && zero {
		clear(b[:len(b)&^7]) // words
	}
	return b, err
}

type growthStale struct{ *honest }

func (m *growthStale) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	return m.honest.Resize(b, mem.Layout{Align: l.Align}, size)
}

type resizeClears struct{ *honest }

func (m *resizeClears) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	c, ok := m.honest.Resize(b, l, size)
	if ok && size > len(b) {
		clear(c)
	}
	return c, ok
}

type remapLoses struct{ *honest }

func (m *remapLoses) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("Remap", size)
	c, err := m.Alloc(size, l)
	if err != nil {
		return b, false
	}
	m.Free(b, l)
	return c, true
}

type remapCopiesNewSize struct{ *honest }

func (m *remapCopiesNewSize) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("Remap", size)
	c, err := m.Alloc(size, l)
	if err != nil {
		return b, false
	}
	copy(c, b[:size]) // which may be longer than b
	m.Free(b, l)
	return c, true
}

type shrinksAlone struct{ mem.Allocator }

func (m *shrinksAlone) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("Resize", size)
	if size <= len(b) {
		return b[:size:size], true // and the child does not know
	}
	return m.Allocator.Resize(b, l, size)
}

type resizeMoves struct{ *honest }

func (m *resizeMoves) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	return m.Remap(b, l, size)
}

type resizeLies struct{ *honest }

func (m *resizeLies) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("Resize", size)
	m.owns("Resize", b)
	off := address(b) - address(m.chunk)
	if off < uintptr(len(m.chunk)) && size <= len(m.chunk)-int(off) {
		m.live[address(b)] = size
		m.off = max(m.off, int(off)+size)
		return m.chunk[off : int(off)+size : int(off)+size], true // whoever is there
	}
	return b, false
}

type grownForgotten struct{ *honest }

func (m *grownForgotten) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	c, ok := m.honest.Resize(b, l, size)
	if ok && size > len(b) {
		m.off -= size - len(b)
	}
	return c, ok
}

type refusalModifies struct{ *honest }

func (m *refusalModifies) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	c, ok := m.honest.Resize(b, l, size)
	if !ok {
		b[len(b)-1] = 0 // made room for something
	}
	return c, ok
}

type refusalShortens struct{ *honest }

func (m *refusalShortens) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	c, ok := m.honest.Resize(b, l, size)
	if !ok && size < len(b) {
		return b[:size], false
	}
	return c, ok
}

type refusalFrees struct{ *honest }

func (m *refusalFrees) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	c, ok := m.honest.Remap(b, l, size)
	if !ok && !m.last(b) {
		m.free[len(b)] = append(m.free[len(b)], b)
	}
	return c, ok
}

// rare forgets, once in a while, that what it serves from the free list was
// longer.
type rare struct {
	*honest
	n int
}

func (m *rare) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	c, ok := m.honest.Remap(b, l, size)
	if ok && size > len(b) {
		if m.n++; m.n%20 == 0 {
			c[len(b)-1]++
		}
	}
	return c, ok
}

type acceptsForeign struct{ *honest }

func (m *acceptsForeign) Free(b []byte, l mem.Layout) {
	m.live[address(b)] = len(b)
	m.honest.Free(b[:len(b):len(b)], l)
	m.free[len(b)-1] = append(m.free[len(b)-1], b[:len(b)-1:len(b)-1])
}

type ignoresForeign struct{ *honest }

func (m *ignoresForeign) Free(b []byte, l mem.Layout) {
	if m.live[address(b)] == len(b) {
		m.honest.Free(b, l)
	}
}

// looksInside looks for a mark in a block before it knows whose block that is.
type looksInside struct{ *honest }

func (m *looksInside) Free(b []byte, l mem.Layout) {
	if b[0] != 0xA5 || m.live[address(b)] != len(b) {
		m.honest.Free(b, l)
		return
	}
	b[0] = 0
	m.honest.Free(b, l)
}

type resizesForeign struct{ *honest }

func (m *resizesForeign) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	if m.live[address(b)] != len(b) {
		c, err := m.Alloc(size, l)
		copy(c, b)
		return c, err == nil
	}
	return m.honest.Remap(b, l, size)
}

type writesForeign struct{ *honest }

func (m *writesForeign) Free(b []byte, l mem.Layout) {
	for i := range b[:min(8, len(b))] {
		b[i] = 0xDD // poison first, ask later
	}
	m.honest.Free(b, l)
}

type failureEats struct{ *honest }

func (m *failureEats) Alloc(size int, l mem.Layout) ([]byte, error) {
	b, err := m.honest.Alloc(size, l)
	if err != nil && m.chunk != nil {
		m.off = min(m.off+1<<10, len(m.chunk)) // reserved first, and never given back
	}
	return b, err
}

type failureResets struct{ *honest }

func (m *failureResets) Alloc(size int, l mem.Layout) ([]byte, error) {
	b, err := m.honest.Alloc(size, l)
	if err != nil && size < 4096 && m.chunk != nil {
		clear(m.chunk[:64])
	}
	return b, err
}

type exhausted struct {
	*honest
	over bool
}

func (m *exhausted) Alloc(size int, l mem.Layout) ([]byte, error) {
	if m.over {
		return nil, mem.ErrOutOfMemory
	}
	b, err := m.honest.Alloc(size, l)
	m.over = err != nil
	return b, err
}

type owns struct {
	*honest
	answer func([]byte) bool
}

func (m *owns) Owns(b []byte) bool { return m.answer(b) }

type usable struct {
	*honest
	more int
}

func (m *usable) UsableSize(b []byte) int { return len(b) + m.more }

type trims struct{ *honest }

func (m *trims) Trim() int {
	clear(m.chunk) // given back, and zero when it is next touched
	return len(m.chunk)
}

// footprint says that it holds what somebody made up.
type footprint struct {
	*honest
	says mem.Footprint
}

func (f *footprint) Footprint() mem.Footprint { return f.says }

type goodSize struct{ *honest }

func (m *goodSize) GoodSize(size int, _ mem.Layout) int { return size &^ 7 }

// racy bumps an offset that it reads and writes in two steps. Both are atomic,
// so that the race is one of the suite's to find and not of the detector's.
type racy struct {
	mem.NoResize
	chunk []byte
	off   atomic.Int64
}

func newRacy() *racy { return &racy{chunk: make([]byte, 64<<20)} }

func (m *racy) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("Alloc", size)
	if err := mem.Refuse(l); err != nil {
		return nil, err
	}
	if size > len(m.chunk) || l.Align.Log2() > 20 {
		return nil, mem.ErrTooLarge
	}
	off := int(m.off.Load())
	off += l.Align.Pad(address(m.chunk) + uintptr(off))
	runtime.Gosched()
	if size > len(m.chunk)-off {
		return nil, mem.ErrOutOfMemory
	}
	m.off.Store(int64(off + size))
	return m.chunk[off : off+size : off+size], nil
}

func (m *racy) Free(b []byte, l mem.Layout) {}

type hoards struct{ *honest }

func (m *hoards) Free(b []byte, l mem.Layout) {
	m.owns("Free", b)
	delete(m.live, address(b))
}

type garbage struct {
	mem.Allocator
	log []*int
}

func (m *garbage) Alloc(size int, l mem.Layout) ([]byte, error) {
	m.log = append(m.log[:0], new(int))
	return m.Allocator.Alloc(size, l)
}
