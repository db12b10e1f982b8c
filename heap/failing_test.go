package heap_test

import (
	"errors"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// failures runs n operations and returns the numbers of those that failed.
func failures(t testing.TB, f *heap.Failing, op heap.FailOp, n int) []int {
	t.Helper()
	var got []int
	b := mustAllocFrom(t, f)
	for i := 1; i <= n; i++ {
		var failed bool
		switch op {
		case heap.FailAlloc:
			k, err := f.Alloc(i, mem.Layout{})
			if failed = err != nil; failed && err != heap.ErrInduced {
				t.Fatalf("Alloc %d: %v, want ErrInduced", i, err)
			} else if !failed {
				f.Free(k, mem.Layout{})
			}
		case heap.FailResize:
			k, ok := f.Resize(b, mem.Layout{}, i)
			failed, b = !ok, k
		case heap.FailRemap:
			k, ok := f.Remap(b, mem.Layout{}, i)
			failed, b = !ok, k
		}
		if failed {
			got = append(got, i)
		}
	}
	f.Free(b, mem.Layout{})
	return got
}

// mustAllocFrom takes a block from below f, and gives it to be freed through f.
func mustAllocFrom(t testing.TB, f *heap.Failing) []byte {
	return mustAlloc(t, f.Unwrap(), 1)
}

func TestFailingRules(t *testing.T) {
	odd := func(_ heap.FailOp, size int, _ mem.Layout) bool { return size%2 == 1 }
	for _, row := range []struct {
		name string
		rule heap.FailRule
		want []int
	}{
		{"zero", heap.FailRule{}, nil},
		{"exactly the third", heap.FailRule{At: 3}, []int{3}},
		{"the first", heap.FailRule{At: 1}, []int{1}},
		{"from the eighth on", heap.FailRule{From: 8}, []int{8, 9, 10, 11, 12}},
		{"from the first on", heap.FailRule{From: 1, Times: 2}, []int{1, 2}},
		{"every fifth", heap.FailRule{Every: 5}, []int{5, 10}},
		{"every", heap.FailRule{Every: 1, Times: 3}, []int{1, 2, 3}},
		{"two triggers", heap.FailRule{At: 2, Every: 4}, []int{2, 4, 8, 12}},
		{"large", heap.FailRule{MinSize: 10}, []int{10, 11, 12}},
		{"small", heap.FailRule{MaxSize: 2}, []int{1, 2}},
		{"between", heap.FailRule{MinSize: 3, MaxSize: 5}, []int{3, 4, 5}},
		{"the second large", heap.FailRule{MinSize: 6, At: 2}, []int{7}},
		{"predicate", heap.FailRule{If: odd}, []int{1, 3, 5, 7, 9, 11}},
		{"every second odd", heap.FailRule{If: odd, Every: 2}, []int{3, 7, 11}},
		{"predicate and size", heap.FailRule{If: odd, MinSize: 8}, []int{9, 11}},
		{"twice", heap.FailRule{Times: 2}, []int{1, 2}},
		{"certain", heap.FailRule{Probability: 1, Times: 4}, []int{1, 2, 3, 4}},
		{"caller", heap.FailRule{Caller: "TestFailingRules", At: 2}, []int{2}},
		{"another caller", heap.FailRule{Caller: "TestSomethingElse", From: 1}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			for op, o := range map[heap.FailOp]heap.FailingOptions{
				heap.FailAlloc:  {Alloc: row.rule},
				heap.FailResize: {Resize: row.rule},
				heap.FailRemap:  {Remap: row.rule},
			} {
				child := &fakeChild{}
				f := heap.NewFailing(child, o)
				for other := heap.FailAlloc; other <= heap.FailRemap; other++ {
					var want []int
					if other == op {
						want = row.want
					}
					if diff := cmp.Diff(want, failures(t, f, other, 12)); diff != "" {
						t.Errorf("rule for %v: which %vs failed (-want +got):\n%s", op, other, diff)
					}
				}
				if got, want := f.Failed(), row.want != nil; got != want {
					t.Errorf("Failed() = %v, want %v", got, want)
				}
				s := f.Stats()
				counts := map[heap.FailOp]heap.FailingCount{
					heap.FailAlloc: s.Alloc, heap.FailResize: s.Resize, heap.FailRemap: s.Remap,
				}
				for other, got := range counts {
					want := heap.FailingCount{Attempts: 12, Successes: 12}
					if other == op {
						want.Induced = int64(len(row.want))
						want.Successes -= want.Induced
					}
					if got != want {
						t.Errorf("rule for %v: %v counted %+v, want %+v", op, other, got, want)
					}
				}
			}
		})
	}
}

