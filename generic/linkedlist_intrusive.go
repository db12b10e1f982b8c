package generic

import (
	"fmt"
	"iter"

	"github.com/allod-dev/allod/internal/invariant"
)

// A SinglyLinks is what a type embeds so that its values can be nodes of an
// [IntrusiveSinglyLinkedList]. The zero SinglyLinks is in no list.
type SinglyLinks[T any] struct {
	next *T
}

func (s *SinglyLinks[T]) singly() *SinglyLinks[T] { return s }

// A SinglyLinked is a pointer to a type that embeds [SinglyLinks], by value.
type SinglyLinked[T any] interface {
	*T
	// singly returns the embedded links.
	singly() *SinglyLinks[T]
}

// An IntrusiveSinglyLinkedList links values that exist elsewhere: each value
// embeds what links it to the next. The list has no memory of its own, and
// nothing here allocates. N is always *T.
//
// The values must stay where they are, and alive, while they are in the list,
// which their pointers to one another do not see to in memory of allocators: a T
// in memory off the Go heap takes the promise of [mem.NoGoPointers]. A value is in
// one list at a time.
//
// A list is for one goroutine at a time. The zero value is an empty list.
// Assigning a list copies the way to the same values.
//
// [mem.NoGoPointers]: https://pkg.go.dev/github.com/allod-dev/allod/mem#NoGoPointers
type IntrusiveSinglyLinkedList[T any, N SinglyLinked[T]] struct {
	first *T
	field linksField // of a T; set while there is a first value
}

// A linksField says where a type has the links that it embeds, so that lists
// get to them without a call. They ask the first value that enters a list: the
// call, of a method of a type parameter, goes through a table, is not inlined,
// and keeps the processor from working ahead while it waits for memory.
type linksField uintptr

// linksFieldOf returns where n has its links. It panics if n has but a pointer
// to them.
func linksFieldOf[T, L any](n *T, links *L) linksField {
	off := offsetOf(n, links)
	if off >= uintptr(sizeOf[T]()) {
		panic(fmt.Sprintf("generic: %T does not embed its links, but a pointer to them", n))
	}
	return linksField(off)
}

// walkTo is fieldAt for who goes from value to value. An iteration takes as long as
// it takes to get from one to the next, and an address that is a sum takes a
// processor a cycle more of five. Most types have their links in front, which a
// processor does not have to wait to be told.
func walkTo[L, T any](n *T, field linksField) *L {
	if field == 0 {
		return fieldAt[L](n, 0)
	}
	return fieldAt[L](n, field)
}

// links returns the links of n, a value in the list or about to enter it.
func (l *IntrusiveSinglyLinkedList[T, N]) links(n *T) *SinglyLinks[T] {
	return fieldAt[SinglyLinks[T]](n, l.field)
}

// First returns the first value, or nil.
func (l *IntrusiveSinglyLinkedList[T, N]) First() N { return l.first }

// Next returns the value after n, or nil.
func (l *IntrusiveSinglyLinkedList[T, N]) Next(n N) N { return n.singly().next }

// PushFront makes n the first value. It panics if n is first already, or has
// another value after it, or embeds a pointer to its links.
func (l *IntrusiveSinglyLinkedList[T, N]) PushFront(n N) {
	if l.first == nil {
		l.field = linksFieldOf((*T)(n), n.singly())
	}
	d := l.links(n)
	if d.next != nil || l.first == (*T)(n) {
		panic(inSingly)
	}
	d.next = l.first
	l.first = n
}

// PopFront removes the first value and returns it, or nil if there is none.
func (l *IntrusiveSinglyLinkedList[T, N]) PopFront() N {
	n := l.first
	if n != nil {
		d := l.links(n)
		l.first, d.next = d.next, nil
	}
	return n
}

// InsertAfter puts n behind at, which is in the list. It panics on the terms of
// PushFront.
func (l *IntrusiveSinglyLinkedList[T, N]) InsertAfter(at, n N) {
	l.mustBeFree(n)
	n.singly().next, at.singly().next = at.singly().next, n
}

