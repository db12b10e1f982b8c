package generic

import (
	"io"
	"unicode/utf8"

	"github.com/allod-dev/allod/mem"
)

// A BufferUnmanaged is a queue of bytes: what is appended at its end is read from
// its beginning, as with a bytes.Buffer, with the allocator handed to every call
// that may need it. [Buffer] is the same with the allocator stored, and only that
// one has the methods of package io, which leave no place for an allocator.
//
// Memory comes from the allocator passed in, which must be the same every time:
// one block, which grows as that of an [ArrayListUnmanaged] does. Bytes that were
// read make room for new ones before the block grows.
//
// What Bytes and Next return is the buffer's own memory, dead with the next call
// that appends, and with Close.
//
// A buffer is for one goroutine at a time. The zero value is an empty buffer,
// ready for use. Assigning a buffer moves it: two copies must not both be used.
type BufferUnmanaged struct {
	list ArrayListUnmanaged[byte]
	off  int // how many of the bytes have been read
	last int // the size of the rune or byte that was read last, if it can be unread
}

// minRead is how much room ReadAll makes for a call of Read.
const minRead = 512

// FromBuffer makes b, which must have no memory, an empty buffer in buf, which
// stays the caller's: it bounds the buffer, and what does not fit is refused with
// [mem.ErrLimit].
func (b *BufferUnmanaged) FromBuffer(buf []byte) { b.list.FromBuffer(buf) }

// Clone returns a buffer of the bytes that have not been read.
func (b *BufferUnmanaged) Clone(a mem.Allocator) (BufferUnmanaged, error) {
	var c BufferUnmanaged
	return c, c.Append(a, b.Bytes())
}

// Close gives all memory back and leaves an empty buffer, which may be used
// again. It never fails.
func (b *BufferUnmanaged) Close(a mem.Allocator) {
	b.list.Close(a)
	b.off, b.last = 0, 0
}

// Clear drops all bytes and keeps the memory.
func (b *BufferUnmanaged) Clear() {
	b.list.Clear()
	b.off, b.last = 0, 0
}

// Len returns how many bytes have not been read.
func (b *BufferUnmanaged) Len() int { return len(b.list.items) - b.off }

// Cap returns how many bytes the block has room for.
func (b *BufferUnmanaged) Cap() int { return b.list.Cap() }

// Bytes returns the bytes that have not been read.
func (b *BufferUnmanaged) Bytes() []byte { return b.list.Items()[b.off:] }

// Truncate drops all but the first n bytes that have not been read. It panics
// unless 0 <= n <= Len.
func (b *BufferUnmanaged) Truncate(n int) {
	_ = b.Bytes()[:n]
	b.last = 0
	b.list.ShrinkRetainingCapacity(b.off + n)
}

// EnsureUnusedCapacity makes room for n bytes more. It panics if n is negative.
func (b *BufferUnmanaged) EnsureUnusedCapacity(a mem.Allocator, n int) error {
	const method = "generic: Buffer.EnsureUnusedCapacity"
	if n < 0 {
		panic(method + ": negative count")
	}
	if n <= b.list.Cap()-len(b.list.items) {
		return nil
	}
	// Moving what is left costs no more than was read.
	if n <= b.list.Cap()-b.Len() && b.off >= b.Len() {
		b.compact()
		return nil
	}
	if err := b.list.ensureUnused(a, n, method); err != nil {
		if n <= b.list.Cap()-b.Len() { // there is room, after all
			b.compact()
			return nil
		}
		return err
	}
	return nil
}

// compact moves what has not been read to the beginning of the block.
func (b *BufferUnmanaged) compact() {
	b.list.RemoveRange(0, b.off)
	b.off, b.last = 0, 0
}

// Append adds the bytes of p. p may be part of the buffer.
func (b *BufferUnmanaged) Append(a mem.Allocator, p []byte) error {
	b.last = 0
	if len(p) > b.list.Cap()-len(b.list.items) && !overlap(b.list.items, p) {
		if err := b.EnsureUnusedCapacity(a, len(p)); err != nil {
			return err
		}
	}
	return b.list.AppendSlice(a, p)
}

// AppendString adds the bytes of s.
func (b *BufferUnmanaged) AppendString(a mem.Allocator, s string) error {
	return b.Append(a, stringBytes(s))
}

// AppendByte adds the byte c.
func (b *BufferUnmanaged) AppendByte(a mem.Allocator, c byte) error {
	b.last = 0
	if err := b.EnsureUnusedCapacity(a, 1); err != nil {
		return err
	}
	b.list.AppendAssumeCapacity(c)
	return nil
}

// AppendRune adds r in UTF-8 and returns how many bytes that are.
func (b *BufferUnmanaged) AppendRune(a mem.Allocator, r rune) (int, error) {
	b.last = 0
	if err := b.EnsureUnusedCapacity(a, utf8.UTFMax); err != nil {
		return 0, err
	}
	n := len(b.list.items)
	b.list.items = utf8.AppendRune(b.list.items, r) // for which there is room
	return len(b.list.items) - n, nil
}

// AppendFrom adds what r has to read, up to io.EOF, and returns how many bytes
// that are. What was read before an error, of r or for want of memory, stays.
func (b *BufferUnmanaged) AppendFrom(a mem.Allocator, r io.Reader) (n int64, err error) {
	b.last = 0
	for {
		if err := b.EnsureUnusedCapacity(a, minRead); err != nil {
			return n, err
		}
		m, err := r.Read(b.list.UnusedCapacity())
		if m < 0 || m > len(b.list.UnusedCapacity()) {
			panic("generic: Buffer.AppendFrom: the reader returned an impossible count")
		}
		b.list.extend(m)
		n += int64(m)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// Next reads the next n bytes, or as many as there are, and returns them without
// a copy. It panics if n is negative.
func (b *BufferUnmanaged) Next(n int) []byte {
	if n < 0 {
		panic("generic: Buffer.Next: negative count")
	}
	p := b.Bytes()
	p = p[:min(n, len(p))]
	b.off += len(p)
	b.last = 0
	return p
}

// take copies the next bytes to p.
func (b *BufferUnmanaged) take(p []byte) (int, error) {
	b.last = 0
	if b.Len() == 0 {
		b.Clear()
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	return copy(p, b.Next(len(p))), nil
}

// drainTo writes what has not been read to w.
func (b *BufferUnmanaged) drainTo(w io.Writer) (int64, error) {
	b.last = 0
	n := 0
	if p := b.Bytes(); len(p) > 0 {
		var err error
		n, err = w.Write(p)
		if n < 0 || n > len(p) {
			panic("generic: Buffer.WriteTo: the writer returned an impossible count")
		}
		b.off += n
		if err == nil && n < len(p) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return int64(n), err
		}
	}
	b.Clear()
	return int64(n), nil
}
