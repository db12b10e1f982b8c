package generic

import (
	"iter"
	"math"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// A ring is what [DequeUnmanaged] and [RingBufferUnmanaged] have in common:
// elements in a block, from head on, which go on at its beginning where they
// reach its end. Any number of elements makes a block; who steps past its end is
// put back by a minimum, which costs no more than the masking that a power of
// two would allow, and less of what an inlined function may cost than an if.
//
// The number of elements is not stored: to add one at the end changes the tail
// only, and to remove the first one, the head.
//
// What is not one of the elements is zero if T holds pointers.
type ring[T any] struct {
	block []T    // len == cap <= maxRing
	head  int    // < len(block), or 0
	tail  int    // head + the number of elements; may exceed len(block), by less than head
	from  origin // 0 as long as there is no block
}

// maxRing is the largest capacity, that of elements of size zero: head and tail
// have to be numbers.
const maxRing = math.MaxInt / 2

// n returns the number of elements.
func (r *ring[T]) n() int { return r.tail - r.head }

// wrap returns the index in the block that i stands for, which is less than
// twice its length: one of the two is, as a uint, too large.
func (r *ring[T]) wrap(i int) uint { return min(uint(i), uint(i-len(r.block))) }

// element returns element i. It panics unless 0 <= i < n. Who reads pays for no
// minimum: in a comparison with the length, the one of the index is included.
func (r *ring[T]) element(i int, method string) *T {
	if uint(i) >= uint(r.tail-r.head) {
		panic(badIndex{method, i, r.tail - r.head})
	}
	if i += r.head; uint(i) < uint(len(r.block)) {
		return &r.block[i]
	}
	return &r.block[i-len(r.block)]
}

// parts returns the k elements from i on, which there must be room for, in the
// two pieces that they have.
func (r *ring[T]) parts(i, k int) (first, second []T) {
	if k == 0 {
		return nil, nil
	}
	at := int(r.wrap(r.head + i))
	if k <= len(r.block)-at {
		return r.block[at : at+k : at+k], nil
	}
	k -= len(r.block) - at
	return r.block[at:], r.block[:k:k]
}

func (r *ring[T]) room() int { return len(r.block) - (r.tail - r.head) }

// back adds an element at the end; there must be room. It and the next three
// are inlined where they are called.
func (r *ring[T]) back(v T) {
	r.block[min(uint(r.tail), uint(r.tail-len(r.block)))] = v
	r.tail++
	r.check()
}

// front adds an element in front; there must be room.
func (r *ring[T]) front(v T) {
	if r.head == 0 {
		r.head = len(r.block)
		r.tail += len(r.block)
	}
	r.head--
	r.block[r.head] = v
	r.check()
}

// write copies v behind the last element; there must be room.
func (r *ring[T]) write(v []T) {
	first, second := r.parts(r.n(), len(v))
	copy(second, v[copy(first, v):])
	r.tail += len(v)
	r.check()
}

// unread copies v in front of the first element; there must be room.
func (r *ring[T]) unread(v []T) {
	if len(v) == 0 {
		return
	}
	if r.head -= len(v); r.head < 0 {
		r.head += len(r.block)
		r.tail += len(r.block)
	}
	first, second := r.parts(0, len(v))
	copy(second, v[copy(first, v):])
	r.check()
}

// popFront removes the first element, which there must be. It and popBack clear
// the place also if there are no pointers to be cleared: a store costs less than
// to ask.
func (r *ring[T]) popFront() (v T) {
	p := &r.block[r.head]
	v, *p = *p, v
	if r.head++; r.head == len(r.block) {
		r.head = 0
		r.tail -= len(r.block)
	}
	r.check()
	return v
}

// popBack removes the last element, which there must be.
func (r *ring[T]) popBack() (v T) {
	r.tail--
	p := &r.block[min(uint(r.tail), uint(r.tail-len(r.block)))]
	v, *p = *p, v
	r.check()
	return v
}

// discard removes the first k elements.
func (r *ring[T]) discard(k int) {
	if hasPointers[T]() {
		first, second := r.parts(0, k)
		clear(first)
		clear(second)
	}
	n := r.n() - k
	if r.head = int(r.wrap(r.head + k)); n == 0 {
		r.head = 0
	}
	r.tail = r.head + n
	r.check()
}

// truncate removes the elements from k on.
func (r *ring[T]) truncate(k int) {
	if hasPointers[T]() {
		first, second := r.parts(k, r.n()-k)
		clear(first)
		clear(second)
	}
	if k == 0 {
		r.head = 0
	}
	r.tail = r.head + k
	r.check()
}

// copyTo copies the elements to dst, which has room for them.
func (r *ring[T]) copyTo(dst []T) {
	first, second := r.parts(0, r.n())
	copy(dst[copy(dst, first):], second)
}

// setBuffer makes the ring one in buf, which stays the caller's.
func (r *ring[T]) setBuffer(buf []T, method string) {
	if r.from != 0 {
		panic(method + ": it has memory already")
	}
	buf = buf[:min(cap(buf), maxRing)]
	if hasPointers[T]() {
		clear(buf)
	}
	*r = ring[T]{block: buf, from: borrowed}
}

// move changes the block to one of capacity elements, which n fit into. In
// place, that is growth only: what wraps around then follows the old end, or,
// if there is less of it, the part from head on goes to the new end.
func (r *ring[T]) move(a mem.Allocator, capacity int, method string) error {
	if r.from == borrowed {
		return mem.ErrLimit
	}
	r.from.check(a, method)
	if sizeOf[T]() == 0 {
		if capacity > maxRing {
			return mem.ErrTooLarge
		}
		r.block = make([]T, capacity) // of no bytes: nothing is allocated
		r.head, r.tail, r.from = 0, r.n(), originOf(a)
		return nil
	}
	old := len(r.block)
	if old > 0 && capacity > old {
		if b, ok := remapBlock(a, r.block, capacity, false); ok {
			r.block = b
			r.unwrap(old)
			r.check()
			return nil
		}
	}
	b, err := r.replace(a, capacity)
	mem.Free(a, b)
	return err
}

// replace moves the elements to a new block and returns the old one.
func (r *ring[T]) replace(a mem.Allocator, capacity int) (old []T, err error) {
	b, err := allocBlock[T](a, capacity, false)
	if err != nil {
		return nil, err
	}
	r.copyTo(b)
	old = r.block
	r.block, r.from = b, originOf(a)
	r.head, r.tail = 0, r.n()
	r.check()
	return old, nil
}

// unwrap mends the ring after the block has grown from old elements.
func (r *ring[T]) unwrap(old int) {
	atEnd := old - r.head // how many elements lie there, if any wrap around
	wrapped := r.n() - atEnd
	switch {
	case wrapped <= 0:
	case wrapped <= atEnd && wrapped <= len(r.block)-old:
		copy(r.block[old:], r.block[:wrapped])
		if hasPointers[T]() {
			clear(r.block[:wrapped])
		}
	default:
		to := len(r.block) - atEnd
		copy(r.block[to:], r.block[r.head:old])
		if hasPointers[T]() {
			clear(r.block[r.head:min(old, to)])
		}
		r.head, r.tail = to, to+r.n()
	}
}

// clone returns a ring of the same elements in a block of capacity elements.
func (r *ring[T]) clone(a mem.Allocator, capacity int, method string) (ring[T], error) {
	var c ring[T]
	c.from.check(a, method)
	if capacity == 0 {
		return c, nil
	}
	if err := c.move(a, capacity, method); err != nil {
		return c, err
	}
	r.copyTo(c.block)
	c.tail = c.head + r.n()
	c.check()
	return c, nil
}

func (r *ring[T]) close(a mem.Allocator, method string) {
	if r.from != 0 && r.from != borrowed {
		r.from.check(a, method)
		mem.Free(a, r.block)
	}
	*r = ring[T]{}
}

func (r *ring[T]) all() iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		for i := 0; i < r.n(); i++ {
			if !yield(i, r.block[r.wrap(r.head+i)]) {
				return
			}
		}
	}
}

