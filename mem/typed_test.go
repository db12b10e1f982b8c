package mem_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/internal/asan"
	"github.com/allod-dev/allod/mem"
)

type point struct{ x, y int32 }
type node struct {
	value int
	next  *node
}
type flags struct {
	_  uint32
	on bool
}

func TestCreate(t *testing.T) {
	f := newFake(t, mem.PlainOnly)
	p, err := mem.Create[point](f)
	if err != nil || *p != (point{}) {
		t.Fatalf("Create = %v, %v, want a zero point", p, err)
	}
	if want := (mem.Layout{Align: mem.Align(4), Zero: true, Type: mem.TypeFor[point]()}); f.last != want {
		t.Errorf("Create asked for %+v, want %+v", f.last, want)
	}
	q, err := mem.New(f, point{3, 4})
	if err != nil || *q != (point{3, 4}) {
		t.Fatalf("New = %v, %v", q, err)
	}
	mem.Destroy(f, p)
	mem.Destroy(f, q)
	mem.Destroy[point](f, nil)
	mem.Destroy[point](nil, nil)
	if len(f.freed) != 2 {
		t.Errorf("%d frees, want 2", len(f.freed))
	}
}

func TestNoBytesNeverReachTheAllocator(t *testing.T) {
	f := newFake(t, mem.PlainOnly)
	e, err := mem.Create[struct{}](f)
	if e == nil || err != nil {
		t.Fatalf("Create[struct{}] = %v, %v", e, err)
	}
	mem.Destroy(f, e)
	mem.Destroy(f, e) // as often as one likes
	for _, n := range []int{0, 5} {
		s, err := mem.Alloc[struct{}](f, n)
		if s == nil || len(s) != n || err != nil {
			t.Fatalf("Alloc[struct{}](%d) = %v, %v", n, s, err)
		}
		mem.Free(f, s)
	}
	if s, err := mem.Alloc[struct{}](f, math.MaxInt); len(s) != math.MaxInt || err != nil {
		t.Errorf("Alloc[struct{}](MaxInt): len %d, %v", len(s), err)
	}
	s, err := mem.Alloc[int](f, 0)
	if s == nil || len(s) != 0 || err != nil {
		t.Fatalf("Alloc[int](0) = %v, %v, want a slice that is not nil", s, err)
	}
	mem.Free(f, s)
	mem.Free[int](f, nil)
	mem.Free[int](nil, nil)
	mem.FreeString(f, "")
	if f.calls != 0 || len(f.freed) != 0 {
		t.Errorf("%d allocs and %d frees reached the allocator", f.calls, len(f.freed))
	}
}

func TestAlloc(t *testing.T) {
	f := newFake(t, mem.PlainOnly)
	s, err := mem.Alloc[uint64](f, 10)
	if err != nil || len(s) != 10 || cap(s) != 10 {
		t.Fatalf("Alloc: len %d, cap %d, %v", len(s), cap(s), err)
	}
	for i, v := range s {
		if v != 0 {
			t.Fatalf("Alloc: s[%d] = %#x, want 0", i, v)
		}
	}
	mem.Free(f, s[:0]) // the block is s[:cap(s)]
	u, err := mem.AllocUninit[uint64](f, 3)
	if err != nil || f.last.Zero {
		t.Errorf("AllocUninit asked for zeroes (%v)", err)
	}
	mem.Free(f, u)
	// A bool that is neither 0 nor 1 miscompiles its reader.
	b, err := mem.AllocUninit[flags](f, 3)
	if err != nil || !f.last.Zero || b[2].on {
		t.Errorf("AllocUninit[flags]: Zero %t, %v, %v", f.last.Zero, b, err)
	}
	mem.Free(f, b)
	if n := testing.AllocsPerRun(20, func() {
		big, err := mem.AllocUninit[[1 << 16]byte](nothing{}, 1)
		if big != nil || err == nil {
			t.Error("nothing gave something")
		}
	}); n != 0 && !asan.Enabled { // whose builds allocate more
		t.Errorf("AllocUninit of a large type allocates %v times beside the block", n)
	}
}

// nothing never has memory, and allocates nothing to say so.
type nothing struct{ mem.NoResize }

func (nothing) Alloc(int, mem.Layout) ([]byte, error) { return nil, mem.ErrOutOfMemory }
func (nothing) Free([]byte, mem.Layout)               {}

