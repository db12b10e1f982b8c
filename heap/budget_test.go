package heap_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

// These tests share the process's one memory limit, so none runs in parallel.
// What they reserve is large beside what other tests hold.

const (
	budgetTotal = 1 << 30
	budgetStep  = 1 << 20
)

// openBudget opens a budget that the test closes.
func openBudget(t *testing.T, total int, o heap.BudgetOptions) *heap.Budget {
	t.Helper()
	before := debug.SetMemoryLimit(-1)
	b, err := heap.NewBudget(total, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.Close()
		if now := debug.SetMemoryLimit(before); now != before {
			t.Errorf("the memory limit is %d afterwards, want %d", now, before)
		}
	})
	return b
}

func reserve(t *testing.T, b *heap.Budget, n int) {
	t.Helper()
	if err := b.Reserve(n); err != nil {
		t.Fatal(err)
	}
}

// checkBudget checks Go's limit against what is off the heap.
func checkBudget(t *testing.T, b *heap.Budget, step, floor int) {
	t.Helper()
	s, limit := b.Stats(), int(debug.SetMemoryLimit(-1))
	if s.GoLimit != limit {
		t.Errorf("GoLimit is %d, Go's own is %d", s.GoLimit, limit)
	}
	if least, most := s.Total-s.OffHeap-2*step, s.Total-s.OffHeap; limit < max(least, floor) || limit > max(most, floor) {
		t.Errorf("with %d of %d off the heap, Go's limit is %d, want %d to %d", s.OffHeap, s.Total, limit, least, most)
	}
}

func TestBudgetMovesLimit(t *testing.T) {
	b := openBudget(t, budgetTotal, heap.BudgetOptions{Step: budgetStep, MinGoHeap: 64 << 20})
	checkBudget(t, b, budgetStep, 64<<20)
	for _, n := range []int{1, budgetStep - 1, budgetStep, 100<<20 + 1, 300 << 20} {
		reserve(t, b, n)
		checkBudget(t, b, budgetStep, 64<<20)
	}
	for _, n := range []int{300 << 20, 100<<20 + 1, budgetStep, budgetStep - 1, 1} {
		b.Return(n)
		checkBudget(t, b, budgetStep, 64<<20)
	}
	if s := b.Stats(); s.Reserved != 0 || s.Refused != 0 || s.Lost || s.Total != budgetTotal {
		t.Errorf("%+v after all was returned", s)
	}
}

// Blocks count by the pages behind them, whichever room serves them.
func TestBudgetCountsPages(t *testing.T) {
	b := openBudget(t, budgetTotal, heap.BudgetOptions{Step: budgetStep})
	before := b.Stats().OffHeap
	a := heap.NewArena(heap.Page{})
	defer a.Close()
	for range 1000 {
		mem.Must(mem.Alloc[byte](a, 32<<10))
	}
	want := a.Stats().Capacity
	if vm.GoHeap {
		want = 0 // Go counts them
	}
	if got := b.Stats().OffHeap - before; got < want || got > want+want/8 {
		t.Errorf("an arena of %d bytes counts %d", want, got)
	}
	checkBudget(t, b, budgetStep, 0)
	a.Release()
	if got := b.Stats().OffHeap; got > before {
		t.Errorf("%d bytes count after Release, want %d", got, before)
	}
	checkBudget(t, b, budgetStep, 0)
}

func TestBudgetFloor(t *testing.T) {
	b := openBudget(t, budgetTotal, heap.BudgetOptions{MinGoHeap: 200 << 20})
	reserve(t, b, budgetTotal)
	if s := b.Stats(); s.GoLimit != 200<<20 {
		t.Errorf("GoLimit is %d, want the minimum", s.GoLimit)
	}
	b.Close()
	for _, c := range []struct{ total, floor int }{{1 << 30, 1 << 30 / 10}, {256 << 20, 64 << 20}, {100 << 20, 50 << 20}} {
		b = openBudget(t, c.total, heap.BudgetOptions{})
		reserve(t, b, c.total)
		if s := b.Stats(); s.GoLimit != c.floor {
			t.Errorf("total %d: GoLimit is %d, want %d", c.total, s.GoLimit, c.floor)
		}
		b.Close()
	}
}