func (r *ring[T]) values() iter.Seq[T] {
	return func(yield func(T) bool) {
		for i := 0; i < r.n(); i++ {
			if !yield(r.block[r.wrap(r.head+i)]) {
				return
			}
		}
	}
}

func (r *ring[T]) backward() iter.Seq2[int, T] {
	return func(yield func(int, T) bool) {
		for i := r.n() - 1; i >= 0; i = min(i, r.n()) - 1 {
			if !yield(i, r.block[r.wrap(r.head+i)]) {
				return
			}
		}
	}
}

func (r *ring[T]) drain() iter.Seq[T] {
	return func(yield func(T) bool) {
		for r.n() > 0 {
			if !yield(r.popFront()) {
				return
			}
		}
	}
}

func (r *ring[T]) check() {
	if !invariant.Enabled {
		return
	}
	invariant.Check(r.from != 0 || len(r.block) == 0, "generic: ring: %d elements of memory from nowhere", len(r.block))
	invariant.Check(0 <= r.n() && r.n() <= len(r.block), "generic: ring: %d elements in a block of %d", r.n(), len(r.block))
	invariant.Check(0 <= r.head && r.head < max(1, len(r.block)), "generic: ring: head %d in a block of %d", r.head, len(r.block))
	if hasPointers[T]() && sizeOf[T]() > 0 {
		first, second := r.parts(r.n(), r.room())
		checkZero(first, "generic: ring")
		checkZero(second, "generic: ring")
	}
}
