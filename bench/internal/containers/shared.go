package containers

import (
	"container/list"
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"

	"github.com/allod-dev/allod/bench/internal/spec"
	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// sharedTasks are those of containers for many goroutines. There are as many as
// processors, and the time is that of one of them.
var sharedTasks = []Task{
	{"concurrent-map", "ConcurrentMap[uint64, uint64] of a million entries, used by a goroutine for each processor: filled, read, and read nine times of ten",
		[]string{"fill", "read", "mixed", "RSS"}, []impl{
			{"concurrentmap", spec.Ours, "generic.ConcurrentMap over heap.Page", func(m *meter) { ofShared(m, ourConcurrent()) }},
			{"rwmutex+map", spec.Go, "Go's map with a sync.RWMutex", func(m *meter) { ofShared(m, lockedMap()) }},
			{"sync.Map", spec.Go, "sync.Map", func(m *meter) { ofShared(m, syncMap()) }},
		}},
	{"cache", "Cache of 64 MiB, values of 64 to 1,024 bytes, of 5 million keys by a law of powers, used by a goroutine for each processor: get, and put what was missed",
		[]string{"get", "missed", "RSS", "collection"}, []impl{
			{"cache", spec.Ours, "generic.Cache over heap.SMP", func(m *meter) { ofCache(m, ourCache()) }},
			{"mutex+lru", spec.Go, "a map and a container/list under a sync.Mutex", func(m *meter) { ofCache(m, lockedLRU()) }},
		}},
}

// A sharedMap is a map for many goroutines.
type sharedMap struct {
	put func(keys []uint64)
	get func(keys []uint64) (sum uint64)
	// mixed gets nine keys and puts the tenth.
	mixed func(keys []uint64) (sum uint64)
}

// together calls f with a part of keys on every processor.
func together[T any](keys []T, f func(part []T)) {
	n := runtime.GOMAXPROCS(0)
	var all sync.WaitGroup
	for i := range n {
		part := keys[len(keys)*i/n : len(keys)*(i+1)/n]
		all.Go(func() { f(part) })
	}
	all.Wait()
}

func ofShared(m *meter, s sharedMap) {
	keys := numbers(m.n(1_000_000), 1)
	order := shuffled(keys)
	n := len(keys) / runtime.GOMAXPROCS(0)
	m.settle()
	m.time("fill", n, func() { together(keys, s.put) })
	m.memory("RSS")
	for range m.rounds(5) {
		m.time("read", n, func() { together(order, func(k []uint64) { s.get(k) }) })
		m.time("mixed", n, func() { together(order, func(k []uint64) { s.mixed(k) }) })
	}
}

func ourConcurrent() sharedMap {
	m := generic.NewConcurrentMap[uint64, uint64](heap.Page{})
	return sharedMap{
		put: func(keys []uint64) {
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
		mixed: func(keys []uint64) (sum uint64) {
			for i, k := range keys {
				if i%10 == 9 {
					must(m.Put(k, k))
					continue
				}
				v, _ := m.Get(k)
				sum += v
			}
			return sum
		},
	}
}

func lockedMap() sharedMap {
	var mu sync.RWMutex
	m := map[uint64]uint64{}
	put := func(k, v uint64) {
		mu.Lock()
		defer mu.Unlock()
		m[k] = v
	}
	get := func(k uint64) (uint64, bool) {
		mu.RLock()
		defer mu.RUnlock()
		v, ok := m[k]
		return v, ok
	}
	return sharedMap{
		put: func(keys []uint64) {
			for _, k := range keys {
				put(k, k)
			}
		},
		get: func(keys []uint64) (sum uint64) {
			for _, k := range keys {
				v, _ := get(k)
				sum += v
			}
			return sum
		},
		mixed: func(keys []uint64) (sum uint64) {
			for i, k := range keys {
				if i%10 == 9 {
					put(k, k)
					continue
				}
				v, _ := get(k)
				sum += v
			}
			return sum
		},
	}
}

func syncMap() sharedMap {
	m := new(sync.Map)
	return sharedMap{
		put: func(keys []uint64) {
			for _, k := range keys {
				m.Store(k, k)
			}
		},
		get: func(keys []uint64) (sum uint64) {
			for _, k := range keys {
				v, _ := m.Load(k)
				sum += v.(uint64)
			}
			return sum
		},
		mixed: func(keys []uint64) (sum uint64) {
			for i, k := range keys {
				if i%10 == 9 {
					m.Store(k, k)
					continue
				}
				v, _ := m.Load(k)
				sum += v.(uint64)
			}
			return sum
		},
	}
}

// A sharedCache keeps values under keys, up to cacheBytes.
type sharedCache struct {
	put func(key string, value []byte)
	get func(dst []byte, key string) ([]byte, bool)
}

const cacheBytes = 64 << 20

func ofCache(m *meter, c sharedCache) {
	n := m.n(2_000_000)
	names := heap.NewArena(heap.Page{})
	keys := table[string](n)
	z := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 8, 5_000_000)
	for i := range keys {
		name := make([]byte, 16)
		binary.LittleEndian.PutUint64(name, z.Uint64())
		keys[i] = mem.Must(mem.DupeString(names, string(name)))
	}
	m.settle()
	var mu sync.Mutex
	missed := 0
	use := func(keys []string) {
		misses, value, buf := 0, make([]byte, 1024), make([]byte, 0, 1024)
		for _, k := range keys {
			var ok bool
			if buf, ok = c.get(buf[:0], k); !ok {
				misses++
				c.put(k, value[:64+int(k[0])*3+int(k[1])%192])
			}
		}
		mu.Lock()
		missed += misses
		mu.Unlock()
	}
	together(keys, use)
	rounds := m.rounds(3)
	missed = 0
	for range rounds {
		m.time("get", n/runtime.GOMAXPROCS(0), func() { together(keys, use) })
	}
	m.memory("RSS")
	m.figures["missed"] = Figure{Value: 100 * float64(missed) / float64(n*rounds), Unit: "%"}
	for range m.rounds(3) {
		m.time("collection", 1, runtime.GC)
	}
	f := m.figures["collection"]
	m.figures["collection"] = Figure{f.Value / 1e6, f.CPU / 1e6, "ms"}
	_, _ = c.get(nil, "")
}

func ourCache() sharedCache {
	c := generic.NewCache(heap.NewSMP(heap.SMPOptions{}), cacheBytes)
	return sharedCache{
		put: func(key string, value []byte) { must(c.Put(key, value)) },
		get: c.AppendGet,
	}
}

// An lru is what one writes in Go for a cache.
type lru struct {
	mu    sync.Mutex
	m     map[string]*list.Element
	order *list.List // the latest in front
	bytes int
}

type lruEntry struct {
	key   string
	value []byte
}

// cost is the same as that of generic.Cache.
func (e *lruEntry) cost() int { return len(e.key) + len(e.value) + 48 }

func lockedLRU() sharedCache {
	c := &lru{m: map[string]*list.Element{}, order: list.New()}
	return sharedCache{c.put, c.get}
}

func (c *lru) put(key string, value []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key = strings.Clone(key) // which nobody else keeps
	e := &lruEntry{key, append([]byte(nil), value...)}
	if at, ok := c.m[key]; ok {
		c.bytes -= at.Value.(*lruEntry).cost()
		at.Value = e
		c.order.MoveToFront(at)
	} else {
		c.m[key] = c.order.PushFront(e)
	}
	c.bytes += e.cost()
	for c.bytes > cacheBytes {
		last := c.order.Back()
		old := c.order.Remove(last).(*lruEntry)
		delete(c.m, old.key)
		c.bytes -= old.cost()
	}
}

func (c *lru) get(dst []byte, key string) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.m[key]
	if !ok {
		return dst, false
	}
	c.order.MoveToFront(at)
	return append(dst, at.Value.(*lruEntry).value...), true
}
