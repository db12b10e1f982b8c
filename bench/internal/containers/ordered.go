package containers

import (
	"container/heap"

	google "github.com/google/btree"
	"github.com/tidwall/btree"

	"github.com/allod-dev/allod/bench/internal/spec"
	"github.com/allod-dev/allod/generic"
	allod "github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// An orderedMap is a map of numbers in their order.
type orderedMap struct {
	insert func(keys []uint64)
	get    func(keys []uint64) (sum uint64)
	ranges func(from []uint64, n int) (sum uint64) // n entries from each key on
	walk   func() (sum uint64)
	remove func(keys []uint64)
	close  func()
}

var orderedTasks = []Task{
	{"btree", "BTreeMap[uint64, uint64] of a million random entries; range is one entry of 100 that follow a random key",
		[]string{"insert", "get", "range", "iterate", "delete", "RSS"}, []impl{
			{"btreemap", spec.Ours, "generic.BTreeMap over heap.SMP", ofOrdered(func() orderedMap { return ourOrdered(allod.NewSMP(allod.SMPOptions{})) })},
			{"btreemap-gc", spec.Ours, "the same in Go's heap", ofOrdered(func() orderedMap { return ourOrdered(allod.GC{}) })},
			{"google", spec.Go, "google/btree.BTreeG, degree 32", ofOrdered(googleOrdered)},
			{"tidwall", spec.Go, "tidwall/btree.Map", ofOrdered(tidwallOrdered)},
			{"tidwall-g", spec.Go, "tidwall/btree.BTreeG without locks", ofOrdered(tidwallGOrdered)},
		}},
	{"queue-small", "PriorityQueue[uint64]: a thousand elements pushed in random order and popped", []string{"push+pop"}, queueImpls(1000)},
	{"queue", "the same with a million", []string{"push+pop", "RSS"}, queueImpls(1_000_000)},
}

func ofOrdered(open func() orderedMap) func(*meter) {
	return func(m *meter) {
		const each = 100
		n := m.n(1_000_000)
		keys := numbers(n, 1)
		order := shuffled(keys)
		from := order[:n/each]
		m.settle()
		for range m.rounds(3) {
			c := open()
			m.time("insert", n, func() { c.insert(keys) })
			m.memory("RSS")
			for range 3 {
				m.time("get", n, func() { m.sum += c.get(order) })
				m.time("range", each*len(from), func() { m.sum += c.ranges(from, each) })
				m.time("iterate", n, func() { m.sum += c.walk() })
			}
			m.time("delete", n, func() { c.remove(order) })
			has(c.walk() == 0)
			c.close()
		}
	}
}

func ourOrdered(a mem.Allocator) orderedMap {
	m := generic.NewBTreeMap[uint64, uint64](a)
	return orderedMap{
		insert: func(keys []uint64) {
			for _, k := range keys {
				must(m.Put(k, k))
			}
		},
		get: func(keys []uint64) (sum uint64) {
			for _, k := range keys {
				v, _ := m.Get(k)
				sum += v
			}
			return sum
		},
		ranges: func(from []uint64, n int) (sum uint64) {
			for _, low := range from {
				left := n
				for _, v := range m.From(low) {
					sum += v
					if left--; left == 0 {
						break
					}
				}
			}
			return sum
		},
		walk: func() (sum uint64) {
			for k, v := range m.All() {
				sum += k ^ v + 1
			}
			return sum
		},
		remove: func(keys []uint64) {
			for _, k := range keys {
				m.Remove(k)
			}
		},
		close: func() { m.Close() },
	}
}

type entry struct{ k, v uint64 }

func less(a, b entry) bool { return a.k < b.k }

func googleOrdered() orderedMap {
	m := google.NewG(32, less)
	return orderedMap{
		insert: func(keys []uint64) {
			for _, k := range keys {
				m.ReplaceOrInsert(entry{k, k})
			}
		},
		get: func(keys []uint64) (sum uint64) {
			for _, k := range keys {
				e, _ := m.Get(entry{k: k})
				sum += e.v
			}
			return sum
		},
		ranges: func(from []uint64, n int) (sum uint64) {
			for _, low := range from {
				left := n
				m.AscendGreaterOrEqual(entry{k: low}, func(e entry) bool {
					sum += e.v
					left--
					return left > 0
				})
			}
			return sum
		},
		walk: func() (sum uint64) {
			m.Ascend(func(e entry) bool {
				sum += e.k ^ e.v + 1
				return true
			})
			return sum
		},
		remove: func(keys []uint64) {
			for _, k := range keys {
				m.Delete(entry{k: k})
			}
		},
		close: func() {},
	}
}

func tidwallOrdered() orderedMap {
	m := new(btree.Map[uint64, uint64])
	return orderedMap{
		insert: func(keys []uint64) {
			for _, k := range keys {
				m.Set(k, k)
			}
		},
		get: func(keys []uint64) (sum uint64) {
			for _, k := range keys {
				v, _ := m.Get(k)
				sum += v
			}
			return sum
		},
		ranges: func(from []uint64, n int) (sum uint64) {
			for _, low := range from {
				left := n
				m.Ascend(low, func(_, v uint64) bool {
					sum += v
					left--
					return left > 0
				})
			}
			return sum
		},
		walk: func() (sum uint64) {
			m.Scan(func(k, v uint64) bool {
				sum += k ^ v + 1
				return true
			})
			return sum
		},
		remove: func(keys []uint64) {
			for _, k := range keys {
				m.Delete(k)
			}
		},
		close: func() {},
	}
}

func tidwallGOrdered() orderedMap {
	m := btree.NewBTreeGOptions(less, btree.Options{NoLocks: true})
	return orderedMap{
		insert: func(keys []uint64) {
			for _, k := range keys {
				m.Set(entry{k, k})
			}
		},
		get: func(keys []uint64) (sum uint64) {
			for _, k := range keys {
				e, _ := m.Get(entry{k: k})
				sum += e.v
			}
			return sum
		},
		ranges: func(from []uint64, n int) (sum uint64) {
			for _, low := range from {
				left := n
				m.Ascend(entry{k: low}, func(e entry) bool {
					sum += e.v
					left--
					return left > 0
				})
			}
			return sum
		},
		walk: func() (sum uint64) {
			m.Scan(func(e entry) bool {
				sum += e.k ^ e.v + 1
				return true
			})
			return sum
		},
		remove: func(keys []uint64) {
			for _, k := range keys {
				m.Delete(entry{k: k})
			}
		},
		close: func() {},
	}
}

func queueImpls(n int) []impl {
	of := func(round func(keys []uint64) (sum uint64)) func(*meter) {
		return func(m *meter) {
			keys := numbers(m.n(n), 1)
			m.settle()
			m.sum += round(keys)
			if n > 1000 {
				m.peak("RSS")
			}
			m.repeat("push+pop", len(keys), func() { m.sum += round(keys) })
		}
	}
	return []impl{
		{"priorityqueue", spec.Ours, "generic.PriorityQueue over heap.Default", of(ourQueue)},
		{"container/heap", spec.Go, "container/heap of []uint64", of(containerHeap)},
		{"go-heap", spec.Go, "a binary heap of []T with cmp.Less, as one writes it", of(goHeap)},
	}
}

func ourQueue(keys []uint64) (sum uint64) {
	q := generic.NewPriorityQueue[uint64](allod.Default())
	defer q.Close()
	for _, k := range keys {
		must(q.Push(k))
	}
	for q.Len() > 0 {
		v, _ := q.Pop()
		sum += v
	}
	return sum
}

// uintHeap is what container/heap asks for.
type uintHeap []uint64

func (h uintHeap) Len() int           { return len(h) }
func (h uintHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h uintHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *uintHeap) Push(x any)        { *h = append(*h, x.(uint64)) }
func (h *uintHeap) Pop() any {
	s := *h
	v := s[len(s)-1]
	*h = s[:len(s)-1]
	return v
}

func containerHeap(keys []uint64) (sum uint64) {
	var h uintHeap
	for _, k := range keys {
		heap.Push(&h, k)
	}
	for len(h) > 0 {
		sum += heap.Pop(&h).(uint64)
	}
	return sum
}

func goHeap(keys []uint64) (sum uint64) {
	var h binaryHeap[uint64]
	for _, k := range keys {
		h.push(k)
	}
	for len(h) > 0 {
		sum += h.pop()
	}
	return sum
}
