package heap

import (
	"sync/atomic"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// A SharedBuffer is a [FixedBuffer] as [FixedBuffer.ThreadSafe] shows it to many
// goroutines. It suits workers that fill one buffer together.
//
// Memory comes from the FixedBuffer's buffer, for plain and local blocks.
//
// Free gives nothing back. Resize and Remap refuse every change.
//
// Blocks live until the FixedBuffer is reset, or rewound to a mark that is
// older than they.
//
// All methods may be called by any number of goroutines, and never wait for one
// another. The FixedBuffer itself must not be used meanwhile: the caller orders
// the two kinds of use, with a WaitGroup for instance.
//
// There is no SharedBuffer but the one that ThreadSafe returns, which must not
// be copied.
type SharedBuffer FixedBuffer

var (
	_ mem.Allocator = (*SharedBuffer)(nil)
	_ mem.Owner     = (*SharedBuffer)(nil)
)

// The offset only grows while it is shared, so a compare-and-swap that succeeds
// has seen the offset it reckoned with, and no other of the same value: there is
// no ABA. Giving the last block back would still be right, the offset being the
// whole state, but the notes on the last block would have to be one word with
// it. Without them Free could not tell a block that was freed before.

// ThreadSafe returns the view of f for many goroutines. It costs nothing, and
// every call returns the same. Until the last call through it is over, f itself
// must not be used; builds with invariants report that as [ConcurrentUse].
func (f *FixedBuffer) ThreadSafe() *SharedBuffer { return (*SharedBuffer)(f) }

// Alloc implements [mem.Allocator].
func (s *SharedBuffer) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("heap: SharedBuffer.Alloc", size)
	if invariant.Enabled {
		s.crowd.enter("heap: SharedBuffer.Alloc", many, hintMixed)
		defer s.crowd.leave(many)
	}
	if l.Kind == mem.Managed {
		return nil, mem.Refuse(l)
	}
	race.Disable()
	start, err := s.claim(size, l.Align)
	race.Enable()
	if err != nil {
		return nil, err
	}
	b := s.buf[start : start+size : start+size]
	race.Alloc(b)
	if l.Zero || l.Kind != mem.Plain {
		clear(b)
	}
	return b, nil
}

// claim moves the offset over a block of size bytes and returns its start.
func (s *SharedBuffer) claim(size int, align mem.Alignment) (start int, err error) {
	for {
		off := atomic.LoadUintptr(&s.off)
		pad, err := (*FixedBuffer)(s).fit(int(off), size, align)
		if err != nil {
			return 0, err
		}
		start := int(off) + pad
		if atomic.CompareAndSwapUintptr(&s.off, off, uintptr(start+size)) {
			return start, nil
		}
	}
}

// Resize implements [mem.Allocator]. It refuses every other size.
func (s *SharedBuffer) Resize(b []byte, _ mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: SharedBuffer.Resize", size)
	return b, s.live("heap: SharedBuffer.Resize", b) && size == len(b)
}

// Remap implements [mem.Allocator]. It refuses every other size.
func (s *SharedBuffer) Remap(b []byte, _ mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: SharedBuffer.Remap", size)
	return b, s.live("heap: SharedBuffer.Remap", b) && size == len(b)
}

// Free implements [mem.Allocator]. It reports a block from elsewhere, and gives
// nothing back.
func (s *SharedBuffer) Free(b []byte, _ mem.Layout) {
	if s.live("heap: SharedBuffer.Free", b) {
		race.Free(b)
	}
}

// Pointers implements [mem.Allocator].
func (s *SharedBuffer) Pointers() mem.Pointers { return mem.PlainOnly }

// Owns implements [mem.Owner].
func (s *SharedBuffer) Owns(b []byte) bool { return (*FixedBuffer)(s).Owns(b) }

// live reports b unless it can be a block of the buffer.
func (s *SharedBuffer) live(op string, b []byte) bool {
	if invariant.Enabled {
		s.crowd.enter(op, many, hintMixed)
		defer s.crowd.leave(many)
	}
	race.Disable()
	off := int(atomic.LoadUintptr(&s.off))
	race.Enable()
	_, ok := (*FixedBuffer)(s).find(op, b, off)
	return ok
}