func TestAllocTooLarge(t *testing.T) {
	f := newFake(t, mem.PlainOnly)
	for _, n := range []int{math.MaxInt, math.MaxInt/8 + 1, math.MaxInt/2 + 1, 1 << (unsafe.Sizeof(0)*8 - 3)} {
		s, err := mem.Alloc[uint64](f, n)
		if s != nil || !errors.Is(err, mem.ErrTooLarge) || !errors.Is(err, mem.ErrOutOfMemory) {
			t.Errorf("Alloc[uint64](%d) = %d elements, %v, want ErrTooLarge", n, len(s), err)
		}
	}
	if f.calls != 0 {
		t.Errorf("%d calls reached the allocator", f.calls)
	}
}

func TestNonsensePanics(t *testing.T) {
	f := newFake(t, mem.PlainOnly)
	var typed *fake
	for _, c := range []struct {
		name, want string
		call       func()
	}{
		{"Alloc", "mem: Alloc: negative length", func() { mem.Alloc[int](f, -1) }},
		{"AllocUninit", "mem: AllocUninit: negative length", func() { mem.AllocUninit[int](f, -1) }},
		{"Resize", "mem: Resize: negative length", func() { mem.Resize[int](f, nil, -1) }},
		{"Remap", "mem: Remap: negative length", func() { mem.Remap[int](f, nil, math.MinInt) }},
		{"Realloc", "mem: Realloc: negative length", func() { mem.Realloc[int](f, nil, -1) }},
		{"nil Create", "mem: Create: nil Allocator", func() { mem.Create[int](nil) }},
		{"nil Alloc of nothing", "mem: Alloc: nil Allocator", func() { mem.Alloc[int](nil, 0) }},
		{"nil Append", "mem: Append: nil Allocator", func() { mem.Append(nil, []int{}, 1) }},
		{"nil Free", "mem: Free: nil Allocator", func() { mem.Free(nil, []int{1}) }},
		{"nil Destroy", "mem: Destroy: nil Allocator", func() { mem.Destroy(nil, new(int)) }},
		{"nil promise", "mem: NoGoPointers: nil Allocator", func() { mem.NoGoPointers(nil) }},
		{"typed nil", "mem: Alloc: nil *mem_test.fake as Allocator", func() { mem.Alloc[int](typed, 1) }},
		{"Align(0)", "mem: Align: 0 is not a power of two", func() { mem.Align(0) }},
		{"Align(24)", "mem: Align: 24 is not a power of two", func() { mem.Align(24) }},
		{"AlignLog2", "mem: AlignLog2: 64 is out of range", func() { mem.AlignLog2(64) }},
		{"size 0", "mem: NoResize.Resize: size 0 is not positive", func() { mem.NoResize{}.Resize(nil, mem.Layout{}, 0) }},
		{"size -1", "mem: NoResize.Remap: size -1 is not positive", func() { mem.NoResize{}.Remap(nil, mem.Layout{}, -1) }},
	} {
		if got := panics(c.call); got != c.want {
			t.Errorf("%s: panic %q, want %q", c.name, got, c.want)
		}
	}
}

func TestKinds(t *testing.T) {
	for _, c := range []struct {
		answer mem.Pointers
		want   mem.Kind
		err    error
	}{
		{mem.PlainOnly, 0, mem.ErrPointers},
		{mem.Promised, mem.Local, nil},
		{mem.Scanned, mem.Managed, nil},
	} {
		f := newFake(t, c.answer)
		p, err := mem.Create[node](f)
		if !errors.Is(err, c.err) {
			t.Errorf("%v: Create[node]: %v, want %v", c.answer, err, c.err)
			continue
		}
		if err != nil {
			var pe *mem.PointerError
			if !errors.As(err, &pe) || f.calls != 0 {
				t.Errorf("%v: %d calls, error %T", c.answer, f.calls, err)
			}
			continue
		}
		if f.last.Kind != c.want || *p != (node{}) {
			t.Errorf("%v: asked for a %v block, want %v; %v", c.answer, f.last.Kind, c.want, *p)
		}
		mem.Destroy(f, p)
		// Plain types are plain everywhere.
		q, err := mem.Create[point](f)
		if err != nil || f.last.Kind != mem.Plain {
			t.Errorf("%v: Create[point]: kind %v, %v", c.answer, f.last.Kind, err)
		}
		mem.Destroy(f, q)
	}
}

