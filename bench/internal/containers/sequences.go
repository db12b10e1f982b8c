package containers

import (
	"container/list"
	"math/bits"
	"math/rand/v2"
	"runtime"

	"github.com/allod-dev/allod/bench/internal/spec"
	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

var sequenceTasks = []Task{
	{"list-append", "ArrayList[uint64]: 10 million elements appended one by one", []string{"append", "peak"}, []impl{
		{"arraylist", spec.Ours, "generic.ArrayList over heap.Page", appends(heap.Page{})},
		{"arraylist-huge", spec.Ours, "the same with huge pages", appends(hugePages())},
		{"append", spec.Go, "append", goAppends},
	}},
	{"segments", "SegmentedList[[64]byte]: a million elements appended, and visited", []string{"append", "iterate", "peak"}, []impl{
		{"segmentedlist", spec.Ours, "generic.SegmentedList over heap.Page", ourSegments},
		{"append", spec.Go, "append to a slice", goSegments},
		{"pointers", spec.Go, "append to a slice of pointers, so that addresses are stable", goPointers},
	}},
	{"deque", "Deque[uint64]: push at the back and pop at the front, a thousand in the queue (queue), or growing and shrinking (wave); stack; element by index", []string{"queue", "wave", "stack", "at"}, []impl{
		{"deque", spec.Ours, "generic.Deque over heap.Default", func(m *meter) { ofDeque(m, ourDeque()) }},
		{"deque-bounded", spec.Ours, "the same with PushBackBounded, where room was made before", func(m *meter) { ofDeque(m, boundedDeque()) }},
		{"go-ring", spec.Go, "a ring in a slice that doubles, as one writes it", func(m *meter) { ofDeque(m, goRing()) }},
		{"slice", spec.Go, "append, and s[1:]", func(m *meter) { ofDeque(m, goSlice()) }},
		{"container/list", spec.Go, "container/list", func(m *meter) { ofDeque(m, goContainerList()) }},
	}},
	{"linked", "linked lists of a million int: nodes pushed, visited, removed in random order; pushed and popped at the other end; a stack of single links", []string{"push", "iterate", "remove", "queue", "stack"}, []impl{
		{"linkedlist", spec.Ours, "generic.DoublyLinkedList and SinglyLinkedList over heap.SMP", func(m *meter) { ourLinked(m, heap.NewSMP(heap.SMPOptions{})) }},
		{"linkedlist-cache", spec.Ours, "the same over heap.SMPCache", func(m *meter) { ourLinked(m, heap.NewSMP(heap.SMPOptions{}).Cache()) }},
		{"intrusive", spec.Ours, "generic.IntrusiveDoublyLinkedList and IntrusiveSinglyLinkedList of elements from a heap.Pool", intrusiveLinked},
		{"go-list", spec.Go, "lists with type parameters, as one writes them", goLinked},
		{"container/list", spec.Go, "container/list", containerLinked},
	}},
	{"bits", "DynamicBitSet of a million bits: one bit of random ones; one word of all; one set bit visited", []string{"set", "test", "union", "count", "iterate"}, []impl{
		{"bitset", spec.Ours, "generic.DynamicBitSet over heap.Page", ourBits},
		{"slice", spec.Go, "[]uint64 and loops, as one writes them", goBits},
		{"bools", spec.Go, "[]bool", goBools},
	}},
}

const appended = 10_000_000

func appends(a mem.Allocator) func(*meter) {
	return func(m *meter) {
		n := m.n(appended)
		m.settle()
		for range m.rounds(5) {
			l := generic.NewArrayList[uint64](a)
			m.time("append", n, func() {
				for i := range n {
					must(l.Append(uint64(i)))
				}
			})
			l.Close()
		}
		m.peak("peak")
	}
}

func goAppends(m *meter) {
	n := m.n(appended)
	m.settle()
	for range m.rounds(5) {
		var s []uint64
		m.time("append", n, func() {
			for i := range n {
				s = append(s, uint64(i))
			}
		})
		runtime.KeepAlive(s)
	}
	m.peak("peak")
}

type wide [64]byte

const segmented = 1_000_000

func ourSegments(m *meter) {
	n := m.n(segmented)
	m.settle()
	for range m.rounds(5) {
		l := generic.NewSegmentedList[wide](heap.Page{})
		m.time("append", n, func() {
			for i := range n {
				must(l.Append(wide{byte(i)}))
			}
		})
		m.time("iterate", n, func() {
			for _, p := range l.AllPtr() {
				m.sum += uint64(p[0])
			}
		})
		l.Close()
	}
	m.peak("peak")
}

func goSegments(m *meter) {
	n := m.n(segmented)
	m.settle()
	for range m.rounds(5) {
		var s []wide
		m.time("append", n, func() {
			for i := range n {
				s = append(s, wide{byte(i)})
			}
		})
		m.time("iterate", n, func() {
			for i := range s {
				m.sum += uint64(s[i][0])
			}
		})
	}
	m.peak("peak")
}

func goPointers(m *meter) {
	n := m.n(segmented)
	m.settle()
	for range m.rounds(5) {
		var s []*wide
		m.time("append", n, func() {
			for i := range n {
				s = append(s, &wide{byte(i)})
			}
		})
		m.time("iterate", n, func() {
			for _, p := range s {
				m.sum += uint64(p[0])
			}
		})
	}
	m.peak("peak")
}

// A queueLoops is a queue with two ends in which loops are written out.
type queueLoops struct {
	queue func(n int) uint64 // n pushes at the back and pops at the front
	fill  func(n int)
	drain func() uint64
	stack func(n int) uint64 // n pushes and pops at the back; nil if it is none
	at    func(n int) uint64 // n elements by index
}

const waveLength = 100_000

func ofDeque(m *meter, q queueLoops) {
	const window, ops = 1000, 10_000
	m.settle()
	q.fill(window)
	m.repeat("queue", ops, func() { m.sum += q.queue(ops) })
	if q.at != nil {
		m.repeat("at", ops, func() { m.sum += q.at(ops) })
	}
	m.sum += q.drain()
	n := m.n(waveLength)
	m.repeat("wave", n, func() {
		q.fill(n)
		m.sum += q.drain()
	})
	if q.stack != nil {
		m.repeat("stack", ops, func() { m.sum += q.stack(ops) })
	}
}

func ourDeque() queueLoops {
	d := generic.NewDeque[uint64](heap.Default())
	return queueLoops{
		queue: func(n int) (sum uint64) {
			for i := range n {
				if err := d.PushBack(uint64(i)); err != nil {
					panic(err)
				}
				v, _ := d.PopFront()
				sum += v
			}
			return sum
		},
		fill: func(n int) {
			for i := range n {
				if err := d.PushBack(uint64(i)); err != nil {
					panic(err)
				}
			}
		},
		drain: func() (sum uint64) {
			for {
				v, ok := d.PopFront()
				if !ok {
					return sum
				}
				sum += v
			}
		},
		stack: func(n int) (sum uint64) {
			for i := range n {
				if err := d.PushBack(uint64(i)); err != nil {
					panic(err)
				}
				if i%4 == 3 {
					for range 4 {
						v, _ := d.PopBack()
						sum += v
					}
				}
			}
			return sum
		},
		at: func(n int) (sum uint64) {
			for i := range n {
				sum += d.At(i % 1000)
			}
			return sum
		},
	}
}

// boundedDeque is ourDeque with room for all.
func boundedDeque() queueLoops {
	d := generic.NewDeque[uint64](heap.Default())
	must(d.EnsureTotalCapacity(waveLength))
	return queueLoops{
		queue: func(n int) (sum uint64) {
			for i := range n {
				if err := d.PushBackBounded(uint64(i)); err != nil {
					panic(err)
				}
				v, _ := d.PopFront()
				sum += v
			}
			return sum
		},
		fill: func(n int) {
			for i := range n {
				if err := d.PushBackBounded(uint64(i)); err != nil {
					panic(err)
				}
			}
		},
		drain: func() (sum uint64) {
			for {
				v, ok := d.PopFront()
				if !ok {
					return sum
				}
				sum += v
			}
		},
		stack: func(n int) (sum uint64) {
			for i := range n {
				if err := d.PushBackBounded(uint64(i)); err != nil {
					panic(err)
				}
				if i%4 == 3 {
					for range 4 {
						v, _ := d.PopBack()
						sum += v
					}
				}
			}
			return sum
		},
		at: func(n int) (sum uint64) {
			for i := range n {
				sum += d.At(i % 1000)
			}
			return sum
		},
	}
}

func goRing() queueLoops {
	var r ring[uint64]
	return queueLoops{
		queue: func(n int) (sum uint64) {
			for i := range n {
				r.pushBack(uint64(i))
				v, _ := r.popFront()
				sum += v
			}
			return sum
		},
		fill: func(n int) {
			for i := range n {
				r.pushBack(uint64(i))
			}
		},
		drain: func() (sum uint64) {
			for {
				v, ok := r.popFront()
				if !ok {
					return sum
				}
				sum += v
			}
		},
		stack: func(n int) (sum uint64) {
			for i := range n {
				r.pushBack(uint64(i))
				if i%4 == 3 {
					for range 4 {
						v, _ := r.popBack()
						sum += v
					}
				}
			}
			return sum
		},
		at: func(n int) (sum uint64) {
			for i := range n {
				sum += r.at(i % 1000)
			}
			return sum
		},
	}
}

func goSlice() queueLoops {
	var q sliceQueue[uint64]
	return queueLoops{
		queue: func(n int) (sum uint64) {
			for i := range n {
				q.pushBack(uint64(i))
				v, _ := q.popFront()
				sum += v
			}
			return sum
		},
		fill: func(n int) {
			for i := range n {
				q.pushBack(uint64(i))
			}
		},
		drain: func() (sum uint64) {
			for {
				v, ok := q.popFront()
				if !ok {
					return sum
				}
				sum += v
			}
		},
	}
}

func goContainerList() queueLoops {
	l := list.New()
	return queueLoops{
		queue: func(n int) (sum uint64) {
			for i := range n {
				l.PushBack(uint64(i))
				sum += l.Remove(l.Front()).(uint64)
			}
			return sum
		},
		fill: func(n int) {
			for i := range n {
				l.PushBack(uint64(i))
			}
		},
		drain: func() (sum uint64) {
			for l.Len() > 0 {
				sum += l.Remove(l.Front()).(uint64)
			}
			return sum
		},
		stack: func(n int) (sum uint64) {
			for i := range n {
				l.PushBack(uint64(i))
				if i%4 == 3 {
					for range 4 {
						sum += l.Remove(l.Back()).(uint64)
					}
				}
			}
			return sum
		},
	}
}

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
		m.time("queue", n, func() {
			for i := range n {
				l.pushBack(i)
			}
			for l.first != nil {
				m.sum += uint64(l.remove(l.first))
			}
		})
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
		m.time("queue", n, func() {
			for i := range n {
				l.PushBack(i)
			}
			for l.Len() > 0 {
				m.sum += uint64(l.Remove(l.Front()).(int))
			}
		})
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

const bitCount = 1 << 20

// someBits returns an eighth of all bits, some of them more than once.
func someBits() []int {
	r := rand.New(rand.NewPCG(1, 2))
	s := table[int](bitCount / 8)
	for i := range s {
		s[i] = r.IntN(bitCount)
	}
	return s
}

func ourBits(m *meter) {
	some := someBits()
	s, o := generic.NewDynamicBitSet(heap.Page{}), generic.NewDynamicBitSet(heap.Page{})
	must(s.Resize(bitCount, false))
	must(o.Resize(bitCount, false))
	m.settle()
	m.repeat("set", len(some), func() {
		for _, i := range some {
			s.Set(i)
		}
	})
	m.repeat("test", len(some), func() {
		for _, i := range some {
			if s.IsSet(i) {
				m.sum++
			}
		}
	})
	m.repeat("union", bitCount/64, func() { o.Union(s) })
	m.repeat("count", bitCount/64, func() { m.sum += uint64(o.Count()) })
	n := o.Count()
	m.repeat("iterate", n, func() {
		for i := range o.All() {
			m.sum += uint64(i)
		}
	})
}

func goBits(m *meter) {
	some := someBits()
	s, o := make(bitSlice, bitCount/64), make(bitSlice, bitCount/64)
	m.settle()
	m.repeat("set", len(some), func() {
		for _, i := range some {
			s.set(i)
		}
	})
	m.repeat("test", len(some), func() {
		for _, i := range some {
			if s.isSet(i) {
				m.sum++
			}
		}
	})
	m.repeat("union", bitCount/64, func() {
		for i, w := range s {
			o[i] |= w
		}
	})
	n := 0
	m.repeat("count", bitCount/64, func() {
		n = 0
		for _, w := range o {
			n += bits.OnesCount64(w)
		}
	})
	m.repeat("iterate", n, func() {
		for at, w := range o {
			for ; w != 0; w &= w - 1 {
				m.sum += uint64(at*64 + bits.TrailingZeros64(w))
			}
		}
	})
}

func goBools(m *meter) {
	some := someBits()
	s, o := make([]bool, bitCount), make([]bool, bitCount)
	m.settle()
	m.repeat("set", len(some), func() {
		for _, i := range some {
			s[i] = true
		}
	})
	m.repeat("test", len(some), func() {
		for _, i := range some {
			if s[i] {
				m.sum++
			}
		}
	})
	m.repeat("union", bitCount/64, func() {
		for i, b := range s {
			o[i] = o[i] || b
		}
	})
	n := 0
	m.repeat("count", bitCount/64, func() {
		n = 0
		for _, b := range o {
			if b {
				n++
			}
		}
	})
	m.repeat("iterate", n, func() {
		for i, b := range o {
			if b {
				m.sum += uint64(i)
			}
		}
	})
}
