package heap

import (
	"strconv"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// Limit wraps an allocator and refuses what would take the bytes outstanding
// past a number. Want it to keep a part of a program inside a budget: the error
// is an error like any other, and what was allocated before stays as it is.
// Limits nest, and the tightest one answers. What counts is the bytes that were
// asked for; a Limit below another wrapper counts what that one asks for.
//
// Memory comes from the child, to which every operation within the limit is
// passed unchanged. Free is the child's, and makes room. Blocks live as long as
// the child says, and a child that frees many at once, as an Arena does, is not
// noticed: put the Limit below the Arena.
//
// A Limit is safe for concurrent use if its child is; the goroutines that share
// it never have more than the limit between them. All else that reads or sets
// it always is safe. It must not be copied. The zero Limit has no child; call
// [NewLimit].
type Limit struct {
	// Name appears in the error, to tell one limit from another. Set it before
	// the first use, or not at all.
	Name string

	copies noCopy
	child  mem.Allocator
	limit  atomic.Int64 // >= 0
	used   atomic.Int64 // >= 0; above limit only after SetLimit lowered that
	err    LimitError   // the only one, made in advance
}

var _ mem.Allocator = (*Limit)(nil)

// Bytes are reserved before the child is asked and given back if it refuses, so
// two goroutines cannot both see room for one block. The other way round, bytes
// are released only after the child has taken the block: what is reserved is
// never less than what is in use. A child that panics counts as one that refuses.

// A LimitError reports that a [Limit] had no room for a request. It wraps
// [mem.ErrLimit]. There is one per Limit, so that reporting it allocates
// nothing; among nested limits it tells which one it was.
type LimitError struct {
	// Limit is the one that had no room.
	Limit *Limit
}

// Error gives the name and the size of the limit, as it is now.
func (e *LimitError) Error() string {
	s := "heap: Limit"
	if e.Limit.Name != "" {
		s += " " + strconv.Quote(e.Limit.Name)
	}
	return s + ": " + strconv.FormatInt(e.Limit.limit.Load(), 10) + " bytes reached"
}

// Unwrap returns [mem.ErrLimit].
func (e *LimitError) Unwrap() error { return mem.ErrLimit }

// NewLimit returns child with at most the given number of bytes outstanding. It
// panics if that is negative.
func NewLimit(child mem.Allocator, bytes int) *Limit {
	mustChild("heap: NewLimit", child)
	if bytes < 0 {
		panic("heap: NewLimit: negative limit")
	}
	m := &Limit{child: child}
	m.limit.Store(int64(bytes))
	m.err.Limit = m
	return m
}

// Alloc implements [mem.Allocator]. Over the limit, the error is a
// [*LimitError].
func (m *Limit) Alloc(size int, l mem.Layout) (b []byte, err error) {
	mem.CheckSize("heap: Limit.Alloc", size)
	m.copies.check("heap: Limit.Alloc")
	if m.child == nil {
		return nil, zeroValue("heap: Limit.Alloc", "NewLimit")
	}
	if !m.reserve(size) {
		return nil, &m.err
	}
	served := false
	defer func() {
		if !served { // or panicked
			m.release(size)
		}
	}()
	b, err = m.child.Alloc(size, l)
	served = err == nil
	return b, err
}

// Resize implements [mem.Allocator]. Growing past the limit is refused, and
// shrinking makes room.
func (m *Limit) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: Limit.Resize", size)
	if m.child == nil {
		zeroValue("heap: Limit.Resize", "NewLimit")
		return b, false
	}
	return m.resize(false, b, l, size)
}

// Remap implements [mem.Allocator]. Growing past the limit is refused, and
// shrinking makes room.
func (m *Limit) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: Limit.Remap", size)
	if m.child == nil {
		zeroValue("heap: Limit.Remap", "NewLimit")
		return b, false
	}
	return m.resize(true, b, l, size)
}

// Free implements [mem.Allocator].
func (m *Limit) Free(b []byte, l mem.Layout) {
	if m.child == nil {
		zeroValue("heap: Limit.Free", "NewLimit")
		return
	}
	if freeTo(m.child, b, l) {
		m.release(len(b))
	}
}

// Pointers returns the child's answer.
func (m *Limit) Pointers() mem.Pointers {
	if m.child == nil {
		return mem.PlainOnly
	}
	return m.child.Pointers()
}

// Unwrap returns the child.
func (m *Limit) Unwrap() mem.Allocator { return m.child }

// Limit returns the number of bytes that may be outstanding.
func (m *Limit) Limit() int { return int(m.limit.Load()) }

// SetLimit changes the limit. If more is outstanding than the new one allows,
// nothing happens to it, and no block is served or grown until enough came back.
// It panics if bytes is negative.
func (m *Limit) SetLimit(bytes int) {
	if bytes < 0 {
		panic("heap: Limit.SetLimit: negative limit")
	}
	m.limit.Store(int64(bytes))
}

// Used returns how many bytes are outstanding, those among them that a running
// call has reserved and may not get.
func (m *Limit) Used() int { return int(m.used.Load()) }

// Available returns how many bytes there is room for.
func (m *Limit) Available() int {
	used := m.used.Load()
	return int(max(m.limit.Load()-used, 0))
}

// GoodSize implements [mem.GoodSizer] with the child's answer, unless there is
// room for size but not for that much.
func (m *Limit) GoodSize(size int, l mem.Layout) int {
	if m.child == nil {
		return size
	}
	if good := mem.GoodSize(m.child, size, l); good <= m.Available() {
		return good
	}
	return size
}

// resize passes a Resize, or a Remap if move is set, on.
func (m *Limit) resize(move bool, b []byte, l mem.Layout, size int) (r []byte, ok bool) {
	grow := size - len(b)
	if grow > 0 {
		if !m.reserve(grow) {
			return b, false
		}
		defer func() {
			if !ok { // or panicked
				m.release(grow)
			}
		}()
	}
	if move {
		r, ok = m.child.Remap(b, l, size)
	} else {
		r, ok = m.child.Resize(b, l, size)
	}
	if ok && grow < 0 {
		m.release(-grow)
	}
	return r, ok
}

// reserve takes n bytes if there is room for them.
func (m *Limit) reserve(n int) bool {
	race.Disable()
	defer race.Enable()
	for {
		used := m.used.Load()
		if int64(n) > m.limit.Load()-used { // neither is negative: no overflow
			return false
		}
		if m.used.CompareAndSwap(used, used+int64(n)) {
			return true
		}
	}
}

// release gives n bytes back. A child that lets foreign blocks pass in silence
// must not bring used below 0, or there would be room for more than the limit.
func (m *Limit) release(n int) {
	race.Disable()
	defer race.Enable()
	for {
		used := m.used.Load()
		if m.used.CompareAndSwap(used, max(used-int64(n), 0)) {
			return
		}
	}
}