func TestAllocAligned(t *testing.T) {
	f := newFake(t, mem.PlainOnly)
	s, err := mem.AllocAligned[byte](f, 100, mem.Align(512))
	if err != nil || !mem.Align(512).Check(addr(s)) {
		t.Fatalf("AllocAligned: %#x, %v", addr(s), err)
	}
	s[99] = 7
	s, err = mem.ReallocAligned(f, s, 1000, mem.Align(512))
	if err != nil || !mem.Align(512).Check(addr(s)) || s[99] != 7 || s[100] != 0 {
		t.Fatalf("ReallocAligned: %#x, %v", addr(s), err)
	}
	mem.FreeAligned(f, s, mem.Align(512))
	u, err := mem.AllocAligned[uint64](f, 1, mem.Align(1)) // what T needs, at least
	if err != nil || f.last.Align != mem.AlignOf[uint64]() {
		t.Errorf("AllocAligned(1): aligned to %v", f.last.Align)
	}
	mem.FreeAligned(f, u, mem.Align(1))
}

func TestResize(t *testing.T) {
	for _, c := range []struct {
		name   string
		resize func(mem.Allocator, []int32, int) ([]int32, bool)
		moves  bool
	}{
		{"Resize", mem.Resize[int32], false},
		{"Remap", mem.Remap[int32], false},
		{"Remap moving", mem.Remap[int32], true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t, mem.PlainOnly)
			s, _ := mem.Alloc[int32](f, 4)
			copy(s, []int32{1, 2, 3, 4})
			if r, ok := c.resize(f, s, 8); ok || &r[0] != &s[0] || len(r) != 4 {
				t.Fatalf("refused: %v, %t, want s, false", r, ok)
			}
			f.inPlace, f.moves = true, c.moves
			r, ok := c.resize(f, s[:3], 6) // s[3] is not an element any more
			if !ok || !slices.Equal(r, []int32{1, 2, 3, 0, 0, 0}) || cap(r) != 6 {
				t.Fatalf("grown: %v, %t", r, ok)
			}
			if moved := &r[0] != &s[0]; moved != c.moves {
				t.Errorf("moved %t, want %t", moved, c.moves)
			}
			r, ok = c.resize(f, r, 2)
			if !ok || !slices.Equal(r, []int32{1, 2}) {
				t.Fatalf("shrunk: %v, %t", r, ok)
			}
			r, ok = c.resize(f, r, 4) // grown back: zero, not 3
			if !ok || !slices.Equal(r, []int32{1, 2, 0, 0}) {
				t.Fatalf("grown back: %v, %t", r, ok)
			}
			if _, ok := c.resize(f, r, math.MaxInt/2); ok {
				t.Errorf("grew to half the address space")
			}
			if r, ok = c.resize(f, r, 0); !ok || r == nil || len(r) != 0 {
				t.Errorf("to nothing: %v, %t", r, ok)
			}
			if r, ok = c.resize(f, nil, 3); ok || r != nil {
				t.Errorf("from nil: %v, %t, want nil, false", r, ok)
			}
		})
	}
	if s, ok := mem.Resize(newFake(t, mem.PlainOnly), make([]struct{}, 2), 9); !ok || len(s) != 9 {
		t.Errorf("Resize of no bytes: len %d, %t", len(s), ok)
	}
}

func TestRealloc(t *testing.T) {
	f := newFake(t, mem.PlainOnly)
	s, err := mem.Realloc[int32](f, nil, 3)
	if err != nil || !slices.Equal(s, []int32{0, 0, 0}) {
		t.Fatalf("from nil: %v, %v", s, err)
	}
	copy(s, []int32{1, 2, 3})
	s, err = mem.Realloc(f, s, 5) // allocate, copy, free
	if err != nil || !slices.Equal(s, []int32{1, 2, 3, 0, 0}) || cap(s) != 5 {
		t.Fatalf("grown: %v, %v", s, err)
	}
	s, err = mem.Realloc(f, s, 2)
	if err != nil || !slices.Equal(s, []int32{1, 2}) {
		t.Fatalf("shrunk: %v, %v", s, err)
	}
	f.failFrom = 1
	r, err := mem.Realloc(f, s, 100)
	if !errors.Is(err, mem.ErrOutOfMemory) || !slices.Equal(r, []int32{1, 2}) || &r[0] != &s[0] {
		t.Fatalf("failed: %v, %v, want s as it was", r, err)
	}
	if r, err = mem.Realloc(f, s, math.MaxInt); !errors.Is(err, mem.ErrTooLarge) || len(r) != 2 {
		t.Fatalf("too large: %v, %v", r, err)
	}
	if s, err = mem.Realloc(f, s, 0); err != nil || s == nil || len(s) != 0 {
		t.Fatalf("to nothing: %v, %v", s, err)
	}
}

