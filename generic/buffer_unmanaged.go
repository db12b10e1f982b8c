package generic

import (
	"errors"
	"io"
	"unicode/utf8"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// A BufferUnmanaged is a queue of bytes: what is appended at its end is read from
// its beginning, as with a bytes.Buffer, with the allocator handed to every call
// that may need it. [Buffer] is the same with the allocator stored, and only that
// one is an [io.Writer]: what package io asks of writers leaves no place for an
// allocator.
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

var (
	_ io.ByteScanner = (*BufferUnmanaged)(nil)
	_ io.RuneScanner = (*BufferUnmanaged)(nil)
	_ io.Reader      = (*BufferUnmanaged)(nil)
	_ io.WriterTo    = (*BufferUnmanaged)(nil)
)

var (
	errUnreadByte = errors.New("generic: Buffer.UnreadByte: the last operation was no successful read")
	errUnreadRune = errors.New("generic: Buffer.UnreadRune: the last operation was no successful ReadRune")
)

// minRead is how much room AppendFrom makes for a call of Read.
const minRead = 512

// FromBuffer makes b, which must have no memory, an empty buffer in buf, which
// stays the caller's: it bounds the buffer, and what does not fit is refused with
// [mem.ErrLimit].
func (b *BufferUnmanaged) FromBuffer(buf []byte) { b.list.FromBuffer(buf) }

// Clone returns a buffer of the bytes that have not been read.
func (b *BufferUnmanaged) Clone(a mem.Allocator) (BufferUnmanaged, error) {
	var c BufferUnmanaged
	err := c.Append(a, b.Bytes())
	return c, err
}

// ToManaged returns the buffer with a, the allocator that it has had so far,
// stored, and leaves b empty, without memory.
func (b *BufferUnmanaged) ToManaged(a mem.Allocator) *Buffer {
	b.list.from.adopt(a, "generic: Buffer.ToManaged")
	c := &Buffer{a: a, u: *b}
	*b = BufferUnmanaged{}
	return c
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

// Bytes returns the bytes that have not been read: the buffer's own memory, dead
// with the next write, and with Close.
func (b *BufferUnmanaged) Bytes() []byte { return b.list.Items()[b.off:] }

// String returns a copy of the bytes that have not been read, in the Go heap.
func (b *BufferUnmanaged) String() string { return string(b.Bytes()) }

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
	b.check()
}

// Append adds the bytes of p. p may be part of the buffer.
func (b *BufferUnmanaged) Append(a mem.Allocator, p []byte) error {
	if len(p) > b.list.Cap()-len(b.list.items) && !overlap(b.list.items, p) {
		if err := b.EnsureUnusedCapacity(a, len(p)); err != nil {
			return err
		}
	}
	if err := b.list.AppendSlice(a, p); err != nil {
		return err
	}
	b.last = 0
	b.check()
	return nil
}

// AppendString adds the bytes of s.
func (b *BufferUnmanaged) AppendString(a mem.Allocator, s string) error {
	return b.Append(a, stringBytes(s))
}

// AppendByte adds the byte c.
func (b *BufferUnmanaged) AppendByte(a mem.Allocator, c byte) error {
	if err := b.EnsureUnusedCapacity(a, 1); err != nil {
		return err
	}
	b.list.AppendAssumeCapacity(c)
	b.last = 0
	b.check()
	return nil
}

// AppendRune adds r in UTF-8 and returns how many bytes that are.
func (b *BufferUnmanaged) AppendRune(a mem.Allocator, r rune) (int, error) {
	if err := b.EnsureUnusedCapacity(a, runeLen(r)); err != nil {
		return 0, err
	}
	n := len(b.list.items)
	b.list.items = utf8.AppendRune(b.list.items, r) // for which there is room
	b.last = 0
	b.check()
	return len(b.list.items) - n, nil
}

// runeLen returns how many bytes r is in UTF-8, where what is no rune becomes
// U+FFFD.
func runeLen(r rune) int {
	if n := utf8.RuneLen(r); n > 0 {
		return n
	}
	return utf8.RuneLen(utf8.RuneError)
}

// AppendFrom adds what r has to read, up to io.EOF, and returns how many bytes
// that are. What was read before an error, of r or for want of memory, stays. If
// the buffer cannot grow, it is an error only once it is full.
func (b *BufferUnmanaged) AppendFrom(a mem.Allocator, r io.Reader) (n int64, err error) {
	for {
		if err := b.EnsureUnusedCapacity(a, minRead); err != nil {
			if len(b.list.UnusedCapacity()) == 0 {
				b.compact()
			}
			if len(b.list.UnusedCapacity()) == 0 {
				return n, err
			}
		}
		b.last = 0
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
	b.check()
	return p
}

// Read implements [io.Reader].
func (b *BufferUnmanaged) Read(p []byte) (int, error) {
	b.last = 0
	if b.Len() == 0 {
		b.Clear()
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	n := copy(p, b.Next(len(p)))
	if n > 0 {
		b.last = 1
	}
	return n, nil
}

// ReadByte implements [io.ByteReader].
func (b *BufferUnmanaged) ReadByte() (byte, error) {
	var c [1]byte
	_, err := b.Read(c[:])
	return c[0], err
}

// UnreadByte implements [io.ByteScanner]: it takes back the last byte of the read
// before, of any kind but Next.
func (b *BufferUnmanaged) UnreadByte() error {
	if b.last == 0 {
		return errUnreadByte
	}
	b.off--
	b.last = 0
	return nil
}

// ReadRune implements [io.RuneReader]. Bytes that are no UTF-8 are read one by
// one, as U+FFFD.
func (b *BufferUnmanaged) ReadRune() (r rune, size int, err error) {
	p := b.Bytes()
	if len(p) == 0 {
		b.Clear()
		return 0, 0, io.EOF
	}
	r, size = utf8.DecodeRune(p)
	b.off += size
	b.last = -size // which tells a rune from bytes
	return r, size, nil
}

// UnreadRune implements [io.RuneScanner]: it takes back what the ReadRune before
// has read.
func (b *BufferUnmanaged) UnreadRune() error {
	if b.last >= 0 {
		return errUnreadRune
	}
	b.off += b.last
	b.last = 0
	return nil
}

// WriteTo implements [io.WriterTo].
func (b *BufferUnmanaged) WriteTo(w io.Writer) (int64, error) {
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

func (b *BufferUnmanaged) check() {
	if invariant.Enabled {
		invariant.Check(0 <= b.off && b.off <= len(b.list.items), "generic: Buffer: %d of %d bytes were read", b.off, len(b.list.items))
		invariant.Check(max(b.last, -b.last) <= b.off, "generic: Buffer: %d bytes to unread of %d", b.last, b.off)
	}
}
