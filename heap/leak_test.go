package heap_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/allod-dev/allod/heap"
)

func TestLeakError(t *testing.T) {
	e := &heap.LeakError{Op: "heap: Pool.Close", Blocks: 1, Bytes: 24}
	if got, want := e.Error(), "heap: Pool.Close: leaked 1 block of 24 bytes"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var pcs [16]uintptr
	stack := heap.Stack(pcs[:runtime.Callers(1, pcs[:])])
	e = &heap.LeakError{Op: "heap: Debug.Close", Blocks: 103, Bytes: 201}
	e.Groups = []heap.LeakGroup{{Blocks: 3, Bytes: 101, Type: "main.Node", Stack: stack}}
	for range 100 {
		e.Groups = append(e.Groups, heap.LeakGroup{Blocks: 1, Bytes: 1})
	}
	got := e.Error()
	for _, want := range []string{
		"heap: Debug.Close: leaked 103 blocks of 201 bytes\n",
		"\n3 blocks of 101 bytes of type main.Node, allocated by\n",
		"heap_test.TestLeakError\n\t",
		"\n1 block of 1 byte\n",
		"\nand from 91 places more",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if strings.HasSuffix(got, "\n") {
		t.Errorf("ends in a newline: %q", got)
	}
}
