package heap_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
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
	for i := range 100 {
		e.Groups = append(e.Groups, heap.LeakGroup{Blocks: 1, Bytes: 1, Type: fmt.Sprint("t", i)})
	}
	got := e.Error()
	for _, want := range []string{
		"heap: Debug.Close: leaked 103 blocks of 201 bytes\n",
		"\n3 blocks of 101 bytes of type main.Node, allocated by\n",
		"heap_test.TestLeakError\n\t",
		"\n1 block of 1 byte of type t8\n",
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

// What is allocated in one line of a program is told once, although the ways from
// there through the allocator differ; the groups themselves are left alone.
func TestLeakErrorOnePlace(t *testing.T) {
	var got *heap.LeakError
	d := heap.NewDebug(heap.GC{}, heap.DebugOptions{OnLeak: func(e *heap.LeakError) { got = e }})
	for i := range 6 {
		a := mem.Allocator(d)
		if i%2 == 0 {
			a = heap.NewThreadSafe(d)
		}
		if i > 3 {
			a = heap.NewCounting(a)
		}
		if _, err := a.Alloc(10+i/4*1000, word8); err != nil {
			t.Fatal(err)
		}
	}
	d.Close()
	if n := strings.Count(got.Error(), "TestLeakErrorOnePlace"); len(got.Groups) < 3 || n != 1 {
		t.Errorf("%d groups are told as %d:\n%v", len(got.Groups), n, got)
	}
	if want := "\n6 blocks of 2060 bytes, allocated by\n"; !strings.Contains(got.Error(), want) {
		t.Errorf("%q is missing in\n%v", want, got)
	}
}
