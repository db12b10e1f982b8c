package generic

import (
	"iter"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// A StringHandle stands for a string in a [StringPool]: equal strings of one pool
// have equal handles. The zero handle is the empty string, in every pool.
type StringHandle uint32

// A StringPoolUnmanaged keeps one copy of each string that it is shown, and
// gives out a number of 32 bits for it: a handle, small enough for the fields of
// millions of structs, without pointers, and as quick to compare as numbers are.
// The allocator is handed to every call that may need it. [StringPool] is the
// same with the allocator stored.
//
// Memory comes from the allocator passed in, which must be the same every time.
// The bytes of strings lie one behind the other in blocks that never move; two
// blocks that grow are for finding strings by handle, and handles by string.
// Strings are not removed one by one: Close and Clear end the life of all, and of
// their handles.
//
// Intern and Lookup take constant time, save for the Intern that grows a block.
//
// A pool is for one goroutine at a time. The zero value is an empty pool, ready
// for use. Assigning a pool moves it: two copies must not both be used.
type StringPoolUnmanaged struct {
	rows   []stringRow // by handle-1; rows[:cap] is the block
	index  stringIndex
	blocks [][]byte // of the bytes; len <= cap, which is the block that lists them
	tail   []byte   // what is left of the block that is being filled
	next   int      // size of the next block of bytes
	bytes  int      // of all strings
	from   origin   // 0 as long as there is no memory
}

const (
	firstPoolBlock   = 1 << 10
	largestPoolBlock = 1 << 20
)

// Close gives all memory back and leaves an empty pool, which may be used again.
// It never fails.
func (p *StringPoolUnmanaged) Close(a mem.Allocator) {
	if p.from != 0 {
		p.from.check(a, "generic: StringPool.Close")
		p.free(a)
	}
	*p = StringPoolUnmanaged{}
}

// free gives back what refers to memory before that memory, so that no block
// that is given back has pointers to what is gone.
func (p *StringPoolUnmanaged) free(a mem.Allocator) {
	mem.Free(a, p.rows)
	for i, b := range p.blocks {
		p.blocks[i] = nil
		mem.Free(a, b)
	}
	mem.Free(a, p.blocks)
	mem.Free(a, p.index.slots)
}

// Clear ends the life of all strings and handles, and gives the memory back.
func (p *StringPoolUnmanaged) Clear(a mem.Allocator) { p.Close(a) }

// Clone returns a pool of the same strings with the same handles.
func (p *StringPoolUnmanaged) Clone(a mem.Allocator) (StringPoolUnmanaged, error) {
	var c StringPoolUnmanaged
	if err := c.EnsureUnusedCapacity(a, p.Len(), p.bytes); err != nil {
		return c, err
	}
	for _, r := range p.rows {
		if _, err := c.Intern(a, r.key); err != nil {
			c.Close(a)
			return c, err
		}
	}
	return c, nil
}

// ToManaged returns the pool with a, the allocator that it has had so far,
// stored, and leaves p empty, without memory.
func (p *StringPoolUnmanaged) ToManaged(a mem.Allocator) *StringPool {
	p.from.adopt(a, "generic: StringPool.ToManaged")
	c := &StringPool{a: a, u: *p}
	*p = StringPoolUnmanaged{}
	return c
}

// Len returns the number of strings, without the empty one.
func (p *StringPoolUnmanaged) Len() int { return len(p.rows) }

// Bytes returns the length of all strings together.
func (p *StringPoolUnmanaged) Bytes() int { return p.bytes }

// Get returns the string of a handle, which is valid as long as the handle. It
// panics if the pool has not given out the handle.
func (p *StringPoolUnmanaged) Get(h StringHandle) string {
	if h == 0 {
		return ""
	}
	if uint64(h) > uint64(len(p.rows)) {
		panicIndex("generic: StringPool.Get", int(h), len(p.rows)+1)
	}
	return p.rows[h-1].key
}

// Lookup returns the handle of s, and whether the pool has one.
func (p *StringPoolUnmanaged) Lookup(s string) (h StringHandle, ok bool) {
	if s == "" || len(p.rows) == 0 {
		return 0, s == ""
	}
	i, _ := p.index.find(p.index.hash(s), s, p.rows)
	return StringHandle(i + 1), i >= 0
}

// Intern returns the handle of s. If it has none yet, the pool takes a copy of s.
func (p *StringPoolUnmanaged) Intern(a mem.Allocator, s string) (StringHandle, error) {
	p.from.check(a, "generic: StringPool.Intern")
	if h, ok := p.Lookup(s); ok {
		return h, nil
	}
	if err := p.ensure(a, 1, len(s)); err != nil {
		return 0, err
	}
	b := p.tail[:len(s):len(s)]
	copy(b, s)
	p.tail = p.tail[len(s):]
	s = stringFrom(b)
	h := p.index.hash(s)
	_, slot := p.index.find(h, s, p.rows)
	p.index.set(slot, h, len(p.rows))
	p.index.n++
	p.rows = append(p.rows, stringRow{key: s}) // for which there is room
	p.bytes += len(s)
	p.check()
	return StringHandle(len(p.rows)), nil
}

// InternBytes is Intern of a string with the bytes of b.
func (p *StringPoolUnmanaged) InternBytes(a mem.Allocator, b []byte) (StringHandle, error) {
	return p.Intern(a, stringFrom(b))
}

// EnsureUnusedCapacity makes room for n strings more, of that many bytes
// together. It panics if one of the two is negative.
func (p *StringPoolUnmanaged) EnsureUnusedCapacity(a mem.Allocator, n, bytes int) error {
	const method = "generic: StringPool.EnsureUnusedCapacity"
	if n < 0 || bytes < 0 {
		panic(method + ": negative count")
	}
	p.from.check(a, method)
	if n == 0 && bytes == 0 {
		return nil
	}
	return p.ensure(a, n, bytes)
}

func (p *StringPoolUnmanaged) ensure(a mem.Allocator, n, bytes int) error {
	if n > maxStrings-len(p.rows) {
		return mem.ErrTooLarge
	}
	err := p.index.ensure(a, len(p.rows)+n)
	if err == nil {
		p.rows, err = ensureRows(a, p.rows, len(p.rows)+n)
	}
	if err == nil && bytes > len(p.tail) {
		err = p.block(a, bytes)
	}
	if err != nil {
		if p.from == 0 { // nothing of it was there before
			p.free(a)
			*p = StringPoolUnmanaged{}
		}
		return err
	}
	p.from = originOf(a)
	return nil
}

// block makes room for n bytes. What is left of the block before is lost.
func (p *StringPoolUnmanaged) block(a mem.Allocator, n int) error {
	if len(p.blocks) == cap(p.blocks) {
		list, err := allocNodes[[]byte](a, max(4, 2*cap(p.blocks)))
		if err != nil {
			return err
		}
		old := p.blocks
		p.blocks = list[:copy(list, old)]
		mem.Free(a, old)
	}
	size := max(n, p.next, firstPoolBlock)
	b, err := mem.AllocUninit[byte](a, size)
	if err != nil {
		return err
	}
	p.blocks = append(p.blocks, b) // for which there is room
	p.next = min(2*min(size, largestPoolBlock), largestPoolBlock)
	p.tail = b
	return nil
}

// All yields handles and strings in the order in which they were interned,
// without the empty string. Strings may be interned during the iteration. A
// string is valid as long as its handle.
func (p *StringPoolUnmanaged) All() iter.Seq2[StringHandle, string] {
	return func(yield func(StringHandle, string) bool) {
		for i := 0; i < len(p.rows) && yield(StringHandle(i+1), p.rows[i].key); i++ {
		}
	}
}

func (p *StringPoolUnmanaged) check() {
	if !invariant.Enabled {
		return
	}
	invariant.Check(p.index.n == len(p.rows), "generic: StringPool: %d strings, %d in the index", len(p.rows), p.index.n)
	n := len(p.rows)
	if n > 0 {
		i, _ := p.index.find(p.index.hash(p.rows[n-1].key), p.rows[n-1].key, p.rows)
		invariant.Check(i == n-1, "generic: StringPool: string %d is found as %d", n-1, i)
	}
}
