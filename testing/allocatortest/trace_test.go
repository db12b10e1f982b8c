package allocatortest_test

import (
	"math"
	"strings"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

func TestTracer(t *testing.T) {
	a := allocatortest.NewTracer(allocatortest.New(t))
	if d, ok := mem.As[*heap.Debug](a); !ok || d == nil {
		t.Error("Unwrap leads nowhere")
	}
	x := mem.Must(a.Alloc(64, word))
	y := mem.Must(mem.Create[*int](a))
	x, ok := a.Resize(x, word, 32)
	if !ok {
		t.Fatal("Resize = false")
	}
	if _, ok := a.Remap(x, word, math.MaxInt/2); ok {
		t.Fatal("Remap to half of all there could be = true")
	}
	mem.Destroy(a, y)
	a.Free(x, word)
	trace := a.Trace()
	const text = `b1 = Alloc(64, align 8)
b2 = Alloc(8, align 8, zero, managed, of *int)
b1 = Resize(b1, 32)
b1 = Remap(b1, 4611686018427387903) // refused
Free(b2)
Free(b1)
`
	if got := trace.String(); got != text && mem.TypeFor[*int]().Size() == 8 {
		t.Errorf("the trace is\n%s\nwant\n%s", got, text)
	}
	trace.Replay(t, allocatortest.New(t))
	trace.Replay(t, allocatortest.New(t, allocatortest.Child(heap.Page{}))) // which has no managed blocks
	trace[:3].Replay(t, allocatortest.New(t))                               // and frees what is live
	trace[2:].Replay(t, allocatortest.New(t))
	if !trace.Plays(allocatortest.New(t)) {
		t.Error("Plays = false")
	}
}

// TestReplayShapes has types whose pointers are planted, types that Replay does
// not know, and pointers in memory that is not scanned.
func TestReplayShapes(t *testing.T) {
	type unknown struct {
		_ int
		_ *string
	}
	a := allocatortest.NewTracer(allocatortest.New(t))
	x := mem.Must(mem.Alloc[*string](a, 10))
	y := mem.Must(mem.Alloc[unknown](a, 10))
	z := mem.Must(mem.Alloc[string](a, 10))
	y, _ = mem.Resize(a, y, 5)
	y, _ = mem.Resize(a, y, 10)
	z = mem.Must(mem.Realloc(a, z, 100))
	mem.Free(a, x)
	mem.Free(a, y)
	mem.Free(a, z)
	a.Trace().Replay(t, allocatortest.New(t))
	a.Trace().Replay(t, mem.NoGoPointers(allocatortest.New(t, allocatortest.Child(heap.Page{}))))
}

func TestShrink(t *testing.T) {
	a := allocatortest.NewTracer(newHonest(0))
	allocatortest.Play(t, a, allocatortest.RandomProgram(1, 2000))
	trace := a.Trace()
	if len(trace) < 200 {
		t.Fatalf("%d calls", len(trace))
	}
	runs := 0
	// Two blocks of at least 100 bytes, and a Free of one of them.
	short := trace.Shrink(func(t allocatortest.Trace) bool {
		runs++
		large := make(map[int]bool)
		freed := false
		for _, c := range t {
			switch {
			case c.Method == "Alloc" && c.Size >= 100:
				large[c.Block] = true
			case c.Method == "Free" && large[c.Block]:
				freed = true
			}
		}
		return freed && len(large) >= 2
	})
	if len(short) != 3 || runs > 2000 {
		t.Errorf("after %d runs:\n%swant two Allocs and a Free", runs, short)
	}
	for _, c := range short {
		if c.Method == "Alloc" && c.Size >= 200 {
			t.Errorf("%v: half of it would do", c)
		}
		if c.Block != 1 && c.Block != 2 {
			t.Errorf("%v: want the blocks numbered 1 and 2", c)
		}
	}
	if got := trace.Shrink(func(allocatortest.Trace) bool { return false }); len(got) != len(trace) {
		t.Error("a trace that does not fail was made shorter")
	}
}

// TestFuzzExplains has broken allocators played with, and wants to be told of a
// few calls that show what is wrong.
func TestFuzzExplains(t *testing.T) {
	for _, tt := range []struct {
		mutant string
		most   int // calls
	}{
		{"Short", 1}, {"Overlapping", 4}, {"StaleContents", 3}, {"ResizeMoves", 3}, {"RemapLosesContents", 3},
		{"ResizeWithoutRoom", 3}, {"ErrorAndBlock", 1},
	} {
		t.Run(tt.mutant, func(t *testing.T) {
			m := mutantNamed(t, tt.mutant)
			for seed := range uint64(50) {
				r := allocatortest.NewRecorder()
				allocatortest.PlayFuzz(r, allocatortest.RandomProgram(seed, 400), func() mem.Allocator { return m.make(r) })
				f := r.Failures()
				if len(f) == 0 {
					continue
				}
				last := f[len(f)-1]
				_, calls, ok := strings.Cut(last, "after no more than\n")
				if n := strings.Count(calls, "\n"); !ok || n > tt.most+1 {
					t.Errorf("%s\nwant at most %d calls", last, tt.most+1)
				}
				return
			}
			t.Error("not found")
		})
	}
	r := allocatortest.NewRecorder()
	allocatortest.PlayFuzz(r, allocatortest.RandomProgram(1, 500), func() mem.Allocator { return newHonest(0) })
	if f := r.Failures(); len(f) != 0 {
		t.Errorf("an honest allocator: %q", f)
	}
}

func mutantNamed(t *testing.T, name string) mutant {
	for _, m := range mutants {
		if m.name == name {
			return m
		}
	}
	t.Fatalf("there is no mutant %s", name)
	return mutant{}
}

func FuzzHonest(f *testing.F) {
	allocatortest.Fuzz(f, func(t *testing.T) mem.Allocator { return newHonest(0) })
}

func FuzzNew(f *testing.F) {
	allocatortest.Fuzz(f, func(t *testing.T) mem.Allocator { return allocatortest.New(t) })
}
