package allocatortest_test

import (
	"errors"
	"math/bits"
	"strings"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// errLost is what the programs return if contents changed. No check allows it.
var errLost = errors.New("contents were lost")

// churn allocates, resizes and frees blocks of all sizes, and verifies what is in
// them. It frees what it got, and returns the first error.
func churn(a mem.Allocator) (err error) {
	var held [][]byte
	defer func() {
		for i, b := range held {
			if !holds(b, byte(i)) {
				err = errLost
			}
			a.Free(b, word)
		}
	}()
	for i, size := range []int{8, 100, 5000, 70_000, 300_000} {
		b, err := a.Alloc(size, word)
		if err != nil {
			return err
		}
		fillAll(b, byte(i))
		held = append(held, b)
		for _, size := range []int{2 * size, size / 2} {
			r, ok := a.Remap(b, word, size)
			if !ok {
				r, ok = a.Resize(b, word, size)
			}
			if !holds(r[:min(len(r), len(b))], byte(i)) {
				return errLost
			}
			if ok {
				b = r
				fillAll(b, byte(i))
				held[i] = b
			}
		}
	}
	return nil
}

func fillAll(b []byte, v byte) {
	for i := range b {
		b[i] = v
	}
}

func holds(b []byte, v byte) bool {
	for i := range b {
		if b[i] != v {
			return false
		}
	}
	return true
}

// closing runs churn on a new allocator, and closes it.
func closing[A interface {
	mem.Allocator
	Close() error
}](make func() A) func() error {
	return func() error {
		a := make()
		err := churn(a)
		return errors.Join(err, a.Close())
	}
}

// TestSystem has every request of the system fail, with every error, under each
// allocator that asks it. A guarded Debug keeps its addresses, so that only the
// first call of all maps any for it.
func TestSystem(t *testing.T) {
	sane := heap.DebugOptions{StackDepth: -1}
	for _, tt := range []struct {
		name string
		fn   func() error
		slow bool
	}{
		{"Page", func() error { return churn(heap.Page{}) }, false},
		{"Pages", func() error {
			return churn(heap.NewPages(heap.PageOptions{HugePages: true, Lock: true, Populate: true, Name: "test"}))
		}, true},
		{"Arena", closing(func() *heap.Arena { return heap.NewArena(heap.Page{}) }), race.Enabled},
		{"ConcurrentArena", closing(func() *heap.ConcurrentArena { return heap.NewConcurrentArena(heap.Page{}) }), race.Enabled},
		{"Debug", closing(func() *heap.Debug { return heap.NewDebug(heap.Page{}, sane) }), race.Enabled},
		{"Guarded", closing(func() *heap.Debug {
			return heap.NewDebug(heap.Page{}, heap.DebugOptions{StackDepth: -1, Guard: heap.GuardEnd})
		}), false},
		{"SMP", closing(func() *heap.SMP { return heap.NewSMP(heap.SMPOptions{}) }), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.slow && (testing.Short() || race.Enabled) { // nothing here runs at the same time
				t.Skip("slow")
			}
			if n := allocatortest.CheckSystemFailures(t, tt.fn); n == 0 && vm.HasOS && bits.UintSize == 64 {
				t.Error("no failures injected")
			}
		})
	}
}

func TestSystemFinds(t *testing.T) {
	if !vm.HasOS || bits.UintSize == 32 {
		t.Skip("there is no system to fail, or pages are kept and it is not asked")
	}
	two := func(forget, hide bool) func() error {
		return func() error {
			x, err := heap.Page{}.Alloc(100_000, word)
			if err != nil && hide {
				return errors.New("something happened")
			}
			if err != nil {
				return err
			}
			y, err := heap.Page{}.Alloc(100_000, word)
			if err == nil || !forget {
				heap.Page{}.Free(x, word)
			}
			if err == nil {
				heap.Page{}.Free(y, word)
			}
			return err
		}
	}
	for _, tt := range []struct {
		name string
		fn   func() error
		says string
	}{
		{"Leak", two(true, false), "bytes are still mapped"},
		{"WrongError", two(false, true), `error "something happened" wraps neither`},
		{"Panic", func() error {
			b := mem.Must(heap.Page{}.Alloc(100_000, word))
			heap.Page{}.Free(b, word)
			return nil
		}, "panic: "},
		{"Misuse", func() error {
			_, err := heap.Page{}.Alloc(100_000, word)
			heap.Page{}.Free(make([]byte, 64), word)
			return err
		}, "misuse reported"},
		{"Fails", func() error { return errors.New("bad day") }, "error bad day, want success"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := allocatortest.NewRecorderNamed("TestX")
			allocatortest.CheckSystemFailures(r, tt.fn)
			all := strings.Join(r.Failures(), "\n")
			if !strings.Contains(all, tt.says) {
				t.Errorf("found %q, want %q", all, tt.says)
			}
			if tt.name == "Leak" && !strings.Contains(all, "(map)") {
				t.Errorf("%q does not say which request failed", all)
			}
		})
	}
	setFlag(t, "allod.fail", "system2:0")
	r := allocatortest.NewRecorderNamed("TestX")
	if n := allocatortest.CheckSystemFailures(r, two(true, false)); n != 1 {
		t.Errorf("%d failures injected, want 1", n)
	}
	want(t, r, "request 2 of the system failed", "-allod.fail=system2:0")
	for _, bad := range []string{"2", "system", "system2", "system0:0", "system1:99", "systemx:1"} {
		setFlag(t, "allod.fail", bad)
		r := allocatortest.NewRecorder()
		if n := allocatortest.CheckSystemFailures(r, two(false, false)); n != 0 {
			t.Errorf("%s: %d failures injected", bad, n)
		}
		want(t, r, "want the number of a request and of an error")
	}
}
