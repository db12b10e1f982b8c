package heap_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// misuse returns what a call reports, by the handler.
func reported(t *testing.T, call func()) (got []*heap.Misuse) {
	t.Helper()
	before := heap.OnMisuse(func(m *heap.Misuse) { got = append(got, m) })
	defer func() { heap.OnMisuse(before) }()
	call()
	return got
}

func freeForeign() {
	mem.Free(heap.NewFixedBuffer(make([]byte, 64)), []byte{1, 2, 3})
}

func TestOnMisuse(t *testing.T) {
	got := reported(t, freeForeign)
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