func TestReallocManaged(t *testing.T) {
	f := newFake(t, mem.Scanned)
	s, err := mem.Alloc[*int](f, 2)
	if err != nil {
		t.Fatal(err)
	}
	s[0], s[1] = new(int), new(int)
	*s[1] = 7
	for _, inPlace := range []bool{false, true} {
		f.inPlace = inPlace
		if s, err = mem.Realloc(f, s, 1); err != nil {
			t.Fatal(err)
		}
		if s, err = mem.Realloc(f, s, 2); err != nil || s[0] == nil || s[1] != nil {
			t.Fatalf("in place %t: %v, %v, want the regrown element nil", inPlace, s, err)
		}
		s[1] = new(int)
	}
	mem.Free(f, s)
}

func TestAppend(t *testing.T) {
	f := newFake(t, mem.PlainOnly)
	var s, want []int
	var err error
	for i := range 200 {
		if s, err = mem.Append(f, s, i); err != nil {
			t.Fatal(err)
		}
		want = append(want, i)
	}
	if !slices.Equal(s, want) {
		t.Fatalf("Append: %v", s)
	}
	if f.calls > 12 {
		t.Errorf("200 appends asked %d times", f.calls)
	}
	if s, err = mem.Append(f, s); err != nil || len(s) != 200 {
		t.Errorf("Append of nothing: len %d, %v", len(s), err)
	}
	f.failFrom = 1
	r, err := mem.Append(f, s, make([]int, 1000)...)
	if !errors.Is(err, mem.ErrOutOfMemory) || !slices.Equal(r, want) || cap(r) != cap(s) {
		t.Errorf("failed Append: len %d, %v", len(r), err)
	}
	mem.Free(f, s)
	z, err := mem.Append(f, []struct{}(nil), make([]struct{}, 5)...)
	if err != nil || len(z) != 5 {
		t.Errorf("Append of no bytes: len %d, %v", len(z), err)
	}
}

// Arguments that show the slice itself must be read before it dies.
func TestAppendOverlap(t *testing.T) {
	for _, moves := range []bool{false, true} {
		for _, part := range [][2]int{{0, 8}, {0, 1}, {7, 8}, {3, 6}} {
			f := newFake(t, mem.PlainOnly)
			f.moves, f.inPlace = moves, moves
			s, err := mem.Alloc[int](f, 8)
			if err != nil {
				t.Fatal(err)
			}
			for i := range s {
				s[i] = i
			}
			want := append(slices.Clone(s), s[part[0]:part[1]]...)
			if s, err = mem.Append(f, s, s[part[0]:part[1]]...); err != nil || !slices.Equal(s, want) {
				t.Errorf("Append(s, s[%d:%d]...) = %v, %v, want %v", part[0], part[1], s, err, want)
			}
			mem.Free(f, s)
		}
	}
}

func TestDupeConcat(t *testing.T) {
	f := newFake(t, mem.PlainOnly)
	d, err := mem.Dupe(f, make([]point, 3, 10))
	if err != nil || len(d) != 3 || cap(d) != 3 {
		t.Fatalf("Dupe: len %d, cap %d, %v", len(d), cap(d), err)
	}
	c, err := mem.Concat(f, []int{1}, nil, []int{2, 3})
	if err != nil || !slices.Equal(c, []int{1, 2, 3}) {
		t.Fatalf("Concat = %v, %v", c, err)
	}
	e, err := mem.Concat[int](f)
	if err != nil || e == nil || len(e) != 0 {
		t.Fatalf("Concat() = %v, %v", e, err)
	}
	z := make([]struct{}, math.MaxInt)
	if _, err := mem.Concat(f, z, z); !errors.Is(err, mem.ErrTooLarge) {
		t.Errorf("Concat of 2*MaxInt elements: %v", err)
	}
	mem.Free(f, d)
	mem.Free(f, c)
	mem.Free(f, e)
}