// RemoveAfter removes the value behind at and returns it, or nil if at is the
// last.
func (l *IntrusiveSinglyLinkedList[T, N]) RemoveAfter(at N) N {
	n := N(at.singly().next)
	if n != nil {
		at.singly().next, n.singly().next = n.singly().next, nil
	}
	return n
}

// Remove removes n and tells whether it was in the list. It looks at all values
// before it.
func (l *IntrusiveSinglyLinkedList[T, N]) Remove(n N) bool {
	for p := &l.first; *p != nil; p = &N(*p).singly().next {
		if *p == (*T)(n) {
			*p, n.singly().next = n.singly().next, nil
			return true
		}
	}
	return false
}

// Reverse turns the list around.
func (l *IntrusiveSinglyLinkedList[T, N]) Reverse() {
	var done *T
	for at := N(l.first); at != nil; {
		next := N(at.singly().next)
		at.singly().next = done
		done, at = at, next
	}
	l.first = done
}

// Len counts the values.
func (l *IntrusiveSinglyLinkedList[T, N]) Len() int {
	n := 0
	for range l.All() {
		n++
	}
	return n
}

// All yields the values in order. The loop may remove the value that it is at,
// and no other.
func (l *IntrusiveSinglyLinkedList[T, N]) All() iter.Seq[N] {
	return func(yield func(N) bool) {
		field := l.field // the same for all values, of whatever list
		for at := l.first; at != nil; {
			next := walkTo[SinglyLinks[T]](at, field).next
			if !yield(at) {
				return
			}
			at = next
		}
	}
}

// Drain removes the values one by one, the first one first, and yields each when
// it is in no list any more, until none is left or the loop ends. Values may be
// added meanwhile.
func (l *IntrusiveSinglyLinkedList[T, N]) Drain() iter.Seq[N] {
	return func(yield func(N) bool) {
		for n := l.PopFront(); n != nil; n = l.PopFront() {
			if !yield(n) {
				return
			}
		}
	}
}

// Clear lets go of all values, one by one, so that each may enter another list.
func (l *IntrusiveSinglyLinkedList[T, N]) Clear() {
	for l.PopFront() != nil {
	}
}

func (l *IntrusiveSinglyLinkedList[T, N]) mustBeFree(n N) {
	if n.singly().next != nil || l.first == (*T)(n) {
		panic(inSingly)
	}
}

const (
	inSingly    = "generic: SinglyLinkedList: the value is in a list already"
	inDoubly    = "generic: DoublyLinkedList: the value is in a list already"
	notInDoubly = "generic: DoublyLinkedList: the value is not in this list"
)

// A DoublyLinks is what a type embeds so that its values can be nodes of an
// [IntrusiveDoublyLinkedList]. The zero DoublyLinks is in no list.
type DoublyLinks[T any] struct {
	prev, next *T
}

func (d *DoublyLinks[T]) doubly() *DoublyLinks[T] { return d }

// A DoublyLinked is a pointer to a type that embeds [DoublyLinks], by value.
type DoublyLinked[T any] interface {
	*T
	// doubly returns the embedded links.
	doubly() *DoublyLinks[T]
}

// An IntrusiveDoublyLinkedList links values that exist elsewhere: each value
// embeds what links it to its neighbours, so that any of them can be removed in
// constant time. The list has no memory of its own, and nothing here allocates.
// N is always *T. What [IntrusiveSinglyLinkedList] says of its values holds for
// these.
//
// A list is for one goroutine at a time. The zero value is an empty list.
// Assigning a list moves it: two copies must not both be used.
type IntrusiveDoublyLinkedList[T any, N DoublyLinked[T]] struct {
	first, last *T
	n           int
	field       linksField // of a T; set while there is a first value
}

// links returns the links of n, a value in the list or about to enter it.
func (l *IntrusiveDoublyLinkedList[T, N]) links(n *T) *DoublyLinks[T] {
	return fieldAt[DoublyLinks[T]](n, l.field)
}

