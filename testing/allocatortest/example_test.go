package allocatortest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// printer stands for the t of a test, which an example does not have. It prints
// the first line of what the test would fail with.
type printer struct{ cleanups []func() }

func (p *printer) Helper()             {}
func (p *printer) Logf(string, ...any) {}
func (p *printer) Cleanup(f func())    { p.cleanups = append(p.cleanups, f) }

func (p *printer) Errorf(format string, args ...any) {
	line, _, _ := strings.Cut(fmt.Sprintf(format, args...), "\n")
	line, _, _ = strings.Cut(line, " at 0x") // which is another one in each run
	fmt.Println("FAIL:", line)
}

// end is what happens when a test ends.
func (p *printer) end() {
	for i := len(p.cleanups) - 1; i >= 0; i-- {
		p.cleanups[i]()
	}
}

// Index is what somebody wants to test.
type Index struct {
	a     mem.Allocator
	words []string
}

func NewIndex(a mem.Allocator) (*Index, error) { return &Index{a: a}, nil }

func (x *Index) Add(word string) error {
	word, err := mem.DupeString(x.a, word)
	if err != nil {
		return err
	}
	words, err := mem.Append(x.a, x.words, word)
	if err != nil {
		mem.FreeString(x.a, word)
		return err
	}
	x.words = words
	return nil
}

// Close forgets the words themselves.
func (x *Index) Close() { mem.Free(x.a, x.words) }

// A test that ends with live blocks fails, and says who allocated them.
func ExampleNew() {
	t := &printer{} // in a test, what it was given
	defer t.end()

	a := allocatortest.New(t)
	x, err := NewIndex(a)
	if err != nil {
		t.Errorf("%v", err)
	}
	defer x.Close()
	x.Add("allod")
	x.Add("fief")
	// Output:
	// FAIL: allocatortest: leaked 2 blocks of 9 bytes
}

// Memory that is not scanned refuses what holds Go pointers.
func ExampleChild() {
	t := &printer{}
	defer t.end()

	a := allocatortest.New(t, allocatortest.Child(heap.Page{}))
	_, err := mem.Create[Index](a)
	fmt.Println(err != nil)
	// Output:
	// true
}

// Without Resize and Remap, a program must take the long way.
func ExampleNoResize() {
	t := &printer{}
	defer t.end()

	a := allocatortest.New(t, allocatortest.NoResize())
	s := mem.Must(mem.Alloc[int](a, 10))
	_, ok := mem.Resize(a, s, 5)
	fmt.Println(ok)
	mem.Free(a, s)
	// Output:
	// false
}

// What is watched can be chosen: here nothing but who allocated what, for a test
// in which time matters.
func ExampleDebug() {
	t := &printer{}
	defer t.end()

	a := allocatortest.New(t, allocatortest.Debug(heap.DebugOptions{
		Redzone: -1, QuarantineBytes: -1, NoFill: true, StackDepth: 4,
	}))
	s := mem.Must(mem.Alloc[int32](a, 100))
	mem.Free(a, s)
	mem.Free(a, s)
	// Output:
	// FAIL: allocatortest: Allocator.Free: double free: 400 bytes
}

// The child sees the requests of the program, and no bytes around them.
func ExampleExact() {
	t := &printer{}
	defer t.end()

	child := heap.NewCounting(heap.GC{})
	a := allocatortest.New(t, allocatortest.Child(child), allocatortest.Exact())
	s := mem.Must(mem.Alloc[int32](a, 100))
	fmt.Println(child.Stats().Bytes)
	mem.Free(a, s)
	// Output:
	// 400
}

// A check in between tells which step wrote where it should not have.
func ExampleAllocator_Check() {
	t := &printer{}
	defer t.end()

	a := allocatortest.New(t)
	s := mem.Must(mem.Alloc[byte](a, 3))
	mem.Free(a, s)
	s[1] = 7
	a.Check()
	// Output:
	// FAIL: allocatortest: Allocator.Check: write after free: 3 bytes
}

func ExampleAllocator_Leaks() {
	t := &printer{}
	defer t.end()

	a := allocatortest.New(t)
	s := mem.Must(mem.Alloc[int32](a, 100))
	leaks := a.Leaks()
	fmt.Println(leaks.Blocks, leaks.Bytes, len(leaks.Groups))
	mem.Free(a, s)
	fmt.Println(a.Leaks())
	// Output:
	// 1 400 1
	// <nil>
}

// Every allocation fails in turn, and a function that loses something then is
// found out.
func ExampleCheckAllFailures() {
	t := &printer{}
	allocatortest.CheckAllFailures(t, func(a mem.Allocator) error {
		first, err := mem.Alloc[byte](a, 10)
		if err != nil {
			return err
		}
		second, err := mem.Alloc[byte](a, 20)
		if err != nil {
			return err // and first?
		}
		mem.Free(a, first)
		mem.Free(a, second)
		return nil
	})
	// Output:
	// FAIL: allocatortest: Alloc number 2 failed: leaked 1 block of 10 bytes
	// FAIL: allocatortest: Alloc number 2 failed, and all later ones: leaked 1 block of 10 bytes
}

