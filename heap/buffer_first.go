package heap

import "github.com/allod-dev/allod/mem"

// A BufferFirst serves blocks from a buffer that the caller supplies for as
// long as they fit, and from the child from then on. Want it where most runs
// need little memory and some need much: the little ones then ask nobody.
//
// Memory for plain blocks comes from the buffer, as from a [FixedBuffer], and
// what does not fit there from the child. All blocks with pointers come from
// the child, so that it serves the types that the child serves.
//
// Free gives a block back to the part that it came from. In the buffer that
// frees memory if the block is the last one.
//
// Reset invalidates the blocks in the buffer. Blocks from the child live until
// they are freed, or as long as the child says.
//
// A BufferFirst is for one goroutine at a time, whatever the child is. It must
// not be copied. The zero BufferFirst has no child; call [NewBufferFirst].
type BufferFirst struct {
	copies noCopy
	buf    FixedBuffer
	child  mem.Allocator
}

var (
	_ mem.Allocator   = (*BufferFirst)(nil)
	_ mem.Owner       = (*BufferFirst)(nil)
	_ mem.GoodSizer   = (*BufferFirst)(nil)
	_ mem.UsableSizer = (*BufferFirst)(nil)
)

// The address routes on the way back: a block in the buffer is the buffer's,
// all others are the child's, which finds out by itself whether it knows them.
// A block never migrates in Resize and Remap; the typed layer moves it by
// allocating, copying and freeing when the buffer is full.
//
// Local blocks all go to the child, also if it is not scanned and the buffer
// could hold them. A composite must send them to one place (clause 7 of the
// contract). The child as that place is right for every child: pointers between
// them are seen by the collector if it is scanned, and if it is not, nodes that
// are linked with each other have one owner and one end of life, whereas Reset
// would end some nodes of a list that goes on in the child.
//
// The abilities of the child that speak of single blocks or of sizes are
// written out here, since they would be wrong for blocks in the buffer; Unwrap
// is for the others.

// NewBufferFirst returns an allocator that serves plain blocks from buf while
// they fit, and all others from child. As with [NewFixedBuffer], buf escapes. It
// panics if child is nil.
func NewBufferFirst(buf []byte, child mem.Allocator) *BufferFirst {
	mustChild("heap: NewBufferFirst", child)
	f := &BufferFirst{child: child}
	f.buf.Init(buf)
	return f
}

// Alloc implements [mem.Allocator]. The errors are the child's.
func (f *BufferFirst) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("heap: BufferFirst.Alloc", size)
	f.copies.check("heap: BufferFirst.Alloc")
	if f.child == nil {
		return nil, zeroValue("heap: BufferFirst.Alloc", "NewBufferFirst")
	}
	if l.Kind == mem.Plain {
		if b, err := f.buf.Alloc(size, l); err == nil {
			return b, nil
		}
	}
	return f.child.Alloc(size, l)
}

// Resize implements [mem.Allocator]. In the buffer it does what
// [FixedBuffer.Resize] does.
func (f *BufferFirst) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: BufferFirst.Resize", size)
	switch {
	case f.buf.Owns(b):
		return f.buf.resize("heap: BufferFirst.Resize", b, l, size)
	case f.child == nil:
		zeroValue("heap: BufferFirst.Resize", "NewBufferFirst")
		return b, false
	}
	return f.child.Resize(b, l, size)
}

// Remap implements [mem.Allocator]. It does not move a block out of the buffer,
// nor into it.
func (f *BufferFirst) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: BufferFirst.Remap", size)
	switch {
	case f.buf.Owns(b):
		return f.buf.resize("heap: BufferFirst.Remap", b, l, size)
	case f.child == nil:
		zeroValue("heap: BufferFirst.Remap", "NewBufferFirst")
		return b, false
	}
	return f.child.Remap(b, l, size)
}

// Free implements [mem.Allocator].
func (f *BufferFirst) Free(b []byte, l mem.Layout) {
	switch {
	case f.buf.Owns(b):
		f.buf.free("heap: BufferFirst.Free", b)
	case f.child == nil:
		zeroValue("heap: BufferFirst.Free", "NewBufferFirst")
	default:
		f.child.Free(b, l)
	}
}

// Pointers implements [mem.Allocator]: the answer of the child.
func (f *BufferFirst) Pointers() mem.Pointers {
	if f.child == nil {
		return mem.PlainOnly
	}
	return f.child.Pointers()
}

// Unwrap returns the child.
func (f *BufferFirst) Unwrap() mem.Allocator { return f.child }

// Owns implements [mem.Owner]. For memory outside the buffer it is the answer of
// the child, and false if the child cannot tell.
func (f *BufferFirst) Owns(b []byte) bool {
	if f.buf.Owns(b) {
		return true
	}
	o, ok := mem.As[mem.Owner](f.child)
	return ok && o.Owns(b)
}

// GoodSize implements [mem.GoodSizer]: size itself for a block that the buffer
// would serve, the answer of the child otherwise.
func (f *BufferFirst) GoodSize(size int, l mem.Layout) int {
	if l.Kind == mem.Plain && size > 0 {
		if _, err := f.buf.fit(int(f.buf.off), size, l.Align); err == nil {
			return size
		}
	}
	return mem.GoodSize(f.child, size, l)
}

// UsableSize implements [mem.UsableSizer]: the length of a block in the buffer,
// the answer of the child for others.
func (f *BufferFirst) UsableSize(b []byte) int {
	if !f.buf.Owns(b) {
		if u, ok := mem.As[mem.UsableSizer](f.child); ok {
			return u.UsableSize(b)
		}
	}
	return len(b)
}

// Buffered returns how many bytes of the buffer are in use, as
// [FixedBuffer.Used] counts them.
func (f *BufferFirst) Buffered() int { return f.buf.Used() }

// Reset makes the buffer empty, in constant time. It invalidates all blocks in
// the buffer, and none of the child's: these must still be freed, unless the
// child is reset as well.
func (f *BufferFirst) Reset() { f.buf.Reset() }
