package generic_test

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
)

func TestArrayListOverflow(t *testing.T) {
	a := newChecked(t, mem.PlainOnly)
	l := generic.NewArrayList[wide](a)
	defer l.Close()
	if err := l.AppendSlice(make([]wide, 3)); err != nil {
		t.Fatal(err)
	}
	before := a.requests
	for name, err := range map[string]error{
		"EnsureTotalCapacity":        l.EnsureTotalCapacity(math.MaxInt),
		"EnsureTotalCapacityPrecise": l.EnsureTotalCapacityPrecise(math.MaxInt / 16),
		"EnsureUnusedCapacity":       l.EnsureUnusedCapacity(math.MaxInt),
		"Resize":                     l.Resize(math.MaxInt - 1),
		"AppendN":                    l.AppendN(wide{}, math.MaxInt-2),
	} {
		if !errors.Is(err, mem.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if a.requests != before {
		t.Errorf("the allocator was asked %d times", a.requests-before)
	}
	if l.Len() != 3 || l.Cap() < 3 {
		t.Errorf("len %d, cap %d", l.Len(), l.Cap())
	}
}

func TestArrayListZeroSize(t *testing.T) {
	a := newChecked(t, mem.PlainOnly)
	a.failAt, a.onwards = 1, true
	l := generic.NewArrayList[struct{}](a)
	for range 1000 {
		if err := l.Append(struct{}{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Resize(math.MaxInt); err != nil {
		t.Fatal(err)
	}
	if _, err := l.AddOne(); !errors.Is(err, mem.ErrTooLarge) {
		t.Errorf("element MaxInt+1: %v", err)
	}
	if l.Len() != math.MaxInt || l.Cap() != math.MaxInt {
		t.Errorf("len %d, cap %d", l.Len(), l.Cap())
	}
	l.ShrinkAndFree(5)
	s, err := l.ToOwnedSlice()
	if err != nil || len(s) != 5 {
		t.Errorf("ToOwnedSlice: %d, %v", len(s), err)
	}
	if err := l.Close(); err != nil || a.requests > 0 {
		t.Errorf("Close: %v; the allocator was asked %d times", err, a.requests)
	}
}

func TestArrayListBuffer(t *testing.T) {
	var buf [4]int
	a := newChecked(t, mem.PlainOnly)
	a.failAt, a.onwards = 1, true
	l := generic.NewArrayList[int](a)
	l.FromBuffer(buf[:])
	for i := range 4 {
		if err := l.Append(i); err != nil {
			t.Fatal(err)
		}
	}
	_, one := l.AddOne()
	_, oneBounded := l.AddOneBounded()
	_, many := l.AddMany(2)
	_, manyBounded := l.AddManyBounded(2)
	for name, err := range map[string]error{
		"Append": l.Append(4), "AppendBounded": l.AppendBounded(4), "AppendSlice": l.AppendSlice(buf[:]),
		"AppendSliceBounded": l.AppendSliceBounded(buf[:]), "Insert": l.Insert(0, 1),
		"InsertBounded": l.InsertBounded(0, 1), "InsertSlice": l.InsertSlice(0, buf[:1]),
		"InsertSliceBounded": l.InsertSliceBounded(0, buf[:1]), "Resize": l.Resize(5),
		"AddOne": one, "AddOneBounded": oneBounded, "AddMany": many, "AddManyBounded": manyBounded,
	} {
		if err != mem.ErrLimit {
			t.Errorf("%s: %v, want %v", name, err, mem.ErrLimit)
		}
	}
	if buf != [4]int{0, 1, 2, 3} || l.Len() != 4 {
		t.Errorf("%v, %d elements", buf, l.Len())
	}
	l.Pop()
	if err := errors.Join(l.InsertBounded(0, 9), l.Resize(2), l.AppendBounded(7)); err != nil {
		t.Error(err)
	}
	if p, err := l.AddOneBounded(); err != nil || *p != 0 {
		t.Errorf("AddOneBounded: %v", err)
	}
	if buf != [4]int{9, 0, 7, 0} {
		t.Error(buf)
	}
	l.ShrinkAndFree(1)
	if l.Cap() != 4 {
		t.Errorf("capacity %d: the buffer is gone", l.Cap())
	}
	a.failAt = 0
	s, err := l.ToOwnedSlice()
	if err != nil || !slices.Equal(s, []int{9}) || &s[0] == &buf[0] || l.Cap() != 0 {
		t.Errorf("ToOwnedSlice: %v, %v", s, err)
	}
	mem.Free(a, s)
	l.FromBuffer(buf[:])
	if err := l.Close(); err != nil || l.Cap() != 0 {
		t.Errorf("Close: %v", err)
	}
}

// What removal vacates must not keep Go objects alive.
func TestArrayListForgets(t *testing.T) {
	a := newChecked(t, mem.Scanned)
	l := generic.NewArrayList[*link](a)
	defer l.Close()
	for range 20 {
		if err := l.Append(new(link)); err != nil {
			t.Fatal(err)
		}
	}
	l.Pop()
	l.SwapRemove(3)
	l.OrderedRemove(4)
	l.RemoveRange(1, 3)
	l.OrderedRemoveMany([]int{0, 2, 2, 5})
	l.ShrinkRetainingCapacity(9)
	if err := l.Resize(8); err != nil {
		t.Fatal(err)
	}
	if err := l.ReplaceRange(0, 3, nil); err != nil {
		t.Fatal(err)
	}
	for i, p := range l.UnusedCapacity() {
		if p != nil {
			t.Errorf("spare element %d is kept alive", i)
		}
	}
	if n := l.Len(); n != 5 {
		t.Errorf("%d elements", n)
	}
}

func TestArrayListPointersRefused(t *testing.T) {
	a := newChecked(t, mem.PlainOnly)
	l := generic.NewArrayList[link](a)
	defer l.Close()
	err := l.Append(links[0])
	var pe *mem.PointerError
	if !errors.As(err, &pe) || !errors.Is(err, mem.ErrPointers) {
		t.Fatalf("Append: %v", err)
	}
	if l.Len() != 0 || l.Cap() != 0 {
		t.Errorf("len %d, cap %d", l.Len(), l.Cap())
	}
	p := newChecked(t, mem.Promised)
	g := generic.NewArrayList[func()](p)
	defer g.Close()
	if err := g.Append(func() {}); !errors.Is(err, mem.ErrPointers) {
		t.Errorf("func under the promise: %v", err)
	}
}

// mustPanic runs f, which must panic with a text that holds every one of want.
func mustPanic(t *testing.T, name string, f func(), want ...string) {
	t.Helper()
	defer func() {
		t.Helper()
		r := recover()
		if r == nil {
			t.Errorf("%s: no panic", name)
			return
		}
		for _, w := range want {
			if s := fmt.Sprint(r); !strings.Contains(s, w) {
				t.Errorf("%s: panic %q, want %q in it", name, s, w)
			}
		}
	}()
	f()
}

func TestArrayListPanics(t *testing.T) {
	a := newChecked(t, mem.PlainOnly)
	var l generic.ArrayListUnmanaged[int]
	defer l.Close(a)
	if err := l.EnsureTotalCapacityPrecise(a, 4); err != nil {
		t.Fatal(err)
	}
	l.AppendSliceAssumeCapacity([]int{1, 2, 3})
	s := newChecked(t, mem.Scanned)
	for name, f := range map[string]func(){
		"Insert(-1)":                  func() { l.Insert(a, -1, 0) },
		"Insert(4)":                   func() { l.Insert(a, 4, 0) },
		"InsertBounded(4)":            func() { l.InsertBounded(4, 0) },
		"InsertAssumeCapacity(4)":     func() { l.InsertAssumeCapacity(4, 0) },
		"InsertSlice(4)":              func() { l.InsertSlice(a, 4, nil) },
		"InsertSliceBounded(4)":       func() { l.InsertSliceBounded(4, nil) },
		"OrderedRemove(3)":            func() { l.OrderedRemove(3) },
		"SwapRemove(3)":               func() { l.SwapRemove(3) },
		"RemoveRange(2, 4)":           func() { l.RemoveRange(2, 4) },
		"RemoveRange(2, 1)":           func() { l.RemoveRange(2, 1) },
		"ReplaceRange(2, 4)":          func() { l.ReplaceRange(a, 2, 4, nil) },
		"OrderedRemoveMany(unsorted)": func() { l.OrderedRemoveMany([]int{1, 0}) },
		"OrderedRemoveMany(3)":        func() { l.OrderedRemoveMany([]int{1, 3}) },
		"ShrinkRetainingCapacity(4)":  func() { l.ShrinkRetainingCapacity(4) },
		"ShrinkAndFree(4)":            func() { l.ShrinkAndFree(a, 4) },
		"Resize(-1)":                  func() { l.Resize(a, -1) },
		"AddMany(-1)":                 func() { l.AddMany(a, -1) },
		"AddManyAssumeCapacity(-1)":   func() { l.AddManyAssumeCapacity(-1) },
		"AddManyAssumeCapacity(2)":    func() { l.AddManyAssumeCapacity(2) },
		"AppendN(-1)":                 func() { l.AppendN(a, 1, -1) },
		"EnsureUnusedCapacity(-1)":    func() { l.EnsureUnusedCapacity(a, -1) },
		"At(3)":                       func() { l.At(3) },
		"AppendSliceAssumeCapacity":   func() { l.AppendSliceAssumeCapacity([]int{1, 2}) },
		"InsertSliceAssumeCapacity":   func() { l.InsertSliceAssumeCapacity(1, []int{1, 2}) },
		"FromBuffer":                  func() { l.FromBuffer(make([]int, 1)) },
		"FromOwnedSlice":              func() { l.FromOwnedSlice(a, make([]int, 1)) },
		"nil allocator":               func() { l.EnsureTotalCapacity(nil, 100) },
		"typed nil allocator":         func() { l.EnsureTotalCapacity((*checked)(nil), 100) },
		"NewArrayList(nil)":           func() { generic.NewArrayList[int](nil) },
		"zero ArrayList":              func() { new(generic.ArrayList[int]).Append(1) },
		"other kind, growing":         func() { l.EnsureTotalCapacity(s, 100) },
		"other kind, overlapping":     func() { l.AppendSlice(s, l.Items()) },
		"other kind, Close":           func() { l.Close(s) },
		"other kind, ShrinkAndFree":   func() { l.ShrinkAndFree(s, 2) },
		"other kind, ToOwnedSlice":    func() { l.ToOwnedSlice(s) },
	} {
		mustPanic(t, name, f)
		if !slices.Equal(l.Items(), []int{1, 2, 3}) || l.Cap() != 4 {
			t.Fatalf("%s: the list is now %v, cap %d", name, l.Items(), l.Cap())
		}
	}
	mustPanic(t, "typed nil", func() { generic.NewArrayList[int]((*checked)(nil)) }, "generic_test.checked")
	mustPanic(t, "other kind", func() { l.Close(s) }, "scanned", "plain only", "generic: ArrayList.Close")

	// The good twin: a list that gave its memory back goes anywhere.
	l.Close(a)
	if err := l.Append(s, 1); err != nil {
		t.Error(err)
	}
	l.Close(s)
}

// The list may change under an iteration, which goes on without an accident.
func TestArrayListIterationWhileChanging(t *testing.T) {
	a := newChecked(t, mem.PlainOnly)
	l := generic.NewArrayList[int](a)
	defer l.Close()
	for i := range 10 {
		l.Append(i)
	}
	for i := range l.All() {
		l.ShrinkAndFree(max(0, l.Len()-2))
		_ = i
	}
	if l.Len() != 2 {
		t.Errorf("%d left", l.Len())
	}
	for i := range l.Backward() {
		l.ShrinkRetainingCapacity(i)
	}
	for range l.Values() {
		t.Error("empty list yields")
	}
	l.AppendN(1, 10)
	n := 0
	for range l.Backward() {
		l.ClearAndFree()
		n++
	}
	for range l.All() {
		break
	}
	if n != 1 {
		t.Errorf("%d elements of a list that was cleared", n)
	}
}

func TestArrayListAllocs(t *testing.T) {
	a := newChecked(t, mem.PlainOnly)
	l := generic.NewArrayList[int](a)
	defer l.Close()
	l.EnsureTotalCapacity(100)
	a.failAt, a.onwards = 1, true
	full := generic.NewArrayList[int](a)
	v := []int{1, 2, 3}
	if n := allocsPerRun(100, func() {
		l.Append(1)
		l.AppendSlice(v)
		l.Insert(0, 1)
		l.InsertSlice(2, v)
		l.InsertSlice(1, l.Items()[:5])
		l.ReplaceRange(1, 4, v)
		for _, v := range l.All() {
			runtime.KeepAlive(v)
		}
		for range l.Backward() {
		}
		l.Resize(50)
		l.Clear()
		if full.Append(1) == nil || full.AppendSlice(v) == nil || full.Resize(1) == nil {
			t.Error("no failure")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Collections run while lists of pointers grow, shrink and move.
func TestArrayListCollector(t *testing.T) {
	defer collecting()()
	for _, answer := range []mem.Pointers{mem.Scanned, mem.PlainOnly} {
		a := newChecked(t, answer)
		a.inPlace, a.slack = true, 1<<10
		for round := range 6 {
			l := generic.NewArrayList[*int](a)
			h := generic.NewArrayList[int](a)
			for i := range 2000 {
				p := new(int)
				*p = i
				if answer == mem.Scanned {
					if err := l.Append(p); err != nil {
						t.Fatal(err)
					}
					if i%3 == 0 {
						l.Insert(i/2, p)
						l.OrderedRemove(i / 2)
					}
				}
				if err := h.Append(i); err != nil {
					t.Fatal(err)
				}
			}
			l.ShrinkAndFree(l.Len() - l.Len()/4)
			for i, p := range l.All() {
				if *p != i {
					t.Fatalf("round %d: element %d is %d", round, i, *p)
				}
			}
			l.Close()
			h.Close()
		}
	}
}