// An operation that fails must leave what it works on as it was.
func ExampleCheckUnchanged() {
	t := &printer{}
	n := allocatortest.CheckUnchanged(t, allocatortest.Operation[*Index]{
		Setup: NewIndex,
		Run:   func(x *Index) error { return x.Add("allod") },
		Snapshot: func(x *Index) any {
			return append([]string(nil), x.words...)
		},
		Teardown: func(x *Index) {
			for _, w := range x.words {
				mem.FreeString(x.a, w)
			}
			x.Close()
		},
	})
	fmt.Println(n, "failures injected")
	// Output:
	// 4 failures injected
}

// A misuse that is reported is what this test wants.
func ExampleExpectMisuse() {
	t := &printer{}
	defer t.end()

	a := allocatortest.New(t)
	s := mem.Must(mem.Alloc[int](a, 4))
	m := allocatortest.ExpectMisuse(t, heap.ForeignFree, func() {
		mem.Free(a, append(s, 5)) // which moved to the Go heap
	})
	fmt.Println(m.Kind)
	allocatortest.NoMisuse(t, func() { mem.Free(a, s) })
	// Output:
	// free of a foreign block
}

// The good twin: the same code without the mistake reports nothing.
func ExampleNoMisuse() {
	t := &printer{}
	defer t.end()

	a := allocatortest.New(t)
	s := mem.Must(mem.Alloc[int](a, 4))
	allocatortest.NoMisuse(t, func() {
		s = mem.Must(mem.Append(a, s, 5)) // and not append
		mem.Free(a, s)
	})
	fmt.Println("no misuse")
	// Output:
	// no misuse
}

// A leak is what this test wants.
func ExampleExpectLeaks() {
	t := &printer{}
	leaks := allocatortest.ExpectLeaks(t, 1, func(a mem.Allocator) {
		mem.Must(mem.Alloc[int](a, 4))
	})
	fmt.Println(len(leaks.Groups[0].Stack) > 0)
	// Output:
	// true
}

// A program that takes pages by itself survives every refusal of the system.
func ExampleCheckSystemFailures() {
	t := &printer{}
	allocatortest.CheckSystemFailures(t, func() error {
		arena := heap.NewArena(heap.Page{})
		defer arena.Close()
		_, err := mem.Alloc[int](arena, 100_000)
		return err
	})
	fmt.Println("no leak")
	// Output:
	// no leak
}

// A read after free is a fault if blocks are guarded, and this test wants it.
func ExampleExpectFault() {
	t := &printer{}
	defer t.end()

	a := allocatortest.New(t, allocatortest.Debug(heap.DebugOptions{Guard: heap.GuardEnd}))
	s := mem.Must(mem.Alloc[int32](a, 4))
	mem.Free(a, s)
	f := allocatortest.ExpectFault(t, heap.UseAfterFree, func() { s[2]++ })
	fmt.Println(f.Size, f.Addr-f.Block)
	// Output:
	// 16 8
}

// An allocator of the program's own is looked at when the test ends.
func ExampleVerifyNone() {
	t := &printer{}
	d := heap.NewDebug(heap.Page{}, heap.DebugOptions{OnLeak: func(*heap.LeakError) {}})
	defer d.Close()
	defer allocatortest.VerifyNone(t, d)
	mem.Must(mem.Alloc[int32](d, 4))
	// Output:
	// FAIL: allocatortest: leaked 1 block of 16 bytes
}

// All allocators of the program are looked at when all tests are over.
func ExampleVerifyTestMain() {
	_ = func(m *testing.M) { // func TestMain(m *testing.M)
		allocatortest.VerifyTestMain(m, allocatortest.IgnoreTopFunction("example.com/index.newCache"))
	}
}

// Several options: what was live before does not count, and the process goes on.
func ExampleVerifyOption() {
	_ = func(m *testing.M) {
		allocatortest.VerifyTestMain(m, allocatortest.IgnoreCurrent(),
			allocatortest.Cleanup(func(code int) { fmt.Println("tests ended with", code) }))
	}
}

// A result that depends on memory that nobody wrote to is found out, and so is
// the block.
func ExampleCheckFills() {
	t := &printer{}
	allocatortest.CheckFills(t, func(a mem.Allocator) (byte, error) {
		s, err := mem.AllocUninit[byte](a, 10)
		if err != nil {
			return 0, err
		}
		defer mem.Free(a, s)
		for i := 1; i < len(s); i++ { // and s[0]?
			s[i] = byte(i)
		}
		return s[0], nil
	})
	// Output:
	// FAIL: allocatortest: the result depends on what was in memory before:
}

// The fuzz target of an allocator of one's own.
func ExampleFuzz() {
	_ = func(f *testing.F) { // func FuzzArena(f *testing.F)
		allocatortest.Fuzz(f, func(t *testing.T) mem.Allocator {
			a := heap.NewArena(allocatortest.New(t))
			t.Cleanup(func() { a.Close() })
			return a
		})
	}
}

