package generic_test

import (
	"bytes"
	"container/heap"
	"container/list"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/allod-dev/allod/generic"
	allod "github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// bench runs f, which handles n entries, and reports the time of one.
func bench(b *testing.B, name string, n int, f func()) {
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f()
		}
		perEntry(b, n)
	})
}

// goRing is the queue that one writes in Go: a ring that doubles.
type goRing struct {
	s       []uint64
	head, n int
}

func (r *goRing) push(v uint64) {
	if r.n == len(r.s) {
		s := make([]uint64, max(8, 2*len(r.s)))
		copy(s[copy(s, r.s[r.head:]):], r.s[:r.head])
		r.s, r.head = s, 0
	}
	r.s[(r.head+r.n)&(len(r.s)-1)] = v
	r.n++
}

func (r *goRing) pop() uint64 {
	v := r.s[r.head]
	r.head = (r.head + 1) & (len(r.s) - 1)
	r.n--
	return v
}

func BenchmarkDeque(b *testing.B) {
	const n = 100_000
	sum := uint64(0)
	var r goRing
	bench(b, "op=queue/impl=ring", n, func() {
		for i := range uint64(n) {
			r.push(i)
			if i%4 == 3 {
				sum += r.pop() + r.pop() + r.pop()
			}
		}
		for r.n > 0 {
			sum += r.pop()
		}
	})
	d := generic.NewDeque[uint64](allod.Page{})
	defer d.Close()
	pop := func() { v, _ := d.PopFront(); sum += v }
	bench(b, "op=queue/impl=deque", n, func() {
		for i := range uint64(n) {
			must(b, d.PushBack(i))
			if i%4 == 3 {
				pop()
				pop()
				pop()
			}
		}
		for d.Len() > 0 {
			pop()
		}
	})
	runtime.KeepAlive(sum)
}

// goHeap is what container/heap asks for.
type goHeap []uint64

func (h goHeap) Len() int           { return len(h) }
func (h goHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h goHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *goHeap) Push(x any)        { *h = append(*h, x.(uint64)) }
func (h *goHeap) Pop() any {
	s := *h
	v := s[len(s)-1]
	*h = s[:len(s)-1]
	return v
}

func BenchmarkPriorityQueue(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		keys := randomKeys(n, 1)
		name := func(impl string) string { return fmt.Sprintf("op=push+pop/n=%d/impl=%s", n, impl) }
		sum := uint64(0)
		bench(b, name("container-heap"), n, func() {
			var h goHeap
			for _, k := range keys {
				heap.Push(&h, k)
			}
			for len(h) > 0 {
				sum += heap.Pop(&h).(uint64)
			}
		})
		bench(b, name("priorityqueue"), n, func() {
			q := generic.NewPriorityQueue[uint64](allod.Page{})
			defer q.Close()
			for _, k := range keys {
				must(b, q.Push(k))
			}
			for v := range q.Drain() {
				sum += v
			}
		})
		bench(b, name("priorityqueue-order"), n, func() {
			q := generic.NewPriorityQueueOrder(allod.Page{}, generic.Descending[uint64]{})
			defer q.Close()
			for _, k := range keys {
				must(b, q.Push(k))
			}
			for v := range q.Drain() {
				sum += v
			}
		})
		runtime.KeepAlive(sum)
	}
}

// Ordered maps of others are measured in the module bench. Here stands what one
// does without any: a map, and its keys sorted.
func BenchmarkBTreeMap(b *testing.B) {
	for _, n := range benchSizes {
		keys := randomKeys(n, 1)
		lookups := shuffled(keys)
		name := func(op, impl string) string { return fmt.Sprintf("op=%s/n=%d/impl=%s", op, n, impl) }
		sum := 0
		fill := func() *generic.BTreeMap[uint64, int, generic.Ascending[uint64]] {
			m := generic.NewBTreeMap[uint64, int](allod.NewArena(allod.Page{}))
			for _, k := range keys {
				must(b, m.Put(k, int(k)))
			}
			return m
		}
		free := func(m *generic.BTreeMap[uint64, int, generic.Ascending[uint64]]) {
			m.Allocator().(*allod.Arena).Close()
		}
		bench(b, name("insert", "map"), n, func() {
			m := map[uint64]uint64{}
			for _, k := range keys {
				m[k] = k
			}
		})
		bench(b, name("insert", "btreemap"), n, func() { free(fill()) })
		m := fill()
		bench(b, name("get", "btreemap"), n, func() {
			for _, k := range lookups {
				v, _ := m.Get(k)
				sum += v
			}
		})
		bench(b, name("iterate", "btreemap"), n, func() {
			for _, v := range m.All() {
				sum += v
			}
		})
		free(m)
		bench(b, name("insert+remove", "btreemap"), n, func() {
			m := fill()
			for _, k := range lookups {
				m.Remove(k)
			}
			free(m)
		})
		runtime.KeepAlive(sum)
	}
}