// Memory that comes and goes within a step costs no call of the runtime.
func TestBudgetHysteresis(t *testing.T) {
	b := openBudget(t, budgetTotal, heap.BudgetOptions{Step: 32 << 20})
	moves := 0
	for i := range 100 {
		reserve(t, b, 24<<20)
		b.Return(24 << 20)
		if i == 0 {
			moves = b.Stats().Moves
		}
	}
	if got := b.Stats().Moves; got != moves {
		t.Errorf("the limit moved %d times while 24 MiB came and went", got-moves)
	}
	reserve(t, b, 128<<20)
	if got := b.Stats().Moves; got != moves+1 {
		t.Errorf("128 MiB: the limit moved %d times, want once", got-moves)
	}
}

func TestBudgetHardLimit(t *testing.T) {
	held, _ := vm.Committed()
	called := make(chan heap.BudgetStats, 100)
	b := openBudget(t, budgetTotal, heap.BudgetOptions{
		HardLimit: held + 64<<20, Pressure: func(s heap.BudgetStats) { called <- s },
	})
	small := mem.Must(mem.Alloc[byte](heap.Page{}, 1<<20))
	defer mem.Free(heap.Page{}, small)
	for range 3 {
		_, err := mem.Alloc[byte](heap.Page{}, 65<<20)
		if !errors.Is(err, mem.ErrLimit) || !errors.Is(err, mem.ErrOutOfMemory) {
			t.Fatalf("past the limit: %v", err)
		}
	}
	if err := b.Reserve(65 << 20); !errors.Is(err, mem.ErrLimit) {
		t.Fatalf("Reserve past the limit: %v", err)
	}
	if _, ok := mem.Remap(heap.Page{}, small, 66<<20); ok {
		t.Fatal("Remap past the limit succeeded")
	}
	if s := b.Stats(); s.Refused < 4 {
		t.Errorf("%d requests were refused, want 4 at least", s.Refused)
	}
	if s := <-called; s.Refused == 0 {
		t.Errorf("Pressure was called with %+v", s)
	}
	large := mem.Must(mem.Alloc[byte](heap.Page{}, 32<<20))
	mem.Free(heap.Page{}, large)
	b.Close()
	large = mem.Must(mem.Alloc[byte](heap.Page{}, 65<<20)) // nobody is in the way now
	mem.Free(heap.Page{}, large)
}

func TestBudgetPressure(t *testing.T) {
	called := make(chan heap.BudgetStats)
	all, goHeap := vm.Committed()
	b := openBudget(t, budgetTotal, heap.BudgetOptions{
		Step: budgetStep, SoftLimit: all - goHeap + 512<<20, Pressure: func(s heap.BudgetStats) { called <- s },
	})
	expect := func(want bool) {
		t.Helper()
		wait := time.Minute
		if !want {
			wait = 10 * time.Millisecond
		}
		select {
		case s := <-called:
			if !want {
				t.Errorf("Pressure was called with %+v", s)
			}
		case <-time.After(wait):
			if want {
				t.Error("Pressure was not called")
			}
		}
	}
	reserve(t, b, 256<<20)
	expect(false)
	reserve(t, b, 300<<20)
	expect(true)
	reserve(t, b, 10<<20)
	expect(false) // it was told already
	b.Return(310 << 20)
	reserve(t, b, 200<<20)
	expect(false)
	reserve(t, b, 300<<20)
	expect(true)
}

