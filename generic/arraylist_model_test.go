package generic_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

type wide struct {
	a, c uint64
	ok   bool
}

type link struct {
	next *link
	name string
}

// links are values with pointers that keep nothing alive: all that they point to
// is memory of an allocator, so that they may go wherever the promise is given.
var links = func() []link {
	a := mem.NoGoPointers(heap.Page{})
	s := mem.Must(mem.Alloc[link](a, 256))
	for i := range s {
		s[i] = link{&s[(i+1)%len(s)], mem.Must(mem.DupeString(a, fmt.Sprint(i)))}
	}
	return s
}()

// listProgram runs a tape on a list and on a slice and compares the two.
func listProgram[T comparable](t *testing.T, a *checked, p *tape, value func(byte) T) {
	var l generic.ArrayListUnmanaged[T]
	defer l.Close(a)
	var model []T
	next, index := p.next, p.index
	span := func() (int, int) { return p.span(len(model)) }
	values := func() []T { // now and then a part of the list itself
		if n := next(); n%3 != 0 || len(model) == 0 {
			v := make([]T, n%13)
			for i := range v {
				v[i] = value(n + byte(i))
			}
			return v
		}
		i, j := span()
		return l.Items()[i:j]
	}
	for p.more() {
		op := next()
		var err error
		switch op % 28 {
		case 0, 1, 2:
			v := value(next())
			if err = l.Append(a, v); err == nil {
				model = append(model, v)
			}
		case 3:
			v := values()
			c := slices.Clone(v)
			if err = l.AppendSlice(a, v); err == nil {
				model = append(model, c...)
			}
		case 4:
			i, v := index(len(model)+1), value(next())
			if err = l.Insert(a, i, v); err == nil {
				model = slices.Insert(model, i, v)
			}
		case 5:
			i, v := index(len(model)+1), values()
			c := slices.Clone(v)
			if err = l.InsertSlice(a, i, v); err == nil {
				model = slices.Insert(model, i, c...)
			}
		case 6:
			i, j := span()
			v := values()
			c := slices.Clone(v)
			if err = l.ReplaceRange(a, i, j, v); err == nil {
				model = slices.Replace(model, i, j, c...)
			}
		case 7:
			if len(model) > 0 {
				i := index(len(model))
				if got := l.OrderedRemove(i); got != model[i] {
					t.Fatalf("OrderedRemove(%d) = %v, want %v", i, got, model[i])
				}
				model = slices.Delete(model, i, i+1)
			}
		case 8:
			if len(model) > 0 {
				i := index(len(model))
				if got := l.SwapRemove(i); got != model[i] {
					t.Fatalf("SwapRemove(%d) = %v, want %v", i, got, model[i])
				}
				model[i] = model[len(model)-1]
				model = model[:len(model)-1]
			}
		case 9:
			got, ok := l.Pop()
			if ok != (len(model) > 0) {
				t.Fatalf("Pop: %v with %d elements", ok, len(model))
			}
			if ok {
				if got != model[len(model)-1] {
					t.Fatalf("Pop = %v, want %v", got, model[len(model)-1])
				}
				model = model[:len(model)-1]
			}
		case 10:
			n := int(next())
			if err = l.Resize(a, n); err == nil {
				if n <= len(model) {
					model = model[:n]
				} else {
					model = append(model, make([]T, n-len(model))...)
				}
			}
		case 11:
			n := index(len(model) + 1)
			l.ShrinkAndFree(a, n)
			model = model[:n]
		case 12:
			n := index(len(model) + 1)
			l.ShrinkRetainingCapacity(n)
			model = model[:n]
		case 13:
			l.Clear()
			model = model[:0]
		case 14:
			n := int(next())
			if err = l.EnsureTotalCapacityPrecise(a, n); err == nil && l.Cap() < n {
				t.Fatalf("capacity %d, want %d", l.Cap(), n)
			}
		case 15:
			n := int(next())
			if err = l.EnsureUnusedCapacity(a, n); err == nil && l.Cap() < n+l.Len() {
				t.Fatalf("capacity %d, want %d", l.Cap(), n+l.Len())
			}
		case 16:
			var s []T
			if s, err = l.ToOwnedSlice(a); err == nil {
				if len(s) != cap(s) || s == nil || l.Len() != 0 || l.Cap() != 0 {
					t.Fatalf("ToOwnedSlice: len %d, cap %d; the list has %d, %d", len(s), cap(s), l.Len(), l.Cap())
				}
				l.FromOwnedSlice(a, s)
			}
		case 17:
			var c generic.ArrayListUnmanaged[T]
			if c, err = l.Clone(a); err == nil {
				if !slices.Equal(c.Items(), model) || c.Cap() != len(model) && reflect.TypeFor[T]().Size() > 0 {
					t.Fatalf("Clone: %v, want %v", c.Items(), model)
				}
				l.Close(a)
				l = c
			}
		case 18:
			var p *T
			if p, err = l.AddOne(a); err == nil {
				if *p != *new(T) {
					t.Fatalf("AddOne: %v", *p)
				}
				*p = value(op)
				model = append(model, value(op))
			}
		case 19:
			n := int(next()) % 9
			var s []T
			if s, err = l.AddMany(a, n); err == nil {
				for i := range s {
					if s[i] != *new(T) {
						t.Fatalf("AddMany: %v at %d", s[i], i)
					}
					s[i] = value(byte(i))
					model = append(model, s[i])
				}
				if len(s) != n {
					t.Fatalf("AddMany(%d): %d", n, len(s))
				}
			}
		case 20:
			i, j := span()
			l.RemoveRange(i, j)
			model = slices.Delete(model, i, j)
		case 21:
			if len(model) > 0 {
				var indexes []int
				for range next() % 8 {
					indexes = append(indexes, index(len(model)))
				}
				slices.Sort(indexes)
				l.OrderedRemoveMany(indexes)
				indexes = slices.Compact(indexes)
				for _, i := range slices.Backward(indexes) {
					model = slices.Delete(model, i, i+1)
				}
			}
		case 22:
			v, n := value(next()), int(next())%9
			if err = l.AppendN(a, v, n); err == nil {
				for range n {
					model = append(model, v)
				}
			}
		case 23: // the forms without an allocator
			room := l.Cap() - l.Len()
			i, v := index(len(model)+1), values()
			c := slices.Clone(v)
			if berr := l.InsertSliceBounded(i, v); (berr == nil) != (room >= len(v)) {
				t.Fatalf("InsertSliceBounded(%d) with room for %d: %v", len(v), room, berr)
			} else if berr == nil {
				model = slices.Insert(model, i, c...)
			}
		case 24:
			i, n := index(len(model)+1), int(next())%9
			var s []T
			if s, err = l.InsertMany(a, i, n); err == nil {
				if len(s) != n || !slices.Equal(s, make([]T, n)) {
					t.Fatalf("InsertMany(%d): %v", n, s)
				}
				model = slices.Insert(model, i, s...)
			}
		case 25:
			i, j := span()
			room, v := l.Cap()-l.Len(), values()
			c := slices.Clone(v)
			if berr := l.ReplaceRangeBounded(i, j, v); berr == nil {
				model = slices.Replace(model, i, j, c...)
			} else if room >= len(v) {
				t.Fatalf("ReplaceRangeBounded(%d, %d) by %d with room for %d: %v", i, j, len(v), room, berr)
			}
		case 26:
			keep, got := index(len(model)+1), 0
			for v := range l.Drain() {
				if v != model[got] {
					t.Fatalf("Drain: %v at %d, want %v", v, got, model[got])
				}
				if got++; len(model)-got <= keep {
					break
				}
			}
			model = slices.Delete(model, 0, got)
		case 27:
			v, n := value(next()), int(next())%9
			if room := l.Cap() - l.Len(); (l.AppendNBounded(v, n) == nil) != (room >= n) {
				t.Fatalf("AppendNBounded(%d) with room for %d", n, room)
			} else if room >= n {
				model = append(model, slices.Repeat([]T{v}, n)...)
			}
		}
		mustSucceed(t, a, op%28, err)
		if !slices.Equal(l.Items(), model) {
			t.Fatalf("operation %d: %v, want %v", op%28, l.Items(), model)
		}
		if len(model) > 1000 {
			l.ShrinkAndFree(a, 10)
			model = model[:10]
		}
	}
	i := 0
	for k, v := range l.All() {
		if k != i || v != model[i] {
			t.Fatalf("All: %d, %v; want %d, %v", k, v, i, model[i])
		}
		i++
	}
	if i != len(model) || !slices.Equal(slices.Collect(l.Values()), model) {
		t.Fatalf("All and Values do not yield the %d elements", len(model))
	}
	for k, v := range l.Backward() {
		if i--; k != i || v != model[i] {
			t.Fatalf("Backward: %d, %v; want %d, %v", k, v, i, model[i])
		}
	}
}

var listPrograms = modelOf(listProgram[byte], listProgram[wide], listProgram[struct{}], listProgram[link])

func TestArrayListModel(t *testing.T) { testModel(t, listPrograms...) }

func FuzzArrayList(f *testing.F) { fuzzModel(f, listPrograms...) }
