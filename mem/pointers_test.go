package mem_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/mem"
)

//lint:file-ignore U1000 these types are only looked at

type inner struct {
	n    int
	name string
}
type outer struct {
	pad  [2]uint64
	list [3]inner
}
type opaque struct {
	next *opaque
	m    map[string]int
}
type named func()

func create[T any](a mem.Allocator) error {
	p, err := mem.Create[T](a)
	if err == nil {
		mem.Destroy(a, p)
	}
	return err
}

func TestPointerError(t *testing.T) {
	for _, c := range []struct {
		create func(mem.Allocator) error
		path   string
		ways   []string
		opaque bool
	}{
		{create[*int], "*int", []string{"heap.GC", "mem.Ptr[int]", "mem.NoGoPointers"}, false},
		{create[node], "mem_test.node.next", []string{"heap.GC", "mem.Ptr[mem_test.node]", "mem.NoGoPointers"}, false},
		{create[string], "string", []string{"heap.GC", "mem.String", "mem.NoGoPointers"}, false},
		{create[outer], "mem_test.outer.list[0].name", []string{"heap.GC", "mem.String", "mem.NoGoPointers"}, false},
		{create[[2][]byte], "[2][]uint8[0]", []string{"heap.GC", "mem.Slice[uint8]", "mem.NoGoPointers"}, false},
		{create[unsafe.Pointer], "unsafe.Pointer", []string{"heap.GC", "uintptr", "mem.NoGoPointers"}, false},
		{create[map[int]int], "map[int]int", []string{"heap.GC"}, true},
		{create[chan int], "chan int", []string{"heap.GC"}, true},
		{create[named], "mem_test.named", []string{"heap.GC"}, true},
		{create[error], "error", []string{"heap.GC"}, true},
		{create[opaque], "mem_test.opaque.m", []string{"heap.GC"}, true},
	} {
		for _, answer := range []mem.Pointers{mem.PlainOnly, mem.Promised, mem.Scanned} {
			err := c.create(newFake(t, answer))
			wantOK := answer == mem.Scanned || answer == mem.Promised && !c.opaque
			if (err == nil) != wantOK {
				t.Errorf("%s, %v: %v", c.path, answer, err)
			}
			if err == nil {
				continue
			}
			var pe *mem.PointerError
			if !errors.As(err, &pe) || !errors.Is(err, mem.ErrPointers) || errors.Is(err, mem.ErrOutOfMemory) {
				t.Fatalf("%s: %T %v", c.path, err, err)
			}
			if pe.Path != c.path || pe.Promised != (answer == mem.Promised) {
				t.Errorf("path %q, promised %t, want %q, %v", pe.Path, pe.Promised, c.path, answer)
			}
			if !strings.HasPrefix(err.Error(), "mem: "+c.path+" is ") {
				t.Errorf("%v: does not begin with the field", err)
			}
			ways := pe.WaysOut()
			if len(ways) != len(c.ways) {
				t.Errorf("%s: ways out %q, want %q", c.path, ways, c.ways)
			}
			for _, w := range c.ways {
				if !slices.ContainsFunc(ways, func(s string) bool { return strings.Contains(s, w) }) || !strings.Contains(err.Error(), w) {
					t.Errorf("%v: does not offer %s", err, w)
				}
			}
			if again := c.create(newFake(t, answer)); again != err {
				t.Errorf("%s: the error is made anew each time", c.path)
			}
		}
	}
}

