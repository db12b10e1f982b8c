package heap_test

import (
	"errors"
	"math"
	"math/bits"
	"sync"
	"syscall"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

func TestReserved(t *testing.T) {
	for _, room := range []int{1, 1 << 20} {
		allocatortest.RunWith(t, allocatortest.Promises{
			Concurrent: true, ReusesFreed: vm.HasOS, NoGarbage: vm.HasOS && !invariant.Enabled,
		}, func(*testing.T) mem.Allocator { return heap.NewReserved(room) })
	}
}

func FuzzReserved(f *testing.F) {
	f.Add([]byte("\x00\x05\x0c\x01\x10\x20\x02\x03\x04"))
	f.Add([]byte("reserve, grow, shrink, grow again; and what was there is zero"))
	f.Fuzz(func(t *testing.T, program []byte) {
		allocatortest.Play(t, heap.NewReserved(1<<20), program)
	})
}

// needsReservations skips the test where there are none.
func needsReservations(t *testing.T) {
	if !vm.HasOS {
		t.Skip("no operating system")
	}
}

// A block grows to all of its room, with its contents, where it is, and no
// further.
func TestReservedGrows(t *testing.T) {
	needsReservations(t)
	page := vm.PageSize()
	r := heap.NewReserved(100 * page)
	for _, room := range []int{0, 1000 * page} {
		l := mem.Layout{Zero: true, Align: mem.Align(4 * page)}
		b, err := r.Alloc(10, l)
		want := 100 * page
		if room > 0 {
			r.Free(b, l)
			b, err = r.AllocRoom(10, room, l)
			want = room
		}
		if err != nil || r.Room(b) != want {
			t.Fatalf("%v; room of %d, want %d", err, r.Room(b), want)
		}
		if s := r.Stats(); s != (heap.ReservedStats{Blocks: 1, Bytes: page, Reserved: want}) {
			t.Errorf("%+v", s)
		}
		start := &b[0]
		for _, size := range []int{11, page, page + 1, want, 2 * page, 5, want} {
			have := len(b)
			pageFill(b, 1)
			nb, ok := r.Remap(b, l, size)
			if !ok || &nb[0] != start || len(nb) != size || cap(nb) != size {
				t.Fatalf("to %d: %v, %d of %d bytes", size, ok, len(nb), cap(nb))
			}
			b = nb
			if i := pageNot(b[:min(have, size)], 1); i >= 0 {
				t.Errorf("to %d: byte %d is lost", size, i)
			}
			if size > have && pageNot(b[have:], 0) >= 0 {
				t.Errorf("to %d: new bytes are not zero", size)
			}
			n, _ := vm.Whole(size)
			if s := r.Stats(); s.Bytes != n || s.Reserved != want {
				t.Errorf("to %d: %+v", size, s)
			}
		}
		for _, size := range []int{want + 1, math.MaxInt} {
			if _, ok := r.Resize(b, l, size); ok {
				t.Errorf("grew to %d, beyond its room", size)
			}
		}
		r.Free(b, l)
		if s := r.Stats(); s != (heap.ReservedStats{}) {
			t.Errorf("%+v", s)
		}
	}
}

// A limit above it is one of memory, not of addresses.
func TestReservedLimit(t *testing.T) {
	needsReservations(t)
	limit := heap.NewLimit(heap.NewReserved(1<<20), 100_000)
	b, err := limit.Alloc(50_000, mem.Layout{})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := limit.Resize(b, mem.Layout{}, 100_001); ok {
		t.Error("grew beyond the limit")
	}
	if b, _ = limit.Resize(b, mem.Layout{}, 100_000); len(b) != 100_000 {
		t.Error("did not grow up to the limit")
	}
	limit.Free(b, mem.Layout{})
}

func TestReservedErrors(t *testing.T) {
	r := heap.NewReserved(0)
	if _, err := r.Alloc(math.MaxInt, mem.Layout{}); !errors.Is(err, mem.ErrTooLarge) {
		t.Errorf("Alloc(MaxInt): %v", err)
	}
	if _, err := r.Alloc(8, mem.Layout{Kind: mem.Managed, Type: mem.TypeFor[*int]()}); !errors.Is(err, mem.ErrPointers) {
		t.Errorf("Alloc of pointers: %v", err)
	}
	needsReservations(t)
	if _, err := r.AllocRoom(8, math.MaxInt, mem.Layout{}); !errors.Is(err, mem.ErrTooLarge) {
		t.Errorf("AllocRoom(MaxInt): %v", err)
	}
	if _, err := r.AllocRoom(8, math.MaxInt>>16<<16, mem.Layout{}); !errors.Is(err, mem.ErrOutOfMemory) {
		t.Errorf("AllocRoom of everything: %v", err)
	}
	if b, err := r.Alloc(8, mem.Layout{}); err != nil || uint64(r.Room(b)) != 16<<20<<(bits.UintSize/64*8) {
		t.Errorf("Alloc(8): %v", err)
	} else {
		r.Free(b, mem.Layout{})
	}
}

// Whatever system call fails, the block stays as it was or the operation
// succeeds, and nothing is lost.
func TestReservedEveryCallFails(t *testing.T) {
	needsReservations(t)
	page := vm.PageSize()
	r := heap.NewReserved(50 * page)
	before := vm.ReadStats()
	steps := func() {
		b, err := r.Alloc(2*page-5, mem.Layout{})
		if err != nil {
			return
		}
		for _, size := range []int{20 * page, 3 * page, 49 * page, 5} {
			pageFill(b, 1)
			have := len(b)
			b, _ = r.Resize(b, mem.Layout{Zero: true}, size)
			if pageNot(b[:min(have, len(b))], 1) >= 0 || len(b) > have && pageNot(b[have:], 0) >= 0 {
				t.Errorf("wrong bytes on the way from %d to %d", have, size)
			}
		}
		r.Free(b, mem.Layout{})
	}
	for _, errno := range []error{syscall.ENOMEM, syscall.EINVAL} {
		for _, forEver := range []bool{false, true} {
			for k, calls := 0, 1; calls >= k; k++ { // until no call k is made
				calls = 0
				undo := vm.Inject(func(vm.Call) error {
					calls++
					if calls-1 == k || forEver && calls > k {
						return errno
					}
					return nil
				})
				allocatortest.NoMisuse(t, steps)
				undo()
				if s := r.Stats(); s != (heap.ReservedStats{}) || vm.ReadStats().Committed != before.Committed {
					t.Fatalf("at call %d, %v: %+v", k, errno, s)
				}
			}
		}
	}
	vm.Trim()
}

func TestReservedMisuse(t *testing.T) {
	needsReservations(t)
	page := vm.PageSize()
	r := heap.NewReserved(10 * page)
	for _, c := range []struct {
		name  string
		kind  heap.MisuseKind
		block func(b []byte) []byte
	}{
		{"Foreign", heap.ForeignFree, func([]byte) []byte { return make([]byte, 3*page) }},
		{"Append", heap.ForeignFree, func(b []byte) []byte { return append(b, 1) }},
		{"Interior", heap.InteriorFree, func(b []byte) []byte { return b[page:] }},
		{"Shorter", heap.SizeMismatch, func(b []byte) []byte { return b[:page:page] }},
		{"OfPage", heap.WrongAllocator, func([]byte) []byte { return pageAlloc(t, heap.Page{}, page, mem.Layout{}) }},
		{"OfAnother", heap.WrongAllocator, func([]byte) []byte {
			return pageAlloc(t, heap.NewReserved(0), page, mem.Layout{})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := pageAlloc(t, r, 3*page, mem.Layout{})
			pageFill(b, 7)
			bad := c.block(b)
			before := r.Stats()
			expectMisuse(t, c.kind, func() { r.Free(bad, mem.Layout{}) })
			expectMisuse(t, c.kind, func() {
				if _, ok := r.Resize(bad, mem.Layout{}, 5*page); ok {
					t.Error("Resize of a bad block: true")
				}
			})
			if pageNot(b, 7) >= 0 || r.Stats() != before {
				t.Errorf("something changed: %+v", r.Stats())
			}
			allocatortest.NoMisuse(t, func() { r.Free(b, mem.Layout{}) })
		})
	}
	b := pageAlloc(t, r, page, mem.Layout{})
	expectMisuse(t, heap.WrongAllocator, func() { heap.Page{}.Free(b, mem.Layout{}) })
	r.Free(b, mem.Layout{})
	kind := heap.DoubleFree
	if vm.GoHeap {
		kind = heap.ForeignFree // where pages of Go's soon come to lie anywhere
	}
	expectMisuse(t, kind, func() { r.Free(b, mem.Layout{}) })
}

func TestReservedZeroValue(t *testing.T) {
	var r heap.Reserved
	b := pageAlloc(t, heap.Page{}, 100, mem.Layout{})
	expectMisuse(t, heap.Uninitialised, func() {
		if _, err := r.Alloc(1, mem.Layout{}); err == nil {
			t.Error("Alloc succeeded")
		}
	})
	expectMisuse(t, heap.Uninitialised, func() { r.Free(b, mem.Layout{}) })
	expectMisuse(t, heap.Uninitialised, func() { r.Resize(b, mem.Layout{}, 200) })
	heap.Page{}.Free(b, mem.Layout{})
	defer func() {
		if v := recover(); v != "heap: NewReserved: negative room" {
			t.Errorf("panic with %v", v)
		}
	}()
	heap.NewReserved(-1)
}

// Readers hold on to a block while it grows.
func TestReservedReaders(t *testing.T) {
	needsReservations(t)
	page := vm.PageSize()
	r := heap.NewReserved(200 * page)
	b := pageAlloc(t, r, page, mem.Layout{})
	pageFill(b, 9)
	old := b
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				if pageNot(old, 9) >= 0 {
					t.Error("the block changed")
				}
			}
		})
	}
	for n := 2; n <= 200; n++ {
		b, _ = r.Resize(b, mem.Layout{}, n*page)
	}
	wg.Wait()
	if len(b) != 200*page {
		t.Errorf("grew to %d bytes", len(b))
	}
	r.Free(b, mem.Layout{})
}

func BenchmarkReservedGrow(b *testing.B) {
	const step, steps = 64 << 10, 60
	b.Run("impl=reserved", func(b *testing.B) {
		benchGrow(b, heap.NewReserved(step*steps), step, steps)
	})
	b.Run("impl=page", func(b *testing.B) { benchGrow(b, heap.Page{}, step, steps) })
	b.Run("impl=append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s := make([]byte, step)
			for range steps - 1 {
				s[len(s)-1] = 1
				s = append(s, make([]byte, step)...)
			}
			s[len(s)-1] = 1
		}
	})
}

// benchGrow grows a block in steps, and touches it.
func benchGrow(b *testing.B, a mem.Allocator, step, steps int) {
	b.ReportAllocs()
	for b.Loop() {
		s, err := mem.Alloc[byte](a, step)
		for i := 2; i <= steps && err == nil; i++ {
			s[len(s)-1] = 1
			s, err = mem.Realloc(a, s, i*step)
		}
		if err != nil {
			b.Fatal(err)
		}
		mem.Free(a, s)
	}
}
