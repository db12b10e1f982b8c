package addrmap_test

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/allod-dev/allod/internal/addrmap"
	"github.com/allod-dev/allod/internal/race"
)

// program runs ops against a Go map. Few different addresses, so that deletes
// and overwrites hit; their low bits are those of pages.
func program(t *testing.T, ops []byte) {
	t.Helper()
	var m addrmap.Map[int]
	model := map[uintptr]int{}
	for i := 0; i+1 < len(ops); i += 2 {
		addr := (uintptr(ops[i+1]) + 1) << 12
		switch ops[i] % 4 {
		case 0, 1:
			m.Put(addr, i)
			model[addr] = i
		case 2:
			v, ok := m.Delete(addr)
			if want, wantOK := model[addr]; v != want || ok != wantOK {
				t.Fatalf("op %d: Delete(%#x) = %d, %v, want %d, %v", i, addr, v, ok, want, wantOK)
			}
			delete(model, addr)
		case 3:
			v, ok := m.Get(addr)
			if want, wantOK := model[addr]; v != want || ok != wantOK {
				t.Fatalf("op %d: Get(%#x) = %d, %v, want %d, %v", i, addr, v, ok, want, wantOK)
			}
		}
		if m.Len() != len(model) {
			t.Fatalf("op %d: Len = %d, want %d", i, m.Len(), len(model))
		}
	}
	for addr, want := range model {
		if v, ok := m.Get(addr); !ok || v != want {
			t.Fatalf("Get(%#x) = %d, %v, want %d", addr, v, ok, want)
		}
	}
	for addr, v := range m.All {
		if want, ok := model[addr]; !ok || v != want {
			t.Fatalf("All yields %#x, %d, want %d, %v", addr, v, want, ok)
		}
	}
	n := 0
	for i := range m.Slots() {
		if addr, v, ok := m.At(i); ok {
			n++
			if want, ok := model[addr]; !ok || v != want {
				t.Fatalf("At(%d) = %#x, %d, want %d, %v", i, addr, v, want, ok)
			}
		}
	}
	if n != len(model) {
		t.Fatalf("At finds %d entries, want %d", n, len(model))
	}
}

func TestMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		ops := make([]byte, r.IntN(2000))
		for i := range ops {
			ops[i] = byte(r.Uint32())
		}
		program(t, ops)
	}
}

func FuzzMap(f *testing.F) {
	f.Add([]byte{0, 1, 0, 2, 2, 1, 3, 2})
	f.Add([]byte{0, 0, 0, 8, 0, 16, 0, 24, 2, 0, 3, 8, 3, 16})
	f.Fuzz(program)
}

// A map that was large gives its memory back, and nothing is lost on the way.
func TestMapShrinks(t *testing.T) {
	var m addrmap.Map[int]
	const n = 100_000
	for i := 1; i <= n; i++ {
		m.Put(uintptr(i)<<12, i)
	}
	for i := 1; i <= n-10; i++ {
		if v, ok := m.Delete(uintptr(i) << 12); !ok || v != i {
			t.Fatalf("Delete(%d) = %d, %v", i, v, ok)
		}
	}
	for i := n - 9; i <= n; i++ {
		if v, ok := m.Get(uintptr(i) << 12); !ok || v != i {
			t.Fatalf("Get(%d) = %d, %v", i, v, ok)
		}
	}
	if slots := m.Slots(); slots > 8192 {
		t.Errorf("%d slots for 10 entries", slots)
	}
}

func TestMapZeroAddress(t *testing.T) {
	var m addrmap.Map[int]
	m.Put(1<<12, 1)
	if _, ok := m.Get(0); ok {
		t.Error("Get(0) found something")
	}
	if _, ok := m.Delete(0); ok {
		t.Error("Delete(0) found something")
	}
}

func TestMapDoesNotAllocate(t *testing.T) {
	var m addrmap.Map[int]
	i := 0
	churn := func() {
		for range 1000 {
			m.Put(uintptr(i+1)<<12, i)
			if i >= 500 {
				m.Delete(uintptr(i-500+1) << 12)
			}
			i++
		}
	}
	churn()
	if n := testing.AllocsPerRun(10, churn); n != 0 {
		t.Errorf("%v allocations under steady churn", n)
	}
}

// The detector sees neither the map nor the locks around it.
func TestMapUnderRace(t *testing.T) {
	var m addrmap.Map[int]
	var mu sync.Mutex
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 2000 {
				race.Disable()
				mu.Lock()
				m.Put(uintptr(i*4+g+1)<<12, i)
				m.Delete(uintptr(i*2+1) << 12)
				m.Get(uintptr(i+1) << 12)
				mu.Unlock()
				race.Enable()
			}
		})
	}
	wg.Wait()
	// All of 1 to 8000 were put, once each; of them the odd ones below 4000 were
	// deleted by the goroutine that had put them, at the latest.
	if got, want := m.Len(), 8000-2000; got != want {
		t.Errorf("Len = %d, want %d", got, want)
	}
	for k := uintptr(1); k <= 8000; k++ {
		if _, ok := m.Get(k << 12); ok != (k%2 == 0 || k > 4000) {
			t.Errorf("Get(%d<<12): %v", k, ok)
		}
	}
}

func BenchmarkPutDelete(b *testing.B) {
	b.Run("impl=addrmap", func(b *testing.B) {
		b.ReportAllocs()
		var m addrmap.Map[int]
		for i := uintptr(1); b.Loop(); i++ {
			m.Put(i<<12, 1)
			if i > 1000 {
				m.Delete((i - 1000) << 12)
			}
		}
	})
	b.Run("impl=map", func(b *testing.B) {
		b.ReportAllocs()
		m := map[uintptr]int{}
		for i := uintptr(1); b.Loop(); i++ {
			m[i<<12] = 1
			if i > 1000 {
				delete(m, (i-1000)<<12)
			}
		}
	})
}
