package generic_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// spreadKey returns the i-th of keys that are like random ones.
func spreadKey(i int) uint64 { return uint64(i) * 0x9e3779b97f4a7c15 }

// A large map takes about as much memory for an entry at any size, also while it
// grows: it does not grow by leaps.
func TestHashMapBytesPerEntry(t *testing.T) {
	defer generic.SmallParts(64)()
	a := newChecked(t, mem.PlainOnly)
	m := generic.NewHashMap[uint64, uint64](a)
	defer m.Close()
	least, most := math.Inf(1), 0.0
	for i := range 60_000 {
		if err := m.Put(spreadKey(i), 1); err != nil {
			t.Fatal(err)
		}
		if i >= 20_000 {
			per := float64(a.bytes) / float64(i+1)
			least, most = min(least, per), max(most, per)
		}
	}
	// A slot takes 17 1/8 bytes. Of the slots, 13/16 are in use at most, and less
	// by the sixth that parts are empty on average.
	if least < 17.125*16/13 || most > 31 || most > 1.3*least {
		t.Errorf("%.1f to %.1f bytes for an entry", least, most)
	}
	if a.peak > a.bytes*5/4 {
		t.Errorf("%d bytes in the end, %d meanwhile", a.bytes, a.peak)
	}
	if parts, strays := generic.Parts(m); parts < 100 || strays != 0 {
		t.Errorf("%d parts, %d strays", parts, strays)
	}
}

// What was reserved is there: no memory is asked for, and no entry is in another
// part than its own, since parts have room for what is to be expected of them.
func TestHashMapReserved(t *testing.T) {
	defer generic.SmallParts(64)()
	for _, n := range []int{448, 449, 700, 1000, 1700, 2500, 5000, 9000, 20_000} {
		for _, held := range []int{0, 100, n / 3, n - 1} {
			a := newChecked(t, mem.PlainOnly)
			m := generic.NewHashMap[uint64, uint64](a)
			for i := range held {
				if err := m.Put(spreadKey(i), 1); err != nil {
					t.Fatal(err)
				}
			}
			if err := m.EnsureTotalCapacity(n); err != nil {
				t.Fatal(err)
			}
			if c := m.Cap(); c < n || c > 2*n && held == 0 {
				t.Errorf("capacity %d for %d", c, n)
			}
			requests := a.requests
			for i := held; i < n; i++ {
				if err := m.Put(spreadKey(i), 1); err != nil {
					t.Fatal(err)
				}
			}
			if _, strays := generic.Parts(m); strays != 0 || a.requests != requests || m.Len() != n {
				t.Errorf("%d of %d: %d strays, %d requests, len %d", held, n, strays, a.requests-requests, m.Len())
			}
			m.Close()
		}
	}
}

// In a buffer, and in an arena that the map is the last one in, a block grows in
// place: nothing that was there before is lost.
func TestHashMapInBuffer(t *testing.T) {
	for _, test := range []struct {
		bytes int
		least float64 // bytes of entries, of those of the buffer
	}{{8 << 10, 0.4}, {64 << 10, 0.4}, {1 << 20, 0.55}, {4 << 20, 0.6}} {
		for name, a := range map[string]mem.Allocator{
			"FixedBuffer": heap.NewFixedBuffer(make([]byte, test.bytes)),
			"Arena":       heap.NewArena(heap.NewFixedBuffer(make([]byte, test.bytes+4096))),
		} {
			t.Run(fmt.Sprint(name, " of ", test.bytes), func(t *testing.T) {
				m := generic.NewHashMap[uint64, uint64](a)
				for m.Put(spreadKey(m.Len()), 1) == nil {
				}
				if used := float64(16*m.Len()) / float64(test.bytes); used < test.least || used > 1 {
					t.Errorf("%d entries, which are %.2f of the buffer", m.Len(), used)
				}
				if m.Contains(spreadKey(m.Len())) || !m.Contains(spreadKey(0)) || !m.Contains(spreadKey(m.Len()-1)) {
					t.Error("the map is not what it was before the Put that failed")
				}
			})
		}
	}
}

// Without memory, a map of many parts is filled as long as there is room, and
// has hardly any strays then.
func TestHashMapOverfull(t *testing.T) {
	defer generic.SmallParts(64)()
	a := newChecked(t, mem.PlainOnly)
	m := generic.NewHashMap[uint64, uint64](a)
	defer m.Close()
	for i := range 30_000 {
		if err := m.Put(spreadKey(i), 1); err != nil {
			t.Fatal(err)
		}
	}
	a.failAt, a.onwards = 1, true
	for m.Len() < m.Cap() {
		if err := m.Put(spreadKey(m.Len()), 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Put(spreadKey(m.Len()), 1); err == nil {
		t.Error("there is room beyond the capacity")
	}
	if _, strays := generic.Parts(m); strays > m.Len()/100 {
		t.Errorf("%d strays of %d", strays, m.Len())
	}
	a.failAt = 0
	for range 2 {
		if err := m.Put(spreadKey(m.Len()), 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, strays := generic.Parts(m); strays != 0 {
		t.Errorf("%d strays, with memory", strays)
	}
	for i := range m.Len() {
		if !m.Contains(spreadKey(i)) {
			t.Fatalf("%d is gone", i)
		}
	}
}

// A search that has to look into every part looks into each once, and so does a
// removal.
func TestHashMapManyStrays(t *testing.T) {
	defer generic.SmallParts(1)()
	a := newChecked(t, mem.PlainOnly)
	m := generic.NewHashMap[int, int](a)
	defer m.Close()
	m.SetContext(&generic.Context[int]{Hash: func(int) uint64 { return 1 }, Equal: func(a, b int) bool { return a == b }})
	if err := m.EnsureTotalCapacity(200_000); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		m.PutAssumeCapacity(i, i)
	}
	parts, strays := generic.Parts(m)
	if parts < 20_000 || strays != 12 {
		t.Fatalf("%d parts, %d strays", parts, strays)
	}
	for i := range 40 {
		if m.Contains(i) != (i < 20) {
			t.Errorf("Contains(%d): %v", i, i >= 20)
		}
	}
	for i := range 20 {
		if !m.Remove(i) {
			t.Errorf("Remove(%d): false", i)
		}
	}
	if _, strays := generic.Parts(m); strays != 0 || m.Len() != 0 {
		t.Errorf("%d strays of %d", strays, m.Len())
	}
}

// Keys that are not equal to themselves leave behind what they counted, which
// Clear and Rehash take away, also when there is no entry.
func TestHashMapClearCounters(t *testing.T) {
	for name, clear := range map[string]func(m *generic.HashMap[float64, int]){
		"Clear":  (*generic.HashMap[float64, int]).Clear,
		"Rehash": (*generic.HashMap[float64, int]).Rehash,
	} {
		a := newChecked(t, mem.PlainOnly)
		m := generic.NewHashMap[float64, int](a)
		if err := m.EnsureTotalCapacity(56); err != nil {
			t.Fatal(err)
		}
		for round, sum := 0, 0; sum == 0; sum, _ = generic.Passes(m) { // where they are is chance
			if round++; round > 1000 {
				t.Fatalf("%s: a thousand times full, and no group was passed", name)
			}
			for range m.Cap() {
				m.PutAssumeCapacity(math.NaN(), 1)
			}
			m.DeleteFunc(func(float64, int) bool { return true })
		}
		clear(m)
		if sum, _ := generic.Passes(m); sum != 0 || m.Len() != 0 || m.Cap() != 56 {
			t.Errorf("%s: %d passes, %d entries, capacity %d", name, sum, m.Len(), m.Cap())
		}
		m.Close()
	}
}
