package containers

import (
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/allod-dev/allod/bench/internal/measure"
	"github.com/allod-dev/allod/bench/internal/spec"
	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// A wordMap maps words to numbers and keeps copies of the words. Of what it is
// given to build from, nothing may be kept.
type wordMap struct {
	put    func(word []byte, v int)
	insert func(words []string)
	count  func(words []string) (found int)
	walk   func() (sum int)
	close  func()
}

var stringTasks = []Task{
	{"string-map", "StringHashMap[int] of 5 million keys of 8 to 40 bytes, growing; the map keeps copies of them",
		[]string{"insert", "hit", "miss", "iterate", "RSS", "peak"}, ofWordMaps(buildWords)},
	{"held", "20 million strings of 8 to 40 bytes in a StringHashMap[int]: the longest Put meanwhile, in time and in time of the processor, and of that the tenth longest; a collection; 64 bytes from Go's heap, 50 million times",
		[]string{"put", "longest", "longest CPU", "10th CPU", "RSS", "peak", "collection", "alloc 64"}, ofWordMaps(holdWords)},
}

func ofWordMaps(run func(*meter, func() wordMap)) []impl {
	of := func(open func() wordMap) func(*meter) { return func(m *meter) { run(m, open) } }
	return []impl{
		{"stringhashmap", spec.Ours, "generic.StringHashMap over heap.SMP", of(func() wordMap {
			a := heap.NewSMP(heap.SMPOptions{})
			return ourWords(a, a.Close)
		})},
		{"stringhashmap-arena", spec.Ours, "the same over a heap.Arena, for maps that only grow", of(func() wordMap {
			a := heap.NewArena(heap.Page{})
			return ourWords(a, a.Close)
		})},
		{"stringhashmap-huge", spec.Ours, "the same over heap.SMP with huge pages", of(func() wordMap {
			a := heap.NewSMP(heap.SMPOptions{HugePages: true})
			return ourWords(a, a.Close)
		})},
		{"map", spec.Go, "Go's map of strings.Clone(key)", of(goWords)},
	}
}

func ourWords(a mem.Allocator, closeAll func() error) wordMap {
	m := generic.NewStringHashMap[int](a)
	return wordMap{
		put: func(word []byte, v int) {
			_, err := m.PutBytes(word, v)
			must(err)
		},
		insert: func(words []string) {
			for i, w := range words {
				_, err := m.Put(w, i)
				must(err)
			}
		},
		count: func(words []string) (found int) {
			for _, w := range words {
				if _, ok := m.Get(w); ok {
					found++
				}
			}
			return found
		},
		walk: func() (sum int) {
			for k, v := range m.All() {
				sum += len(k) + v
			}
			return sum
		},
		close: func() { closeAll() }, // the map goes with its memory
	}
}

func goWords() wordMap {
	m := map[string]int{}
	return wordMap{
		put: func(word []byte, v int) { m[string(word)] = v },
		insert: func(words []string) {
			for i, w := range words {
				m[strings.Clone(w)] = i
			}
		},
		count: func(words []string) (found int) {
			for _, w := range words {
				if _, ok := m[w]; ok {
					found++
				}
			}
			return found
		},
		walk: func() (sum int) {
			for k, v := range m {
				sum += len(k) + v
			}
			return sum
		},
		close: func() { clear(m) },
	}
}

func buildWords(m *meter, open func() wordMap) {
	n := m.n(5_000_000)
	all := words(2 * n)
	keys, absent := all[:n], all[n:]
	order := shuffled(keys)
	m.settle()
	for range m.rounds(2) {
		runtime.GC()
		c := open()
		m.time("insert", n, func() { c.insert(keys) })
		m.memory("RSS")
		m.peak("peak")
		for range 2 {
			m.time("hit", n, func() { has(c.count(order) == n) })
			m.time("miss", n, func() { has(c.count(absent) == 0) })
			m.time("iterate", n, func() { m.sum += uint64(c.walk()) })
		}
		c.close()
	}
}

func holdWords(m *meter, open func() wordMap) {
	n := m.n(20_000_000)
	m.settle()
	c := open()
	m.time("put", n, func() { m.longest(n, c.put) })
	// What Go's collector gives back, it gives back later.
	m.peak("peak")
	runtime.GC()
	debug.FreeOSMemory()
	m.memory("RSS")

	collections := Figure{Unit: "ms"}
	for range 3 {
		cpu, start := measure.CPU(), time.Now()
		runtime.GC()
		f := Figure{float64(time.Since(start)) / 1e6, float64(measure.CPU()-cpu) / 1e6, "ms"}
		if collections.Value == 0 {
			collections = f
		}
		collections.Value, collections.CPU = min(collections.Value, f.Value), min(collections.CPU, f.CPU)
	}
	m.figures["collection"] = collections
	allocs := m.n(50_000_000)
	m.time("alloc 64", allocs, func() {
		for range allocs {
			sink = new([64]byte)
		}
	})
	has(sink != nil && c.walk() > 0)
	runtime.KeepAlive(c.put)
}

var sink *[64]byte

// longest puts n words and records how long the longest Put took: on the clock,
// where whatever else the machine does is in it, and of the processor. What a
// hypervisor or an interrupt takes counts as time of the processor: a program that
// does nothing has a step of some milliseconds every minute or so. The tenth
// longest is free of that, and of no more than nine Puts.
func (m *meter) longest(n int, put func(word []byte, v int)) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var wall time.Duration
	var cpu [10]time.Duration // the longest, in ascending order
	var w wordMaker
	busy := measure.ThreadCPU()
	last := time.Now()
	for i := range n {
		put(w.next(), i)
		now := time.Now()
		took := now.Sub(last)
		last = now
		wall = max(wall, took)
		// The clock of the processor is slow to read. Some puts go between two
		// readings, so that the figure is that much too high.
		if took > 20*time.Microsecond || i%32 == 0 {
			used := measure.ThreadCPU()
			if took > 20*time.Microsecond && used-busy > cpu[0] {
				cpu[0] = used - busy
				slices.Sort(cpu[:])
			}
			busy = used
			last = time.Now()
		}
	}
	m.figures["longest"] = Figure{Value: float64(wall) / 1e3, Unit: "µs"}
	m.figures["longest CPU"] = Figure{Value: float64(cpu[len(cpu)-1]) / 1e3, Unit: "µs"}
	m.figures["10th CPU"] = Figure{Value: float64(cpu[0]) / 1e3, Unit: "µs"}
}
