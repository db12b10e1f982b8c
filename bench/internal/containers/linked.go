package containers

import (
	"container/list"
	"runtime"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

const linked = 1_000_000

// orderOf returns the numbers below n in random order.
func orderOf(n int) []int {
	s := table[int](n)
	for i := range s {
		s[i] = i
	}
	return shuffled(s)
}

func ourLinked(m *meter, a mem.Allocator) {
	n := m.n(linked)
	order := orderOf(n)
	nodes := table[*generic.DoublyNode[int]](n)
	m.settle()
	for range m.rounds(5) {
		l := generic.NewDoublyLinkedList[int](a)
		m.time("push", n, func() {
			for i := range n {
				node, err := l.PushBack(i)
				must(err)
				nodes[i] = node
			}
		})
		m.time("iterate", n, func() {
			for v := range l.Values() {
				m.sum += uint64(v)
			}
		})
		m.time("remove", n, func() {
			for _, i := range order {
				l.Remove(nodes[i])
			}
		})
		m.time("queue", n, func() {
			for i := range n {
				_, err := l.PushBack(i)
				must(err)
			}
			for v := range l.Drain() {
				m.sum += uint64(v)
			}
		})
		for i := range n {
			node, err := l.PushBack(i)
			must(err)
			nodes[i] = node
		}
		m.time("replace", n, func() {
			for _, i := range order {
				l.Remove(nodes[i])
				node, err := l.PushBack(i)
				must(err)
				nodes[i] = node
			}
		})
		l.Close()
		s := generic.NewSinglyLinkedList[int](a)
		m.time("stack", n, func() {
			for i := range n {
				_, err := s.PushFront(i)
				must(err)
			}
			for v, ok := s.PopFront(); ok; v, ok = s.PopFront() {
				m.sum += uint64(v)
			}
		})
		s.Close()
	}
}

type (
	doubleLinked struct {
		generic.DoublyLinks[doubleLinked]
		v int
	}
	singleLinked struct {
		generic.SinglyLinks[singleLinked]
		v int
	}
)

// intrusiveLinked is ourLinked with links in elements that pools make.
func intrusiveLinked(m *meter) {
	n := m.n(linked)
	order := orderOf(n)
	nodes := table[*doubleLinked](n)
	promise := mem.NoGoPointers(heap.Page{})
	doubles, singles := heap.NewPool[doubleLinked](promise), heap.NewPool[singleLinked](promise)
	m.settle()
	for range m.rounds(5) {
		var l generic.IntrusiveDoublyLinkedList[doubleLinked, *doubleLinked]
		m.time("push", n, func() {
			for i := range n {
				e, err := doubles.Create()
				must(err)
				e.v = i
				l.PushBack(e)
				nodes[i] = e
			}
		})
		m.time("iterate", n, func() {
			for e := range l.All() {
				m.sum += uint64(e.v)
			}
		})
		m.time("remove", n, func() {
			for _, i := range order {
				l.Remove(nodes[i])
			}
		})
		m.time("free", n, func() {
			for _, i := range order {
				doubles.Destroy(nodes[i])
			}
		})
		m.time("queue", n, func() {
			for i := range n {
				e, err := doubles.Create()
				must(err)
				e.v = i
				l.PushBack(e)
			}
			for e := l.PopFront(); e != nil; e = l.PopFront() {
				m.sum += uint64(e.v)
				doubles.Destroy(e)
			}
		})
		add := func(i int) *doubleLinked {
			e, err := doubles.Create()
			must(err)
			e.v = i
			l.PushBack(e)
			return e
		}
		for i := range n {
			nodes[i] = add(i)
		}
		m.time("replace", n, func() {
			for _, i := range order {
				l.Remove(nodes[i])
				doubles.Destroy(nodes[i])
				nodes[i] = add(i)
			}
		})
		for e := l.PopFront(); e != nil; e = l.PopFront() {
			doubles.Destroy(e)
		}
		var s generic.IntrusiveSinglyLinkedList[singleLinked, *singleLinked]
		m.time("stack", n, func() {
			for i := range n {
				e, err := singles.Create()
				must(err)
				e.v = i
				s.PushFront(e)
			}
			for e := s.PopFront(); e != nil; e = s.PopFront() {
				m.sum += uint64(e.v)
				singles.Destroy(e)
			}
		})
	}
}

func goLinked(m *meter) {
	n := m.n(linked)
	order := orderOf(n)
	nodes := make([]*doubleNode[int], n)
	m.settle()
	for range m.rounds(5) {
		var l doubleList[int]
		m.time("push", n, func() {
			for i := range n {
				nodes[i] = l.pushBack(i)
			}
		})
		m.time("iterate", n, func() {
			for e := l.first; e != nil; e = e.next {
				m.sum += uint64(e.v)
			}
		})
		m.time("remove", n, func() {
			for _, i := range order {
				l.remove(nodes[i])
			}
		})
		clear(nodes)
		m.time("free", n, runtime.GC)
		m.time("queue", n, func() {
			for i := range n {
				l.pushBack(i)
			}
			for l.first != nil {
				m.sum += uint64(l.remove(l.first))
			}
		})
		for i := range n {
			nodes[i] = l.pushBack(i)
		}
		m.time("replace", n, func() {
			for _, i := range order {
				l.remove(nodes[i])
				nodes[i] = l.pushBack(i)
			}
		})
		clear(nodes)
		var s singleList[int]
		m.time("stack", n, func() {
			for i := range n {
				s.pushFront(i)
			}
			for v, ok := s.popFront(); ok; v, ok = s.popFront() {
				m.sum += uint64(v)
			}
		})
	}
}

func containerLinked(m *meter) {
	n := m.n(linked)
	order := orderOf(n)
	nodes := make([]*list.Element, n)
	m.settle()
	for range m.rounds(5) {
		l := list.New()
		m.time("push", n, func() {
			for i := range n {
				nodes[i] = l.PushBack(i)
			}
		})
		m.time("iterate", n, func() {
			for e := l.Front(); e != nil; e = e.Next() {
				m.sum += uint64(e.Value.(int))
			}
		})
		m.time("remove", n, func() {
			for _, i := range order {
				l.Remove(nodes[i])
			}
		})
		clear(nodes)
		m.time("free", n, runtime.GC)
		m.time("queue", n, func() {
			for i := range n {
				l.PushBack(i)
			}
			for l.Len() > 0 {
				m.sum += uint64(l.Remove(l.Front()).(int))
			}
		})
		for i := range n {
			nodes[i] = l.PushBack(i)
		}
		m.time("replace", n, func() {
			for _, i := range order {
				l.Remove(nodes[i])
				nodes[i] = l.PushBack(i)
			}
		})
		clear(nodes)
		l.Init()
		m.time("stack", n, func() {
			for i := range n {
				l.PushFront(i)
			}
			for l.Len() > 0 {
				m.sum += uint64(l.Remove(l.Front()).(int))
			}
		})
	}
}