// A program runs on a new allocator and, in secret, on one that is known to be
// right.
func ExampleNewShadow() {
	t := &printer{}
	arena := heap.NewArena(heap.GC{})
	defer arena.Close()
	a := allocatortest.NewShadow(t, arena, heap.GC{})
	x, err := NewIndex(a)
	if err == nil {
		x.Add("allod")
		x.Add("fief")
		x.Close()
	}
	fmt.Println("no difference")
	// Output:
	// no difference
}

// Where both allocators are of a kind, they should serve the same requests.
func ExampleShadow() {
	t := &printer{}
	a := allocatortest.NewShadow(t, heap.NewFixedBuffer(make([]byte, 500)), heap.NewFixedBuffer(make([]byte, 1000)))
	a.Agree = true
	s := mem.Must(mem.Alloc[byte](a, 400))
	if _, err := mem.Alloc[byte](a, 400); err != nil {
		fmt.Println("out of memory")
	}
	mem.Free(a, s)
	// Output:
	// FAIL: Alloc(400, align 1, zero, of uint8): error mem: out of memory; the control says <nil>
	// out of memory
}

// What a program asked for, and once more on another allocator.
func ExampleTracer() {
	t := &printer{}
	defer t.end()

	a := allocatortest.NewTracer(heap.GC{})
	s := mem.Must(mem.Alloc[int32](a, 4))
	s = mem.Must(mem.Realloc(a, s, 100))
	mem.Free(a, s)
	fmt.Print(a.Trace())
	a.Trace().Replay(t, allocatortest.New(t))
	// Output:
	// b1 = Alloc(16, align 4, zero, of int32)
	// b1 = Remap(b1, 400) // refused
	// b2 = Alloc(400, align 4, zero, of int32)
	// Free(b1)
	// Free(b2)
}

// Of a thousand calls, those are left over that a failure needs.
func ExampleTrace_Shrink() {
	a := allocatortest.NewTracer(heap.GC{})
	for i := range 500 {
		mem.Free(a, mem.Must(mem.Alloc[byte](a, 1+i)))
	}
	short := a.Trace().Shrink(func(t allocatortest.Trace) bool {
		// In real life: !t.Plays(NewRing(heap.GC{}))
		for _, c := range t {
			if c.Method == "Alloc" && c.Size >= 300 {
				return true
			}
		}
		return false
	})
	fmt.Println(len(short), "of", len(a.Trace()))
	// Output:
	// 1 of 1000
}

// A call as it is printed.
func ExampleCall() {
	fmt.Println(allocatortest.Call{Method: "Alloc", Block: 1, Size: 64, Layout: mem.Layout{Align: mem.Align(8)}, OK: true})
	// Output:
	// b1 = Alloc(64, align 8)
}

// A trace is a list, and can be cut.
func ExampleTrace() {
	a := allocatortest.NewTracer(heap.GC{})
	mem.Must(mem.Alloc[byte](a, 10))
	mem.Must(mem.Alloc[byte](a, 20))
	var first allocatortest.Trace = a.Trace()[:1]
	fmt.Println(len(first), first.Plays(heap.GC{}))
	// Output:
	// 1 true
}

// The contract suite in a test of an allocator of one's own.
func ExampleRun() {
	_ = func(t *testing.T) { // func TestArena(t *testing.T)
		allocatortest.Run(t, func(t *testing.T) mem.Allocator {
			a := heap.NewArena(allocatortest.New(t))
			t.Cleanup(func() { a.Close() })
			return a
		})
	}
}

// Promises are tested as well, and a limit is respected.
func ExampleRunWith() {
	_ = func(t *testing.T) { // func TestBuffer(t *testing.T)
		p := allocatortest.Promises{MaxSize: 64 << 10, NoGarbage: true}
		allocatortest.RunWith(t, p, func(*testing.T) mem.Allocator {
			return heap.NewFixedBuffer(make([]byte, 64<<10))
		})
	}
}

// A program of operations against a model, for fuzzing.
func ExamplePlay() {
	_ = func(f *testing.F) { // func FuzzArena(f *testing.F)
		f.Add([]byte("a program"))
		f.Fuzz(func(t *testing.T, program []byte) {
			a := heap.NewArena(allocatortest.New(t))
			defer a.Close()
			allocatortest.Play(t, a, program)
		})
	}
}

// What a test has used so far, leaks apart.
func ExampleAllocator() {
	t := &printer{}
	defer t.end()

	a := allocatortest.New(t)
	s := mem.Must(mem.Alloc[int32](a, 100))
	mem.Free(a, s)
	var stats allocatortest.Stats = a.Stats()
	fmt.Println(stats.Allocs, stats.Frees, stats.PeakBytes, stats.Blocks)
	// Output: 1 1 400 0
}

// An arena that is refused a chunk asks for a smaller one: the failure is
// swallowed, and rightly so.
func ExampleCheckFailures() {
	t := &printer{}
	defer t.end()

	allocatortest.CheckFailures(t, allocatortest.FailureOptions{MaySwallow: true}, func(a mem.Allocator) error {
		arena := heap.NewArena(a)
		defer arena.Close()
		_, err := mem.Alloc[int32](arena, 100)
		return err
	})
	fmt.Println("no leak")
	// Output: no leak
}
