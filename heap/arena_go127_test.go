//go:build go1.27

package heap_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

func TestArenaGeneric(t *testing.T) {
	type pair struct{ x, y int64 }
	a := heap.NewArena(newArenaChild(t))
	defer a.Close()
	for round := range 3 {
		for i := range 300 {
			p, err := a.Create[pair]()
			if err != nil || *p != (pair{}) {
				t.Fatalf("round %d: Create: %v, %v", round, p, err)
			}
			*p = pair{-1, -1}
			q, err := a.New(pair{int64(i), 7})
			if err != nil || *q != (pair{int64(i), 7}) {
				t.Fatalf("New: %v, %v", q, err)
			}
			b, err := a.Create[bool]()
			if err != nil || *b {
				t.Fatalf("Create[bool]: %v, %v", *b, err)
			}
			*b = true
			s, err := a.Make[uint32](i)
			if err != nil || len(s) != i || cap(s) != i || s == nil {
				t.Fatalf("Make(%d): %d, %v", i, len(s), err)
			}
			for j := range s {
				if s[j] != 0 {
					t.Fatalf("Make(%d): element %d is %d", i, j, s[j])
				}
				s[j] = ^uint32(0)
			}
			if *p != (pair{-1, -1}) || !*b {
				t.Fatal("blocks overlap")
			}
		}
		a.Reset()
	}
	if p, err := a.Create[struct{}](); p == nil || err != nil {
		t.Errorf("Create[struct{}]: %v, %v", p, err)
	}
	if _, err := a.Create[*int](); !errors.Is(err, mem.ErrPointers) {
		t.Errorf("Create[*int]: %v", err)
	}
	if _, err := a.New("text"); !errors.Is(err, mem.ErrPointers) {
		t.Errorf("New(string): %v", err)
	}
	for k := range 10 {
		if _, err := a.Make[pair](int(^uint(0)>>1) - k); !errors.Is(err, mem.ErrTooLarge) {
			t.Errorf("Make(max-%d): %v", k, err)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("Make(-1) did not panic")
		}
	}()
	a.Make[int](-1)
}

func TestArenaGenericManaged(t *testing.T) {
	a := heap.NewArena(heap.GC{})
	defer a.Close()
	s, err := a.Make[string](3)
	if err != nil {
		t.Fatal(err)
	}
	for i := range s {
		s[i] = fmt.Sprint(i)
	}
	p, err := a.New(&s[2])
	if err != nil || **p != "2" {
		t.Errorf("New: %v, %v", p, err)
	}
}

func TestArenaGenericClosed(t *testing.T) {
	a := heap.NewArena(heap.GC{})
	a.Create[int]()
	a.Close()
	if _, err := a.Create[int](); !errors.Is(err, mem.ErrClosed) {
		t.Errorf("Create after Close: %v", err)
	}
}

func BenchmarkArenaGeneric(b *testing.B) {
	benchArenaGeneric[[2]uint64](b, 1000)
	benchArenaGeneric[[8]uint64](b, 1000)
	benchArenaGeneric[[16]uint64](b, 1000)
}

func benchArenaGeneric[T [2]uint64 | [8]uint64 | [16]uint64](b *testing.B, live int) {
	b.Run(fmt.Sprintf("impl=Create/size=%d/live=%d", mem.TypeFor[T]().Size(), live), func(b *testing.B) {
		b.ReportAllocs()
		a := heap.NewArena(heap.Page{})
		defer a.Close()
		i := 0
		for b.Loop() {
			p, err := a.Create[T]()
			if err != nil {
				b.Fatal(err)
			}
			(*p)[0] = 1
			if i++; i == live {
				i = 0
				a.Reset()
			}
		}
	})
}

func ExampleArena_Create() {
	a := heap.NewArena(heap.Page{})
	defer a.Close()
	p, err := a.Create[[4]int]()
	if err != nil {
		panic(err)
	}
	p[3] = 42
	fmt.Println(*p)
	// Output: [0 0 0 42]
}