// Len returns the number of values.
func (l *IntrusiveDoublyLinkedList[T, N]) Len() int { return l.n }

// First returns the first value, or nil.
func (l *IntrusiveDoublyLinkedList[T, N]) First() N { return l.first }

// Last returns the last value, or nil.
func (l *IntrusiveDoublyLinkedList[T, N]) Last() N { return l.last }

// Next returns the value after n, or nil.
func (l *IntrusiveDoublyLinkedList[T, N]) Next(n N) N { return n.doubly().next }

// Prev returns the value before n, or nil.
func (l *IntrusiveDoublyLinkedList[T, N]) Prev(n N) N { return n.doubly().prev }

// PushFront makes n the first value. It panics if n is in a list already, where
// that can be told.
func (l *IntrusiveDoublyLinkedList[T, N]) PushFront(n N) { l.link(nil, n, l.first) }

// PushBack makes n the last value. It panics on the terms of PushFront.
func (l *IntrusiveDoublyLinkedList[T, N]) PushBack(n N) { l.link(l.last, n, nil) }

// InsertBefore puts n before at, which is in the list. It panics on the terms of
// PushFront.
func (l *IntrusiveDoublyLinkedList[T, N]) InsertBefore(at, n N) { l.link(at.doubly().prev, n, at) }

// InsertAfter puts n behind at, which is in the list. It panics on the terms of
// PushFront.
func (l *IntrusiveDoublyLinkedList[T, N]) InsertAfter(at, n N) { l.link(at, n, at.doubly().next) }

// link puts n between prev and next, which are neighbours.
func (l *IntrusiveDoublyLinkedList[T, N]) link(prev *T, n N, next *T) {
	if l.first == nil {
		l.field = linksFieldOf((*T)(n), n.doubly())
	}
	d := l.links(n)
	if d.prev != nil || d.next != nil || l.first == (*T)(n) {
		panic(inDoubly)
	}
	d.prev, d.next = prev, next
	*l.nextOf(prev), *l.prevOf(next) = n, n
	l.n++
	l.check()
}

// nextOf returns where the value after n is noted, n being nil for the start.
func (l *IntrusiveDoublyLinkedList[T, N]) nextOf(n *T) **T {
	if n == nil {
		return &l.first
	}
	return &l.links(n).next
}

// prevOf returns where the value before n is noted, n being nil for the end.
func (l *IntrusiveDoublyLinkedList[T, N]) prevOf(n *T) **T {
	if n == nil {
		return &l.last
	}
	return &l.links(n).prev
}

// Remove removes n. It panics if n is not in the list, where that can be told
// without a look at its neighbours: who removes at random waits for memory in
// that look, and for nothing else.
func (l *IntrusiveDoublyLinkedList[T, N]) Remove(n N) {
	// Inlined, several such calls wait at the same time, without it hardly one and
	// a half: what a loop has put aside for a call it reads again behind it, and a
	// processor may be unable to do so while it does not know where the stores to
	// the neighbours go.
	inPlace(func() {
		if l.first == nil {
			panic(notInDoubly)
		}
		at := l.field
		d := fieldAt[DoublyLinks[T]]((*T)(n), at)
		prev, next := d.prev, d.next
		if prev == nil || next == nil {
			l.removeEnd(n)
			return
		}
		before, after := fieldAt[DoublyLinks[T]](prev, at), fieldAt[DoublyLinks[T]](next, at)
		if invariant.Enabled {
			invariant.Check(before.next == (*T)(n) && after.prev == (*T)(n), notInDoubly)
		}
		before.next, after.prev = next, prev
		d.prev, d.next = nil, nil
		l.n--
		if invariant.Enabled {
			l.check()
		}
	})
}

// removeEnd is Remove for the first value and the last one.
func (l *IntrusiveDoublyLinkedList[T, N]) removeEnd(n N) {
	d := l.links(n)
	prev, next := d.prev, d.next
	if prev == nil && l.first != (*T)(n) || next == nil && l.last != (*T)(n) {
		panic(notInDoubly)
	}
	before, after := l.nextOf(prev), l.prevOf(next)
	if invariant.Enabled {
		invariant.Check(*before == (*T)(n) && *after == (*T)(n), notInDoubly)
	}
	*before, *after = next, prev
	d.prev, d.next = nil, nil
	l.n--
	l.check()
}

