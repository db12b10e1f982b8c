package generic_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// benchSizes are the numbers of entries: one that stays in the caches, and one
// that does not.
var benchSizes = []int{1_000, 1_000_000}

func randomKeys(n int, seed uint64) []uint64 {
	r := rand.New(rand.NewPCG(seed, 7))
	keys := make([]uint64, n)
	for i := range keys {
		keys[i] = r.Uint64()
	}
	return keys
}

func shuffled[T any](s []T) []T {
	c := append([]T(nil), s...)
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(c), func(i, j int) { c[i], c[j] = c[j], c[i] })
	return c
}

func randomWords(n int) []string {
	r := rand.New(rand.NewPCG(5, 6))
	words := make([]string, n)
	for i := range words {
		b := make([]byte, 8+r.IntN(33))
		for j := range b {
			b[j] = 'a' + byte(r.IntN(26))
		}
		words[i] = string(b)
	}
	return words
}

// perEntry reports the time of one operation, of n that a loop ran over.
func perEntry(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n)/float64(b.N), "ns/entry")
}

func must(b *testing.B, err error) {
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkHashMap(b *testing.B) {
	for _, n := range benchSizes {
		keys := randomKeys(n, 1)
		misses := randomKeys(n, 2)
		lookups := shuffled(keys)
		name := func(op, impl string) string { return fmt.Sprintf("op=%s/n=%d/impl=%s", op, n, impl) }

		goMap := func() map[uint64]uint64 {
			m := map[uint64]uint64{}
			for _, k := range keys {
				m[k] = k
			}
			return m
		}
		fill := func(b *testing.B) *generic.HashMap[uint64, uint64] {
			m := generic.NewHashMap[uint64, uint64](heap.Page{})
			for _, k := range keys {
				must(b, m.Put(k, k))
			}
			return m
		}

		b.Run(name("insert", "map"), func(b *testing.B) {
			for b.Loop() {
				goMap()
			}
			perEntry(b, n)
		})
		b.Run(name("insert", "hashmap"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				fill(b).Close()
			}
			perEntry(b, n)
		})
		var sum uint64
		b.Run(name("hit", "map"), func(b *testing.B) {
			m := goMap()
			for b.Loop() {
				for _, k := range lookups {
					sum += m[k]
				}
			}
			perEntry(b, n)
		})
		b.Run(name("hit", "hashmap"), func(b *testing.B) {
			m := fill(b)
			defer m.Close()
			for b.Loop() {
				for _, k := range lookups {
					v, _ := m.Get(k)
					sum += v
				}
			}
			perEntry(b, n)
		})
		b.Run(name("miss", "map"), func(b *testing.B) {
			m := goMap()
			for b.Loop() {
				for _, k := range misses {
					sum += m[k]
				}
			}
			perEntry(b, n)
		})
		b.Run(name("miss", "hashmap"), func(b *testing.B) {
			m := fill(b)
			defer m.Close()
			for b.Loop() {
				for _, k := range misses {
					v, _ := m.Get(k)
					sum += v
				}
			}
			perEntry(b, n)
		})
		b.Run(name("delete", "map"), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				m := goMap()
				b.StartTimer()
				for _, k := range lookups {
					delete(m, k)
				}
			}
			perEntry(b, n)
		})
		b.Run(name("delete", "hashmap"), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				m := fill(b)
				b.StartTimer()
				for _, k := range lookups {
					m.Remove(k)
				}
				b.StopTimer()
				m.Close()
				b.StartTimer()
			}
			perEntry(b, n)
		})
		b.Run(name("iterate", "map"), func(b *testing.B) {
			m := goMap()
			for b.Loop() {
				for k, v := range m {
					sum += k + v
				}
			}
			perEntry(b, n)
		})
		b.Run(name("iterate", "hashmap"), func(b *testing.B) {
			m := fill(b)
			defer m.Close()
			for b.Loop() {
				for k, v := range m.All() {
					sum += k + v
				}
			}
			perEntry(b, n)
		})
		runtime.KeepAlive(sum)
	}
}

