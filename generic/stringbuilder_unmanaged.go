package generic

import (
	"unicode/utf8"

	"github.com/allod-dev/allod/mem"
)

// A StringBuilderUnmanaged makes a string out of parts, as a strings.Builder
// does, with the allocator handed to every call that may need it. [StringBuilder]
// is the same with the allocator stored, and only that one has the methods of
// package io.
//
// Memory comes from the allocator passed in, which must be the same every time:
// one block, which grows as that of an [ArrayListUnmanaged] does.
//
// A builder is for one goroutine at a time. The zero value is an empty builder,
// ready for use. Assigning a builder moves it: two copies must not both be used.
type StringBuilderUnmanaged struct {
	list ArrayListUnmanaged[byte]
}

// FromBuffer makes b, which must have no memory, an empty builder in buf, which
// stays the caller's: it bounds the string, and what does not fit is refused with
// [mem.ErrLimit].
func (b *StringBuilderUnmanaged) FromBuffer(buf []byte) { b.list.FromBuffer(buf) }

// Clone returns a builder of the same bytes.
func (b *StringBuilderUnmanaged) Clone(a mem.Allocator) (StringBuilderUnmanaged, error) {
	list, err := b.list.clone(a, "generic: StringBuilder.Clone")
	return StringBuilderUnmanaged{list}, err
}

// ToManaged returns the builder with a, the allocator that it has had so far,
// stored, and leaves b empty, without memory.
func (b *StringBuilderUnmanaged) ToManaged(a mem.Allocator) *StringBuilder {
	b.list.from.adopt(a, "generic: StringBuilder.ToManaged")
	c := &StringBuilder{a: a, u: *b}
	*b = StringBuilderUnmanaged{}
	return c
}

// Close gives all memory back and leaves an empty builder, which may be used
// again. It never fails.
func (b *StringBuilderUnmanaged) Close(a mem.Allocator) { b.list.Close(a) }

// Clear drops all bytes and keeps the memory.
func (b *StringBuilderUnmanaged) Clear() { b.list.Clear() }

// Len returns the number of bytes.
func (b *StringBuilderUnmanaged) Len() int { return b.list.Len() }

// Cap returns how many bytes the block has room for.
func (b *StringBuilderUnmanaged) Cap() int { return b.list.Cap() }

// String returns the bytes as a string, without a copy. It is dead when the
// builder changes or is closed.
func (b *StringBuilderUnmanaged) String() string { return stringFrom(b.list.items) }

// ToOwnedString returns the string in a block of exactly its size, which the
// caller frees with [mem.FreeString], and leaves the builder empty and without
// memory. On an error the builder is unchanged.
func (b *StringBuilderUnmanaged) ToOwnedString(a mem.Allocator) (string, error) {
	s, err := b.list.toOwnedSlice(a, "generic: StringBuilder.ToOwnedString")
	return stringFrom(s), err
}

// Truncate drops all but the first n bytes. It panics unless 0 <= n <= Len.
func (b *StringBuilderUnmanaged) Truncate(n int) { b.list.ShrinkRetainingCapacity(n) }

// EnsureUnusedCapacity makes room for n bytes more. It panics if n is negative.
func (b *StringBuilderUnmanaged) EnsureUnusedCapacity(a mem.Allocator, n int) error {
	return b.list.ensureUnused(a, n, "generic: StringBuilder.EnsureUnusedCapacity")
}

// Append adds the bytes of p.
func (b *StringBuilderUnmanaged) Append(a mem.Allocator, p []byte) error {
	return b.list.appendSlice(a, p, "generic: StringBuilder.Append")
}

// AppendString adds s, which may be what String returned.
func (b *StringBuilderUnmanaged) AppendString(a mem.Allocator, s string) error {
	return b.list.appendSlice(a, stringBytes(s), "generic: StringBuilder.AppendString")
}

// AppendByte adds the byte c.
func (b *StringBuilderUnmanaged) AppendByte(a mem.Allocator, c byte) error {
	return b.list.appendFor(a, c, "generic: StringBuilder.AppendByte")
}

// AppendRune adds r in UTF-8 and returns how many bytes that are.
func (b *StringBuilderUnmanaged) AppendRune(a mem.Allocator, r rune) (int, error) {
	if err := b.list.ensureUnused(a, runeLen(r), "generic: StringBuilder.AppendRune"); err != nil {
		return 0, err
	}
	n := len(b.list.items)
	b.list.items = utf8.AppendRune(b.list.items, r) // for which there is room
	return len(b.list.items) - n, nil
}
