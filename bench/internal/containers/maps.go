package containers

import (
	"runtime"

	"github.com/cockroachdb/swiss"

	"github.com/allod-dev/allod/bench/internal/spec"
	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// A numberMap is a map of numbers, or a set of them, in which loops over keys
// are written out, so that every call is static.
type numberMap struct {
	insert func(keys []uint64)
	hits   func(keys []uint64) (sum uint64)
	misses func(keys []uint64) (found uint64)
	remove func(keys []uint64)
	walk   func() (sum uint64)
	close  func()
}

const (
	largeMap = 5_000_000
	smallMap = 1000
)

var (
	mapFigures = []string{"insert", "hit", "miss", "delete", "iterate", "RSS", "peak"}

	mapTasks = []Task{
		{"map", "HashMap[uint64, uint64] of 5 million random entries, growing", mapFigures, mapImpls(largeMap)},
		{"map-small", "the same with 1,000 entries", mapFigures[:5], mapImpls(smallMap)},
		{"set", "HashSet[uint64] of 5 million random keys, growing", mapFigures, setImpls},
		{"array-map", "ArrayHashMap[uint64, uint64] of a million entries, growing, in the order in which they were added", mapFigures[:5], arrayMapImpls},
	}
)

func mapImpls(n int) []impl {
	with := func(open func() mem.Allocator) func(*meter) {
		return ofNumbers(n, func() numberMap { return ourMap(open()) })
	}
	impls := []impl{
		{"hashmap-gc", spec.Ours, "generic.HashMap in Go's heap", with(func() mem.Allocator { return heap.GC{} })},
		{"map", spec.Go, "Go's map", ofNumbers(n, goMap)},
		{"swiss", spec.Go, "cockroachdb/swiss", ofNumbers(n, swissMap)},
	}
	if n == smallMap { // whose blocks are too small for pages of their own
		return append([]impl{{"hashmap", spec.Ours, "generic.HashMap over heap.Default", with(func() mem.Allocator { return heap.Default() })}}, impls...)
	}
	return append([]impl{
		{"hashmap", spec.Ours, "generic.HashMap over heap.Page", with(func() mem.Allocator { return heap.Page{} })},
		{"hashmap-huge", spec.Ours, "generic.HashMap over heap.Pages with huge pages", with(hugePages)},
	}, impls...)
}

func hugePages() mem.Allocator { return heap.NewPages(heap.PageOptions{HugePages: true}) }

// ofNumbers measures what open makes.
func ofNumbers(n int, open func() numberMap) func(*meter) {
	return func(m *meter) {
		n := m.n(n)
		keys, absent := numbers(n, 1), numbers(n, 2)
		order := shuffled(keys)
		m.settle()
		if n <= smallMap {
			ofFew(m, keys, absent, order, open)
			return
		}
		for range m.rounds(2) {
			runtime.GC()
			c := open()
			m.time("insert", n, func() { c.insert(keys) })
			m.memory("RSS")
			m.peak("peak")
			for range 2 {
				m.time("hit", n, func() { m.sum += c.hits(order) })
				m.time("miss", n, func() { has(c.misses(absent) == 0) })
				m.time("iterate", n, func() { m.sum += c.walk() })
			}
			m.time("delete", n, func() { c.remove(order) })
			has(c.walk() == 0)
			c.close()
		}
	}
}

// ofFew is ofNumbers for a map that fits into the caches.
func ofFew(m *meter, keys, absent, order []uint64, open func() numberMap) {
	n := len(keys)
	m.repeat("insert", n, func() {
		c := open()
		c.insert(keys)
		c.close()
	})
	c := open()
	c.insert(keys)
	m.repeat("hit", n, func() { m.sum += c.hits(order) })
	m.repeat("miss", n, func() { m.sum += c.misses(absent) })
	m.repeat("iterate", n, func() { m.sum += c.walk() })
	m.repeat("delete", n, func() { // and put again, which is the same for all
		c.remove(order)
		c.insert(keys)
	})
	c.close()
}

func ourMap(a mem.Allocator) numberMap {
	m := generic.NewHashMap[uint64, uint64](a)
	return numberMap{
		insert: func(keys []uint64) {
			for _, k := range keys {
				must(m.Put(k, k))
			}
		},
		hits: func(keys []uint64) (sum uint64) {
			for _, k := range keys {
				v, _ := m.Get(k)
				sum += v
			}
			return sum
		},
		misses: func(keys []uint64) (found uint64) {
			for _, k := range keys {
				if _, ok := m.Get(k); ok {
					found++
				}
			}
			return found
		},
		remove: func(keys []uint64) {
			for _, k := range keys {
				m.Remove(k)
			}
		},
		walk: func() (sum uint64) {
			for k, v := range m.All() {
				sum += k ^ v + 1
			}
			return sum
		},
		close: func() { m.Close() },
	}
}

func goMap() numberMap {
	m := map[uint64]uint64{}
	return numberMap{
		insert: func(keys []uint64) {
			for _, k := range keys {
				m[k] = k
			}
		},
		hits: func(keys []uint64) (sum uint64) {
			for _, k := range keys {
				sum += m[k]
			}
			return sum
		},
		misses: func(keys []uint64) (found uint64) {
			for _, k := range keys {
				if _, ok := m[k]; ok {
					found++
				}
			}
			return found
		},
		remove: func(keys []uint64) {
			for _, k := range keys {
				delete(m, k)
			}
		},
		walk: func() (sum uint64) {
			for k, v := range m {
				sum += k ^ v + 1
			}
			return sum
		},
		close: func() {},
	}
}

func swissMap() numberMap {
	m := swiss.New[uint64, uint64](0)
	return numberMap{
		insert: func(keys []uint64) {
			for _, k := range keys {
				m.Put(k, k)
			}
		},
		hits: func(keys []uint64) (sum uint64) {
			for _, k := range keys {
				v, _ := m.Get(k)
				sum += v
			}
			return sum
		},
		misses: func(keys []uint64) (found uint64) {
			for _, k := range keys {
				if _, ok := m.Get(k); ok {
					found++
				}
			}
			return found
		},
		remove: func(keys []uint64) {
			for _, k := range keys {
				m.Delete(k)
			}
		},
		walk: func() (sum uint64) {
			for k, v := range m.All {
				sum += k ^ v + 1
			}
			return sum
		},
		close: func() { m.Close() },
	}
}

var setImpls = []impl{
	{"hashset", spec.Ours, "generic.HashSet over heap.Page", ofNumbers(largeMap, func() numberMap { return ourSet(heap.Page{}) })},
	{"hashset-huge", spec.Ours, "the same with huge pages", ofNumbers(largeMap, func() numberMap { return ourSet(hugePages()) })},
	{"map", spec.Go, "Go's map to struct{}", ofNumbers(largeMap, goSet)},
}

func ourSet(a mem.Allocator) numberMap {
	s := generic.NewHashSet[uint64](a)
	count := func(keys []uint64) (found uint64) {
		for _, k := range keys {
			if s.Contains(k) {
				found++
			}
		}
		return found
	}
	return numberMap{
		insert: func(keys []uint64) {
			for _, k := range keys {
				_, err := s.Add(k)
				must(err)
			}
		},
		hits:   count,
		misses: count,
		remove: func(keys []uint64) {
			for _, k := range keys {
				s.Remove(k)
			}
		},
		walk: func() (sum uint64) {
			for k := range s.All() {
				sum += k
			}
			return sum
		},
		close: func() { s.Close() },
	}
}

func goSet() numberMap {
	s := map[uint64]struct{}{}
	count := func(keys []uint64) (found uint64) {
		for _, k := range keys {
			if _, ok := s[k]; ok {
				found++
			}
		}
		return found
	}
	return numberMap{
		insert: func(keys []uint64) {
			for _, k := range keys {
				s[k] = struct{}{}
			}
		},
		hits:   count,
		misses: count,
		remove: func(keys []uint64) {
			for _, k := range keys {
				delete(s, k)
			}
		},
		walk: func() (sum uint64) {
			for k := range s {
				sum += k
			}
			return sum
		},
		close: func() {},
	}
}

const arrayMapSize = 1_000_000

var arrayMapImpls = []impl{
	{"arrayhashmap", spec.Ours, "generic.ArrayHashMap over heap.Page", ofNumbers(arrayMapSize, ourArrayMap)},
	{"map+slices", spec.Go, "a map from keys to indexes of two slices", ofNumbers(arrayMapSize, goArrayMap)},
}

func ourArrayMap() numberMap {
	m := generic.NewArrayHashMap[uint64, uint64](heap.Page{})
	return numberMap{
		insert: func(keys []uint64) {
			for _, k := range keys {
				must(m.Put(k, k))
			}
		},
		hits: func(keys []uint64) (sum uint64) {
			for _, k := range keys {
				v, _ := m.Get(k)
				sum += v
			}
			return sum
		},
		misses: func(keys []uint64) (found uint64) {
			for _, k := range keys {
				if _, ok := m.Get(k); ok {
					found++
				}
			}
			return found
		},
		remove: func(keys []uint64) {
			for _, k := range keys {
				m.SwapRemove(k)
			}
		},
		walk: func() (sum uint64) {
			for i, k := range m.Keys() {
				sum += k ^ m.Values()[i] + 1
			}
			return sum
		},
		close: func() { m.Close() },
	}
}

// A sliceMap is what one writes in Go to keep the order of a map.
type sliceMap struct {
	index map[uint64]int
	keys  []uint64
	vals  []uint64
}

func (m *sliceMap) put(k, v uint64) {
	if i, ok := m.index[k]; ok {
		m.vals[i] = v
		return
	}
	m.index[k] = len(m.keys)
	m.keys, m.vals = append(m.keys, k), append(m.vals, v)
}

func (m *sliceMap) get(k uint64) (uint64, bool) {
	i, ok := m.index[k]
	if !ok {
		return 0, false
	}
	return m.vals[i], true
}

func (m *sliceMap) swapRemove(k uint64) {
	i, ok := m.index[k]
	if !ok {
		return
	}
	delete(m.index, k)
	last := len(m.keys) - 1
	if i != last {
		m.keys[i], m.vals[i] = m.keys[last], m.vals[last]
		m.index[m.keys[i]] = i
	}
	m.keys, m.vals = m.keys[:last], m.vals[:last]
}

func goArrayMap() numberMap {
	m := &sliceMap{index: map[uint64]int{}}
	return numberMap{
		insert: func(keys []uint64) {
			for _, k := range keys {
				m.put(k, k)
			}
		},
		hits: func(keys []uint64) (sum uint64) {
			for _, k := range keys {
				v, _ := m.get(k)
				sum += v
			}
			return sum
		},
		misses: func(keys []uint64) (found uint64) {
			for _, k := range keys {
				if _, ok := m.get(k); ok {
					found++
				}
			}
			return found
		},
		remove: func(keys []uint64) {
			for _, k := range keys {
				m.swapRemove(k)
			}
		},
		walk: func() (sum uint64) {
			for i, k := range m.keys {
				sum += k ^ m.vals[i] + 1
			}
			return sum
		},
		close: func() {},
	}
}
