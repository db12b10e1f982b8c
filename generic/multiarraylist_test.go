package generic_test

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// multiProgram runs a tape on a list of columns and on a slice and compares the
// two.
func multiProgram[T comparable](t *testing.T, a *checked, p *tape, value func(byte) T) {
	var l generic.MultiArrayListUnmanaged[T]
	defer func() { l.Close(a) }()
	var model []T
	for p.more() {
		op := p.next() % 13
		var err error
		switch op {
		case 0, 1, 2:
			v := value(p.next())
			if err = l.Append(a, v); err == nil {
				model = append(model, v)
			}
		case 3:
			v := slice(p, 9, value)
			if err = l.AppendSlice(a, v); err == nil {
				model = append(model, v...)
			}
		case 4:
			i, v := p.index(len(model)+1), value(p.next())
			if err = l.Insert(a, i, v); err == nil {
				model = slices.Insert(model, i, v)
			}
		case 5:
			if len(model) > 0 {
				i := p.index(len(model))
				if got := l.OrderedRemove(i); got != model[i] {
					t.Fatalf("OrderedRemove: %v, want %v", got, model[i])
				}
				model = slices.Delete(model, i, i+1)
			}
		case 6:
			if n := len(model); n > 0 {
				i := p.index(n)
				if got := l.SwapRemove(i); got != model[i] {
					t.Fatalf("SwapRemove: %v, want %v", got, model[i])
				}
				model[i] = model[n-1]
				model = model[:n-1]
			}
		case 7:
			v, ok := l.Pop()
			if ok != (len(model) > 0) || ok && v != model[len(model)-1] {
				t.Fatalf("Pop: %v, %v", v, ok)
			}
			model = model[:max(0, len(model)-1)]
		case 8:
			if n := len(model); n > 0 {
				i, j := p.index(n), p.index(n)
				l.Swap(i, j)
				model[i], model[j] = model[j], model[i]
			}
		case 9:
			n := int(p.next()) % 60
			if err = l.Resize(a, n); err == nil {
				model = append(model, make([]T, max(0, n-len(model)))...)[:n]
			}
		case 10:
			n := p.index(len(model) + 1)
			if p.next()%2 == 0 {
				l.ShrinkRetainingCapacity(n)
			} else {
				l.ShrinkAndFree(a, n)
			}
			model = model[:n]
		case 11:
			var c generic.MultiArrayListUnmanaged[T]
			if c, err = l.Clone(a); err == nil {
				l.Close(a)
				l = c
			}
		case 12:
			if n := int(p.next()) % 40; p.next()%2 == 0 {
				err = l.EnsureUnusedCapacity(a, n)
			} else {
				err = l.EnsureTotalCapacityPrecise(a, n)
			}
		}
		mustSucceed(t, a, op, err)
		if l.Len() != len(model) {
			t.Fatalf("operation %d: %d rows, want %d", op, l.Len(), len(model))
		}
		for i, v := range l.All() {
			if v != model[i] {
				t.Fatalf("operation %d: row %d is %v, want %v", op, i, v, model[i])
			}
		}
		if len(model) > 200 {
			l.Clear()
			model = nil
		}
	}
	if got := slices.Collect(l.Values()); !slices.Equal(got, model) {
		t.Fatalf("Values: %v, want %v", got, model)
	}
	for i, v := range l.Backward() {
		if v != model[i] {
			t.Fatalf("Backward: %v at %d, want %v", v, i, model[i])
		}
	}
	slices.Reverse(model)
	if got := slices.Collect(l.Drain()); !slices.Equal(got, model) {
		t.Fatalf("Drain: %v, want %v", got, model)
	}
}

var multiPrograms = modelOf(multiProgram[byte], multiProgram[wide], multiProgram[struct{}], multiProgram[link])

func TestMultiArrayListModel(t *testing.T) { testModel(t, multiPrograms...) }

func FuzzMultiArrayList(f *testing.F) { fuzzModel(f, multiPrograms...) }

type body struct {
	x     float64
	name  string
	tag   any
	alive bool
	_     struct{}
	trace [3]*int
}

var (
	bodyX    = generic.ColumnOf(func(b *body) *float64 { return &b.x })
	bodyName = generic.ColumnOf(func(b *body) *string { return &b.name })
	bodyTag  = generic.ColumnOf(func(b *body) *any { return &b.tag })
	bodyOK   = generic.ColumnOf(func(b *body) *bool { return &b.alive })
)

