package allocatortest

import (
	"errors"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// A Shadow makes every call on two allocators, and fails the test where the
// first does what the second says is wrong: for trying a new allocator with a
// whole program, beside one that is known to be right.
//
// The program works with the blocks of the first. Of each, the second has a copy
// of what the program wrote, taken at the beginning of every call. At its end
// the blocks must hold what their copies do: an allocator that writes to blocks
// which are live, or loses contents when it resizes, is found in the call that
// does it. So is one that serves memory that is live, or not what was asked.
//
// A Shadow is for one goroutine at a time, which alone writes to the blocks
// meanwhile. A call costs a look at all blocks that are live; of large ones, at
// both ends and at the borders of pages. Blocks that hold pointers, in memory
// that is scanned, have no copy. It must not be copied. There is no zero Shadow;
// call [NewShadow].
type Shadow struct {
	// Agree says that both allocators must serve and refuse the same requests. If
	// it is false, each may run out of memory, and refuse to resize, on its own.
	Agree bool

	_       noCopy
	tb      TB
	first   mem.Allocator
	control mem.Allocator
	live    []*shadowed
}

var _ mem.Allocator = (*Shadow)(nil)

// shadowed is a block of the first allocator.
type shadowed struct {
	b    []byte
	l    mem.Layout
	copy []byte // of the second, or nil
}

// NewShadow returns a Shadow of two allocators that have no blocks that matter.
// A control of nil is [heap.GC].
func NewShadow(tb TB, first, control mem.Allocator) *Shadow {
	if tb == nil || first == nil {
		panic("allocatortest: NewShadow: nil TB or Allocator")
	}
	if control == nil {
		control = heap.GC{}
	}
	return &Shadow{tb: tb, first: first, control: control}
}

// Alloc implements [mem.Allocator].
func (s *Shadow) Alloc(size int, l mem.Layout) ([]byte, error) {
	const op = "Alloc"
	mem.CheckSize("allocatortest: Shadow.Alloc", size)
	s.tb.Helper()
	s.sync()
	b, err := s.first.Alloc(size, l)
	s.compare(op, nil)
	c, cerr := s.control.Alloc(size, s.plain(l))
	if s.Agree && (err == nil) != (cerr == nil) {
		fail(s.tb, "%v: error %v; the control says %v", request(size, l), err, cerr)
	}
	if cerr != nil {
		c = nil
	}
	if err != nil {
		if c != nil {
			s.control.Free(c, s.plain(l))
		}
		if b != nil {
			fail(s.tb, "%v: error %v and a block", request(size, l), err)
		}
		if !errors.Is(err, mem.ErrOutOfMemory) && cerr == nil {
			fail(s.tb, "%v: error %v; the control served it", request(size, l), err)
		}
		return b, err
	}
	k := &shadowed{b: b, l: l, copy: c}
	switch {
	case len(b) != size || cap(b) != size:
		fail(s.tb, "%v = %s", request(size, l), show(b))
		return b, nil // nothing that could be kept track of
	case !l.Align.Check(address(b)):
		fail(s.tb, "%v = %s, not aligned", request(size, l), show(b))
	}
	if l.Zero || l.Kind != mem.Plain {
		if i := cleared(b); i >= 0 {
			fail(s.tb, "%v: byte %d is %#x, want 0", request(size, l), i, b[i])
		}
	}
	s.apart(op, k)
	s.live = append(s.live, k)
	return b, nil
}

// Resize implements [mem.Allocator].
func (s *Shadow) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("allocatortest: Shadow.Resize", size)
	s.tb.Helper()
	return s.change(resize, b, l, size)
}

// Remap implements [mem.Allocator].
func (s *Shadow) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("allocatortest: Shadow.Remap", size)
	s.tb.Helper()
	return s.change(remap, b, l, size)
}

