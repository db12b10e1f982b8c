package generic_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// What the tests of Zig's containers ask for is the least that ours do. Here and in
// the files beside this, each of the tests of its release 0.16 stands again, by its
// name, with the same numbers, or fewer where they are many, save those that are of what
// Go has not: values of the language, or a way to build the container that is a detail
// there. Ours are managed and unmanaged as it comes: that the two agree is tested
// elsewhere.

// A zigTest is what one test of Zig's asks for.
type zigTest struct {
	name string
	test func(t *testing.T, a mem.Allocator)
}

func runZig(t *testing.T, tests []zigTest) {
	for _, z := range tests {
		if z.test == nil { // what it is of is not here
			continue
		}
		t.Run(z.name, func(t *testing.T) { z.test(t, allocatortest.New(t)) })
	}
}

func mustEqual[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
}

func noError(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func noRoom(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, mem.ErrOutOfMemory) {
		t.Fatalf("%s: %v, want no memory", what, err)
	}
}

// pops takes as many elements as are wanted, and none after the last one.
func pops[T comparable](t *testing.T, pop func() (T, bool), want ...T) {
	t.Helper()
	for i, w := range want {
		if v, ok := pop(); !ok || v != w {
			t.Fatalf("element %d: %v, %v, want %v", i, v, ok, w)
		}
	}
	if v, ok := pop(); ok {
		t.Fatalf("%v is left", v)
	}
}

func zigList(t *testing.T, a mem.Allocator, v ...int32) *generic.ArrayList[int32] {
	l := generic.NewArrayList[int32](a)
	t.Cleanup(func() { l.Close() })
	noError(t, l.AppendSlice(v))
	return l
}

// noResize fails to resize and to remap, and, from the given request on, to
// allocate.
func noResize(a mem.Allocator, failing int) mem.Allocator {
	o := heap.FailingOptions{Resize: heap.FailRule{From: 1}, Remap: heap.FailRule{From: 1}}
	if failing > 0 {
		o.Alloc = heap.FailRule{From: failing}
	}
	return heap.NewFailing(a, o)
}
