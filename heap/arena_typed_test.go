package heap_test

import (
	"errors"
	"runtime"
	"testing"
	"weak"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

func TestArenaRefusesPointers(t *testing.T) {
	a := heap.NewArena(newArenaChild(t))
	defer a.Close()
	type node struct{ next *node }
	if _, err := mem.Create[node](a); !errors.Is(err, mem.ErrPointers) {
		t.Errorf("Create over pages: %v", err)
	}
	b := heap.NewArena(mem.NoGoPointers(newArenaChild(t)))
	defer b.Close()
	var head *node
	for range 1000 {
		n, err := mem.Create[node](b)
		if err != nil || n.next != nil {
			t.Fatal(n, err)
		}
		n.next, head = head, n
	}
	n := 0
	for ; head != nil; head = head.next {
		n++
	}
	if n != 1000 || a.Pointers() != mem.PlainOnly || b.Pointers() != mem.Promised {
		t.Errorf("%d nodes", n)
	}
}

type arenaRecord struct {
	id   int
	name string
	next *arenaRecord
	obj  *[64]byte
}

// What managed objects refer to lives as long as they do.
func TestArenaManaged(t *testing.T) {
	a := heap.NewArena(heap.GC{})
	defer a.Close()
	stop := make(chan bool)
	defer func() { stop <- true }()
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	for phase := range 5 {
		var head *arenaRecord
		var refs []weak.Pointer[[64]byte]
		for i := range 2000 {
			r, err := mem.Create[arenaRecord](a)
			if err != nil || *r != (arenaRecord{}) {
				t.Fatalf("phase %d, %d: %+v, %v", phase, i, *r, err)
			}
			*r = arenaRecord{i, string(rune('a' + i%26)), head, new([64]byte)}
			refs = append(refs, weak.Make(r.obj))
			head = r
			if i%3 == 0 {
				s, err := mem.Alloc[*int](a, 1+i%40)
				if err != nil {
					t.Fatal(err)
				}
				for j := range s {
					if s[j] != nil {
						t.Fatal("not zero")
					}
					s[j] = new(int)
				}
			}
		}
		if testing.Short() || phase == 0 {
			runtime.GC()
		}
		for i, r := 1999, head; r != nil; i, r = i-1, r.next {
			if r.id != i || refs[i].Value() != r.obj {
				t.Fatalf("phase %d: arenaRecord %d is %+v", phase, i, *r)
			}
		}
		runtime.KeepAlive(head)
		a.Reset()
	}
}

// What is reset, rewound, freed or shrunk keeps nothing alive.
func TestArenaRetainsNothing(t *testing.T) {
	a := heap.NewArena(heap.GC{})
	defer a.Close()
	mem.Must(mem.Create[*[64]byte](a)) // the slab is there before the mark
	put := func(n int) ([]*[64]byte, []weak.Pointer[[64]byte]) {
		s := mem.Must(mem.Alloc[*[64]byte](a, n))
		refs := make([]weak.Pointer[[64]byte], n)
		for i := range s {
			s[i] = new([64]byte)
			refs[i] = weak.Make(s[i])
		}
		return s, refs
	}
	gone := func(how string, refs []weak.Pointer[[64]byte], want bool) {
		t.Helper()
		runtime.GC()
		runtime.GC()
		for i, r := range refs {
			if (r.Value() == nil) != want {
				t.Fatalf("%s: referent %d gone: %v, want %v", how, i, r.Value() == nil, want)
			}
		}
	}
	for _, n := range []int{1, 5, 3000} {
		s, refs := put(n)
		gone("allocated", refs, false)
		mem.Free(a, s)
		gone("freed", refs, true)

		m := a.Mark()
		_, refs = put(n)
		put(1)
		gone("marked", refs, false)
		a.Rewind(m)
		gone("rewound", refs, true)

		s, refs = put(n + 1)
		s, ok := mem.Resize(a, s, 1)
		if !ok {
			t.Fatal("did not shrink")
		}
		gone("shrunk", refs[:1], false)
		gone("shrunk", refs[1:], true)
		if r, ok := mem.Resize(a, s, 2); ok && (r[1] != nil || r[0] == nil) {
			t.Error("regrown memory is not zero")
		}

		_, refs = put(n)
		a.Reset()
		gone("reset", refs, true)
	}
}

// Types get slabs of their own, which survive Reset as one, and no larger types
// keep them from it.
func TestArenaTypedReset(t *testing.T) {
	c := &arenaScanned{Allocator: heap.GC{}}
	a := heap.NewArena(c)
	defer a.Close()
	fill := func() {
		for i := range 3000 {
			mem.Must(mem.Create[arenaRecord](a))
			if i%10 == 0 {
				mem.Must(mem.Create[string](a))
				mem.Must(mem.Create[int](a))
			}
		}
		mem.Must(mem.Alloc[any](a, 100_000)) // a chunk of its own
	}
	fill()
	a.Reset()
	st := a.Stats()
	if st.Chunks != 4 || st.InUse != 0 {
		t.Errorf("after Reset %+v", st)
	}
	c.calls = 0
	for range 3 {
		fill()
		a.Reset()
	}
	if c.calls != 0 || a.Stats() != st {
		t.Errorf("%d calls of the child, %+v", c.calls, a.Stats())
	}
	fill()
	if !a.ResetTo(100_000) || a.Stats().Capacity > 100_000 {
		t.Errorf("after ResetTo(100000) %+v", a.Stats())
	}
	fill()
	a.Release()
	if a.Stats().Capacity != 0 {
		t.Errorf("after Release %+v", a.Stats())
	}
}

type arenaScanned struct {
	mem.Allocator
	calls int
}

func (c *arenaScanned) Alloc(size int, l mem.Layout) ([]byte, error) {
	c.calls++
	return c.Allocator.Alloc(size, l)
}