// The same seed picks the same operations on every machine: these were picked
// on amd64.
func TestFailingSeed(t *testing.T) {
	rule := heap.FailRule{Probability: 0.1}
	run := func(seed uint64, op heap.FailOp) []int {
		f := heap.NewFailing(&fakeChild{}, heap.FailingOptions{Alloc: rule, Resize: rule, Remap: rule, Seed: seed})
		return failures(t, f, op, 60)
	}
	for _, row := range []struct {
		seed uint64
		op   heap.FailOp
		want []int
	}{
		{0, heap.FailAlloc, []int{5, 7, 14, 33, 34, 53, 55}},
		{1, heap.FailAlloc, []int{28, 29, 49}},
		{math.MaxUint64, heap.FailAlloc, []int{3, 4}},
		{1, heap.FailResize, []int{18, 21, 27}},
		{1, heap.FailRemap, []int{17, 21, 42, 57}},
	} {
		if diff := cmp.Diff(row.want, run(row.seed, row.op)); diff != "" {
			t.Errorf("seed %d: which %vs failed (-want +got):\n%s", row.seed, row.op, diff)
		}
	}
}

func TestFailingProbability(t *testing.T) {
	for _, p := range []float64{0.001, 0.01, 0.25, 0.5, 0.9} {
		f := heap.NewFailing(&oneBlock{block: make([]byte, 8)}, heap.FailingOptions{
			Alloc: heap.FailRule{Probability: p}, Seed: 7,
		})
		const n = 50_000
		for range n {
			f.Alloc(8, mem.Layout{})
		}
		got := float64(f.Stats().Alloc.Induced)
		if dev := math.Sqrt(n * p * (1 - p)); math.Abs(got-n*p) > 5*dev {
			t.Errorf("probability %v: %v of %d failed, want %v give or take %.0f", p, got, n, n*p, 5*dev)
		}
	}
}

func TestFailingOptionsOutOfRange(t *testing.T) {
	for _, row := range []struct {
		rule heap.FailRule
		want string
	}{
		{heap.FailRule{At: -1}, "negative"},
		{heap.FailRule{From: -1}, "negative"},
		{heap.FailRule{Every: -1}, "negative"},
		{heap.FailRule{Times: -1}, "negative"},
		{heap.FailRule{MinSize: -1}, "negative"},
		{heap.FailRule{MaxSize: -1}, "negative"},
		{heap.FailRule{Probability: -0.1}, "Probability"},
		{heap.FailRule{Probability: 1.1}, "Probability"},
		{heap.FailRule{Probability: math.NaN()}, "Probability"},
		{heap.FailRule{Probability: math.Inf(1)}, "Probability"},
	} {
		got, _ := catch(func() {
			heap.NewFailing(&fakeChild{}, heap.FailingOptions{Remap: row.rule})
		}).(string)
		if !strings.HasPrefix(got, "heap: NewFailing: ") || !strings.Contains(got, row.want) || !strings.Contains(got, "Remap") {
			t.Errorf("%+v: panic %q", row.rule, got)
		}
		f := heap.NewFailing(&fakeChild{}, heap.FailingOptions{})
		got, _ = catch(func() { f.Arm(heap.FailingOptions{Alloc: row.rule}) }).(string)
		if !strings.HasPrefix(got, "heap: Failing.Arm: ") {
			t.Errorf("Arm %+v: panic %q", row.rule, got)
		}
	}
}

