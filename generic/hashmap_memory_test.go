package generic_test

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
)

func TestHashMapAllocs(t *testing.T) {
	a := newChecked(t, mem.Scanned)
	one, many := countMapAllocs(t, a, 1), countMapAllocs(t, a, 100)
	if many != one {
		t.Errorf("100 rounds make %v allocations, one round %v", many, one)
	}
}

// countMapAllocs returns the allocations of some rounds for each way to hash.
func countMapAllocs(t *testing.T, a *checked, rounds int) float64 {
	n := allocsPerRun(10, func() { mapAllocs(t, a, rounds, uint64(3), uint64(4), uint64(1)) }) +
		allocsPerRun(10, func() { mapAllocs(t, a, rounds, "key", "yek", 1) })
	if !maphashAllocates {
		n += allocsPerRun(10, func() { mapAllocs(t, a, rounds, padded{1, 2}, padded{2, 1}, wide{}) }) +
			allocsPerRun(10, func() { mapAllocs(t, a, rounds, any("a"), any("b"), 1) }) +
			allocsPerRun(10, func() { mapAllocs(t, a, rounds, 1.5, 2.5, 1) })
	}
	return n
}

func mapAllocs[K comparable, V any](t *testing.T, a *checked, rounds int, k, k2 K, v V) {
	var m generic.HashMapUnmanaged[K, V]
	if err := m.EnsureTotalCapacity(a, 7); err != nil {
		t.Fatal(err)
	}
	a.failAt, a.onwards = 1, true
	for range rounds {
		m.Put(a, k, v)
		m.FetchPut(a, k2, v)
		m.Get(k)
		m.GetPtr(k2)
		m.GetOrPut(a, k2)
		m.FetchRemove(k2)
		for k, v := range m.All() {
			runtime.KeepAlive(k)
			runtime.KeepAlive(v)
		}
		for range m.Keys() {
		}
		m.Remove(k)
		m.Clear()
		if m.EnsureUnusedCapacity(a, 100) == nil {
			t.Error("no failure")
		}
	}
	a.failAt = 0
	m.Close(a)
}

// Collections run while maps of pointers grow, and entries come and go.
func TestHashMapCollector(t *testing.T) {
	stop, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	a := newChecked(t, mem.Scanned)
	r := rand.New(rand.NewPCG(1, 2))
	for range 4 {
		m := generic.NewHashMap[*box, *box](a)
		keys := map[int]*box{}
		for i := range 1500 {
			k, v := &box{n: i}, &box{n: i}
			if err := m.Put(k, v); err != nil {
				t.Fatal(err)
			}
			keys[i] = k
			if i%3 == 0 {
				j := r.IntN(i + 1)
				m.Remove(keys[j])
				delete(keys, j)
			}
		}
		m.ShrinkAndFree()
		for k, v := range m.All() {
			if *k != *v || keys[k.n] != k {
				t.Fatalf("%d: %d", k.n, v.n)
			}
		}
		if m.Len() != len(keys) {
			t.Fatalf("%d entries, want %d", m.Len(), len(keys))
		}
		m.Close()
	}
	close(stop)
	<-done
}