func TestMultiArrayListColumns(t *testing.T) {
	l := generic.NewMultiArrayList[body](allocatortest.New(t))
	defer l.Close()
	if len(bodyX.Items(l)) != 0 {
		t.Error("an empty list has values")
	}
	stop := collecting()
	defer stop()
	for i := range 500 {
		n := new(int)
		*n = i
		b := body{x: float64(-i), name: string(rune('a' + i%26)), tag: n, alive: i%2 == 0, trace: [3]*int{2: n}}
		if err := l.Append(b); err != nil {
			t.Fatal(err)
		}
	}
	l.SortFunc(func(i, j int) int { return cmp.Compare(bodyX.Items(l)[i], bodyX.Items(l)[j]) })
	for i, v := range l.All() {
		n := 499 - i
		if v.x != float64(-n) || *v.tag.(*int) != n || *v.trace[2] != n || v.trace[0] != nil || v.name != string(rune('a'+n%26)) {
			t.Fatalf("row %d: %+v", i, v)
		}
		if bodyOK.Items(l)[i] != v.alive || bodyName.Items(l)[i] != v.name || bodyTag.Items(l)[i] != v.tag {
			t.Fatalf("the columns do not show row %d", i)
		}
	}
	mustPanic(t, "no field", func() { generic.ColumnOf(func(b *body) *int { return new(int) }) }, "no field of generic_test.body")
	mustPanic(t, "part of a field", func() { generic.ColumnOf(func(b *body) **int { return &b.trace[0] }) }, "no field")
	mustPanic(t, "zero Column", func() { new(generic.Column[body, int]).Items(l) }, "another type")
	if n := len(generic.ColumnOf(func(*body) *struct{} { return new(struct{}) }).Items(l)); n != 500 {
		t.Errorf("%d values of no size", n)
	}
}

func TestMultiArrayListEdges(t *testing.T) {
	l := generic.NewMultiArrayList[wide](allocatortest.New(t, allocatortest.Child(heap.Page{})))
	defer l.Close()
	if l.AppendBounded(wide{}) != mem.ErrLimit || l.AppendSliceBounded(make([]wide, 1)) != mem.ErrLimit || l.InsertBounded(0, wide{}) != mem.ErrLimit {
		t.Error("no limit")
	}
	if err := l.EnsureTotalCapacityPrecise(4); err != nil || l.Cap() != 4 {
		t.Fatal(err)
	}
	l.AppendAssumeCapacity(wide{a: 1})
	l.InsertAssumeCapacity(0, wide{a: 2})
	l.AppendSliceAssumeCapacity([]wide{{a: 3}})
	if err := errors.Join(l.InsertBounded(1, wide{a: 4})); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"EnsureTotalCapacity":        l.EnsureTotalCapacity(math.MaxInt),
		"EnsureTotalCapacityPrecise": l.EnsureTotalCapacityPrecise(math.MaxInt / 8),
		"EnsureUnusedCapacity":       l.EnsureUnusedCapacity(math.MaxInt),
	} {
		if !errors.Is(err, mem.ErrTooLarge) || l.Cap() != 4 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, f := range map[string]func(){
		"Get(4)": func() { l.Get(4) }, "Set(-1)": func() { l.Set(-1, wide{}) }, "Insert(5)": func() { l.Insert(5, wide{}) },
		"Swap(0, 4)": func() { l.Swap(0, 4) }, "SwapRemove(4)": func() { l.SwapRemove(4) }, "Resize(-1)": func() { l.Resize(-1) },
		"OrderedRemove(4)": func() { l.OrderedRemove(4) }, "ShrinkAndFree(5)": func() { l.ShrinkAndFree(5) },
		"AppendAssumeCapacity": func() { l.AppendAssumeCapacity(wide{}) }, "EnsureTotalCapacity(-1)": func() { l.EnsureTotalCapacity(-1) },
		"EnsurePrecise(-1)": func() { l.EnsureTotalCapacityPrecise(-1) }, "EnsureUnusedCapacity(-1)": func() { l.EnsureUnusedCapacity(-1) },
	} {
		mustPanic(t, name, f, "generic: MultiArrayList")
		if a := generic.ColumnOf(func(w *wide) *uint64 { return &w.a }).Items(l); !slices.Equal(a, []uint64{2, 4, 1, 3}) {
			t.Fatalf("%s: %v", name, a)
		}
	}
	if n := allocsPerRun(100, func() {
		l.Set(1, l.Get(2))
		l.Insert(2, l.OrderedRemove(0))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	var pe *mem.PointerError
	r := generic.NewMultiArrayList[body](mem.NoGoPointers(heap.Page{}))
	if err := r.Append(body{}); !errors.As(err, &pe) || r.Len() != 0 {
		t.Error(err)
	}
}