// An operation that is made to fail does not reach the child, and its error
// says what it is.
func TestFailingInduced(t *testing.T) {
	child := &fakeChild{}
	f := heap.NewFailing(child, heap.FailingOptions{
		Alloc:  heap.FailRule{From: 2},
		Resize: heap.FailRule{From: 1},
		Remap:  heap.FailRule{From: 1},
	})
	if f.Failed() || f.FailureStack() != nil {
		t.Error("failed before it began")
	}
	b := mustAlloc(t, f, 10)
	calls := child.calls
	if _, err := f.Alloc(10, mem.Layout{}); err != heap.ErrInduced || !errors.Is(err, mem.ErrOutOfMemory) {
		t.Errorf("Alloc: %v", err)
	}
	if r, ok := f.Resize(b, mem.Layout{}, 5); ok || len(r) != 10 || addr(r) != addr(b) {
		t.Errorf("Resize: %d bytes, %v", len(r), ok)
	}
	if r, ok := f.Remap(b, mem.Layout{}, 20); ok || len(r) != 10 || addr(r) != addr(b) {
		t.Errorf("Remap: %d bytes, %v", len(r), ok)
	}
	if child.calls != calls {
		t.Errorf("%d calls reached the child", child.calls-calls)
	}
	if stack := f.FailureStack().String(); !strings.HasPrefix(stack, "github.com/allod-dev/allod/heap_test.TestFailingInduced\n") {
		t.Errorf("the stack of the first failure is\n%s", stack)
	}
	f.Arm(heap.FailingOptions{})
	f.Free(mustAlloc(t, f, 10), mem.Layout{})
	f.Free(b, mem.Layout{})
	if !f.Failed() {
		t.Error("Arm forgot that an operation failed")
	}
}

// What the child refuses is no induced failure, and its error comes through.
func TestFailingChildFails(t *testing.T) {
	child := &fakeChild{fail: true, refuse: true}
	f := heap.NewFailing(child, heap.FailingOptions{})
	if _, err := f.Alloc(10, mem.Layout{}); err != errFake {
		t.Errorf("Alloc: %v, want the child's error", err)
	}
	child.fail = false
	b := mustAlloc(t, f, 10)
	if _, ok := f.Resize(b, mem.Layout{}, 20); ok {
		t.Error("Resize answered true")
	}
	if f.Failed() {
		t.Error("Failed() although nothing was induced")
	}
	s := f.Stats()
	if want := (heap.FailingCount{Attempts: 2, Successes: 1}); s.Alloc != want {
		t.Errorf("Alloc counted %+v, want %+v", s.Alloc, want)
	}
	if want := (heap.FailingCount{Attempts: 1}); s.Resize != want {
		t.Errorf("Resize counted %+v, want %+v", s.Resize, want)
	}
}

func TestFailingBytes(t *testing.T) {
	child := &fakeChild{}
	f := heap.NewFailing(child, heap.FailingOptions{})
	b := mustAlloc(t, f, 100)
	b, _ = f.Resize(b, mem.Layout{}, 150)
	b, _ = f.Resize(b, mem.Layout{}, 30)
	if s := f.Stats(); s.AllocatedBytes != 150 || s.FreedBytes != 120 || s.Live() != 1 {
		t.Errorf("%+v", s)
	}
	f.Free(b, mem.Layout{})
	if s := f.Stats(); s.AllocatedBytes != s.FreedBytes || s.Frees != 1 || s.Live() != 0 {
		t.Errorf("%+v", s)
	}
}

