package generic_test

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// segmentedProgram runs a tape on a segmented list and on a slice and compares
// the two, and that elements stay where they are.
func segmentedProgram[T comparable](t *testing.T, a *checked, p *tape, value func(byte) T) {
	var l generic.SegmentedListUnmanaged[T]
	defer l.Close(a)
	var model []T
	var places []*T
	for p.more() {
		op := p.next() % 10
		var err error
		switch op {
		case 0, 1, 2:
			v := value(p.next())
			if err = l.Append(a, v); err == nil {
				model = append(model, v)
			}
		case 3, 4:
			v := slice(p, 30, value)
			if err = l.AppendSlice(a, v); err == nil {
				model = append(model, v...)
			}
		case 5:
			var e *T
			if e, err = l.AddOne(a); err == nil {
				if *e != *new(T) {
					t.Fatalf("AddOne: %v", *e)
				}
				*e = value(op)
				model = append(model, value(op))
			}
		case 6:
			v, ok := l.Pop()
			if ok != (len(model) > 0) || ok && v != model[len(model)-1] {
				t.Fatalf("Pop: %v, %v", v, ok)
			}
			model = model[:max(0, len(model)-1)]
		case 7:
			n := p.index(len(model) + 1)
			if p.next()%2 == 0 {
				l.ShrinkRetainingCapacity(n)
			} else {
				l.ShrinkAndFree(a, n)
			}
			model = model[:n]
		case 8:
			n := int(p.next())
			if err = l.EnsureUnusedCapacity(a, n); err == nil && l.Cap()-l.Len() < n {
				t.Fatalf("capacity %d with %d elements, want room for %d", l.Cap(), l.Len(), n)
			}
		case 9:
			var c generic.SegmentedListUnmanaged[T]
			if c, err = l.Clone(a); err == nil {
				l.Close(a)
				l, places = c, nil
			}
		}
		mustSucceed(t, a, op, err)
		if got := slices.Concat(slices.Collect(l.Segments())...); !slices.Equal(got, model) || l.Len() != len(model) {
			t.Fatalf("operation %d: %v, want %v", op, got, model)
		}
		places = places[:min(len(places), len(model))]
		if reflect.TypeFor[T]().Size() > 0 {
			for i := range model {
				if i < len(places) && places[i] != l.Ptr(i) {
					t.Fatalf("operation %d moved element %d", op, i)
				}
			}
		}
		for i := len(places); i < len(model); i++ {
			places = append(places, l.Ptr(i))
		}
		if len(model) > 500 {
			l.Clear()
			model = nil
		}
	}
	for i, v := range l.All() {
		if v != model[i] || v != l.At(i) {
			t.Fatalf("All: %v at %d, want %v", v, i, model[i])
		}
	}
	for i, v := range l.Backward() {
		if v != model[i] {
			t.Fatalf("Backward: %v at %d, want %v", v, i, model[i])
		}
	}
	if got := slices.Collect(l.Values()); !slices.Equal(got, model) {
		t.Fatalf("Values: %v, want %v", got, model)
	}
	slices.Reverse(model)
	if got := slices.Collect(l.Drain()); !slices.Equal(got, model) {
		t.Fatalf("Drain: %v, want %v", got, model)
	}
}

var segmentedPrograms = modelOf(segmentedProgram[byte], segmentedProgram[wide], segmentedProgram[struct{}], segmentedProgram[link])

func TestSegmentedListModel(t *testing.T) { testModel(t, segmentedPrograms...) }

func FuzzSegmentedList(f *testing.F) { fuzzModel(f, segmentedPrograms...) }

func TestSegmentedListEdges(t *testing.T) {
	l := generic.NewSegmentedList[int32](allocatortest.New(t, allocatortest.Child(heap.Page{})))
	defer l.Close()
	if _, ok := l.Last(); ok || l.AppendBounded(1) != mem.ErrLimit || l.AppendSliceBounded([]int32{1}) != mem.ErrLimit {
		t.Error("an empty list has something")
	}
	if _, err := l.AddOneBounded(); err != mem.ErrLimit {
		t.Error(err)
	}
	for _, n := range []int{math.MaxInt, math.MaxInt / 4, math.MaxInt/4 + 1, math.MaxInt - 1} {
		if err := l.EnsureTotalCapacity(n); !errors.Is(err, mem.ErrOutOfMemory) || l.Cap() != 0 {
			t.Errorf("EnsureTotalCapacity(%d): %v", n, err)
		}
	}
	if err := l.EnsureTotalCapacity(3); err != nil || l.Cap() != 32 {
		t.Fatal(err, l.Cap())
	}
	l.AppendAssumeCapacity(1)
	l.AppendSliceAssumeCapacity([]int32{2, 3})
	if err := errors.Join(l.AppendBounded(4), l.AppendSliceBounded([]int32{5})); err != nil {
		t.Error(err)
	}
	if p, err := l.AddOneBounded(); err != nil || *p != 0 {
		t.Error(err)
	}
	if err := l.EnsureUnusedCapacity(math.MaxInt); err != mem.ErrTooLarge {
		t.Error(err)
	}
	for _, p := range l.AllPtr() {
		*p *= 10
	}
	var some [3]int32
	if n := l.CopyTo(some[:], 2); n != 3 || some != [3]int32{30, 40, 50} {
		t.Error(n, some)
	}
	if v, ok := l.Last(); !ok || v != 0 {
		t.Error(v, ok)
	}
	for name, f := range map[string]func(){
		"At(6)": func() { l.At(6) }, "Ptr(-1)": func() { l.Ptr(-1) }, "CopyTo(7)": func() { l.CopyTo(nil, 7) },
		"ShrinkAndFree(7)": func() { l.ShrinkAndFree(7) }, "EnsureTotalCapacity(-1)": func() { l.EnsureTotalCapacity(-1) },
		"EnsureUnusedCapacity(-1)": func() { l.EnsureUnusedCapacity(-1) },
		"AppendSlice":              func() { l.AppendSliceAssumeCapacity(make([]int32, 100)) },
	} {
		mustPanic(t, name, f, "generic: SegmentedList")
	}
	mustPanic(t, "AddOneAssumeCapacity", func() {
		for {
			l.AddOneAssumeCapacity()
		}
	}, "no room")
	l.ClearAndFree()
	if l.Cap() != 0 {
		t.Error(l.Cap())
	}
	var pe *mem.PointerError
	if err := generic.NewSegmentedList[link](heap.Page{}).Append(links[0]); !errors.As(err, &pe) {
		t.Error(err)
	}
	z := generic.NewSegmentedList[struct{}](newChecked(t, mem.PlainOnly))
	if err := z.EnsureTotalCapacity(math.MaxInt); err != nil || z.Cap() != math.MaxInt {
		t.Error(err)
	}
}

// An iterator goes over what the list is when the loop begins, not when it was
// asked for.
func TestSegmentsLater(t *testing.T) {
	l := generic.NewSegmentedList[int](allocatortest.New(t))
	defer l.Close()
	segments := l.Segments()
	for _, n := range []int{1000, 3, 0, 10} {
		l.ShrinkAndFree(0)
		for i := range n {
			if err := l.Append(i); err != nil {
				t.Fatal(err)
			}
		}
		got := 0
		for s := range segments {
			got += len(s)
		}
		if got != n {
			t.Errorf("%d elements, want %d", got, n)
		}
	}
}