func TestBudgetInOtherHands(t *testing.T) {
	b := openBudget(t, budgetTotal, heap.BudgetOptions{GCPercent: 400})
	if _, err := heap.NewBudget(budgetTotal, heap.BudgetOptions{}); !errors.Is(err, heap.ErrBudget) {
		t.Errorf("a second budget: %v", err)
	}
	const others = budgetTotal/2 + 1 // no budget sets that: it moves the limit by whole pages
	debug.SetMemoryLimit(others)
	reserve(t, b, 300<<20)
	if got := debug.SetMemoryLimit(-1); got != others {
		t.Errorf("the limit of another was changed to %d", got)
	}
	if !b.Stats().Lost {
		t.Error("Stats do not tell that the limit is lost")
	}
	if err := b.Close(); !errors.Is(err, heap.ErrBudget) {
		t.Errorf("Close: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
	if got := debug.SetMemoryLimit(-1); got != others {
		t.Errorf("Close changed the limit of another to %d", got)
	}
	defer debug.SetMemoryLimit(math.MaxInt64)
	if _, err := heap.NewBudget(budgetTotal, heap.BudgetOptions{}); !errors.Is(err, heap.ErrBudget) {
		t.Errorf("where another limit is set: %v", err)
	}
	shared, err := heap.NewBudget(0, heap.BudgetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if s := shared.Stats(); s.Total != others {
		t.Errorf("total 0 stands for %d, want the limit set", s.Total)
	}
	if err := shared.Close(); err != nil {
		t.Error(err)
	}
	if got := debug.SetMemoryLimit(math.MaxInt64); got != others {
		t.Errorf("Close left %d, want what was there before", got)
	}
	if _, err := heap.NewBudget(0, heap.BudgetOptions{}); !errors.Is(err, heap.ErrBudget) {
		t.Errorf("total 0 without a limit: %v", err)
	}
}

func percent() uint64 {
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

func TestBudgetGCPercent(t *testing.T) {
	const before = 150
	defer debug.SetGCPercent(debug.SetGCPercent(before))
	b := openBudget(t, budgetTotal, heap.BudgetOptions{GCPercent: -1})
	if got := percent(); got != math.MaxUint64 {
		t.Errorf("the percentage is %d, want off", got)
	}
	b.Close()
	if got := percent(); got != before {
		t.Errorf("the percentage is %d after Close, want %d", got, before)
	}
	b = openBudget(t, budgetTotal, heap.BudgetOptions{GCPercent: 300})
	debug.SetGCPercent(77)
	b.Close()
	if got := percent(); got != 77 {
		t.Errorf("Close changed the percentage of another to %d", got)
	}
}

// Who lost the limit does not leave the collector switched off.
func TestBudgetLostTurnsCollectorOn(t *testing.T) {
	before := percent()
	b := openBudget(t, budgetTotal, heap.BudgetOptions{GCPercent: -1})
	old := debug.SetMemoryLimit(math.MaxInt64)
	reserve(t, b, 100<<20)
	for end := time.Now().Add(time.Minute); percent() != before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the percentage is %d, want %d", percent(), before)
		}
	}
	debug.SetMemoryLimit(old)
	b.Close()
	debug.SetMemoryLimit(math.MaxInt64)
}

func TestBudgetBadArguments(t *testing.T) {
	for name, fn := range map[string]func(){
		"total":  func() { heap.NewBudget(-1, heap.BudgetOptions{}) },
		"option": func() { heap.NewBudget(1, heap.BudgetOptions{Step: -1}) },
	} {
		if catch(fn) == nil {
			t.Errorf("negative %s: no panic", name)
		}
	}
	b := openBudget(t, budgetTotal, heap.BudgetOptions{})
	reserve(t, b, 10)
	for name, fn := range map[string]func(){
		"Reserve of -1":    func() { b.Reserve(-1) },
		"Return of -1":     func() { b.Return(-1) },
		"Return of 11":     func() { b.Return(11) },
		"SetTotal to zero": func() { b.SetTotal(0) },
	} {
		if catch(fn) == nil {
			t.Errorf("%s: no panic", name)
		}
	}
	if s := b.Stats(); s.Reserved != 10 {
		t.Errorf("%d bytes are reserved, want 10", s.Reserved)
	}
	b.Close()
	b.Return(10)
	if err := b.Reserve(1); !errors.Is(err, mem.ErrClosed) {
		t.Errorf("Reserve after Close: %v", err)
	}
}

// Whoever comes while another sets the limit does not wait, and is not forgotten.
func TestBudgetParallel(t *testing.T) {
	b := openBudget(t, budgetTotal, heap.BudgetOptions{Step: budgetStep, MinGoHeap: 1})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(g), 0))
			held := 0
			for range 2000 {
				if n := rnd.IntN(8 << 20); held < 64<<20 && rnd.IntN(2) == 0 {
					if b.Reserve(n) == nil {
						held += n
					}
				} else {
					n = min(n, held)
					b.Return(n)
					held -= n
				}
			}
			if g%2 == 0 {
				b.Return(held)
			}
		})
	}
	wg.Wait()
	checkBudget(t, b, budgetStep, 0)
}

