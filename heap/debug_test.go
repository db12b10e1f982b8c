package heap_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/asan"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// What a test of misuse needs: a Debug that collects its reports, and functions
// whose names are looked for in the stacks.

type debugTest struct {
	*heap.Debug
	t   *testing.T
	got []*heap.Misuse
}

func newDebug(t *testing.T, child mem.Allocator, o heap.DebugOptions) *debugTest {
	d := &debugTest{t: t}
	o.OnMisuse = func(m *heap.Misuse) { d.got = append(d.got, m) }
	if o.OnLeak == nil {
		o.OnLeak = func(*heap.LeakError) {}
	}
	d.Debug = heap.NewDebug(child, o)
	t.Cleanup(func() { d.Debug.Close() })
	return d
}

// testSMP returns an SMP that is closed at the end of the test, with all that
// leaked on purpose.
func testSMP(t *testing.T) *heap.SMP {
	smp := heap.NewSMP(heap.SMPOptions{})
	t.Cleanup(func() { smp.Close() })
	return smp
}

// one returns the only report since the last call, which must be of this kind.
func (d *debugTest) one(kind heap.MisuseKind, at []byte, size int) *heap.Misuse {
	d.t.Helper()
	got := d.got
	d.got = nil
	if len(got) != 1 {
		d.t.Fatalf("%d reports, want one of %v: %v", len(got), kind, got)
	}
	m := got[0]
	if m.Kind != kind || m.Addr != addr(at) || m.Size != size {
		d.t.Errorf("report of %v, %d bytes at %#x (%v), want %v, %d bytes at %#x", m.Kind, m.Size, m.Addr, m, kind, size, addr(at))
	}
	return m
}

// none fails the test if there was a report since the last call.
func (d *debugTest) none() {
	d.t.Helper()
	for _, m := range d.got {
		d.t.Errorf("false report: %v\n%v", m, m.Here)
	}
	d.got = nil
}

// leads fails the test unless the stack begins at the call in the function, which
// is one of those below.
func leads(t *testing.T, what string, s heap.Stack, function string) {
	t.Helper()
	if got, want := begins(s), debugCalls[function]; got != want || !strings.HasSuffix(firstFunction(s), "."+function) {
		t.Errorf("the stack of the %s begins at %q, want %q in %s:\n%v", what, got, want, function, s)
	}
}

// debugCalls tells in which file:line the functions below make their call.
var debugCalls = map[string]string{
	"debugAlloc":     below(debugAlloc, 1),
	"debugFree":      below(debugFree, 0),
	"debugFreeAgain": below(debugFreeAgain, 0),
	"debugResize":    below(debugResize, 1),
}

// below returns the line n lines below the one where the function begins.
func below(function any, n int) string {
	f := runtime.FuncForPC(reflect.ValueOf(function).Pointer())
	file, line := f.FileLine(f.Entry())
	return fmt.Sprintf("%s:%d", file, line+n)
}

//go:noinline
func debugAlloc(a mem.Allocator, size int, l mem.Layout) []byte {
	b, err := a.Alloc(size, l)
	if err != nil {
		panic(err)
	}
	return b
}

//go:noinline
func debugFree(a mem.Allocator, b []byte, l mem.Layout) { a.Free(b, l) }

//go:noinline
func debugFreeAgain(a mem.Allocator, b []byte, l mem.Layout) { a.Free(b, l) }

var debugSizes = []int{1, 8, 4095, 4096, 256 << 10, 2<<20 + 1}

var word8 = mem.Layout{Align: mem.Align(8)}

// forDebug runs a test for every size, over a child off the Go heap, and one on
// it.
func forDebug(t *testing.T, o heap.DebugOptions, f func(t *testing.T, d *debugTest, size int)) {
	if o.QuarantineBytes == 0 {
		o.QuarantineBytes = 16 << 20 // for the largest
	}
	for _, child := range []mem.Allocator{heap.Page{}, heap.GC{}} {
		for _, size := range debugSizes {
			t.Run(fmt.Sprintf("%T/%d", child, size), func(t *testing.T) {
				d := newDebug(t, child, o)
				f(t, d, size)
				d.none()
				if s := d.Stats(); s.Blocks != 0 || s.Bytes != 0 {
					t.Errorf("%d blocks of %d bytes are left", s.Blocks, s.Bytes)
				}
			})
		}
	}
}

