package allodswiss_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/swiss"

	allodswiss "github.com/allod-dev/allod/contrib/swiss"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/tools/upstream"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

func newMap[K comparable, V any](t testing.TB, child mem.Allocator, options ...swiss.Option[K, V]) (*swiss.Map[K, V], *allodswiss.Allocator[K, V]) {
	t.Helper()
	a, err := allodswiss.New[K, V](child)
	if err != nil {
		t.Fatal(err)
	}
	return swiss.New(0, append(options, a.Option())...), a
}

// A map does what a map of Go does, in one bucket and in many.
func TestMap(t *testing.T) {
	for _, bucket := range []uint32{8, 4096, 1 << 31} {
		t.Run(fmt.Sprint("bucket=", bucket), func(t *testing.T) {
			m, _ := newMap(t, allocatortest.New(t), swiss.WithMaxBucketCapacity[[2]int, int](bucket))
			defer m.Close()
			want := map[[2]int]int{}
			r := rand.New(rand.NewPCG(1, 2))
			for range 30_000 {
				k := [2]int{r.IntN(5000), 7}
				if r.IntN(3) == 0 {
					m.Delete(k)
					delete(want, k)
				} else {
					v := r.Int()
					m.Put(k, v)
					want[k] = v
				}
			}
			if m.Len() != len(want) {
				t.Errorf("%d entries, want %d", m.Len(), len(want))
			}
			m.All(func(k [2]int, v int) bool {
				if want[k] != v {
					t.Errorf("%v: %d, want %d", k, v, want[k])
				}
				return true
			})
		})
	}
}

// Without memory Put panics with what Rescue makes an error, and Close of the
// allocator gives all back.
func TestLimit(t *testing.T) {
	limit := heap.NewLimit(allocatortest.New(t), 1<<20)
	m, a := newMap[uint64, uint64](t, limit)
	fill := func() (err error) {
		defer mem.Rescue(&err)
		for i := range uint64(1 << 20) {
			m.Put(i, i)
		}
		return nil
	}
	if err := fill(); !errors.Is(err, mem.ErrOutOfMemory) || !strings.Contains(err.Error(), "allodswiss") {
		t.Errorf("Put: %v", err)
	}
	if err := a.Close(); err != nil || limit.Used() != 0 {
		t.Errorf("Close: %v, and %d bytes are left", err, limit.Used())
	}
}

// Pointers are refused before any is hidden from the collector.
func TestPointers(t *testing.T) {
	var e *mem.PointerError
	if _, err := allodswiss.New[string, int](heap.Default()); !errors.As(err, &e) {
		t.Errorf("New with strings: %v", err)
	}
	for name, child := range map[string]mem.Allocator{"promised": mem.NoGoPointers(heap.Default()), "scanned": heap.GC{}} {
		m, _ := newMap[string, int](t, child)
		m.Put("static", 1)
		if v, ok := m.Get("static"); !ok || v != 1 {
			t.Errorf("%s: %d, %v", name, v, ok)
		}
		m.Close()
	}
	defer func() {
		if recover() == nil {
			t.Error("New(nil) did not panic")
		}
	}()
	_, _ = allodswiss.New[int, int](nil)
}

// Map.All reads a table that was freed when the map grew meanwhile: it loses keys
// or comes upon some that were never put. If this test fails, swiss has been
// mended.
func TestAllUsesFreedMemory(t *testing.T) {
	d := heap.NewDebug(heap.Default(), heap.DebugOptions{})
	m, _ := newMap[int, int](t, d)
	const n = 100
	for i := range n {
		m.Put(i, i)
	}
	seen, strange := 0, 0
	m.All(func(k, v int) bool {
		if k != v || k < 0 || k >= n {
			strange++
		}
		if seen == 0 {
			for i := range 10 * n { // the map grows
				m.Put(i, i)
			}
		}
		seen++
		return true
	})
	if seen == n && strange == 0 {
		t.Errorf("All saw just the %d keys that were there", n)
	}
	m.Close()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// onAllod stands for the default allocator of swiss.
const onAllod = `
var shared = func() mem.Allocator {
	if os.Getenv("ALLOD_CHECKED") == "" {
		return heap.Default()
	}
	return heap.NewDebug(heap.Default(), heap.DebugOptions{QuarantineBytes: 64 << 20})
}()

func (defaultAllocator[K, V]) Alloc(n int) []Group[K, V] {
	return mem.Must(mem.Alloc[Group[K, V]](mem.NoGoPointers(shared), n))
}

func (defaultAllocator[K, V]) Free(groups []Group[K, V]) { mem.Free(mem.NoGoPointers(shared), groups) }
`

// TestUpstream runs the tests of swiss on an allocator of ours, and on one that
// finds the use after free.
func TestUpstream(t *testing.T) {
	if testing.Short() && !upstream.Enabled() {
		t.Skip("runs the tests of another module")
	}
	m, err := upstream.Copy(t.TempDir(), "github.com/cockroachdb/swiss")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		m.Edit("options.go", "func (defaultAllocator[K, V]) Alloc(n int) []Group[K, V] {\n\treturn make([]Group[K, V], n)\n}\n", ""),
		m.Edit("options.go", "func (defaultAllocator[K, V]) Free(_ []Group[K, V]) {\n}\n", onAllod),
		m.Edit("options.go", `import "unsafe"`, `import (
	"os"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)`),
		m.Replace("github.com/allod-dev/allod", filepath.Join("..", "..")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if out, err := m.Test(t.Context(), "-vet=off", "-count=1", "."); err != nil && !iterateMutate(out) {
		t.Errorf("on SMP: %v", err)
	}
	t.Setenv("ALLOD_CHECKED", "yes")
	out, err := m.Test(t.Context(), "-vet=off", "-count=1", ".")
	if err == nil {
		t.Error("on Debug: TestIterateMutate uses freed memory, and passes")
	} else if !iterateMutate(out) {
		t.Errorf("on Debug: %v", err)
	}
}

var failLine = regexp.MustCompile(`(?m)^ *--- FAIL: (\S+)`)

// iterateMutate tells whether the test that uses freed memory is the only one
// that failed.
func iterateMutate(out string) bool {
	failed := failLine.FindAllStringSubmatch(out, -1)
	return len(failed) == 1 && failed[0][1] == "TestIterateMutate"
}

func BenchmarkMap(b *testing.B) {
	for _, impl := range []string{"swiss", "allod", "map"} {
		b.Run("impl="+impl, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if impl == "map" {
					m := map[[2]uint64]uint64{}
					for i := range uint64(400_000) {
						m[[2]uint64{i, i}] = i
					}
					continue
				}
				m := swiss.New[[2]uint64, uint64](0)
				if impl == "allod" {
					m, _ = newMap[[2]uint64, uint64](b, heap.Default())
				}
				for i := range uint64(400_000) {
					m.Put([2]uint64{i, i}, i)
				}
				m.Close()
			}
		})
	}
}
