package containers

import (
	"runtime"

	"github.com/allod-dev/allod/bench/internal/spec"
	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

var sequenceTasks = []Task{
	{"list-append", "ArrayList[uint64]: 10 million elements appended one by one; for the first time in the process, and when it was done before", []string{"first", "append", "peak"}, []impl{
		{"arraylist", spec.Ours, "generic.ArrayList over heap.Page, as it is", appends(heap.Page{})},
		{"arraylist-smp", spec.Ours, "the same over heap.Default", appends(heap.Default())},
		{"arraylist-small", spec.Ours, "the same over heap.Pages with SmallPages", appends(heap.NewPages(heap.PageOptions{SmallPages: true}))},
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
	{"linked", "linked lists of a million int: nodes pushed, visited, removed in random order, and freed in that order or by a collection; pushed and popped at the other end; a random node removed and another pushed; a stack of single links", []string{"push", "iterate", "remove", "free", "queue", "replace", "stack"}, []impl{
		{"linkedlist", spec.Ours, "generic.DoublyLinkedList and SinglyLinkedList over heap.SMP", func(m *meter) { ourLinked(m, heap.NewSMP(heap.SMPOptions{})) }},
		{"linkedlist-cache", spec.Ours, "the same over heap.SMPCache", func(m *meter) { ourLinked(m, heap.NewSMP(heap.SMPOptions{}).Cache()) }},
		{"intrusive", spec.Ours, "generic.IntrusiveDoublyLinkedList and IntrusiveSinglyLinkedList of elements from a heap.Pool", intrusiveLinked},
		{"go-list", spec.Go, "lists with type parameters, as one writes them", goLinked},
		{"container/list", spec.Go, "container/list", containerLinked},
	}},
	{"bits", "DynamicBitSet of a million bits: one bit of random ones; one word of all; one set bit visited", []string{"set", "test", "union", "count", "iterate"}, []impl{
		{"bitset", spec.Ours, "generic.DynamicBitSet over heap.Page", ourBits},
		{"go-bitset", spec.Go, "a set with a length, as one writes it: a bit beyond it panics, and bits may change during an iteration, as in ours", goBitSet},
		{"slice", spec.Go, "[]uint64 and loops, which promise neither: an iteration goes over words as they were when it came to them", goBits},
		{"bools", spec.Go, "[]bool", goBools},
	}},
}

const appended = 10_000_000

// appends returns a task. Were it inlined where that is used, in the function
// that initializes the package, its loop would be: the compiler inlines next to
// nothing into functions that are as large as that.
//
//go:noinline
func appends(a mem.Allocator) func(*meter) {
	return func(m *meter) {
		n := m.n(appended)
		m.settle()
		for round := range m.rounds(5) {
			l := generic.NewArrayList[uint64](a)
			m.firstAnd(round, "append", n, func() {
				for i := range n {
					must(l.Append(uint64(i)))
				}
			})
			l.Close()
		}
		m.peak("peak")
	}
}

// firstAnd is time for a round, of which the first is a figure of its own as
// well: the system has no memory ready for it, and the collector no garbage.
func (m *meter) firstAnd(round int, name string, n int, f func()) {
	if round == 0 {
		m.time("first", n, f)
		if !m.short {
			return
		}
		m.figures[name] = m.figures["first"]
		return
	}
	m.time(name, n, f)
}

func goAppends(m *meter) {
	n := m.n(appended)
	m.settle()
	for round := range m.rounds(5) {
		var s []uint64
		m.firstAnd(round, "append", n, func() {
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