// A freed block leaves quarantine when others push it out.
func TestDebugQuarantine(t *testing.T) {
	d := newDebug(t, heap.GC{}, heap.DebugOptions{QuarantineBlocks: 3})
	b := debugAlloc(d, 100, word8)
	debugFree(d, b, word8)
	b[5] = 1
	for i := range 3 {
		d.none()
		if s := d.Stats(); s.Quarantined != i+1 {
			t.Fatalf("%d in quarantine, want %d", s.Quarantined, i+1)
		}
		debugFree(d, debugAlloc(d, 100, word8), word8)
	}
	d.one(heap.WriteAfterFree, b, 100)
	if s := d.Stats(); s.Quarantined != 3 || s.Blocks != 0 {
		t.Errorf("%+v", s)
	}
	d = newDebug(t, heap.GC{}, heap.DebugOptions{QuarantineBytes: 1000})
	for range 100 {
		debugFree(d, debugAlloc(d, 100, word8), word8)
		debugFree(d, debugAlloc(d, 1001, word8), word8)
		if s := d.Stats(); s.QuarantinedBytes > 1000 {
			t.Fatalf("%+v", s)
		}
	}
	if freed := d.Trim(); freed == 0 || d.Stats().Quarantined != 0 {
		t.Errorf("Trim gave %d bytes, %+v", freed, d.Stats())
	}
}

// Memory reads as the options say.
func TestDebugFills(t *testing.T) {
	all := func(b []byte, v byte) bool { return strings.Count(string(b), string([]byte{v})) == len(b) }
	forDebug(t, heap.DebugOptions{}, func(t *testing.T, d *debugTest, size int) {
		b := debugAlloc(d, size, word8)
		if !all(b, 0xAA) {
			t.Errorf("a fresh block is %x", b[:1])
		}
		z := debugAlloc(d, size, mem.Layout{Align: word8.Align, Zero: true})
		if !all(z, 0) {
			t.Errorf("a zeroed block is %x", z[:1])
		}
		c, ok := d.Resize(z, mem.Layout{Align: word8.Align, Zero: true}, size+5)
		if ok && !all(c, 0) {
			t.Error("a zeroed block that grew is not zero")
		}
		d.Free(c, word8)
		if c, ok = d.Resize(b, word8, size+5); ok && !all(c, 0xAA) {
			t.Error("a block that grew is not filled")
		}
		d.Free(c, word8)
		if size < 100<<10 && !all(c, 0xDD) {
			t.Errorf("a freed block is %x", c[:1])
		}
		f := debugAlloc(d, size, mem.Layout{Type: mem.TypeFor[bool]()})
		for _, v := range f {
			if v > 1 {
				t.Fatalf("a bool is %#x", v)
			}
		}
		d.Free(f, mem.Layout{Type: mem.TypeFor[bool]()})
	})
	d := newDebug(t, heap.GC{}, heap.DebugOptions{Fresh: 1, Freed: 2})
	b := debugAlloc(d, 50, word8)
	fresh := all(b, 1)
	if d.Free(b, word8); !fresh || !all(b, 2) {
		t.Error("the fills in the options are not used")
	}
	d = newDebug(t, heap.GC{}, heap.DebugOptions{NoFill: true})
	b = debugAlloc(d, 50, word8)
	copy(b, "text")
	d.Free(b, word8)
	if string(b[:4]) != "text" {
		t.Error("NoFill, and filled")
	}
}

func TestDebugUseAfterClose(t *testing.T) {
	d := newDebug(t, heap.GC{}, heap.DebugOptions{})
	b := debugAlloc(d, 10, word8)
	dead := debugAlloc(d, 10, word8)
	d.Free(dead, word8)
	if err := d.Close(); err == nil {
		t.Error("no leak")
	}
	if err := d.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
	if _, err := d.Alloc(10, word8); err != mem.ErrClosed {
		t.Errorf("Alloc: %v", err)
	}
	d.none()
	debugFree(d, b, word8)
	m := d.one(heap.UseAfterClose, b, 10)
	leads(t, "allocation", m.Alloc, "debugAlloc")
	if _, ok := d.Resize(b, word8, 5); ok {
		t.Error("Resize succeeds")
	}
	d.one(heap.UseAfterClose, b, 10)
	d.Remap(b, word8, 5)
	d.one(heap.UseAfterClose, b, 10)
	d.Free(make([]byte, 3), word8)
	if len(d.got) != 1 || d.got[0].Kind != heap.UseAfterClose {
		t.Errorf("%v", d.got)
	}
}

// Two calls at work on one block are found.
func TestDebugConcurrentUse(t *testing.T) {
	child := &fakeChild{}
	d := newDebug(t, child, heap.DebugOptions{})
	b := debugAlloc(d, 100, word8)
	child.entered = func() {
		child.entered = nil
		debugFree(d, b, word8) // while the child resizes it
	}
	b, _ = debugResize(d, b, word8, 90)
	m := d.one(heap.ConcurrentUse, b, 100)
	leads(t, "allocation", m.Alloc, "debugAlloc")
	leads(t, "call", m.Here, "debugFree")
	leads(t, "other call", m.Other, "debugResize")
	d.Free(b, word8)
	d.none()
}

