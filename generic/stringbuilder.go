package generic

import (
	"io"

	"github.com/allod-dev/allod/mem"
)

// A StringBuilder makes a string out of parts, as a strings.Builder does, in
// memory of an allocator. It is an [io.Writer], so that fmt.Fprintf works with
// it. [StringBuilderUnmanaged] is the same without a stored allocator.
//
// Memory comes from the allocator given to [NewStringBuilder]. Where it runs out,
// a write returns the error and the builder is as it was.
//
// A builder is for one goroutine at a time and must not be copied. The zero
// StringBuilder has no allocator; call [NewStringBuilder].
type StringBuilder struct {
	_ noCopy
	a mem.Allocator
	u StringBuilderUnmanaged
}

var (
	_ io.WriteCloser  = (*StringBuilder)(nil)
	_ io.ByteWriter   = (*StringBuilder)(nil)
	_ io.StringWriter = (*StringBuilder)(nil)
)

// NewStringBuilder returns an empty builder, which first calls a when it first
// grows.
func NewStringBuilder(a mem.Allocator) *StringBuilder {
	if isNil(a) {
		panicNil(a, "generic: NewStringBuilder")
	}
	return &StringBuilder{a: a}
}

// Allocator returns the allocator of the builder.
func (b *StringBuilder) Allocator() mem.Allocator { return b.a }

// Close gives all memory back and leaves an empty builder, which may be used
// again. It never allocates, and the error is always nil.
func (b *StringBuilder) Close() error {
	b.u.Close(b.a)
	return nil
}

// Clone returns a builder of the same bytes.
func (b *StringBuilder) Clone() (*StringBuilder, error) {
	u, err := b.u.Clone(b.a)
	if err != nil {
		return nil, err
	}
	return &StringBuilder{a: b.a, u: u}, nil
}

// ToUnmanaged returns the builder without its allocator, which every call is
// handed from now on, and leaves b empty, without memory.
func (b *StringBuilder) ToUnmanaged() StringBuilderUnmanaged {
	u := b.u
	b.u = StringBuilderUnmanaged{}
	return u
}

// FromBuffer makes b, which must have no memory, an empty builder in buf, which
// stays the caller's: it bounds the string, and what does not fit is refused with
// [mem.ErrLimit].
func (b *StringBuilder) FromBuffer(buf []byte) { b.u.FromBuffer(buf) }

// Clear drops all bytes and keeps the memory.
func (b *StringBuilder) Clear() { b.u.Clear() }

// Len returns the number of bytes.
func (b *StringBuilder) Len() int { return b.u.Len() }

// Cap returns how many bytes the block has room for.
func (b *StringBuilder) Cap() int { return b.u.Cap() }

// String returns the bytes as a string, without a copy. It is dead when the
// builder changes or is closed: strings.Clone what is to live longer, or take
// ToOwnedString.
func (b *StringBuilder) String() string { return b.u.String() }

// ToOwnedString returns the string in a block of exactly its size, which the
// caller frees with [mem.FreeString], and leaves the builder empty and without
// memory. On an error the builder is unchanged.
func (b *StringBuilder) ToOwnedString() (string, error) { return b.u.ToOwnedString(b.a) }

// Truncate drops all but the first n bytes. It panics unless 0 <= n <= Len.
func (b *StringBuilder) Truncate(n int) { b.u.Truncate(n) }

// EnsureUnusedCapacity makes room for n bytes more. It panics if n is negative.
func (b *StringBuilder) EnsureUnusedCapacity(n int) error { return b.u.EnsureUnusedCapacity(b.a, n) }

// Write implements [io.Writer]. It writes all of p or, with an error, nothing.
func (b *StringBuilder) Write(p []byte) (int, error) {
	if err := b.u.Append(b.a, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// WriteString implements [io.StringWriter], as Write does. s may be what String
// returned.
func (b *StringBuilder) WriteString(s string) (int, error) {
	if err := b.u.AppendString(b.a, s); err != nil {
		return 0, err
	}
	return len(s), nil
}

// WriteByte implements [io.ByteWriter].
func (b *StringBuilder) WriteByte(c byte) error { return b.u.AppendByte(b.a, c) }

// WriteRune writes r in UTF-8 and returns how many bytes that are.
func (b *StringBuilder) WriteRune(r rune) (int, error) { return b.u.AppendRune(b.a, r) }
