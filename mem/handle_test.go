package mem_test

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/rt"
	"github.com/allod-dev/allod/mem"
)

type item struct {
	id   int
	name mem.String
	tags mem.Slice[mem.String]
	next mem.Ptr[item]
}

var global = [3]int{1, 2, 3}

// A list of items with names and tags lives where no collector looks.
func TestHandles(t *testing.T) {
	var a mem.Allocator = heap.Page{}
	var head mem.Ptr[item]
	for i := range 20 {
		it, err := mem.New(a, item{id: i, next: head})
		if err != nil {
			t.Fatal(err)
		}
		it.name = mem.StringOf(mem.Must(mem.DupeString(a, strings.Repeat("n", i))))
		tags := mem.Must(mem.Alloc[mem.String](a, i%3))
		for j := range tags {
			tags[j] = mem.StringOf("constant")
		}
		it.tags = mem.SliceOf(tags)
		head = mem.PtrTo(it)
	}
	runtime.GC()
	runtime.GC()
	id := 19
	for p := head; !p.IsNil(); id-- {
		it := p.Get()
		if it.id != id || it.name.Len() != id || it.name.Get() != strings.Repeat("n", id) {
			t.Fatalf("item %d: %d %q", id, it.id, it.name.Get())
		}
		if it.tags.Len() != id%3 || it.tags.Cap() != id%3 {
			t.Fatalf("item %d: %d tags", id, it.tags.Len())
		}
		for _, tag := range it.tags.Get() {
			if tag.Get() != "constant" {
				t.Fatalf("item %d: tag %q", id, tag.Get())
			}
		}
		mem.FreeString(a, it.name.Get())
		mem.Free(a, it.tags.Get())
		p = it.next
		mem.Destroy(a, it)
	}
}

func TestHandleZero(t *testing.T) {
	if p := (mem.Ptr[int]{}); p.Get() != nil || !p.IsNil() || p != mem.PtrTo[int](nil) {
		t.Error("the zero Ptr is not nil")
	}
	if s := (mem.String{}); s.Get() != "" || s != mem.StringOf("") {
		t.Error("the zero String is not empty")
	}
	if s := (mem.Slice[int]{}); s.Get() != nil || s != mem.SliceOf[int](nil) || s != mem.SliceOf([]int{}) {
		t.Error("the zero Slice is not nil")
	}
	if unsafe.Sizeof(mem.Ptr[int]{}) != unsafe.Sizeof(uintptr(0)) {
		t.Error("a Ptr is larger than a word")
	}
}

func TestHandleToGlobal(t *testing.T) {
	s := mem.SliceOf(global[:2])
	if got := s.Get(); !slices.Equal(got, global[:2]) || cap(got) != 3 || &got[0] != &global[0] {
		t.Errorf("SliceOf(global[:2]).Get() = %v, cap %d", got, cap(got))
	}
	if p := mem.PtrTo(&global[1]); p.Get() != &global[1] {
		t.Error("PtrTo(&global[1]).Get() is another pointer")
	}
}

// A handle keeps nothing alive, so it must not refer to what a collection frees
// or a growing stack moves.
func TestHandleToGoMemory(t *testing.T) {
	if !rt.Linked {
		t.Skip("this build cannot tell Go memory from other memory")
	}
	onStack := 1
	onHeap := make([]int, 1, 100)
	text := strings.Repeat("x", 100)
	for name, call := range map[string]func(){
		"PtrTo heap":    func() { mem.PtrTo(&onHeap[0]) },
		"PtrTo stack":   func() { mem.PtrTo(&onStack) },
		"SliceOf heap":  func() { mem.SliceOf(onHeap) },
		"SliceOf [:0]":  func() { mem.SliceOf(onHeap[:0]) },
		"StringOf heap": func() { mem.StringOf(text) },
	} {
		if got := panics(call); !strings.Contains(got, "collected heap or a stack") {
			t.Errorf("%s: panic %q", name, got)
		}
	}
}
