package allocatortest

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/rtype"
	"github.com/allod-dev/allod/mem"
)

// CheckFills calls fn several times, each time with a new allocator whose fresh
// and freed memory holds something else, and fails tb unless all calls return
// the same, as [reflect.DeepEqual] sees it: a result that depends on what was in
// memory before was computed from memory that nobody wrote, or that was freed.
// The failure has the stack of the allocation whose contents mattered.
//
//	allocatortest.CheckFills(t, func(a mem.Allocator) (string, error) {
//		x, err := NewIndex(a)
//		if err != nil {
//			return "", err
//		}
//		defer x.Close()
//		return x.String(), nil
//	})
//
// fn must not return memory of the allocator, nor depend on addresses, time or
// chance, and must give back all that it allocates. Memory that must read as
// zero does: blocks that were asked to be, and those with pointers or bools.
func CheckFills[R any](tb TB, fn func(a mem.Allocator) (R, error)) {
	tb.Helper()
	run := func(f fill) (result fillResult) {
		f.result = &result
		q := &quiet{}
		below := New(q, Debug(heap.DebugOptions{StackDepth: stackDepth, Freed: 0xD1 + byte(f.freed)}))
		caught(q, func() {
			r, err := fn(&filler{Allocator: below, fill: f})
			result.value, result.err = r, fmt.Sprint(err)
		})
		below.end()
		result.failures = q.failures()
		return result
	}
	first := run(fill{})
	if len(first.failures) > 0 || first.err != "<nil>" {
		first.fail(tb)
		return
	}
	for _, p := range patterns[1:] {
		other := run(fill{fresh: p, freed: p})
		if first.equal(other) {
			continue
		}
		s := fmt.Sprintf("allocatortest: the result depends on what was in memory before:\nof %s\n\t%s\nof %s\n\t%s",
			patterns[0], first, p, other)
		if !first.equal(run(fill{freed: p})) {
			s += "\nit depends on memory that was freed"
		}
		for k := 1; k <= min(other.allocs, mostFills); k++ {
			if one := run(fill{fresh: p, only: k}); !first.equal(one) && len(one.stack) > 0 {
				s += "\nit depends on the block allocated by\n" + strings.TrimSuffix(indent(one.stack), "\n")
				break
			}
		}
		fail(tb, "%s", s)
		return
	}
}

// mostFills is how many allocations are looked at for the one that mattered.
const mostFills = 1000

// pattern is what memory is filled with.
type pattern int

const (
	zeros pattern = iota
	ones
	noise
	otherNoise
)

var patterns = []pattern{zeros, ones, noise, otherNoise}

func (p pattern) String() string {
	return [...]string{"zeros", "ones", "noise", "other noise"}[p]
}

// put fills b, of allocation number n.
func (p pattern) put(b []byte, n int) {
	switch p {
	case zeros:
		clear(b)
	case ones:
		for i := range b {
			b[i] = 0xFF
		}
	default:
		for i := range b {
			b[i] = byte(mix(uint64(p)<<48+uint64(n)<<32+uint64(i)) >> 40)
		}
	}
}

// fill says which memory is filled with what.
type fill struct {
	fresh  pattern
	freed  pattern // stands for a byte of its own
	only   int     // the number of the block whose fresh memory has it, or 0 for all
	result *fillResult
}

// fillResult is what came of a run.
type fillResult struct {
	value    any
	err      string
	failures []string
	allocs   int        // that were filled
	stack    heap.Stack // of the only one that was
}

// equal tells whether two runs had the same outcome.
func (r fillResult) equal(q fillResult) bool {
	return r.err == q.err && len(r.failures) == len(q.failures) && reflect.DeepEqual(r.value, q.value)
}

// fail says what is wrong with the first run.
func (r fillResult) fail(tb TB) {
	tb.Helper()
	for _, f := range r.failures {
		fail(tb, "%s", f)
	}
	if r.err != "<nil>" && len(r.failures) == 0 {
		fail(tb, "allocatortest: error %s, want success", r.err)
	}
}

func (r fillResult) String() string {
	switch {
	case len(r.failures) > 0:
		return r.failures[0]
	case r.err != "<nil>":
		return "error " + r.err
	}
	return brief(r.value)
}

// filler fills what nobody asked to be zero.
type filler struct {
	*Allocator
	fill fill
	mu   sync.Mutex
}

// Alloc implements [mem.Allocator].
func (f *filler) Alloc(size int, l mem.Layout) ([]byte, error) {
	b, err := f.Allocator.Alloc(size, l)
	if err == nil {
		f.put(b, l)
	}
	return b, err
}

// Resize implements [mem.Allocator].
func (f *filler) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	return f.change(resize, b, l, size)
}

// Remap implements [mem.Allocator].
func (f *filler) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	return f.change(remap, b, l, size)
}

func (f *filler) change(w way, b []byte, l mem.Layout, size int) ([]byte, bool) {
	old := len(b)
	c, ok := w.call(f.Allocator, b, l, size)
	if ok && size > old {
		f.put(c[old:], l)
	}
	return c, ok
}

// put fills b if it is up to the allocator what is there.
func (f *filler) put(b []byte, l mem.Layout) {
	if !uninit(l) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.fill.result
	r.allocs++
	p := f.fill.fresh
	if f.fill.only > 0 && f.fill.only != r.allocs {
		p = zeros
	}
	if f.fill.only == r.allocs {
		r.stack = callers()
	}
	p.put(b, r.allocs)
}

// uninit tells whether the contents of a fresh block are up to the allocator.
// Where a bool may be read, only 0 and 1 will do.
func uninit(l mem.Layout) bool {
	if l.Zero || l.Kind != mem.Plain {
		return false
	}
	t := l.Type.Reflect()
	return t == nil || !rtype.FactsOf(t).Bools && !l.Type.HasPointers()
}