func BenchmarkLinkedList(b *testing.B) {
	const n = 10_000
	sum := 0
	bench(b, "impl=container-list", n, func() {
		l := list.New()
		for i := range n {
			l.PushBack(i)
		}
		for e := l.Front(); e != nil; e = e.Next() {
			sum += e.Value.(int)
		}
	})
	a := allod.NewArena(allod.Page{})
	defer a.Close()
	bench(b, "impl=doublylinkedlist", n, func() {
		a.Reset()
		l := generic.NewDoublyLinkedList[int](a)
		for i := range n {
			_, err := l.PushBack(i)
			must(b, err)
		}
		for v := range l.Values() {
			sum += v
		}
	})
	runtime.KeepAlive(sum)
}

func BenchmarkDynamicBitSet(b *testing.B) {
	const n = 1 << 20
	r := rand.New(rand.NewPCG(1, 2))
	bits := make([]int, n/8)
	for i := range bits {
		bits[i] = r.IntN(n)
	}
	sum := 0
	words := make([]uint64, n/64)
	bench(b, "op=set/impl=slice", len(bits), func() {
		for _, i := range bits {
			words[i/64] |= 1 << (i % 64)
		}
	})
	s := generic.NewDynamicBitSet(allod.Page{})
	defer s.Close()
	must(b, s.Resize(n, false))
	bench(b, "op=set/impl=bitset", len(bits), func() {
		for _, i := range bits {
			s.Set(i)
		}
	})
	bench(b, "op=iterate/impl=slice", s.Count(), func() {
		for at, w := range words {
			for ; w != 0; w &= w - 1 {
				sum += at
			}
		}
	})
	bench(b, "op=iterate/impl=bitset", s.Count(), func() {
		for i := range s.All() {
			sum += i
		}
	})
	runtime.KeepAlive(sum)
}

func BenchmarkSegmentedList(b *testing.B) {
	const n = 1_000_000
	bench(b, "op=append/impl=slice", n, func() {
		var s []wide
		for i := range uint64(n) {
			s = append(s, wide{a: i})
		}
		runtime.KeepAlive(s)
	})
	var l generic.SegmentedListUnmanaged[wide]
	bench(b, "op=append/impl=segmentedlist", n, func() {
		for i := range uint64(n) {
			must(b, l.Append(allod.Page{}, wide{a: i}))
		}
		l.Close(allod.Page{})
	})
}

func BenchmarkMultiArrayList(b *testing.B) {
	type row struct {
		key uint64
		_   [7]uint64
	}
	key := generic.ColumnOf(func(r *row) *uint64 { return &r.key })
	const n = 100_000
	sum := uint64(0)
	rows := make([]row, n)
	bench(b, "op=sum/impl=structs", n, func() {
		for i := range rows {
			sum += rows[i].key
		}
	})
	l := generic.NewMultiArrayList[row](allod.Page{})
	defer l.Close()
	must(b, l.Resize(n))
	bench(b, "op=sum/impl=columns", n, func() {
		for _, k := range key.Items(l) {
			sum += k
		}
	})
	bench(b, "op=set/impl=structs", n, func() {
		for i := range rows {
			rows[i] = row{key: uint64(i)}
		}
	})
	bench(b, "op=set/impl=columns", n, func() {
		for i := range n {
			l.Set(i, row{key: uint64(i)})
		}
	})
	runtime.KeepAlive(sum)
}

func BenchmarkStringPool(b *testing.B) {
	words := randomWords(100_000)
	bench(b, "op=intern/impl=map", len(words), func() {
		m := map[string]uint32{}
		for _, w := range words {
			m[string([]byte(w))] = uint32(len(m))
		}
	})
	a := allod.Page{}
	var p generic.StringPoolUnmanaged
	bench(b, "op=intern/impl=stringpool", len(words), func() {
		for _, w := range words {
			_, err := p.Intern(a, w)
			must(b, err)
		}
		p.Close(a)
	})
}

func BenchmarkBuffer(b *testing.B) {
	const n = 10_000
	line := []byte("a line of some forty bytes, or about that")
	bench(b, "impl=bytes", n, func() {
		var buf bytes.Buffer
		for range n {
			buf.Write(line)
		}
	})
	for name, a := range map[string]mem.Allocator{"page": allod.Page{}, "gc": allod.GC{}} {
		bench(b, "impl=buffer-"+name, n, func() {
			buf := generic.NewBuffer(a)
			for range n {
				buf.Write(line)
			}
			buf.Close()
		})
	}
}
