package rtype_test

import (
	"reflect"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/internal/asan"
	"github.com/allod-dev/allod/internal/rtype"
)

//lint:file-ignore U1000 these types are only looked at

type tree struct {
	key         uint64
	left, right *tree
}

type deep struct {
	a [2]struct {
		_    [0]map[int]int
		b    bool
		text [1]string
	}
	f func()
}

// ask compares every answer about T with what package reflect says.
func ask[T any](t *testing.T, pointers, bools, opaque bool, path string) {
	t.Helper()
	r := reflect.TypeFor[T]()
	id := rtype.For[T]()
	if id != rtype.Of(r) || id.Reflect() != r || id.Size() != int(r.Size()) {
		t.Errorf("%v: ID of %v, size %d", r, id.Reflect(), id.Size())
	}
	if id.HasPointers() != pointers || rtype.HasPointers[T]() != pointers {
		t.Errorf("%v: HasPointers %t, want %t", r, id.HasPointers(), pointers)
	}
	if rtype.HasBools[T]() != bools {
		t.Errorf("%v: HasBools %t, want %t", r, !bools, bools)
	}
	if id != rtype.Elem((*T)(nil)) || id.HasBools() != bools || id.Boolless() == bools {
		t.Errorf("%v: Elem %v, HasBools %t", r, rtype.Elem((*T)(nil)).Reflect(), !bools)
	}
	if at, plain := rtype.Glance((*T)(nil)); !rtype.Glances() || at != id || plain == pointers || rtype.GlanceAt((*T)(nil)) != id {
		t.Errorf("%v: a glance shows %v, plain %t", r, at.Reflect(), plain)
	}
	if size, log2, plain := id.Glance(); size != int(r.Size()) || 1<<log2 != r.Align() || plain == pointers {
		t.Errorf("%v: a glance shows size %d, log2 %d, plain %t", r, size, log2, plain)
	}
	f := rtype.FactsOf(r)
	if f.Type != r || f.Pointers != pointers || f.Bools != bools || f.Opaque != opaque || f.Path != path {
		t.Errorf("%v: facts %+v", r, f)
	}
	if rtype.FactsOf(r) != f {
		t.Errorf("%v: walked twice", r)
	}
}

func TestAnswers(t *testing.T) {
	ask[int](t, false, false, false, "")
	ask[complex128](t, false, false, false, "")
	ask[uintptr](t, false, false, false, "")
	ask[bool](t, false, true, false, "")
	ask[[3]bool](t, false, true, false, "")
	ask[[0]bool](t, false, false, false, "")
	ask[[1 << 30]byte](t, false, false, false, "")
	ask[struct{}](t, false, false, false, "")
	ask[[0]*int](t, false, false, false, "")
	ask[*bool](t, true, false, false, "*bool")
	ask[unsafe.Pointer](t, true, false, false, "unsafe.Pointer")
	ask[string](t, true, false, false, "string")
	ask[[]int](t, true, false, false, "[]int")
	ask[map[int]int](t, true, false, true, "map[int]int")
	ask[chan int](t, true, false, true, "chan int")
	ask[func()](t, true, false, true, "func()")
	ask[any](t, true, false, true, "interface {}")
	ask[error](t, true, false, true, "error")
	ask[tree](t, true, false, false, "rtype_test.tree.left")
	ask[deep](t, true, true, true, "rtype_test.deep.a[0].text[0]")
	if f := rtype.FactsOf(reflect.TypeFor[deep]()); f.OpaquePath != "rtype_test.deep.f" || f.OpaqueField.Kind() != reflect.Func {
		t.Errorf("deep: first opaque field %s", f.OpaquePath)
	}
}

func TestZeroID(t *testing.T) {
	var id rtype.ID
	if id.Size() != 1 || id.HasPointers() || id.Reflect() != nil || id.Descriptor() != nil {
		t.Errorf("zero ID: size %d", id.Size())
	}
}

func TestAskingAllocatesNothing(t *testing.T) {
	if asan.Enabled {
		t.Skip("sanitized builds allocate more")
	}
	if n := testing.AllocsPerRun(100, func() {
		id := rtype.For[deep]()
		if !rtype.HasPointers[deep]() || id.Size() == 0 || !id.HasPointers() || id.Reflect() == nil {
			t.Error("wrong")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
