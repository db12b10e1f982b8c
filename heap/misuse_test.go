package heap_test

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// expectMisuse is that of allocatortest, and looks at the stack as well.
func expectMisuse(t testing.TB, kind heap.MisuseKind, fn func()) *heap.Misuse {
	t.Helper()
	m := allocatortest.ExpectMisuse(t, kind, fn)
	if m != nil {
		foundIn(t, m, fn)
	}
	return m
}

// foundIn fails the test unless the stack of the call that found m, or that was
// there before for [heap.ConcurrentUse], leads through fn, function, file and
// line, by functions of tests only.
func foundIn(t testing.TB, m *heap.Misuse, fn func()) {
	t.Helper()
	want := runtime.FuncForPC(reflect.ValueOf(fn).Pointer())
	file, line := want.FileLine(want.Entry())
	stack := m.Here
	if m.Other != nil { // Here is within
		stack = m.Other
	}
	frames := runtime.CallersFrames(stack.Program())
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		if f.Function == want.Name() && f.File == file && f.Line >= line {
			return
		}
		if !strings.HasSuffix(f.File, "_test.go") {
			break
		}
		if strings.HasSuffix(want.Name(), "-fm") { // a method itself, which has no line
			return
		}
	}
	t.Errorf("%v: the stack of the call does not lead through %s (%s:%d):\n%v", m, want.Name(), file, line, stack)
}

func freeForeign() {
	mem.Free(heap.NewFixedBuffer(make([]byte, 64)), []byte{1, 2, 3})
}

func TestOnMisuse(t *testing.T) {
	got := misuses(t, freeForeign)
	if len(got) != 1 || got[0].Kind != heap.ForeignFree || got[0].Size != 3 || got[0].Op != "heap: FixedBuffer.Free" {
		t.Fatalf("reported %v", got)
	}
	if text := got[0].Error(); !strings.HasPrefix(text, "heap: FixedBuffer.Free: free of a foreign block: 3 bytes at 0x") {
		t.Errorf("Error() = %q", text)
	}
	if stack := got[0].Here.String(); !strings.Contains(stack, "heap_test.freeForeign\n\t") || !strings.Contains(stack, "misuse_test.go:") {
		t.Errorf("the stack does not lead here:\n%s", stack)
	}
}

func TestMisusePanics(t *testing.T) {
	defer func() {
		m, ok := recover().(*heap.Misuse)
		if !ok || m.Kind != heap.ForeignFree {
			t.Errorf("panic with %v, want a *Misuse", m)
		}
		var err error = m
		if !errors.As(err, &m) {
			t.Error("a Misuse is no error")
		}
	}()
	freeForeign()
}

func TestOnMisuseReturnsTheOneBefore(t *testing.T) {
	first := func(*heap.Misuse) {}
	start := heap.OnMisuse(first)
	if h := heap.OnMisuse(nil); h == nil {
		t.Error("the handler that was set is not returned")
	}
	if h := heap.OnMisuse(start); h != nil {
		t.Error("after nil the handler is not the default")
	}
}

func TestMisuseKindString(t *testing.T) {
	seen := map[string]bool{}
	for k := heap.ForeignFree; k <= heap.WriteAfterFree; k++ {
		name := k.String()
		if name == "" || strings.HasPrefix(name, "MisuseKind") || seen[name] {
			t.Errorf("kind %d is called %q", k, name)
		}
		seen[name] = true
	}
	if got := heap.MisuseKind(200).String(); got != "MisuseKind(200)" {
		t.Errorf("kind 200 is called %q", got)
	}
}

// A service logs misuse and goes on; a test would let it panic.
func ExampleOnMisuse() {
	before := heap.OnMisuse(func(m *heap.Misuse) {
		fmt.Println(m.Kind, "in", m.Op)
		_ = m.Here.String() // where: symbolised only now
	})
	defer func() { heap.OnMisuse(before) }()

	pages := heap.Page{}
	block, err := mem.Alloc[byte](pages, 4096)
	if err != nil {
		fmt.Println(err)
		return
	}
	grown := append(block, 1) // moved to the Go heap without a word
	mem.Free(pages, grown)
	mem.Free(pages, block)
	// Output: free of a foreign block in heap: Page.Free
}

// MisuseKind and Stack are parts of a Misuse.
func ExampleMisuse() {
	defer func() {
		m := recover().(*heap.Misuse)
		var kind heap.MisuseKind = m.Kind
		var stack heap.Stack = m.Here
		fmt.Println(kind, len(stack) > 0)
	}()
	buffer := heap.NewFixedBuffer(make([]byte, 64))
	mem.Free(buffer, []byte("of somebody else"))
	// Output: free of a foreign block true
}