// These look like pointers and are none.
func TestPointerFree(t *testing.T) {
	a := newFake(t, mem.PlainOnly)
	for i, err := range []error{
		create[uintptr](a), create[[0]*int](a), create[[0]map[int]int](a), create[struct{ _ [0]string }](a),
		create[mem.Ptr[node]](a), create[mem.String](a), create[mem.Slice[string]](a),
		create[struct{ next mem.Ptr[opaque] }](a), create[[4]complex128](a),
	} {
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func TestRefuse(t *testing.T) {
	for _, k := range []mem.Kind{mem.Plain, mem.Local} {
		if err := mem.Refuse(mem.Layout{Kind: k}); err != nil {
			t.Errorf("Refuse of a %v block: %v", k, err)
		}
	}
	err := mem.Refuse(mem.Layout{Kind: mem.Managed})
	if !errors.Is(err, mem.ErrPointers) || !strings.Contains(err.Error(), "heap.GC") {
		t.Errorf("Refuse of managed bytes: %v", err)
	}
	if err := mem.Refuse(mem.LayoutOf[node]()); !strings.Contains(err.Error(), "mem_test.node.next") {
		t.Errorf("Refuse(LayoutOf[node]): %v", err)
	}
}

func TestNoGoPointers(t *testing.T) {
	for _, answer := range []mem.Pointers{mem.PlainOnly, mem.Promised, mem.Scanned} {
		f := newFake(t, answer)
		a := mem.NoGoPointers(f)
		if want := max(answer, mem.Promised); a.Pointers() != want {
			t.Errorf("promise over %v: %v, want %v", answer, a.Pointers(), want)
		}
		if wrapped := a != mem.Allocator(f); wrapped != (answer == mem.PlainOnly) {
			t.Errorf("promise over %v: wrapped %t", answer, wrapped)
		}
		if mem.NoGoPointers(a) != a {
			t.Errorf("a promise is promised twice")
		}
		if got, ok := mem.As[*fake](a); !ok || got != f {
			t.Errorf("As does not look through the promise")
		}
	}
	a := mem.NoGoPointers(newFake(t, mem.PlainOnly))
	n, err := mem.New(a, node{value: 1})
	if err != nil {
		t.Fatal(err)
	}
	n.next = n
	mem.Destroy(a, n)
}

type owner struct {
	mem.Allocator
	base uintptr
}

func (o owner) Owns(b []byte) bool                  { return addr(b) == o.base }
func (o owner) Trim() int                           { return 42 }
func (o owner) GoodSize(size int, _ mem.Layout) int { return size * 2 }

func TestAs(t *testing.T) {
	f := newFake(t, mem.PlainOnly)
	if _, ok := mem.As[mem.Owner](f); ok {
		t.Error("fake owns")
	}
	if _, ok := mem.As[mem.Owner](nil); ok {
		t.Error("nil owns")
	}
	a := mem.NoGoPointers(owner{f, 7})
	if o, ok := mem.As[mem.Owner](a); !ok || o.Owns(nil) {
		t.Errorf("As[Owner]: %t", ok)
	}
	if got := mem.Trim(a); got != 42 {
		t.Errorf("Trim = %d", got)
	}
	if got := mem.Trim(f); got != 0 {
		t.Errorf("Trim of what cannot = %d", got)
	}
	if got := mem.GoodSize(a, 10, mem.Layout{}); got != 20 {
		t.Errorf("GoodSize = %d", got)
	}
	if got := mem.GoodSize(f, 10, mem.Layout{}); got != 10 {
		t.Errorf("GoodSize of what cannot = %d", got)
	}
}

func TestType(t *testing.T) {
	for _, r := range []reflect.Type{reflect.TypeFor[int](), reflect.TypeFor[node](), reflect.TypeFor[error](), reflect.TypeFor[struct{}]()} {
		typ := mem.TypeOf(r)
		if typ.Reflect() != r || typ.Size() != int(r.Size()) || typ.String() != r.String() {
			t.Errorf("TypeOf(%v) = %v, size %d", r, typ, typ.Size())
		}
	}
	if mem.TypeOf(nil) != (mem.Type{}) || mem.TypeFor[int]() != mem.TypeOf(reflect.TypeFor[int]()) || mem.TypeFor[int]() == mem.TypeFor[uint]() {
		t.Error("equal types are not equal")
	}
	if z := (mem.Type{}); z.Size() != 1 || z.HasPointers() || z.Reflect() != nil || z.String() != "bytes" {
		t.Errorf("zero Type: %v", z)
	}
	f := newFake(t, mem.Scanned)
	s, err := mem.Alloc[string](f, 3)
	if err != nil {
		t.Fatal(err)
	}
	s[0], s[1], s[2] = "a", "b", "c"
	b := unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), 3*unsafe.Sizeof(s[0]))
	typ := mem.TypeFor[string]()
	typ.Clear(b[len(b)/3:])
	typ.Clear(nil)
	if !slices.Equal(s, []string{"a", "", ""}) {
		t.Errorf("Clear left %q", s)
	}
	if got := panics(func() { typ.Clear(b[:5]) }); !strings.Contains(got, "5 bytes are not a whole number of string") {
		t.Errorf("Clear of part of a string: panic %q", got)
	}
	mem.Free(f, s)
	raw := []byte{1, 2}
	if (mem.Type{}).Clear(raw); raw[0] != 0 || raw[1] != 0 {
		t.Error("Clear of bytes left them")
	}
}

func TestNames(t *testing.T) {
	for got, want := range map[any]string{
		mem.Plain: "plain", mem.Local: "local", mem.Managed: "managed", mem.Kind(9): "Kind(9)",
		mem.PlainOnly: "plain only", mem.Promised: "promised", mem.Scanned: "scanned", mem.Pointers(9): "Pointers(9)",
		mem.Align(64): "64",
	} {
		if fmt.Sprint(got) != want {
			t.Errorf("%#v is called %v, want %s", got, got, want)
		}
	}
}
