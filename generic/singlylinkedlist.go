package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// A SinglyLinkedList is a sequence of elements of which each knows the next one.
// [SinglyLinkedListUnmanaged] is the same without a stored allocator, and says more about
// both.
//
// Memory comes from the allocator given to [NewSinglyLinkedList], in blocks of
// several nodes. Those of elements that were removed are kept for others.
//
// A list is for one goroutine at a time and must not be copied. The zero
// SinglyLinkedList has no allocator; call [NewSinglyLinkedList].
type SinglyLinkedList[T any] struct {
	_ noCopy
	a mem.Allocator
	u SinglyLinkedListUnmanaged[T]
}

// NewSinglyLinkedList returns an empty list, which first calls a when an element is added.
func NewSinglyLinkedList[T any](a mem.Allocator) *SinglyLinkedList[T] {
	if isNil(a) {
		panicNil(a, "generic: NewSinglyLinkedList")
	}
	return &SinglyLinkedList[T]{a: a}
}

// Allocator returns the allocator of the list.
func (l *SinglyLinkedList[T]) Allocator() mem.Allocator { return l.a }

// Close gives all memory back and leaves an empty list, which may be used
// again. It never allocates, and the error is always nil.
func (l *SinglyLinkedList[T]) Close() error {
	l.u.Close(l.a)
	return nil
}

// Clone returns a list of the same elements.
func (l *SinglyLinkedList[T]) Clone() (*SinglyLinkedList[T], error) {
	u, err := l.u.Clone(l.a)
	if err != nil {
		return nil, err
	}
	return &SinglyLinkedList[T]{a: l.a, u: u}, nil
}

// ToUnmanaged returns the list without its allocator, which every call is
// handed from now on, and leaves l empty, without memory.
func (l *SinglyLinkedList[T]) ToUnmanaged() SinglyLinkedListUnmanaged[T] {
	u := l.u
	l.u = SinglyLinkedListUnmanaged[T]{}
	return u
}

// RemoveAfter removes the element behind the node at and returns it, or false if
// at is the last.
func (l *SinglyLinkedList[T]) RemoveAfter(at *SinglyNode[T]) (v T, ok bool) {
	return l.u.gone(l.a, l.u.l.RemoveAfter(at))
}

// Reverse turns the list around.
func (l *SinglyLinkedList[T]) Reverse() { l.u.Reverse() }

// Len counts the elements.
func (l *SinglyLinkedList[T]) Len() int { return l.u.Len() }

// First returns the first node, or nil. The node is valid until it is removed.
func (l *SinglyLinkedList[T]) First() *SinglyNode[T] { return l.u.First() }

// PushFront adds v before the first element and returns its node. The node is
// valid until it is removed.
func (l *SinglyLinkedList[T]) PushFront(v T) (*SinglyNode[T], error) {
	return l.u.PushFront(l.a, v)
}

// InsertAfter adds v behind the node at, which is in the list, and returns its
// node. The node is valid until it is removed.
func (l *SinglyLinkedList[T]) InsertAfter(at *SinglyNode[T], v T) (*SinglyNode[T], error) {
	return l.u.InsertAfter(l.a, at, v)
}

// PopFront removes the first element and returns it, or false if there is none.
func (l *SinglyLinkedList[T]) PopFront() (v T, ok bool) {
	return l.u.gone(l.a, l.u.l.PopFront())
}

// All yields the nodes in order. The loop may remove the node that it is at,
// and no other. A node is valid until it is removed.
func (l *SinglyLinkedList[T]) All() iter.Seq[*SinglyNode[T]] { return l.u.All() }

// Values yields the elements in order, on the terms of All.
func (l *SinglyLinkedList[T]) Values() iter.Seq[T] { return l.u.Values() }

// Drain removes the elements one by one, the first one first, and yields them,
// until none is left or the loop ends. Elements may be added meanwhile.
func (l *SinglyLinkedList[T]) Drain() iter.Seq[T] { return l.u.Drain(l.a) }

// ShrinkAndFree gives back the blocks of nodes of which none has an element. It
// looks at all nodes.
func (l *SinglyLinkedList[T]) ShrinkAndFree() { l.u.ShrinkAndFree(l.a) }

// Clear removes all elements and gives back the memory.
func (l *SinglyLinkedList[T]) Clear() { l.u.Clear(l.a) }
