package generic

import (
	"iter"

	"github.com/allod-dev/allod/mem"
)

// A DoublyLinkedList is a sequence of elements of which each knows its neighbours.
// [DoublyLinkedListUnmanaged] is the same without a stored allocator, and says more about
// both.
//
// Memory comes from the allocator given to [NewDoublyLinkedList], in blocks of
// several nodes. Those of elements that were removed are kept for others.
//
// A list is for one goroutine at a time and must not be copied. The zero
// DoublyLinkedList has no allocator; call [NewDoublyLinkedList].
type DoublyLinkedList[T any] struct {
	_ noCopy
	a mem.Allocator
	u DoublyLinkedListUnmanaged[T]
}

// NewDoublyLinkedList returns an empty list, which first calls a when an element is added.
func NewDoublyLinkedList[T any](a mem.Allocator) *DoublyLinkedList[T] {
	if isNil(a) {
		panicNil(a, "generic: NewDoublyLinkedList")
	}
	return &DoublyLinkedList[T]{a: a}
}

// Allocator returns the allocator of the list.
func (l *DoublyLinkedList[T]) Allocator() mem.Allocator { return l.a }

// Close gives all memory back and leaves an empty list, which may be used
// again. It never allocates, and the error is always nil.
func (l *DoublyLinkedList[T]) Close() error {
	l.u.Close(l.a)
	return nil
}

// Clone returns a list of the same elements.
func (l *DoublyLinkedList[T]) Clone() (*DoublyLinkedList[T], error) {
	u, err := l.u.Clone(l.a)
	if err != nil {
		return nil, err
	}
	return &DoublyLinkedList[T]{a: l.a, u: u}, nil
}

// ToUnmanaged returns the list without its allocator, which every call is
// handed from now on, and leaves l empty, without memory.
func (l *DoublyLinkedList[T]) ToUnmanaged() DoublyLinkedListUnmanaged[T] {
	u := l.u
	l.u = DoublyLinkedListUnmanaged[T]{}
	return u
}

// PushBack adds v behind the last element and returns its node. The node is
// valid until it is removed.
func (l *DoublyLinkedList[T]) PushBack(v T) (*DoublyNode[T], error) { return l.u.PushBack(l.a, v) }

// InsertBefore adds v before the node at, which is in the list, and returns its
// node. The node is valid until it is removed.
func (l *DoublyLinkedList[T]) InsertBefore(at *DoublyNode[T], v T) (*DoublyNode[T], error) {
	return l.u.InsertBefore(l.a, at, v)
}

// Remove removes the node n, which is dead then, and returns its element.
func (l *DoublyLinkedList[T]) Remove(n *DoublyNode[T]) T { return l.u.remove(l.a, n) }

// PopBack removes the last element and returns it, or false if there is none.
func (l *DoublyLinkedList[T]) PopBack() (v T, ok bool) {
	return l.u.gone(l.a, l.u.l.PopBack())
}

// MoveToFront makes the node n, which is in the list, the first one.
func (l *DoublyLinkedList[T]) MoveToFront(n *DoublyNode[T]) { l.u.MoveToFront(n) }

// MoveToBack makes the node n, which is in the list, the last one.
func (l *DoublyLinkedList[T]) MoveToBack(n *DoublyNode[T]) { l.u.MoveToBack(n) }

// Concat moves all nodes of other, which has the same allocator, behind those of
// l, and all memory of other with them, in constant time. It panics if the two are
// the same list.
func (l *DoublyLinkedList[T]) Concat(other *DoublyLinkedList[T]) { l.u.Concat(&other.u) }

// Backward yields the nodes from the last to the first, on the terms of All.
func (l *DoublyLinkedList[T]) Backward() iter.Seq[*DoublyNode[T]] { return l.u.Backward() }

// Len returns the number of elements.
func (l *DoublyLinkedList[T]) Len() int { return l.u.Len() }

// First returns the first node, or nil. The node is valid until it is removed.
func (l *DoublyLinkedList[T]) First() *DoublyNode[T] { return l.u.First() }

// Last returns the last node, or nil. The node is valid until it is removed.
func (l *DoublyLinkedList[T]) Last() *DoublyNode[T] { return l.u.Last() }

// PushFront adds v before the first element and returns its node. The node is
// valid until it is removed.
func (l *DoublyLinkedList[T]) PushFront(v T) (*DoublyNode[T], error) {
	return l.u.PushFront(l.a, v)
}

// InsertAfter adds v behind the node at, which is in the list, and returns its
// node. The node is valid until it is removed.
func (l *DoublyLinkedList[T]) InsertAfter(at *DoublyNode[T], v T) (*DoublyNode[T], error) {
	return l.u.InsertAfter(l.a, at, v)
}

// PopFront removes the first element and returns it, or false if there is none.
func (l *DoublyLinkedList[T]) PopFront() (v T, ok bool) {
	return l.u.gone(l.a, l.u.l.PopFront())
}

// All yields the nodes in order. The loop may remove the node that it is at,
// and no other. A node is valid until it is removed.
func (l *DoublyLinkedList[T]) All() iter.Seq[*DoublyNode[T]] { return l.u.All() }

// Values yields the elements in order, on the terms of All.
func (l *DoublyLinkedList[T]) Values() iter.Seq[T] { return l.u.Values() }

// Drain removes the elements one by one, the first one first, and yields them,
// until none is left or the loop ends. Elements may be added meanwhile.
func (l *DoublyLinkedList[T]) Drain() iter.Seq[T] { return l.u.Drain(l.a) }

// ShrinkAndFree gives back the blocks of nodes of which none has an element. It
// looks at all nodes.
func (l *DoublyLinkedList[T]) ShrinkAndFree() { l.u.ShrinkAndFree(l.a) }

// Clear removes all elements and gives back the memory.
func (l *DoublyLinkedList[T]) Clear() { l.u.Clear(l.a) }
