package generic

import (
	"iter"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// A DoublyLinkedListUnmanaged is a sequence of elements of which each knows its
// neighbours, so that elements can be added and removed anywhere in constant
// time. The allocator is handed to every call that may need it.
// [DoublyLinkedList] is the same with the allocator stored.
//
// Memory comes from the allocator passed in, which must be the same every time:
// blocks of one node, then of six, of 30 and of 126, then of some four KiB, or of
// fewer nodes if elements are large. Nodes of elements that were removed are kept
// for others. The memory is given back, but for one block, when the list becomes
// empty; ShrinkAndFree gives back blocks without elements, Clear and Close give
// back all. Nodes refer to one another, and need nobody's promise for that.
// Elements are not closed or freed by anything here. For values that exist anyway
// there is [IntrusiveDoublyLinkedList], and where elements are only added and
// removed at the ends, [Deque] takes less memory and time.
//
// Nodes stay where they are until they are removed. A node that was removed, or
// is of another list, must not be handed to a list.
//
// A list is for one goroutine at a time. The zero value is an empty list, ready
// for use. Assigning a list moves it: two copies must not both be used.
type DoublyLinkedListUnmanaged[T any] struct {
	l     IntrusiveDoublyLinkedList[DoublyNode[T], *DoublyNode[T]]
	nodes nodes[DoublyNode[T]]
}

// A DoublyNode is an element of a [DoublyLinkedList], in the place where it lies.
type DoublyNode[T any] struct {
	DoublyLinks[DoublyNode[T]]

	// Value is the element.
	Value T
}

// Next returns the next node, or nil. It is valid until it is removed.
func (n *DoublyNode[T]) Next() *DoublyNode[T] { return n.next }

// Prev returns the node before, or nil. It is valid until it is removed.
func (n *DoublyNode[T]) Prev() *DoublyNode[T] { return n.prev }

// Clone returns a list of the same elements.
func (l *DoublyLinkedListUnmanaged[T]) Clone(a mem.Allocator) (DoublyLinkedListUnmanaged[T], error) {
	var c DoublyLinkedListUnmanaged[T]
	c.nodes.origin().check(a, "generic: DoublyLinkedList.Clone")
	for n := range l.l.All() {
		if _, err := c.PushBack(a, n.Value); err != nil {
			c.Close(a)
			return c, err
		}
	}
	return c, nil
}

// ToManaged returns the list with a, the allocator that it has had so far,
// stored, and leaves l empty, without memory.
func (l *DoublyLinkedListUnmanaged[T]) ToManaged(a mem.Allocator) *DoublyLinkedList[T] {
	l.nodes.origin().adopt(a, "generic: DoublyLinkedList.ToManaged")
	c := &DoublyLinkedList[T]{a: a, u: *l}
	*l = DoublyLinkedListUnmanaged[T]{}
	return c
}

// PushBack adds v behind the last element and returns its node. The node is
// valid until it is removed.
func (l *DoublyLinkedListUnmanaged[T]) PushBack(a mem.Allocator, v T) (*DoublyNode[T], error) {
	n, err := l.node(a, v, "generic: DoublyLinkedList.PushBack")
	if err == nil {
		l.l.PushBack(n)
	}
	return n, err
}

// InsertBefore adds v before the node at, which is in the list, and returns its
// node. The node is valid until it is removed.
func (l *DoublyLinkedListUnmanaged[T]) InsertBefore(a mem.Allocator, at *DoublyNode[T], v T) (*DoublyNode[T], error) {
	n, err := l.node(a, v, "generic: DoublyLinkedList.InsertBefore")
	if err == nil {
		l.l.InsertBefore(at, n)
	}
	return n, err
}

// Remove removes the node n, which is dead then, and returns its element.
func (l *DoublyLinkedListUnmanaged[T]) Remove(a mem.Allocator, n *DoublyNode[T]) T {
	l.nodes.origin().check(a, "generic: DoublyLinkedList.Remove")
	return l.remove(a, n)
}

// PopBack removes the last element and returns it, or false if there is none.
func (l *DoublyLinkedListUnmanaged[T]) PopBack(a mem.Allocator) (v T, ok bool) {
	if l.l.Last() != nil {
		l.nodes.origin().check(a, "generic: DoublyLinkedList.PopBack")
	}
	return l.gone(a, l.l.PopBack())
}

// MoveToFront makes the node n, which is in the list, the first one.
func (l *DoublyLinkedListUnmanaged[T]) MoveToFront(n *DoublyNode[T]) { l.l.MoveToFront(n) }

// MoveToBack makes the node n, which is in the list, the last one.
func (l *DoublyLinkedListUnmanaged[T]) MoveToBack(n *DoublyNode[T]) { l.l.MoveToBack(n) }

// Concat moves all nodes of other, which has the same allocator, behind those of
// l, and all memory of other with them, in constant time. It panics if the two are
// the same list.
func (l *DoublyLinkedListUnmanaged[T]) Concat(other *DoublyLinkedListUnmanaged[T]) {
	if l == other {
		panic("generic: DoublyLinkedList.Concat: a list with itself")
	}
	if x, y := l.nodes.origin(), other.nodes.origin(); x != 0 && y != 0 && x != y {
		panic("generic: DoublyLinkedList.Concat: the lists have different allocators")
	}
	l.l.Concat(&other.l)
	l.nodes.join(&other.nodes)
	l.check()
}

// Backward yields the nodes from the last to the first, on the terms of All.
func (l *DoublyLinkedListUnmanaged[T]) Backward() iter.Seq[*DoublyNode[T]] { return l.l.Backward() }

// Len returns the number of elements.
func (l *DoublyLinkedListUnmanaged[T]) Len() int { return l.l.Len() }

// First returns the first node, or nil. The node is valid until it is removed.
func (l *DoublyLinkedListUnmanaged[T]) First() *DoublyNode[T] { return l.l.First() }

// Last returns the last node, or nil. The node is valid until it is removed.
func (l *DoublyLinkedListUnmanaged[T]) Last() *DoublyNode[T] { return l.l.Last() }

// PushFront adds v before the first element and returns its node. The node is
// valid until it is removed.
func (l *DoublyLinkedListUnmanaged[T]) PushFront(a mem.Allocator, v T) (*DoublyNode[T], error) {
	n, err := l.node(a, v, "generic: DoublyLinkedList.PushFront")
	if err == nil {
		l.l.PushFront(n)
	}
	return n, err
}

// InsertAfter adds v behind the node at, which is in the list, and returns its
// node. The node is valid until it is removed.
func (l *DoublyLinkedListUnmanaged[T]) InsertAfter(a mem.Allocator, at *DoublyNode[T], v T) (*DoublyNode[T], error) {
	n, err := l.node(a, v, "generic: DoublyLinkedList.InsertAfter")
	if err == nil {
		l.l.InsertAfter(at, n)
	}
	return n, err
}

// PopFront removes the first element and returns it, or false if there is none.
func (l *DoublyLinkedListUnmanaged[T]) PopFront(a mem.Allocator) (v T, ok bool) {
	if l.l.First() != nil {
		l.nodes.origin().check(a, "generic: DoublyLinkedList.PopFront")
	}
	return l.gone(a, l.l.PopFront())
}

// All yields the nodes in order. The loop may remove the node that it is at,
// and no other. A node is valid until it is removed.
func (l *DoublyLinkedListUnmanaged[T]) All() iter.Seq[*DoublyNode[T]] { return l.l.All() }

// Values yields the elements in order, on the terms of All.
func (l *DoublyLinkedListUnmanaged[T]) Values() iter.Seq[T] {
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
func (l *DoublyLinkedListUnmanaged[T]) Drain(a mem.Allocator) iter.Seq[T] {
	return func(yield func(T) bool) {
		if l.l.first != nil {
			l.nodes.origin().check(a, "generic: DoublyLinkedList.Drain")
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
func (l *DoublyLinkedListUnmanaged[T]) Clear(a mem.Allocator) { l.Close(a) }

// ShrinkAndFree gives back the blocks of nodes of which none has an element. It
// looks at all nodes.
func (l *DoublyLinkedListUnmanaged[T]) ShrinkAndFree(a mem.Allocator) {
	l.nodes.origin().check(a, "generic: DoublyLinkedList.ShrinkAndFree")
	l.nodes.shrink(a)
	l.check()
}

// Close gives all memory back and leaves an empty list, which may be used again.
// It never fails, and does nothing to a list without memory.
func (l *DoublyLinkedListUnmanaged[T]) Close(a mem.Allocator) {
	if l.nodes.newest != nil {
		l.nodes.origin().check(a, "generic: DoublyLinkedList.Close")
		l.l = IntrusiveDoublyLinkedList[DoublyNode[T], *DoublyNode[T]]{}
		l.nodes.close(a)
	}
}

// node returns a node for v that is in no list yet.
func (l *DoublyLinkedListUnmanaged[T]) node(a mem.Allocator, v T, method string) (*DoublyNode[T], error) {
	n := l.nodes.take()
	if n == nil {
		if err := growNodes[T](&l.nodes, a, method); err != nil {
			return nil, err
		}
		n = l.nodes.take()
	}
	n.prev = nil
	n.Value = v
	return n, nil
}

// remove removes the node n. Where n has neighbours, this is Remove of the
// intrusive list, and gone, with as few stores as it takes: who removes at random
// waits for memory, and what counts is how many such calls wait at the same time.
// They do if they are inlined, see Remove there.
func (l *DoublyLinkedListUnmanaged[T]) remove(a mem.Allocator, n *DoublyNode[T]) (v T) {
	inPlace(func() {
		prev, next, b := n.prev, n.next, l.nodes.newest
		if prev == nil || next == nil || b == nil || b.free == nil || invariant.Enabled {
			v = l.removeSlow(a, n)
			return
		}
		v = n.Value
		n.Value = *new(T)
		prev.next, next.prev = next, prev
		n.prev, n.next = b.free, nil
		b.free = n
		l.l.n--
	})
	return v
}

//go:noinline
func (l *DoublyLinkedListUnmanaged[T]) removeSlow(a mem.Allocator, n *DoublyNode[T]) T {
	l.l.Remove(n)
	v, _ := l.gone(a, n)
	return v
}

// gone frees the node n, which is in no list any more, and returns its element.
// It keeps next nil, so that Remove refuses the node.
func (l *DoublyLinkedListUnmanaged[T]) gone(a mem.Allocator, n *DoublyNode[T]) (v T, ok bool) {
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

func (l *DoublyLinkedListUnmanaged[T]) check() {
	const most = 40 // it runs after every mutation
	if !invariant.Enabled {
		return
	}
	if all, free, ok := l.nodes.count(most); ok {
		invariant.Check(l.l.n == all-free, "generic: DoublyLinkedList: %d elements in %d nodes, %d of them free", l.l.n, all, free)
	}
}
