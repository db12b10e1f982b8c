package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// A StringPool keeps one copy of each string that it is shown, and gives out a
// number of 32 bits for it, a [StringHandle]. [StringPoolUnmanaged] is the same
// without a stored allocator, and says more about both.
//
// Memory comes from the allocator given to [NewStringPool].
//
// A pool is for one goroutine at a time and must not be copied. The zero
// StringPool has no allocator; call [NewStringPool].
type StringPool struct {
	_ noCopy
	a mem.Allocator
	u StringPoolUnmanaged
}

// NewStringPool returns an empty pool, which first calls a when it first grows.
func NewStringPool(a mem.Allocator) *StringPool {
	if isNil(a) {
		panicNil(a, "generic: NewStringPool")
	}
	return &StringPool{a: a}
}

// Allocator returns the allocator of the pool.
func (p *StringPool) Allocator() mem.Allocator { return p.a }

// Close gives all memory back and leaves an empty pool, which may be used
// again. It never allocates, and the error is always nil.
func (p *StringPool) Close() error {
	p.u.Close(p.a)
	return nil
}

// Clone returns a pool of the same strings with the same handles.
func (p *StringPool) Clone() (*StringPool, error) {
	u, err := p.u.Clone(p.a)
	if err != nil {
		return nil, err
	}
	return &StringPool{a: p.a, u: u}, nil
}

// ToUnmanaged returns the pool without its allocator, which every call is
// handed from now on, and leaves p empty, without memory.
func (p *StringPool) ToUnmanaged() StringPoolUnmanaged {
	u := p.u
	p.u = StringPoolUnmanaged{}
	return u
}

// Clear ends the life of all strings and handles, and gives the memory back.
func (p *StringPool) Clear() { p.u.Clear(p.a) }

// Len returns the number of strings, without the empty one.
func (p *StringPool) Len() int { return p.u.Len() }

// Bytes returns the length of all strings together.
func (p *StringPool) Bytes() int { return p.u.Bytes() }

// Get returns the string of a handle, which is valid as long as the handle. It
// panics if the pool has not given out the handle.
func (p *StringPool) Get(h StringHandle) string { return p.u.Get(h) }

// Lookup returns the handle of s, and whether the pool has one.
func (p *StringPool) Lookup(s string) (h StringHandle, ok bool) { return p.u.Lookup(s) }

// Intern returns the handle of s. If it has none yet, the pool takes a copy of s.
func (p *StringPool) Intern(s string) (StringHandle, error) { return p.u.Intern(p.a, s) }

// InternBytes is Intern of a string with the bytes of b.
func (p *StringPool) InternBytes(b []byte) (StringHandle, error) { return p.u.InternBytes(p.a, b) }

// EnsureUnusedCapacity makes room for n strings more, of that many bytes
// together. It panics if one of the two is negative.
func (p *StringPool) EnsureUnusedCapacity(n, bytes int) error {
	return p.u.EnsureUnusedCapacity(p.a, n, bytes)
}

// All yields handles and strings in the order in which they were interned,
// without the empty string. Strings may be interned during the iteration. A
// string is valid as long as its handle.
func (p *StringPool) All() iter.Seq2[StringHandle, string] { return p.u.All() }