func BenchmarkStringHashMap(b *testing.B) {
	for _, n := range benchSizes {
		words := randomWords(n)
		lookups := shuffled(words)
		name := func(op, impl string) string { return fmt.Sprintf("op=%s/n=%d/impl=%s", op, n, impl) }

		goMap := func() map[string]int {
			m := map[string]int{}
			for i, k := range words {
				m[string([]byte(k))] = i // a map that keeps its keys copies them
			}
			return m
		}
		fill := func(b *testing.B, a mem.Allocator) *generic.StringHashMap[int] {
			m := generic.NewStringHashMap[int](a)
			for i, k := range words {
				_, err := m.Put(k, i)
				must(b, err)
			}
			return m
		}
		b.Run(name("insert", "map"), func(b *testing.B) {
			for b.Loop() {
				goMap()
			}
			perEntry(b, n)
		})
		b.Run(name("insert", "stringhashmap"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a := heap.NewArena(heap.Page{})
				fill(b, a) // dropped with its memory
				a.Close()
			}
			perEntry(b, n)
		})
		sum := 0
		b.Run(name("hit", "map"), func(b *testing.B) {
			m := goMap()
			for b.Loop() {
				for _, k := range lookups {
					sum += m[k]
				}
			}
			perEntry(b, n)
		})
		b.Run(name("hit", "stringhashmap"), func(b *testing.B) {
			a := heap.NewArena(heap.Page{})
			defer a.Close()
			m := fill(b, a)
			for b.Loop() {
				for _, k := range lookups {
					v, _ := m.Get(k)
					sum += v
				}
			}
			perEntry(b, n)
		})
		runtime.KeepAlive(sum)
	}
}

// What a collection costs while a million entries are live.
func BenchmarkCollection(b *testing.B) {
	const n = 1_000_000
	b.Run("impl=map", func(b *testing.B) {
		m := map[string]int{}
		for i, k := range randomWords(n) {
			m[string([]byte(k))] = i
		}
		for b.Loop() {
			runtime.GC()
		}
		runtime.KeepAlive(m)
	})
	b.Run("impl=stringhashmap", func(b *testing.B) {
		a := heap.NewArena(heap.Page{})
		defer a.Close()
		m := generic.NewStringHashMap[int](a)
		for i, k := range randomWords(n) {
			_, err := m.Put(k, i)
			must(b, err)
		}
		for b.Loop() {
			runtime.GC()
		}
		runtime.KeepAlive(m)
	})
	b.Run("impl=slice-of-pointers", func(b *testing.B) {
		s := make([]*int, n)
		for i := range s {
			s[i] = new(int)
		}
		for b.Loop() {
			runtime.GC()
		}
		runtime.KeepAlive(s)
	})
	b.Run("impl=arraylist", func(b *testing.B) {
		l := generic.NewArrayList[int](heap.Page{})
		defer l.Close()
		must(b, l.Resize(n))
		for b.Loop() {
			runtime.GC()
		}
		runtime.KeepAlive(l)
	})
}

func BenchmarkArrayListAppend(b *testing.B) {
	for _, n := range []int{100, 10_000, 10_000_000} {
		b.Run(fmt.Sprintf("n=%d/impl=append", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var s []uint64
				for i := range n {
					s = append(s, uint64(i))
				}
				runtime.KeepAlive(s)
			}
			perEntry(b, n)
		})
		b.Run(fmt.Sprintf("n=%d/impl=arraylist", n), func(b *testing.B) {
			b.ReportAllocs()
			var a mem.Allocator = heap.Page{}
			if n < 1_000_000 { // what is short-lived and small is for an arena
				arena := heap.NewArena(heap.Page{})
				defer arena.Close()
				a = arena
			}
			var l generic.ArrayListUnmanaged[uint64]
			for b.Loop() {
				for i := range n {
					if err := l.Append(a, uint64(i)); err != nil {
						b.Fatal(err)
					}
				}
				l.Close(a)
			}
			perEntry(b, n)
		})
	}
}
