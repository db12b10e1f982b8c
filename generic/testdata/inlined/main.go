// Command inlined calls the methods that programs call in their inner loops, and what
// they pass to these, that must be inlined there: one in each line of every function
// but main. A test looks whether the compiler does, and, where it says so, whether it
// does that to what the method has to be done in place, too.
package main

import (
	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

func main() {
	a := heap.Default()
	arrayList(generic.NewArrayList[uint64](a))
	arrayListUnmanaged(a, new(generic.ArrayListUnmanaged[uint64]))
	deque(generic.NewDeque[uint64](a))
	dequeUnmanaged(a, new(generic.DequeUnmanaged[uint64]))
	ringBuffer(generic.NewRingBuffer[uint64](a))
	list(generic.NewDoublyLinkedList[uint64](a), nil)
	intrusive(new(generic.IntrusiveDoublyLinkedList[node, *node]), nil)
	bitSet(generic.NewDynamicBitSet(a))
	stringBuilder(generic.NewStringBuilder(a))
	pool(heap.NewPool[uint64](a), nil)
	layout(8)
}

func layout(log2 int) {
	mem.AlignLog2(log2)
}

func arrayList(l *generic.ArrayList[uint64]) {
	l.Append(1)
	l.AppendAssumeCapacity(1)
	l.AppendBounded(1)
	l.AddOneAssumeCapacity()
	l.At(0)
	l.Last()
	l.Items()
	l.Len()
	l.Cap()
}

func arrayListUnmanaged(a *heap.SMP, l *generic.ArrayListUnmanaged[uint64]) {
	l.Append(a, 1)
	l.AppendAssumeCapacity(1)
	l.AppendBounded(1)
	l.AddOneAssumeCapacity()
	l.At(0)
	l.Last()
	l.Items()
	l.Len()
	l.Cap()
}

func deque(d *generic.Deque[uint64]) {
	d.PushBack(1)
	d.PushFront(1)
	d.PushBackAssumeCapacity(1)
	d.PushFrontAssumeCapacity(1)
	d.PushBackBounded(1)
	d.PushFrontBounded(1)
	d.At(0)
	d.Ptr(0)
	d.Front()
	d.Back()
	d.PopFront()
	d.PopBack()
	d.Len()
}

func dequeUnmanaged(a *heap.SMP, d *generic.DequeUnmanaged[uint64]) {
	d.PushBack(a, 1)
	d.PushFront(a, 1)
	d.PushBackAssumeCapacity(1)
	d.PushFrontAssumeCapacity(1)
	d.PushBackBounded(1)
	d.PushFrontBounded(1)
	d.At(0)
	d.Ptr(0)
	d.Front()
	d.Back()
	d.PopFront()
	d.PopBack()
	d.Len()
}

func ringBuffer(r *generic.RingBuffer[uint64]) {
	r.Push(1)
	r.Pop()
	r.Peek()
	r.At(0)
	r.Len()
	r.Free()
}

type node struct {
	generic.DoublyLinks[node]
	value uint64
}

func list(l *generic.DoublyLinkedList[uint64], n *generic.DoublyNode[uint64]) {
	l.Remove(n) // in place
}

func intrusive(l *generic.IntrusiveDoublyLinkedList[node, *node], n *node) {
	l.Remove(n) // in place
}

func bitSet(s *generic.DynamicBitSet) {
	s.Set(1)
	s.Unset(1)
	s.SetValue(1, true)
	s.Toggle(1)
	s.IsSet(1)
	s.Len()
}

func stringBuilder(b *generic.StringBuilder) {
	b.WriteByte('x')
	b.Len()
}

func pool(p *heap.Pool[uint64], v *uint64) {
	p.Destroy(v) // in place
}
