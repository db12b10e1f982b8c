package heap_test

import (
	"errors"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"
	"weak"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

func TestConcurrentArenaPointers(t *testing.T) {
	type node struct {
		name string
		next *node
	}
	a, _ := newConcurrentArena(t)
	if _, err := mem.Create[node](a); !errors.Is(err, mem.ErrPointers) {
		t.Errorf("Create: %v, want ErrPointers", err)
	}
	p := mem.NoGoPointers(a)
	n, err := mem.Create[node](p)
	if err != nil || *n != (node{}) {
		t.Errorf("Create under the promise: %v", err)
	}
	scanned := heap.NewConcurrentArena(heap.GC{})
	if scanned.Pointers() != mem.Scanned {
		t.Fatal("an arena over the collected heap is not scanned")
	}
	// Over-aligned and large blocks of a type have their own chunks.
	s, err := mem.AllocAligned[node](scanned, 3, mem.Align(256))
	if err != nil || uintptr(unsafe.Pointer(&s[0]))%256 != 0 {
		t.Errorf("AllocAligned: %v at %p", err, s)
	}
	if _, err := mem.Create[node](scanned); err != nil {
		t.Fatal(err)
	}
	chunks := scanned.Stats().Chunks
	if _, err = mem.AllocAligned[node](scanned, 1, mem.Align(256)); err != nil || scanned.Stats().Chunks != chunks+1 {
		t.Errorf("AllocAligned beside a chunk of the type: %v, %+v", err, scanned.Stats())
	}
	large, err := mem.Alloc[node](scanned, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	if large, ok := mem.Resize(scanned, large, 100); !ok || len(large) != 100 {
		t.Errorf("Resize of a large typed block: %v", ok)
	}
	type odd struct {
		p *int
		_ [3]byte
	}
	o, err := mem.Alloc[odd](scanned, 5)
	if err != nil {
		t.Fatal(err)
	}
	o, ok := mem.Resize(scanned, o, 10)
	if !ok || len(o) != 10 {
		t.Errorf("Resize of the last typed block: %v", ok)
	}
	o[9].p = new(int)
	o, _ = mem.Resize(scanned, o, 5)
	o, _ = mem.Resize(scanned, o, 10)
	if o[9].p != nil {
		t.Error("the grown part of a typed block is not zero")
	}
	mem.Free(scanned, o)
}

// Many goroutines build lists that only the arena's memory holds together, of
// several types at once, while the collector runs; the next phase finds nothing
// of them, and neither does the collector.
func TestConcurrentArenaManaged(t *testing.T) {
	type node struct {
		name *string
		next *node
	}
	type other struct {
		n    int
		next *other
		text string
	}
	a := heap.NewConcurrentArena(heap.GC{})
	const workers, length = 4, 200
	for range 3 {
		heads := make([]*node, workers)
		others := make([]*other, workers)
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				for i := range length {
					s := strings.Repeat(string(rune('a'+i%26)), 10)
					n, err := mem.Create[node](a)
					if err != nil || n.name != nil || n.next != nil {
						t.Errorf("Create: %v, %v", n, err)
						return
					}
					n.name, n.next = &s, heads[w]
					heads[w] = n
					o, err := mem.New(a, other{i, others[w], s + s})
					if err != nil {
						t.Error(err)
						return
					}
					others[w] = o
					if i%50 == 0 {
						runtime.GC()
					}
					gone, _ := mem.Alloc[other](a, 2)
					mem.Free(a, gone)
				}
			})
		}
		wg.Wait()
		runtime.GC()
		watched := weak.Make(heads[0].name)
		for w := range workers {
			i := length - 1
			for n, o := heads[w], others[w]; n != nil; n, o, i = n.next, o.next, i-1 {
				want := strings.Repeat(string(rune('a'+i%26)), 10)
				if *n.name != want || o.text != want+want || o.n != i {
					t.Fatalf("worker %d, node %d: %q, %+v", w, i, *n.name, o)
				}
			}
			if i != -1 {
				t.Fatalf("worker %d: the list ends at %d", w, i)
			}
		}
		clear(heads)
		clear(others)
		a.Reset()
		runtime.GC()
		if watched.Value() != nil {
			t.Error("Reset keeps alive what the blocks referred to")
		}
	}
	a.Close()
}

func TestConcurrentArenaManyTypes(t *testing.T) {
	a := heap.NewConcurrentArena(heap.GC{})
	defer a.Close()
	base := reflect.TypeFor[*int]()
	for round := range 2 {
		for n := 1; n <= 100; n++ {
			typ := mem.TypeOf(reflect.ArrayOf(n, base))
			l := mem.Layout{Align: mem.AlignOf[*int](), Kind: mem.Managed, Type: typ}
			if b := take(t, a, 2*typ.Size(), l); !a.Owns(b) {
				t.Fatalf("round %d, type %v: the block is not owned", round, typ)
			}
		}
		a.Reset()
	}
}

// What was freed is not kept alive by what the arena remembers.
func TestConcurrentArenaForgets(t *testing.T) {
	type node struct {
		p *[64]int
		_ [6]int
	}
	a := heap.NewConcurrentArena(heap.GC{})
	var watched []weak.Pointer[[64]int]
	fill := func(n int) []node {
		s := mem.Must(mem.Alloc[node](a, n))
		for i := range 8 {
			s[i].p = new([64]int)
			watched = append(watched, weak.Make(s[i].p))
		}
		return s
	}
	for _, n := range []int{100, 10_000} { // in a slab, in a chunk of its own
		mem.Free(a, fill(n))
		fill(n)
	}
	a.Release()
	for _, w := range watched {
		for end := time.Now().Add(time.Minute); w.Value() != nil; runtime.GC() {
			if time.Now().After(end) {
				t.Fatal("an object that only freed blocks refer to is still alive")
			}
		}
	}
	runtime.KeepAlive(a)
}
