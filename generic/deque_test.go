package generic_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
)

// dequeProgram runs a tape on a deque and on a slice and compares the two.
func dequeProgram[T comparable](t *testing.T, a *checked, p *tape, value func(byte) T) {
	var d generic.DequeUnmanaged[T]
	defer d.Close(a)
	var model []T
	for p.more() {
		op := p.next() % 16
		var err error
		switch op {
		case 0, 1:
			v := value(p.next())
			if err = d.PushBack(a, v); err == nil {
				model = append(model, v)
			}
		case 2, 3:
			v := value(p.next())
			if err = d.PushFront(a, v); err == nil {
				model = slices.Insert(model, 0, v)
			}
		case 4, 5:
			v := slice(p, 9, value)
			if first, _ := d.Slices(); p.next()%3 == 0 { // a part of the deque itself
				i, j := p.span(len(first))
				v = first[i:j]
			}
			c := slices.Clone(v)
			if op == 4 {
				if err = d.PushBackSlice(a, v); err == nil {
					model = append(model, c...)
				}
			} else if err = d.PushFrontSlice(a, v); err == nil {
				model = slices.Insert(model, 0, c...)
			}
		case 6, 7, 8:
			v, ok := d.PopFront()
			if ok != (len(model) > 0) || ok && v != model[0] {
				t.Fatalf("PopFront: %v, %v; want the first of %v", v, ok, model)
			}
			model = model[min(1, len(model)):]
		case 9, 10:
			v, ok := d.PopBack()
			if ok != (len(model) > 0) || ok && v != model[len(model)-1] {
				t.Fatalf("PopBack: %v, %v; want the last of %v", v, ok, model)
			}
			model = model[:max(0, len(model)-1)]
		case 11:
			d.ShrinkAndFree(a)
		case 12:
			i, j := p.span(len(model))
			d.RemoveBack(len(model) - j)
			d.RemoveFront(i)
			model = model[i:j]
		case 13:
			n := int(p.next()) % 50
			if err = d.EnsureUnusedCapacity(a, n); err == nil && d.Cap() < d.Len()+n {
				t.Fatalf("capacity %d with %d elements, want room for %d", d.Cap(), d.Len(), n)
			}
		case 14:
			var c generic.DequeUnmanaged[T]
			if c, err = d.Clone(a); err == nil {
				d.Close(a)
				d = c
			}
		case 15:
			v, room := slice(p, 5, value), d.Cap()-d.Len()
			if (d.PushFrontSliceBounded(v) == nil) != (len(v) <= room) {
				t.Fatalf("PushFrontSliceBounded: %d, room for %d", len(v), room)
			}
			if len(v) <= room {
				model = slices.Insert(model, 0, v...)
			}
		}
		mustSucceed(t, a, op, err)
		first, second := d.Slices()
		if got := slices.Concat(first, second); !slices.Equal(got, model) || d.Len() != len(model) {
			t.Fatalf("operation %d: %v, want %v", op, got, model)
		}
		if len(model) > 0 {
			front, _ := d.Front()
			back, _ := d.Back()
			if front != model[0] || back != model[len(model)-1] || d.At(len(model)/2) != model[len(model)/2] {
				t.Fatalf("operation %d: Front %v, Back %v of %v", op, front, back, model)
			}
		}
		if len(model) > 300 {
			d.ClearAndFree(a)
			model = nil
		}
	}
	if got := slices.Collect(d.Values()); !slices.Equal(got, model) {
		t.Fatalf("Values: %v, want %v", got, model)
	}
	for i, v := range d.Backward() {
		if v != model[i] {
			t.Fatalf("Backward: %v at %d, want %v", v, i, model[i])
		}
	}
	for range d.Drain() {
		model = model[1:]
	}
	if len(model)+d.Len() > 0 {
		t.Fatalf("Drain left %d, should have left none: %d", len(model), d.Len())
	}
}

var dequePrograms = modelOf(dequeProgram[byte], dequeProgram[wide], dequeProgram[struct{}], dequeProgram[link])

func TestDequeModel(t *testing.T) { testModel(t, dequePrograms...) }

func FuzzDeque(f *testing.F) { fuzzModel(f, dequePrograms...) }

func TestDequeEdges(t *testing.T) {
	a := newChecked(t, mem.PlainOnly)
	d := generic.NewDeque[int](a)
	defer d.Close()
	if _, ok := d.Front(); ok {
		t.Error("Front of nothing")
	}
	if _, ok := d.Back(); ok {
		t.Error("Back of nothing")
	}
	d.FromBuffer(make([]int, 0, 3))
	if err := errors.Join(d.PushBackBounded(2), d.PushFrontBounded(1), d.PushBackSliceBounded([]int{3})); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"PushBack": d.PushBack(4), "PushFront": d.PushFront(4), "PushBackBounded": d.PushBackBounded(4),
		"PushFrontBounded": d.PushFrontBounded(4), "PushBackSlice": d.PushBackSlice([]int{4}),
		"EnsureTotalCapacity": d.EnsureTotalCapacity(4), "EnsureTotalCapacityPrecise": d.EnsureTotalCapacityPrecise(4),
		"PushBackSliceBounded": d.PushBackSliceBounded([]int{4}),
	} {
		if err != mem.ErrLimit {
			t.Errorf("%s into a full buffer: %v", name, err)
		}
	}
	for i, v := range d.All() {
		if v != i+1 {
			t.Errorf("element %d is %d", i, v)
		}
	}
	*d.Ptr(1) = 7
	for name, f := range map[string]func(){
		"At(3)": func() { d.At(3) }, "At(-1)": func() { d.At(-1) }, "Ptr(3)": func() { d.Ptr(3) },
		"RemoveFront(4)": func() { d.RemoveFront(4) }, "RemoveBack(-1)": func() { d.RemoveBack(-1) },
		"PushBackAssumeCapacity":       func() { d.PushBackAssumeCapacity(1) },
		"PushFrontAssumeCapacity":      func() { d.PushFrontAssumeCapacity(1) },
		"PushFrontSliceAssumeCapacity": func() { d.PushFrontSliceAssumeCapacity([]int{1}) },
		"EnsureTotalCapacity(-1)":      func() { d.EnsureTotalCapacity(-1) },
		"EnsurePrecise(-1)":            func() { d.EnsureTotalCapacityPrecise(-1) },
		"EnsureUnusedCapacity(-1)":     func() { d.EnsureUnusedCapacity(-1) },
		"FromBuffer":                   func() { d.FromBuffer(nil) },
	} {
		mustPanic(t, name, f, "generic: Deque")
		if got := slices.Collect(d.Values()); !slices.Equal(got, []int{1, 7, 3}) {
			t.Fatalf("%s: %v", name, got)
		}
	}
	d.RemoveFront(1)
	d.PushFrontAssumeCapacity(5)
	d.RemoveBack(2)
	d.PushFrontSliceAssumeCapacity([]int{8, 9})
	if got := slices.Collect(d.Values()); !slices.Equal(got, []int{8, 9, 5}) {
		t.Error(got)
	}
	d.Close()

	if err := d.PushBack(1); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"EnsureUnusedCapacity": d.EnsureUnusedCapacity(math.MaxInt), "EnsureTotalCapacity": d.EnsureTotalCapacity(math.MaxInt),
		"EnsureTotalCapacityPrecise": d.EnsureTotalCapacityPrecise(math.MaxInt / 2),
	} {
		if !errors.Is(err, mem.ErrTooLarge) || d.Len() != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range d.Drain() {
		d.Clear()
	}
}
