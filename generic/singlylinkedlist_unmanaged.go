package generic

import (
	"iter"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// A SinglyLinkedListUnmanaged is a sequence of elements of which each knows the
// next one, with the allocator handed to every call that may need it.
// [SinglyLinkedList] is the same with the allocator stored.
//
// Memory comes from the allocator passed in, which must be the same every time:
// blocks of one node, then of six, of 30 and of 126, then of some four KiB, or of
// fewer nodes if elements are large. Nodes of elements that were removed are kept
// for others. The memory is given back, but for one block, when the list becomes
// empty; ShrinkAndFree gives back blocks without elements, Clear and Close give
// back all. Nodes refer to one another, and need nobody's promise for that.
// Elements are not closed or freed by anything here. For values that exist anyway
// there is [IntrusiveSinglyLinkedList], and where elements are only added and
// removed at the ends, [Deque] takes less memory and time.
//
// Nodes stay where they are until they are removed. A node that was removed, or
// is of another list, must not be handed to a list.
//
// A list is for one goroutine at a time. The zero value is an empty list, ready
// for use. Assigning a list moves it: two copies must not both be used.
type SinglyLinkedListUnmanaged[T any] struct {
	l     IntrusiveSinglyLinkedList[SinglyNode[T], *SinglyNode[T]]
	nodes nodes[SinglyNode[T]]
}

// A SinglyNode is an element of a [SinglyLinkedList], in the place where it lies.
type SinglyNode[T any] struct {
	SinglyLinks[SinglyNode[T]]

	// Value is the element.
	Value T
}

// Next returns the next node, or nil. It is valid until it is removed.
func (n *SinglyNode[T]) Next() *SinglyNode[T] { return n.next }

// Clone returns a list of the same elements.
func (l *SinglyLinkedListUnmanaged[T]) Clone(a mem.Allocator) (SinglyLinkedListUnmanaged[T], error) {
	var c SinglyLinkedListUnmanaged[T]
	c.nodes.origin().check(a, "generic: SinglyLinkedList.Clone")
	for n := range l.l.All() {
		if _, err := c.PushFront(a, n.Value); err != nil {
			c.Close(a)
			return c, err
		}
	}
	c.l.Reverse()
	return c, nil
}

// ToManaged returns the list with a, the allocator that it has had so far,
// stored, and leaves l empty, without memory.
func (l *SinglyLinkedListUnmanaged[T]) ToManaged(a mem.Allocator) *SinglyLinkedList[T] {
	l.nodes.origin().adopt(a, "generic: SinglyLinkedList.ToManaged")
	c := &SinglyLinkedList[T]{a: a, u: *l}
	*l = SinglyLinkedListUnmanaged[T]{}
	return c
}

// RemoveAfter removes the element behind the node at and returns it, or false if
// at is the last.
func (l *SinglyLinkedListUnmanaged[T]) RemoveAfter(a mem.Allocator, at *SinglyNode[T]) (v T, ok bool) {
	l.nodes.origin().check(a, "generic: SinglyLinkedList.RemoveAfter")
	return l.gone(a, l.l.RemoveAfter(at))
}

// Reverse turns the list around.
func (l *SinglyLinkedListUnmanaged[T]) Reverse() { l.l.Reverse() }

// Len counts the elements.
func (l *SinglyLinkedListUnmanaged[T]) Len() int { return l.l.Len() }

// First returns the first node, or nil. The node is valid until it is removed.
func (l *SinglyLinkedListUnmanaged[T]) First() *SinglyNode[T] { return l.l.First() }

// PushFront adds v before the first element and returns its node. The node is
// valid until it is removed.
func (l *SinglyLinkedListUnmanaged[T]) PushFront(a mem.Allocator, v T) (*SinglyNode[T], error) {
	n, err := l.node(a, v, "generic: SinglyLinkedList.PushFront")
	if err == nil {
		l.l.PushFront(n)
	}
	return n, err
}

// InsertAfter adds v behind the node at, which is in the list, and returns its
// node. The node is valid until it is removed.
func (l *SinglyLinkedListUnmanaged[T]) InsertAfter(a mem.Allocator, at *SinglyNode[T], v T) (*SinglyNode[T], error) {
	n, err := l.node(a, v, "generic: SinglyLinkedList.InsertAfter")
	if err == nil {
		l.l.InsertAfter(at, n)
	}
	return n, err
}

// PopFront removes the first element and returns it, or false if there is none.
func (l *SinglyLinkedListUnmanaged[T]) PopFront(a mem.Allocator) (v T, ok bool) {
	if l.l.First() != nil {
		l.nodes.origin().check(a, "generic: SinglyLinkedList.PopFront")
	}
	return l.gone(a, l.l.PopFront())
}

// All yields the nodes in order. The loop may remove the node that it is at,
// and no other. A node is valid until it is removed.
func (l *SinglyLinkedListUnmanaged[T]) All() iter.Seq[*SinglyNode[T]] { return l.l.All() }

// Values yields the elements in order, on the terms of All.
func (l *SinglyLinkedListUnmanaged[T]) Values() iter.Seq[T] {
	return func(yield func(T) bool) {
		for n := l.l.first; n != nil; {
			next := n.next // the loop may free n
			if !yield(n.Value) {
				return
			}
			n = next
		}
	}
}

// Drain removes the elements one by one, the first one first, and yields them,
// until none is left or the loop ends. Elements may be added meanwhile.
func (l *SinglyLinkedListUnmanaged[T]) Drain(a mem.Allocator) iter.Seq[T] {
	return func(yield func(T) bool) {
		if l.l.first != nil {
			l.nodes.origin().check(a, "generic: SinglyLinkedList.Drain")
		}
		for {
			v, ok := l.gone(a, l.l.PopFront())
			if !ok || !yield(v) {
				return
			}
		}
	}
}

// Clear removes all elements and gives back the memory.
func (l *SinglyLinkedListUnmanaged[T]) Clear(a mem.Allocator) { l.Close(a) }

// ShrinkAndFree gives back the blocks of nodes of which none has an element. It
// looks at all nodes.
func (l *SinglyLinkedListUnmanaged[T]) ShrinkAndFree(a mem.Allocator) {
	l.nodes.origin().check(a, "generic: SinglyLinkedList.ShrinkAndFree")
	l.nodes.shrink(a)
	l.check()
}

// Close gives all memory back and leaves an empty list, which may be used again.
// It never fails, and does nothing to a list without memory.
func (l *SinglyLinkedListUnmanaged[T]) Close(a mem.Allocator) {
	if l.nodes.newest != nil {
		l.nodes.origin().check(a, "generic: SinglyLinkedList.Close")
		l.l.first = nil
		l.nodes.close(a)
	}
}

// node returns a node for v that is in no list yet.
func (l *SinglyLinkedListUnmanaged[T]) node(a mem.Allocator, v T, method string) (*SinglyNode[T], error) {
	n := l.nodes.take()
	if n == nil {
		if err := growNodes[T](&l.nodes, a, method); err != nil {
			return nil, err
		}
		n = l.nodes.take()
	}
	n.next = nil
	n.Value = v
	return n, nil
}

// gone frees the node n, which is in no list any more, and returns its element.
func (l *SinglyLinkedListUnmanaged[T]) gone(a mem.Allocator, n *SinglyNode[T]) (v T, ok bool) {
	if n == nil {
		return v, false
	}
	v = n.Value
	n.Value = *new(T)
	l.nodes.put(n)
	if l.l.first == nil {
		l.nodes.keepOne(a)
	}
	l.check()
	return v, true
}

func (l *SinglyLinkedListUnmanaged[T]) check() {
	const most = 40 // it runs after every mutation
	if !invariant.Enabled {
		return
	}
	if all, free, ok := l.nodes.count(most); ok {
		n := 0
		for at := l.l.first; at != nil && n <= all; at = at.next {
			n++
		}
		invariant.Check(n == all-free, "generic: SinglyLinkedList: %d elements in %d nodes, %d of them free", n, all, free)
	}
}