func (s *Shadow) change(w way, b []byte, l mem.Layout, size int) ([]byte, bool) {
	s.tb.Helper()
	s.sync()
	k, _ := s.find(b)
	if k == nil {
		return w.call(s.first, b, l, size) // which knows what to say to that
	}
	old, at := len(k.b), address(b)
	c, ok := w.call(s.first, b, l, size)
	if !ok {
		if !same(c, b) {
			fail(s.tb, "%s(%d -> %d) = %s, false; want the block as it was, %s", w.name, old, size, show(c), show(b))
		}
		s.compare(w.name, nil)
		if s.Agree && s.grows(k, w, size) {
			fail(s.tb, "%s(%d -> %d) = false; the control says true", w.name, old, size)
			s.renew(k, min(old, size))
		}
		return c, false
	}
	if len(c) != size || cap(c) != size || !l.Align.Check(address(c)) || w.name == resize.name && address(c) != at {
		fail(s.tb, "%s(%d -> %d) = %s, true; it was %s", w.name, old, size, show(c), show(b))
		s.drop(k)
		return c, true
	}
	k.b = c
	served := s.grows(k, w, size)
	if s.Agree && k.copy != nil && !served {
		fail(s.tb, "%s(%d -> %d) = true; the control says false", w.name, old, size)
	}
	if !served {
		s.renew(k, min(old, size))
	}
	if i := cleared(c[min(old, size):]); i >= 0 && (l.Zero || k.l.Kind != mem.Plain) {
		fail(s.tb, "%s(%d -> %d): byte %d is %#x, want 0", w.name, old, size, old+i, c[old+i])
	}
	s.apart(w.name, k)
	s.compare(w.name, k)
	kept := *k
	kept.b = c[:min(old, size)] // what is new is the first allocator's affair
	s.intact(w.name, &kept, old)
	return c, true
}

// grows makes the copy of k size bytes long in the same way as k was, and tells
// whether the control did that.
func (s *Shadow) grows(k *shadowed, w way, size int) bool {
	if k.copy == nil {
		return false
	}
	c, ok := w.call(s.control, k.copy, s.plain(k.l), size)
	if ok {
		k.copy = c
	}
	return ok
}

// renew gives k, which has another size now, a copy of that size that holds the
// first n bytes of the one it had.
func (s *Shadow) renew(k *shadowed, n int) {
	old := k.copy
	if old == nil {
		return
	}
	k.copy = nil
	if c, err := s.control.Alloc(len(k.b), s.plain(k.l)); err == nil {
		copy(c, old[:n])
		k.copy = c
	}
	s.control.Free(old, s.plain(k.l))
}

// Free implements [mem.Allocator].
func (s *Shadow) Free(b []byte, l mem.Layout) {
	s.tb.Helper()
	s.sync()
	if k, _ := s.find(b); k != nil {
		s.drop(k)
	}
	s.first.Free(b, l)
	s.compare("Free", nil)
}

// Pointers implements [mem.Allocator].
func (s *Shadow) Pointers() mem.Pointers { return s.first.Pointers() }

// Unwrap returns the first allocator.
func (s *Shadow) Unwrap() mem.Allocator { return s.first }

// plain returns the layout of a copy of a block of layout l: bytes.
func (s *Shadow) plain(l mem.Layout) mem.Layout {
	return mem.Layout{Align: l.Align, Zero: l.Zero || l.Kind != mem.Plain}
}

// find returns the block b.
func (s *Shadow) find(b []byte) (*shadowed, int) {
	for i, k := range s.live {
		if address(k.b) == address(b) && len(k.b) == len(b) {
			return k, i
		}
	}
	return nil, -1
}

// drop forgets k.
func (s *Shadow) drop(k *shadowed) {
	_, i := s.find(k.b)
	s.live = append(s.live[:i], s.live[i+1:]...)
	if k.copy != nil {
		s.control.Free(k.copy, s.plain(k.l))
	}
}

// copied tells whether k's contents are looked at.
func (s *Shadow) copied(k *shadowed) bool {
	return k.copy != nil && (k.l.Kind == mem.Plain || s.first.Pointers() != mem.Scanned)
}

// sync copies what the program wrote.
func (s *Shadow) sync() {
	for _, k := range s.live {
		if s.copied(k) {
			for i := 0; i < len(k.b); i = next(i, len(k.b)) {
				k.copy[i] = k.b[i]
			}
		}
	}
}

// compare wants all blocks but one to be as they were at the last sync.
func (s *Shadow) compare(op string, but *shadowed) {
	s.tb.Helper()
	for _, k := range s.live {
		if k != but && !s.intact(op, k, len(k.b)) {
			return
		}
	}
}

// intact wants k, which had n bytes at the last sync, to be as it was then.
func (s *Shadow) intact(op string, k *shadowed, n int) bool {
	if !s.copied(k) {
		return true
	}
	s.tb.Helper()
	for i := 0; i < len(k.b); i = next(i, n) {
		if k.b[i] != k.copy[i] {
			fail(s.tb, "%s changed byte %d of the block %s from %#x to %#x", op, i, show(k.b), k.copy[i], k.b[i])
			return false
		}
	}
	return true
}

// apart wants k to overlap no other block.
func (s *Shadow) apart(op string, k *shadowed) {
	s.tb.Helper()
	for _, other := range s.live {
		if other != k && overlap(other.b, k.b) {
			fail(s.tb, "%s: block %s overlaps %s", op, show(k.b), show(other.b))
		}
	}
}