// A share of the operations fails, the same number whatever the goroutines do.
func TestFailingConcurrent(t *testing.T) {
	const goroutines, each = 8, 100
	run := func() int64 {
		f := heap.NewFailing(&fakeChild{}, heap.FailingOptions{
			Alloc: heap.FailRule{Probability: 0.3, Every: 10}, Seed: 3,
		})
		var wg sync.WaitGroup
		for range goroutines {
			wg.Go(func() {
				for range each {
					if b, err := f.Alloc(8, mem.Layout{}); err == nil {
						f.Free(b, mem.Layout{})
					}
				}
			})
		}
		wg.Add(1)
		go func() { // these may run at any time
			defer wg.Done()
			for range each {
				if s := f.Stats(); s.Live() < 0 || s.Alloc.Induced+s.Alloc.Successes > s.Alloc.Attempts {
					t.Errorf("torn: %+v", s)
				}
				f.Failed()
				f.FailureStack()
			}
		}()
		wg.Wait()
		s := f.Stats()
		if s.Alloc.Attempts != goroutines*each || s.Alloc.Successes+s.Alloc.Induced != s.Alloc.Attempts {
			t.Errorf("%+v", s)
		}
		return s.Alloc.Induced
	}
	if a, b := run(), run(); a != b || a == 0 {
		t.Errorf("%d and %d failed", a, b)
	}
}

func TestFailingArmConcurrent(t *testing.T) {
	f := heap.NewFailing(&fakeChild{}, heap.FailingOptions{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				if b, err := f.Alloc(8, mem.Layout{}); err == nil {
					f.Free(b, mem.Layout{})
				}
			}
		})
	}
	wg.Go(func() {
		for i := range 50 {
			f.Arm(heap.FailingOptions{Alloc: heap.FailRule{Every: i}})
		}
	})
	wg.Wait()
	// The child refuses nothing, so that no call is missing.
	s := f.Stats()
	if n := s.Alloc; n.Attempts != 4*200 || n.Induced+n.Successes != n.Attempts {
		t.Errorf("%+v, want %d attempts, each induced or a success", n, 4*200)
	}
	if s.Live() != 0 || s.AllocatedBytes != s.FreedBytes {
		t.Errorf("%+v, want nothing outstanding", s)
	}
}

// FuzzFailing compares the verdicts with a plain reading of the documentation.
func FuzzFailing(f *testing.F) {
	f.Add(uint8(3), uint8(0), uint8(0), uint8(0), uint8(0), []byte{1, 2, 3, 4, 5})
	f.Add(uint8(0), uint8(2), uint8(0), uint8(2), uint8(3), []byte{9, 1, 8, 2, 7, 3})
	f.Add(uint8(0), uint8(0), uint8(2), uint8(1), uint8(0), []byte{5, 5, 5, 5})
	f.Fuzz(func(t *testing.T, at, from, every, times, least uint8, sizes []byte) {
		rule := heap.FailRule{At: int(at), From: int(from), Every: int(every), Times: int(times), MinSize: int(least)}
		fa := heap.NewFailing(&oneBlock{block: make([]byte, 256)}, heap.FailingOptions{Alloc: rule})
		n, failed := 0, 0
		for i, s := range sizes {
			size := int(s) + 1
			want := false
			if rule.At+rule.From+rule.Every+rule.Times+rule.MinSize > 0 && size >= rule.MinSize {
				n++
				want = n == rule.At || rule.From > 0 && n >= rule.From || rule.Every > 0 && n%rule.Every == 0 ||
					rule.At+rule.From+rule.Every == 0
				want = want && (rule.Times == 0 || failed < rule.Times)
			}
			if want {
				failed++
			}
			if _, err := fa.Alloc(size, mem.Layout{}); (err != nil) != want {
				t.Fatalf("%+v, operation %d of %d bytes: %v, want failure: %v", rule, i+1, size, err, want)
			}
		}
		if got := fa.Stats().Alloc.Induced; got != int64(failed) {
			t.Fatalf("%d induced, want %d", got, failed)
		}
	})
}