// A handler that panics finds everything done, and may go on with the Debug.
func TestDebugHandlerPanics(t *testing.T) {
	d := heap.NewDebug(heap.GC{}, heap.DebugOptions{})
	b := debugAlloc(d, 10, word8)
	*(*byte)(unsafe.Add(unsafe.Pointer(&b[0]), 10)) = 1
	for i, want := range []heap.MisuseKind{heap.Overflow, heap.DoubleFree} {
		func() {
			defer func() {
				if m, ok := recover().(*heap.Misuse); !ok || m.Kind != want {
					t.Errorf("Free %d: panic with %v, want %v", i, m, want)
				}
			}()
			d.Free(b, word8)
		}()
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// The handler may use the Debug, and hears no more than it wants to.
func TestDebugHandler(t *testing.T) {
	heard := 0
	var d *heap.Debug
	d = heap.NewDebug(heap.Page{}, heap.DebugOptions{MaxReports: 3, OnMisuse: func(m *heap.Misuse) {
		heard++
		d.Free(debugAlloc(d, 10, word8), word8)
		d.Check()
	}})
	for range 10 {
		d.Free(make([]byte, 10), word8)
	}
	if s := d.Stats(); heard != 3 || s.Reports != 10 {
		t.Errorf("heard %d of %d reports, want 3 of 10", heard, s.Reports)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestDebugCheckEvery(t *testing.T) {
	d := newDebug(t, heap.Page{}, heap.DebugOptions{CheckEvery: 4})
	b := debugAlloc(d, 10, word8)
	*(*byte)(unsafe.Add(unsafe.Pointer(&b[0]), 10)) = 1
	for range 4 {
		d.Free(debugAlloc(d, 10, word8), word8)
	}
	d.one(heap.Overflow, b, 10)
	d.Free(b, word8)
	d.none()
}

func TestDebugOptions(t *testing.T) {
	d := newDebug(t, heap.Page{}, heap.DebugOptions{StackDepth: -1, Redzone: -1})
	b := debugAlloc(d, 10, word8)
	d.Free(b, word8)
	d.Free(b, word8)
	if m := d.one(heap.DoubleFree, b, 10); m.Alloc != nil || m.Free != nil || len(m.Here) == 0 {
		t.Errorf("stacks that are off: %v %v", m.Alloc, m.Free)
	}
	d = newDebug(t, heap.Page{}, heap.DebugOptions{ResizeStacks: true})
	b = debugAlloc(d, 10, word8)
	b, _ = debugResize(d, b, word8, 20)
	d.Free(b[:19], word8)
	leads(t, "resize", d.one(heap.SizeMismatch, b, 19).Alloc, "debugResize")
	d.Free(b, word8)

	var log strings.Builder
	d = newDebug(t, heap.NewLimit(heap.Page{}, 200), heap.DebugOptions{
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	b = debugAlloc(d, 10, word8)
	b, _ = d.Resize(b, word8, 12)
	b, _ = d.Remap(b, word8, 1000)
	d.Alloc(1000, word8)
	d.Free(b, word8)
	for _, want := range []string{"msg=alloc ", "msg=resize ", `msg="remap refused"`, `level=ERROR msg="alloc failed"`, "msg=free "} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in\n%s", want, log.String())
		}
	}
	for name, f := range map[string]func(){
		"nil child": func() { heap.NewDebug(nil, heap.DebugOptions{}) },
		"limit":     func() { heap.NewDebug(heap.Page{}, heap.DebugOptions{MemoryLimit: -1}) },
		"check":     func() { heap.NewDebug(heap.Page{}, heap.DebugOptions{CheckEvery: -1}) },
	} {
		func() {
			defer func() {
				if s, ok := recover().(string); !ok || !strings.HasPrefix(s, "heap: NewDebug: ") {
					t.Errorf("%s: panic with %v", name, s)
				}
			}()
			f()
		}()
	}
}

//go:noinline
func debugResize(d *debugTest, b []byte, l mem.Layout, size int) ([]byte, bool) {
	return d.Resize(b, l, size)
}

func TestDebugZeroValue(t *testing.T) {
	var d heap.Debug
	b := make([]byte, 8)
	for _, f := range []func(){
		func() {
			if _, err := d.Alloc(8, word8); err == nil {
				t.Error("Alloc succeeds")
			}
		},
		func() { d.Resize(b, word8, 9) },
		func() { d.Remap(b, word8, 9) },
		func() { d.Free(b, word8) },
	} {
		expectMisuse(t, heap.Uninitialised, f)
	}
	if d.Close() != nil || d.Trim() != 0 || d.Pointers() != mem.PlainOnly {
		t.Error("the zero Debug does something")
	}
}

// Requests that are nonsense go no further.
func TestDebugRequests(t *testing.T) {
	d := newDebug(t, heap.GC{}, heap.DebugOptions{})
	typ := mem.TypeFor[*int]()
	for _, l := range []mem.Layout{{Kind: mem.Local}, {Kind: mem.Managed, Type: typ}, {Kind: 7, Type: typ}} {
		if _, err := d.Alloc(9, l); err == nil || len(d.got) != 1 || d.got[0].Kind != heap.TypeMismatch {
			t.Errorf("%v: %v, %v", l, err, d.got)
		}
		d.got = nil
	}
	l := mem.Layout{Align: mem.Align(8), Kind: mem.Managed, Type: typ}
	b := debugAlloc(d, 16, l)
	if _, ok := d.Resize(b, l, 9); ok || len(d.got) != 1 || d.got[0].Kind != heap.TypeMismatch {
		t.Errorf("Resize: %v", d.got)
	}
	d.got = nil
	d.Free(b, l)
	d.none()
}

// A managed block keeps what it points to until it is freed, and not after.
func TestDebugManaged(t *testing.T) {
	d := newDebug(t, heap.NewHybrid(heap.Page{}), heap.DebugOptions{})
	type node struct {
		next *node
		name string
	}
	collected := make(chan bool, 1)
	n, err := mem.Create[node](d)
	if err != nil {
		t.Fatal(err)
	}
	n.next = &node{name: strings.Repeat("x", 100)}
	runtime.AddCleanup(n.next, func(int) { collected <- true }, 0)
	runtime.GC()
	if len(n.next.name) != 100 || len(collected) != 0 {
		t.Fatal("collected while live")
	}
	mem.Destroy(d, n)
	for i := 0; len(collected) == 0; i++ {
		if i == 100 {
			t.Fatal("quarantine keeps it")
		}
		runtime.GC()
		runtime.Gosched()
	}
	d.none()
}

func TestDebugAllocates(t *testing.T) {
	if asan.Enabled {
		t.Skip("sanitized builds allocate more")
	}
	if vm.GoHeap || invariant.Enabled {
		t.Skip("Page allocates in these builds")
	}
	d := newDebug(t, heap.Page{}, heap.DebugOptions{QuarantineBlocks: 8, MemoryLimit: 1 << 20})
	run := func() {
		b, _ := d.Alloc(100, word8)
		b, _ = d.Resize(b, word8, 200)
		d.Free(b, word8)
		d.Alloc(2<<20, word8)
		d.Check()
	}
	for range 20 {
		run()
	}
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Blocks pass between goroutines, and nothing is said of it.
func TestDebugConcurrent(t *testing.T) {
	var mu sync.Mutex
	said := 0
	d := heap.NewDebug(heap.NewHybrid(heap.Page{}), heap.DebugOptions{QuarantineBlocks: 50, CheckEvery: 100, OnMisuse: func(m *heap.Misuse) {
		mu.Lock()
		defer mu.Unlock()
		if said++; said < 5 {
			t.Errorf("false report: %v", m)
		}
	}})
	rounds := 2000
	if race.Enabled || testing.Short() {
		rounds = 400
	}
	pass := make(chan []byte, 16)
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rnd := rand.New(rand.NewPCG(uint64(w), 1))
			for range rounds {
				b := debugAlloc(d, 1+rnd.IntN(500), word8)
				b[0], b[len(b)-1] = 1, 2
				b, _ = d.Resize(b, word8, 1+rnd.IntN(500))
				b[0] = 3
				select {
				case pass <- b:
				case c := <-pass:
					d.Free(c, word8)
					d.Free(b, word8)
				}
				if rnd.IntN(100) == 0 {
					d.Leaks()
					d.Trim()
				}
			}
		}()
	}
	wg.Wait()
	close(pass)
	for b := range pass {
		d.Free(b, word8)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func FuzzDebug(f *testing.F) {
	f.Add([]byte("a program of some length, of which every byte is an operation"), byte(0))
	f.Add([]byte{0, 4, 100, 7, 2, 3, 9, 1, 4, 0, 3, 9, 5, 1, 8, 3, 0, 6, 1, 3}, byte(0xff))
	f.Fuzz(func(t *testing.T, program []byte, how byte) {
		var child mem.Allocator = heap.Page{}
		if how&1 != 0 {
			child = heap.NewHybrid(heap.Page{})
		}
		o := heap.DebugOptions{CheckEvery: int(how >> 1 & 3), Redzone: int(how>>3&3) - 1, QuarantineBlocks: int(how>>5&3) - 1, NoFill: how&128 != 0}
		d := newDebug(t, child, o)
		allocatortest.Play(t, d, program)
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		d.none()
	})
}
