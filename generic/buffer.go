package generic

import (
	"io"

	"github.com/allod-dev/allod/mem"
)

// A Buffer is a queue of bytes: what is written at its end is read from its
// beginning, as with a bytes.Buffer, in memory of an allocator. It has the
// methods that package io asks of readers and writers, so that fmt.Fprintf,
// json.NewEncoder, bufio and io.Copy work with it. [BufferUnmanaged] is the same
// without a stored allocator, and says more about both.
//
// Memory comes from the allocator given to [NewBuffer]. Where it runs out, a
// write returns the error and the buffer is as it was.
//
// A buffer is for one goroutine at a time and must not be copied. The zero Buffer
// has no allocator; call [NewBuffer].
type Buffer struct {
	_ noCopy
	a mem.Allocator
	u BufferUnmanaged
}

var (
	_ io.ReadWriteCloser = (*Buffer)(nil)
	_ io.ByteScanner     = (*Buffer)(nil)
	_ io.RuneScanner     = (*Buffer)(nil)
	_ io.ByteWriter      = (*Buffer)(nil)
	_ io.StringWriter    = (*Buffer)(nil)
	_ io.ReaderFrom      = (*Buffer)(nil)
	_ io.WriterTo        = (*Buffer)(nil)
)

// NewBuffer returns an empty buffer, which first calls a when it first grows.
func NewBuffer(a mem.Allocator) *Buffer {
	if isNil(a) {
		panicNil(a, "generic: NewBuffer")
	}
	return &Buffer{a: a}
}

// Allocator returns the allocator of the buffer.
func (b *Buffer) Allocator() mem.Allocator { return b.a }

// Close gives all memory back and leaves an empty buffer, which may be used
// again. It never allocates, and the error is always nil.
func (b *Buffer) Close() error {
	b.u.Close(b.a)
	return nil
}

// Clone returns a buffer of the bytes that have not been read.
func (b *Buffer) Clone() (*Buffer, error) {
	u, err := b.u.Clone(b.a)
	if err != nil {
		return nil, err
	}
	return &Buffer{a: b.a, u: u}, nil
}

// ToUnmanaged returns the buffer without its allocator, which every call is
// handed from now on, and leaves b empty, without memory.
func (b *Buffer) ToUnmanaged() BufferUnmanaged {
	u := b.u
	b.u = BufferUnmanaged{}
	return u
}

// FromBuffer makes b, which must have no memory, an empty buffer in buf, which
// stays the caller's: it bounds the buffer, and what does not fit is refused with
// [mem.ErrLimit].
func (b *Buffer) FromBuffer(buf []byte) { b.u.FromBuffer(buf) }

// Clear drops all bytes and keeps the memory.
func (b *Buffer) Clear() { b.u.Clear() }

// Len returns how many bytes have not been read.
func (b *Buffer) Len() int { return b.u.Len() }

// Cap returns how many bytes the block has room for.
func (b *Buffer) Cap() int { return b.u.Cap() }

// Bytes returns the bytes that have not been read: the buffer's own memory, dead
// with the next write, and with Close.
func (b *Buffer) Bytes() []byte { return b.u.Bytes() }

// String returns a copy of the bytes that have not been read, in the Go heap.
func (b *Buffer) String() string { return b.u.String() }

// Truncate drops all but the first n bytes that have not been read. It panics
// unless 0 <= n <= Len.
func (b *Buffer) Truncate(n int) { b.u.Truncate(n) }

// EnsureUnusedCapacity makes room for n bytes more. It panics if n is negative.
func (b *Buffer) EnsureUnusedCapacity(n int) error { return b.u.EnsureUnusedCapacity(b.a, n) }

// Write implements [io.Writer]. It writes all of p or, with an error, nothing. p
// may be part of the buffer.
func (b *Buffer) Write(p []byte) (int, error) {
	if err := b.u.Append(b.a, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// WriteString implements [io.StringWriter], as Write does.
func (b *Buffer) WriteString(s string) (int, error) {
	if err := b.u.AppendString(b.a, s); err != nil {
		return 0, err
	}
	return len(s), nil
}

// WriteByte implements [io.ByteWriter].
func (b *Buffer) WriteByte(c byte) error { return b.u.AppendByte(b.a, c) }

// WriteRune writes r in UTF-8 and returns how many bytes that are.
func (b *Buffer) WriteRune(r rune) (int, error) { return b.u.AppendRune(b.a, r) }

// ReadFrom implements [io.ReaderFrom]. What was read before an error, of r or for
// want of memory, stays. If the buffer cannot grow, it is an error only once it is
// full.
func (b *Buffer) ReadFrom(r io.Reader) (int64, error) { return b.u.AppendFrom(b.a, r) }

// Read implements [io.Reader].
func (b *Buffer) Read(p []byte) (int, error) { return b.u.Read(p) }

// Next reads the next n bytes, or as many as there are, and returns them without
// a copy, dead with the next write. It panics if n is negative.
func (b *Buffer) Next(n int) []byte { return b.u.Next(n) }

// ReadByte implements [io.ByteReader].
func (b *Buffer) ReadByte() (byte, error) { return b.u.ReadByte() }

// UnreadByte implements [io.ByteScanner]: it takes back the last byte of the read
// before, of any kind but Next.
func (b *Buffer) UnreadByte() error { return b.u.UnreadByte() }

// ReadRune implements [io.RuneReader]. Bytes that are no UTF-8 are read one by
// one, as U+FFFD.
func (b *Buffer) ReadRune() (r rune, size int, err error) { return b.u.ReadRune() }

// UnreadRune implements [io.RuneScanner]: it takes back what the ReadRune before
// has read.
func (b *Buffer) UnreadRune() error { return b.u.UnreadRune() }

// WriteTo implements [io.WriterTo].
func (b *Buffer) WriteTo(w io.Writer) (int64, error) { return b.u.WriteTo(w) }
