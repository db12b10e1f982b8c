package containers

import (
	"cmp"
	"iter"
	"math/bits"
)

// What one writes in Go where a container of the standard library is missing or
// slow: type parameters, checks where an API needs them, no unsafe.

// A ring is a queue with two ends in a slice that doubles, so that a mask puts
// back who steps past its end.
type ring[T any] struct {
	s       []T
	head, n int
}

func (r *ring[T]) pushBack(v T) {
	if r.n == len(r.s) {
		r.grow()
	}
	r.s[(r.head+r.n)&(len(r.s)-1)] = v
	r.n++
}

func (r *ring[T]) grow() {
	s := make([]T, max(8, 2*len(r.s)))
	copy(s[copy(s, r.s[r.head:]):], r.s[:r.head])
	r.s, r.head = s, 0
}

func (r *ring[T]) popFront() (v T, ok bool) {
	if r.n == 0 {
		return v, false
	}
	p := &r.s[r.head]
	v, *p = *p, v // nothing that was removed is kept alive
	r.head = (r.head + 1) & (len(r.s) - 1)
	r.n--
	return v, true
}

func (r *ring[T]) popBack() (v T, ok bool) {
	if r.n == 0 {
		return v, false
	}
	r.n--
	p := &r.s[(r.head+r.n)&(len(r.s)-1)]
	v, *p = *p, v
	return v, true
}

func (r *ring[T]) at(i int) T {
	if uint(i) >= uint(r.n) {
		panic("index out of range")
	}
	return r.s[(r.head+i)&(len(r.s)-1)]
}

// A sliceQueue appends at one end and cuts off the other.
type sliceQueue[T any] struct{ s []T }

func (q *sliceQueue[T]) pushBack(v T) { q.s = append(q.s, v) }

func (q *sliceQueue[T]) popFront() (v T, ok bool) {
	if len(q.s) == 0 {
		return v, false
	}
	v = q.s[0]
	q.s = q.s[1:]
	return v, true
}

// A binaryHeap has its smallest element in front.
type binaryHeap[T cmp.Ordered] []T

func (h *binaryHeap[T]) push(v T) {
	s := append(*h, v)
	i := len(s) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !cmp.Less(v, s[up]) {
			break
		}
		s[i] = s[up]
		i = up
	}
	s[i] = v
	*h = s
}

func (h *binaryHeap[T]) pop() T {
	s := *h
	first, last := s[0], s[len(s)-1]
	s = s[:len(s)-1]
	i := 0
	for {
		c := 2*i + 1
		if c >= len(s) {
			break
		}
		if c+1 < len(s) && cmp.Less(s[c+1], s[c]) {
			c++
		}
		if !cmp.Less(s[c], last) {
			break
		}
		s[i] = s[c]
		i = c
	}
	if len(s) > 0 {
		s[i] = last
	}
	*h = s
	return first
}

// A doubleNode is a node of a doubleList.
type doubleNode[T any] struct {
	next, prev *doubleNode[T]
	v          T
}

// A doubleList is linked in both directions.
type doubleList[T any] struct {
	first, last *doubleNode[T]
	n           int
}

func (l *doubleList[T]) pushBack(v T) *doubleNode[T] {
	n := &doubleNode[T]{prev: l.last, v: v}
	if l.last == nil {
		l.first = n
	} else {
		l.last.next = n
	}
	l.last = n
	l.n++
	return n
}

func (l *doubleList[T]) remove(n *doubleNode[T]) T {
	if n.prev == nil {
		l.first = n.next
	} else {
		n.prev.next = n.next
	}
	if n.next == nil {
		l.last = n.prev
	} else {
		n.next.prev = n.prev
	}
	n.next, n.prev = nil, nil
	l.n--
	return n.v
}

// A singleNode is a node of a singleList.
type singleNode[T any] struct {
	next *singleNode[T]
	v    T
}

// A singleList is a stack of nodes.
type singleList[T any] struct {
	first *singleNode[T]
	n     int
}

func (l *singleList[T]) pushFront(v T) {
	l.first = &singleNode[T]{l.first, v}
	l.n++
}

func (l *singleList[T]) popFront() (v T, ok bool) {
	n := l.first
	if n == nil {
		return v, false
	}
	l.first = n.next
	l.n--
	return n.v, true
}

// A bitSlice is a set of small numbers, as many as its words have bits.
type bitSlice []uint64

func (b bitSlice) set(i int)        { b[uint(i)/64] |= 1 << (uint(i) % 64) }
func (b bitSlice) isSet(i int) bool { return b[uint(i)/64]>>(uint(i)%64)&1 != 0 }

// A bitSet is a set of the numbers below n.
type bitSet struct {
	words []uint64 // of n bits
	n     int
}

func newBitSet(n int) *bitSet { return &bitSet{make([]uint64, (n+63)/64), n} }

func (b *bitSet) word(i int) (w *uint64, bit uint64) {
	if uint(i) >= uint(b.n) {
		panic("index out of range")
	}
	return &b.words[uint(i)/64], 1 << (uint(i) % 64)
}

func (b *bitSet) set(i int) {
	w, bit := b.word(i)
	*w |= bit
}

func (b *bitSet) isSet(i int) bool {
	w, bit := b.word(i)
	return *w&bit != 0
}

func (b *bitSet) union(o *bitSet) {
	if b.n != o.n {
		panic("the sets have different lengths")
	}
	for i, w := range o.words {
		b.words[i] |= w
	}
}

func (b *bitSet) count() (n int) {
	for _, w := range b.words {
		n += bits.OnesCount64(w)
	}
	return n
}

// all yields the numbers in the set, which may change meanwhile: of those behind
// the last one that was yielded, it yields what is in the set when it gets there.
func (b *bitSet) all() iter.Seq[int] {
	return func(yield func(int) bool) {
		for at := 0; at < len(b.words); at++ {
			for w := b.words[at]; w != 0; {
				i := bits.TrailingZeros64(w)
				if !yield(at*64 + i) {
					return
				}
				w = b.words[at] &^ (2<<i - 1)
			}
		}
	}
}