// PopFront removes the first value and returns it, or nil if there is none.
func (l *IntrusiveDoublyLinkedList[T, N]) PopFront() N {
	n := l.first
	if n == nil {
		return nil
	}
	d := l.links(n)
	next := d.next
	l.first, d.next = next, nil
	*l.prevOf(next) = nil
	l.n--
	l.check()
	return n
}

// PopBack removes the last value and returns it, or nil if there is none.
func (l *IntrusiveDoublyLinkedList[T, N]) PopBack() N {
	n := l.last
	if n == nil {
		return nil
	}
	d := l.links(n)
	prev := d.prev
	l.last, d.prev = prev, nil
	*l.nextOf(prev) = nil
	l.n--
	l.check()
	return n
}

// MoveToFront makes n, which is in the list, the first value.
func (l *IntrusiveDoublyLinkedList[T, N]) MoveToFront(n N) {
	l.Remove(n)
	l.PushFront(n)
}

// MoveToBack makes n, which is in the list, the last value.
func (l *IntrusiveDoublyLinkedList[T, N]) MoveToBack(n N) {
	l.Remove(n)
	l.PushBack(n)
}

// Concat moves all values of other behind those of l, in constant time. It
// panics if the two are the same list.
func (l *IntrusiveDoublyLinkedList[T, N]) Concat(other *IntrusiveDoublyLinkedList[T, N]) {
	if l == other {
		panic("generic: DoublyLinkedList.Concat: a list with itself")
	}
	if other.first == nil {
		return
	}
	l.field = other.field
	*l.nextOf(l.last) = other.first
	l.links(other.first).prev = l.last
	l.last = other.last
	l.n += other.n
	*other = IntrusiveDoublyLinkedList[T, N]{}
	l.check()
}

// All yields the values in order. The loop may remove the value that it is at,
// and no other.
func (l *IntrusiveDoublyLinkedList[T, N]) All() iter.Seq[N] {
	return func(yield func(N) bool) {
		field := l.field // the same for all values, of whatever list
		for at := l.first; at != nil; {
			next := walkTo[DoublyLinks[T]](at, field).next
			if !yield(at) {
				return
			}
			at = next
		}
	}
}

// Backward yields the values from the last to the first, on the terms of All.
func (l *IntrusiveDoublyLinkedList[T, N]) Backward() iter.Seq[N] {
	return func(yield func(N) bool) {
		field := l.field
		for at := l.last; at != nil; {
			prev := walkTo[DoublyLinks[T]](at, field).prev
			if !yield(at) {
				return
			}
			at = prev
		}
	}
}

// Drain removes the values one by one, the first one first, and yields each when
// it is in no list any more, until none is left or the loop ends. Values may be
// added meanwhile.
func (l *IntrusiveDoublyLinkedList[T, N]) Drain() iter.Seq[N] {
	return func(yield func(N) bool) {
		for n := l.PopFront(); n != nil; n = l.PopFront() {
			if !yield(n) {
				return
			}
		}
	}
}

// Clear lets go of all values, one by one, so that each may enter another list.
func (l *IntrusiveDoublyLinkedList[T, N]) Clear() {
	for l.PopFront() != nil {
	}
}

func (l *IntrusiveDoublyLinkedList[T, N]) check() {
	const most = 64 // it runs after every mutation
	if !invariant.Enabled || l.n > most {
		return
	}
	n := 0
	var before *T
	for at := l.first; at != nil && n <= most; at = N(at).doubly().next {
		invariant.Check(N(at).doubly().prev == before, "generic: DoublyLinkedList: value %d does not know the one before", n)
		before = at
		n++
	}
	invariant.Check(n == l.n && l.last == before, "generic: DoublyLinkedList: %d values, counted %d, or the last is lost", n, l.n)
}
