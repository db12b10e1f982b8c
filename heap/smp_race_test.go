package heap_test

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// What SMP does inside does not hide a race of the program's, and is none.
func TestSMPHidesNoRace(t *testing.T) {
	if !race.Enabled {
		t.Skip("needs the race detector")
	}
	if _, child := os.LookupEnv(pageChildEnv); child {
		s := heap.NewSMP(heap.SMPOptions{ProfileRate: 1})
		shared := 0
		// Who gets a slot, or a slab, comes after those who had it; but not after
		// what they did later.
		use := func() {
			var blocks [][]byte
			for i := range 200 {
				b, err := s.Alloc(1+i*15, mem.Layout{})
				if err != nil {
					panic(err)
				}
				b[0] = 1
				blocks = append(blocks, b)
			}
			for _, b := range blocks {
				s.Free(b, mem.Layout{})
			}
		}
		inUnseenOrder(func() {
			use()
			shared = 1
		}, func() {
			use()
			shared = 2
		})
		if shared == 0 {
			t.Error("nothing happened")
		}
		return
	}
	out, _ := runPageChild(t, "1")
	if !strings.Contains(out, "DATA RACE") {
		t.Errorf("the detector did not see the race\n%s", out)
	}
	if strings.Contains(out, "heap/smp") && !strings.Contains(out, "smp_race_test.go") {
		t.Errorf("the detector sees a race inside the allocator\n%s", out)
	}
}

// Two goroutines that do the same with one SMP, or each with a cache of it, are
// not ordered by that, unless it is about the same memory: a race of theirs that
// lies between is seen.
func TestSMPOrdersNobody(t *testing.T) {
	if !race.Enabled {
		t.Skip("needs the race detector")
	}
	calls := smpUnordered()
	name, child := os.LookupEnv(pageChildEnv)
	if child {
		smpUnorderedRace(calls[name])
		return
	}
	for name := range calls {
		t.Run(name, func(t *testing.T) {
			out, _ := runPageChild(t, name)
			if n := strings.Count(out, "DATA RACE"); n != 1 {
				t.Errorf("the detector reports %d races, want the one\n%s", n, out)
			}
		})
	}
}

// smpUnordered returns what two goroutines do: each is told which of both it is.
func smpUnordered() map[string]func() (call func(which int)) {
	alloc := func(a mem.Allocator, size int) []byte {
		b := must(a.Alloc(size, mem.Layout{}))
		b[0] = 1
		return b
	}
	// two makes two of something before there are goroutines.
	two := func(o heap.SMPOptions, prepare func(s *heap.SMP, which int) func()) func() func(int) {
		return func() func(int) {
			s := heap.NewSMP(o)
			calls := [2]func(){prepare(s, 0), prepare(s, 1)}
			return func(which int) { calls[which]() }
		}
	}
	plain, hardened := heap.SMPOptions{}, heap.SMPOptions{Hardened: true}
	all := map[string]func() func(int){
		"Cache": two(plain, func(s *heap.SMP, _ int) func() { return func() { s.Cache() } }),
		"SMPCache.Close": two(plain, func(s *heap.SMP, _ int) func() {
			c := s.Cache()
			alloc(c, 100)
			return func() { c.Close() }
		}),
		"SMPCache.Trim": two(plain, func(s *heap.SMP, _ int) func() {
			c := s.Cache()
			alloc(c, 100)
			return func() { c.Trim() }
		}),
		"Owns": two(plain, func(s *heap.SMP, _ int) func() { return func() { s.Owns([]byte{1}) } }),
		"Trim": two(plain, func(s *heap.SMP, _ int) func() { return func() { s.Trim(); s.Stats() } }),
	}
	for name, size := range map[string]int{"Small": 100, "Large": 100_000, "Huge": 2<<20 + 1} {
		// Both are refused.
		all["Budget"+name] = func() func(int) {
			s := heap.NewSMP(plain)
			must(heap.NewBudget(1<<30, heap.BudgetOptions{HardLimit: 1, Pressure: func(heap.BudgetStats) {}}))
			return func(int) {
				if _, err := s.Alloc(size, mem.Layout{}); !errors.Is(err, mem.ErrLimit) {
					panic(err)
				}
			}
		}
		all["First"+name] = two(plain, func(s *heap.SMP, _ int) func() { return func() { alloc(s, size) } })
		all["Cache"+name] = two(plain, func(s *heap.SMP, _ int) func() {
			c := s.Cache()
			return func() { alloc(c, size) }
		})
		all["Hardened"+name] = two(hardened, func(s *heap.SMP, _ int) func() { return func() { alloc(s, size) } })
		all["Profiled"+name] = two(heap.SMPOptions{ProfileRate: 1}, func(s *heap.SMP, _ int) func() { return func() { alloc(s, size) } })
		// Neighbours are freed, and end their slab together.
		all["Free"+name] = two(plain, func(s *heap.SMP, _ int) func() {
			b := alloc(s, size)
			return func() { s.Free(b, mem.Layout{}) }
		})
		all["Resize"+name] = two(plain, func(s *heap.SMP, _ int) func() {
			b := alloc(s, size)
			return func() { s.Resize(b, mem.Layout{}, size-1); s.Remap(b[:size-1:size-1], mem.Layout{}, size) }
		})
	}
	return all
}

// smpUnorderedRace has a race that nothing but the calls could hide.
func smpUnorderedRace(prepare func() func(int)) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // both use the same bins
	call := prepare()
	shared := 0
	inUnseenOrder(func() {
		shared = 1
		call(0)
	}, func() {
		call(1)
		shared = 2
	})
	if shared != 2 {
		panic("nothing happened")
	}
}

// A use after free by another goroutine is a race, and seen as one.
func TestSMPUseAfterFreeIsARace(t *testing.T) {
	if !race.Enabled {
		t.Skip("needs the race detector")
	}
	if _, child := os.LookupEnv(pageChildEnv); child {
		b := must(heap.Default().Alloc(100, mem.Layout{}))
		var wg sync.WaitGroup
		wg.Go(func() { heap.Default().Free(b, mem.Layout{}) })
		wg.Go(func() { b[50]++ })
		wg.Wait()
		return
	}
	if out, _ := runPageChild(t, "1"); !strings.Contains(out, "DATA RACE") {
		t.Errorf("the detector did not see the race\n%s", out)
	}
}
