package heap

import "github.com/allod-dev/allod/internal/invariant"

// A BufferMark remembers how far a [FixedBuffer] was used. It is open until it
// is undone with [FixedBuffer.Rewind] or dropped with [FixedBuffer.Keep], and
// stale from then on. Marks nest: the youngest is closed first.
type BufferMark struct {
	f      *FixedBuffer
	depth  int // index in f.open while the mark is open
	serial uint64
}

// Every open mark is noted in the buffer, and a BufferMark only names one. The
// caller can keep, copy and lose it as he likes; what is wrong with one that he
// hands back can always be said.

// Mark returns a mark for what is allocated now. Blocks older than the mark may
// still be freed while it is open, but give no memory back, and do not grow.
func (f *FixedBuffer) Mark() BufferMark {
	if invariant.Enabled {
		f.enter("heap: FixedBuffer.Mark")
		defer f.leave()
	}
	if f.open == nil {
		f.open = f.first[:0]
	}
	f.serial++
	f.open = append(f.open, savepoint{f.serial, int(f.off)})
	return BufferMark{f, len(f.open) - 1, f.serial}
}

// Rewind undoes m: it invalidates all blocks that are younger than the mark,
// and closes the mark. A mark of another buffer, a stale mark, and one with
// younger open marks are misuses, of the kinds [WrongAllocator], [StaleMark]
// and [OutOfOrder].
func (f *FixedBuffer) Rewind(m BufferMark) {
	if invariant.Enabled {
		f.enter("heap: FixedBuffer.Rewind")
		defer f.leave()
	}
	if f.youngest("heap: FixedBuffer.Rewind", m) {
		f.cut(f.open[m.depth].off)
		f.open = f.open[:m.depth]
	}
}

// Keep closes m and undoes nothing. The misuses are those of Rewind.
func (f *FixedBuffer) Keep(m BufferMark) {
	if invariant.Enabled {
		f.enter("heap: FixedBuffer.Keep")
		defer f.leave()
	}
	if f.youngest("heap: FixedBuffer.Keep", m) {
		f.open = f.open[:m.depth]
	}
}

// Scoped calls fn between a Mark and its Rewind, also if fn panics, and returns
// what fn does. What fn allocates is dead afterwards.
func (f *FixedBuffer) Scoped(fn func() error) error {
	m := f.Mark()
	returned := false
	defer func() {
		if !returned {
			// Marks that the panic left open must not hide the panic.
			f.abandon(m)
		}
		f.Rewind(m)
	}()
	err := fn()
	returned = true
	return err
}

// abandon closes all marks that are younger than m.
func (f *FixedBuffer) abandon(m BufferMark) {
	if f.opened(m) {
		f.open = f.open[:m.depth+1]
	}
}

// opened tells whether m is open.
func (f *FixedBuffer) opened(m BufferMark) bool {
	return m.f == f && m.depth < len(f.open) && f.open[m.depth].serial == m.serial
}

// youngest tells whether m is the youngest open mark, and reports it if not.
func (f *FixedBuffer) youngest(op string, m BufferMark) bool {
	switch {
	case m.f != f && m.f != nil:
		report(&Misuse{Kind: WrongAllocator, Op: op, Hint: "the mark is of another FixedBuffer"})
	case !f.opened(m):
		report(&Misuse{Kind: StaleMark, Op: op, Hint: "the mark was rewound or kept before"})
	case m.depth != len(f.open)-1:
		report(&Misuse{Kind: OutOfOrder, Op: op, Hint: "a younger mark is open; rewind or keep it first"})
	default:
		return true
	}
	return false
}
