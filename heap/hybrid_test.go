package heap_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"weak"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

func TestHybridRoutes(t *testing.T) {
	child := &fakeChild{}
	h := heap.NewHybrid(child)
	if h.Pointers() != mem.Scanned {
		t.Fatalf("Pointers() = %v", h.Pointers())
	}
	want := func(blocks int) {
		t.Helper()
		if got, _ := child.use(); got != blocks {
			t.Fatalf("the child has %d blocks, want %d", got, blocks)
		}
	}

	ints := mem.Must(mem.Alloc[int](h, 10))
	want(1)
	words := mem.Must(mem.Alloc[string](h, 10))
	want(1)
	words[0] = strings.Repeat("x", 10)
	maps := mem.Must(mem.Create[map[string]int](h))
	*maps = map[string]int{"a": 1}
	want(1)

	// Local blocks of types with pointers share the place of managed ones.
	local := mem.LayoutOf[programNode]()
	local.Kind = mem.Local
	b := mem.Must(h.Alloc(2*local.Type.Size(), local))
	want(1)
	h.Free(b, local)

	// Nothing for the collector to see: the child serves it, zeroed.
	odd := mem.LayoutOf[int64]()
	odd.Zero = false
	for _, odd.Kind = range []mem.Kind{mem.Local, mem.Managed} {
		b, err := h.Alloc(16, odd)
		if err != nil {
			t.Fatal(err)
		}
		want(2)
		if string(b) != string(make([]byte, 16)) {
			t.Errorf("%v block is not zero: %x", odd.Kind, b)
		}
		b, ok := h.Resize(b, odd, 64)
		if !ok || string(b) != string(make([]byte, 64)) {
			t.Errorf("%v block grew to %x, %v", odd.Kind, b, ok)
		}
		odd.Kind = mem.Plain // ignored at Free
		h.Free(b, odd)
		want(1)
	}

	// Growing goes to the same part as Alloc.
	ints, ok := mem.Resize(h, ints, 20)
	if !ok {
		t.Error("the child can grow an int block in place")
	}
	ints = mem.Must(mem.Realloc(h, ints, 1000))
	want(1)
	words = mem.Must(mem.Realloc(h, words, 1000))
	want(1)
	if words[0] != "xxxxxxxxxx" {
		t.Errorf("words[0] = %q", words[0])
	}
	words, ok = mem.Remap(h, words, 5)
	if !ok || len(words) != 5 {
		t.Errorf("the collected heap can shrink: %d, %v", len(words), ok)
	}
	mem.Free(h, ints)
	mem.Free(h, words)
	mem.Destroy(h, maps)
	want(0)
}

func TestHybridErrors(t *testing.T) {
	child := &fakeChild{fail: true}
	h := heap.NewHybrid(child)
	if _, err := mem.Create[int](h); err != errFake {
		t.Errorf("plain: %v, want the child's error", err)
	}
	p, err := mem.Create[*int](h)
	if err != nil {
		t.Errorf("managed: %v", err)
	}
	mem.Destroy(h, p)
	h = heap.NewHybridWith(child, heap.NewGC(heap.GCOptions{MaxSize: 64}))
	if _, err := mem.Alloc[string](h, 1000); !errors.Is(err, mem.ErrTooLarge) {
		t.Errorf("managed over the cap: %v", err)
	}
	// A block that may hold pointers needs a type.
	if catch(func() { h.Alloc(8, mem.Layout{Kind: mem.Managed}) }) == nil {
		t.Error("a managed block without a type was served")
	}
}

func TestHybridWithUnscanned(t *testing.T) {
	got := catch(func() { heap.NewHybridWith(&fakeChild{}, &fakeChild{answer: mem.Promised}) })
	if got != "heap: NewHybridWith: managed answers promised, not scanned" {
		t.Errorf("panic %v", got)
	}
	if got := catch(func() { heap.NewHybridWith(&fakeChild{}, nil) }); got != "heap: NewHybridWith: nil Allocator" {
		t.Errorf("panic %v", got)
	}
	if got := catch(func() { heap.NewHybridWith(nil, heap.GC{}) }); got != "heap: NewHybridWith: nil Allocator" {
		t.Errorf("panic %v", got)
	}
}

// A wrong type sends a block to the wrong part, where it must do no harm.
func TestHybridWrongType(t *testing.T) {
	child := &reportingChild{}
	h := heap.NewHybrid(child)
	plain, typed := mem.LayoutOf[[2]uintptr](), mem.LayoutOf[programNode]()

	// A block of the collected heap, given to the child: foreign there.
	b := mem.Must(h.Alloc(typed.Type.Size(), typed))
	if got := misuses(t, func() { h.Free(b, plain) }); len(got) != 1 {
		t.Errorf("reported %v, want one misuse", got)
	}
	// A block of the child, given to the collected heap: nothing happens to it.
	b = mem.Must(h.Alloc(plain.Type.Size(), plain))
	b[0] = 42
	noMisuse(t, func() { h.Free(b, typed) })
	runtime.GC()
	if blocks, _ := child.use(); blocks != 1 || b[0] != 42 {
		t.Errorf("%d blocks, first byte %d", blocks, b[0])
	}
	noMisuse(t, func() { h.Free(b, plain) }) // the good twin
	if blocks, _ := child.use(); blocks != 0 {
		t.Errorf("%d blocks are left", blocks)
	}
}

// What managed and local blocks point to stays alive as long as they do, while
// collections run, and not longer.
func TestHybridKeepsAlive(t *testing.T) {
	h := heap.NewHybrid(&fakeChild{})
	type node struct {
		next *node
		data *[64]byte
	}
	var head *node
	var watched []weak.Pointer[[64]byte]
	for i := range 100 {
		n := mem.Must(mem.Create[node](h))
		data := &[64]byte{byte(i)}
		*n = node{head, data}
		head = n
		watched = append(watched, weak.Make(data))
		if i%20 == 0 {
			runtime.GC()
		}
	}
	runtime.GC()
	for i, w := range watched {
		if p := w.Value(); p == nil || p[0] != byte(i) {
			t.Fatalf("what node %d points to is gone", i)
		}
	}
	for n := head; n != nil; {
		next := n.next
		*n = node{}
		mem.Destroy(h, n)
		n = next
	}
	head = nil
	runtime.GC()
	runtime.GC()
	for i, w := range watched {
		if w.Value() != nil {
			t.Fatalf("what node %d pointed to is still there", i)
		}
	}
}

func TestHybridAbilities(t *testing.T) {
	h := heap.NewHybrid(&fakeChild{})
	if got := mem.Trim(h); got != 42 {
		t.Errorf("Trim() = %d, want the child's 42", got)
	}
	if got := mem.GoodSize(h, 100, mem.LayoutOf[byte]()); got != 128 {
		t.Errorf("GoodSize of bytes = %d, want the child's 128", got)
	}
	if got := mem.GoodSize(h, 100, mem.LayoutOf[*int]()); got == 128 {
		t.Error("GoodSize of pointers is the child's")
	}
	// Neither part can speak for the blocks of the other.
	if _, ok := mem.As[mem.Owner](h); ok {
		t.Error("Owns is found through a Hybrid")
	}
	if _, ok := mem.As[mem.UsableSizer](h); ok {
		t.Error("UsableSize is found through a Hybrid")
	}
	z := new(heap.Hybrid)
	if z.Trim() != 0 || z.GoodSize(10, mem.Layout{}) != 10 {
		t.Error("the zero value has abilities")
	}
}