func TestStrings(t *testing.T) {
	f := newFake(t, mem.PlainOnly)
	s, err := mem.DupeString(f, "hello")
	if err != nil || s != "hello" {
		t.Fatalf("DupeString = %q, %v", s, err)
	}
	mem.FreeString(f, s)
	if s, err = mem.DupeString(f, ""); err != nil || s != "" {
		t.Fatalf("DupeString of nothing = %q, %v", s, err)
	}
	mem.FreeString(f, s)
	for _, text := range []string{"", "a\x00b"} {
		z, err := mem.DupeZ(f, text)
		if err != nil || string(z) != text || z[:len(z)+1][len(z)] != 0 || cap(z) != len(z)+1 {
			t.Fatalf("DupeZ(%q) = %q, cap %d, %v", text, z, cap(z), err)
		}
		mem.Free(f, z)
	}
	for _, parts := range [][]string{nil, {""}, {"a"}, {"a", "b"}, {"", "", ""}, {"one", "", "three"}} {
		want := strings.Join(parts, ", ")
		s, err := mem.Join(f, ", ", parts...)
		if err != nil || s != want {
			t.Errorf("Join(%q) = %q, %v, want %q", parts, s, err, want)
		}
		mem.FreeString(f, s)
		z, err := mem.JoinZ(f, ", ", parts...)
		if err != nil || string(z) != want || z[:len(z)+1][len(z)] != 0 {
			t.Errorf("JoinZ(%q) = %q, %v, want %q", parts, z, err, want)
		}
		mem.Free(f, z)
	}
	for _, c := range [][3]string{
		{"banana", "an", "AN"}, {"banana", "a", ""}, {"banana", "x", "y"}, {"", "x", "y"},
		{"", "", "-"}, {"aé☺\xff", "", "-"}, {"aaa", "aa", "b"}, {"a", "a", "long"},
	} {
		want := strings.ReplaceAll(c[0], c[1], c[2])
		s, err := mem.ReplaceAll(f, c[0], c[1], c[2])
		if err != nil || s != want {
			t.Errorf("ReplaceAll(%q) = %q, %v, want %q", c, s, err, want)
		}
		mem.FreeString(f, s)
	}
	f.failFrom = 1
	for name, call := range map[string]func() error{
		"DupeString": func() error { _, err := mem.DupeString(f, "x"); return err },
		"DupeZ":      func() error { _, err := mem.DupeZ(f, "x"); return err },
		"Join":       func() error { _, err := mem.Join(f, "", "x"); return err },
		"JoinZ":      func() error { _, err := mem.JoinZ(f, "", "x"); return err },
		"ReplaceAll": func() error { _, err := mem.ReplaceAll(f, "x", "y", "z"); return err },
		"Dupe":       func() error { _, err := mem.Dupe(f, []int{1}); return err },
		"Concat":     func() error { _, err := mem.Concat(f, []int{1}); return err },
		"Create":     func() error { _, err := mem.Create[int](f); return err },
		"New":        func() error { _, err := mem.New(f, 1); return err },
		"Append":     func() error { _, err := mem.Append(f, nil, 1); return err },
	} {
		if err := call(); !errors.Is(err, mem.ErrOutOfMemory) {
			t.Errorf("%s without memory: %v", name, err)
		}
	}
}

func TestMust(t *testing.T) {
	f := newFake(t, mem.PlainOnly)
	build := func() (n int, err error) {
		defer mem.Rescue(&err)
		s := mem.Must(mem.Alloc[int](f, 3))
		defer mem.Free(f, s)
		s = mem.Must(mem.Alloc[int](f, 4))
		defer mem.Free(f, s)
		return len(s), nil
	}
	if n, err := build(); n != 4 || err != nil {
		t.Errorf("build = %d, %v", n, err)
	}
	f.calls, f.failFrom = 0, 2
	if n, err := build(); n != 0 || err != mem.ErrOutOfMemory {
		t.Errorf("build = %d, %v, want ErrOutOfMemory", n, err)
	}
	other := func() (err error) {
		defer mem.Rescue(&err)
		panic("other")
	}
	if got := panics(func() { other() }); got != "other" {
		t.Errorf("Rescue: panic %q, want other", got)
	}
	if got := panics(func() { mem.Must(0, mem.ErrLimit) }); got != mem.ErrLimit.Error() {
		t.Errorf("Must without Rescue: panic %q", got)
	}
}

// Failing must not allocate: there may be no memory to do it with.
func TestFailingAllocatesNothing(t *testing.T) {
	if asan.Enabled {
		t.Skip("sanitized builds allocate more")
	}
	var a mem.Allocator = nothing{}
	for name, call := range map[string]func() error{
		"out of memory": func() error { _, err := mem.Create[point](a); return err },
		"too large":     func() error { _, err := mem.Alloc[point](a, math.MaxInt); return err },
		"pointers":      func() error { _, err := mem.Create[node](a); return err },
		"append":        func() error { _, err := mem.Append(a, nil, 1); return err },
	} {
		if n := testing.AllocsPerRun(100, func() {
			if call() == nil {
				t.Errorf("%s: no error", name)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