func TestBudgetAllocates(t *testing.T) {
	held, _ := vm.Committed()
	b := openBudget(t, budgetTotal, heap.BudgetOptions{HardLimit: held + 512<<20})
	if n := testing.AllocsPerRun(100, func() {
		_ = b.Reserve(100 << 20)
		_ = b.Reserve(1 << 30) // refused
		b.Return(100 << 20)
		b.Stats()
	}); n != 0 {
		t.Errorf("%v allocations on the Go heap, want 0", n)
	}
}

func FuzzBudget(f *testing.F) {
	f.Add([]byte("reserve and return"), uint32(1<<20))
	f.Add([]byte{0, 255, 1, 255, 2, 9, 0, 200, 1, 200}, uint32(12345))
	f.Fuzz(func(t *testing.T, program []byte, step uint32) {
		o := heap.BudgetOptions{Step: int(step%(64<<20)) + 1, MinGoHeap: 32 << 20}
		b := openBudget(t, budgetTotal, o)
		reserved, total := 0, budgetTotal
		for len(program) > 1 {
			op, n := program[0]%3, int(program[1])<<20
			program = program[2:]
			switch op {
			case 0:
				reserve(t, b, n)
				reserved += n
			case 1:
				n = min(n, reserved)
				b.Return(n)
				reserved -= n
			case 2:
				total = 512<<20 + n
				b.SetTotal(total)
			}
			if s := b.Stats(); s.Reserved != reserved || s.Total != total {
				t.Fatalf("%+v, want %d reserved of %d", s, reserved, total)
			}
			checkBudget(t, b, o.Step, o.MinGoHeap)
		}
		b.Close()
	})
}

func BenchmarkBudget(b *testing.B) {
	bench := func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p, err := (heap.Page{}).Alloc(4096, mem.Layout{})
			if err != nil {
				b.Fatal(err)
			}
			(heap.Page{}).Free(p, mem.Layout{})
		}
	}
	b.Run("impl=page", bench)
	b.Run("impl=page-in-budget", func(b *testing.B) {
		budget, err := heap.NewBudget(budgetTotal, heap.BudgetOptions{})
		if err != nil {
			b.Fatal(err)
		}
		defer budget.Close()
		bench(b)
	})
}

// A goroutine that takes memory need not come after NewBudget in the eyes of the
// race detector, and Pressure comes after that, and after the call before.
func TestBudgetRaces(t *testing.T) {
	begin, again := make(chan bool), make(chan bool)
	calls := 0
	var wg sync.WaitGroup
	wg.Go(func() {
		race.Disable()
		<-begin
		race.Enable()
		for n := 0; n < 3; {
			if _, err := (heap.Page{}).Alloc(1<<20, mem.Layout{}); !errors.Is(err, mem.ErrLimit) {
				t.Error(err)
			}
			race.Disable()
			select {
			case <-again:
				n++
			default: // the call before is not over
				runtime.Gosched()
			}
			race.Enable()
		}
	})
	calls = 1
	b := openBudget(t, budgetTotal, heap.BudgetOptions{HardLimit: 1, Pressure: func(heap.BudgetStats) {
		calls++
		race.Disable()
		again <- true
		race.Enable()
	}})
	race.Disable()
	begin <- true
	race.Enable()
	wg.Wait()
	b.Close()
}
