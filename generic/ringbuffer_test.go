package generic_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
)

// ringProgram runs a tape on a ring buffer and on a slice and compares the two.
func ringProgram[T comparable](t *testing.T, a *checked, p *tape, value func(byte) T) {
	var r generic.RingBufferUnmanaged[T]
	defer r.Close(a)
	var model []T
	capacity := 0
	for p.more() {
		op := p.next() % 11
		var err error
		switch op {
		case 0, 1:
			v := value(p.next())
			if full := r.Push(v); (full == nil) != (len(model) < capacity) {
				t.Fatalf("Push with %d of %d: %v", len(model), capacity, full)
			} else if full == nil {
				model = append(model, v)
			}
		case 2:
			v := value(p.next())
			if capacity == 0 {
				break
			}
			old, overwritten := r.PushOverwrite(v)
			if overwritten != (len(model) == capacity) || overwritten && old != model[0] {
				t.Fatalf("PushOverwrite: %v, %v", old, overwritten)
			}
			if overwritten {
				model = model[1:]
			}
			model = append(model, v)
		case 3:
			v := slice(p, 9, value)
			n := r.Write(v)
			if n != min(len(v), capacity-len(model)) {
				t.Fatalf("Write: %d of %d into %d", n, len(v), capacity-len(model))
			}
			model = append(model, v[:n]...)
		case 4:
			v := slice(p, 9, value)
			if r.Unread(v) == nil {
				model = slices.Insert(model, 0, v...)
			}
		case 5:
			v, ok := r.Pop()
			if ok != (len(model) > 0) || ok && v != model[0] {
				t.Fatalf("Pop: %v, %v of %v", v, ok, model)
			}
			model = model[min(1, len(model)):]
		case 6:
			dst := make([]T, p.next()%7)
			n := r.Read(dst)
			if n != min(len(dst), len(model)) || !slices.Equal(dst[:n], model[:n]) {
				t.Fatalf("Read: %v of %v", dst[:n], model)
			}
			model = model[n:]
		case 7:
			n := p.index(len(model) + 1)
			r.Discard(n)
			model = model[n:]
		case 8:
			n := len(model) + int(p.next())%20
			if err = r.SetCapacity(a, n); err == nil {
				capacity = n
			}
		case 9:
			first, second := r.Writable()
			if len(first)+len(second) != capacity-len(model) || r.Free() != capacity-len(model) {
				t.Fatalf("Writable: %d and %d, want %d", len(first), len(second), capacity-len(model))
			}
			n := p.index(r.Free() + 1)
			for i := range n {
				v := value(p.next())
				if i < len(first) {
					first[i] = v
				} else {
					second[i-len(first)] = v
				}
				model = append(model, v)
			}
			r.Commit(n)
		case 10:
			var c generic.RingBufferUnmanaged[T]
			if c, err = r.Clone(a); err == nil {
				r.Close(a)
				r = c
			}
		}
		mustSucceed(t, a, op, err)
		first, second := r.Readable()
		if got := slices.Concat(first, second); !slices.Equal(got, model) || r.Len() != len(model) || r.Cap() != capacity {
			t.Fatalf("operation %d: %v of %d, want %v of %d", op, got, r.Cap(), model, capacity)
		}
	}
	for i, v := range r.Backward() {
		if v != model[i] || v != r.At(i) {
			t.Fatalf("Backward: %v at %d, want %v", v, i, model[i])
		}
	}
	if got := slices.Collect(r.Drain()); !slices.Equal(got, model) {
		t.Fatalf("Drain: %v, want %v", got, model)
	}
}

var ringPrograms = modelOf(ringProgram[byte], ringProgram[wide], ringProgram[struct{}], ringProgram[link])

func TestRingBufferModel(t *testing.T) { testModel(t, ringPrograms...) }

func FuzzRingBuffer(f *testing.F) { fuzzModel(f, ringPrograms...) }

func TestRingBufferEdges(t *testing.T) {
	r := generic.NewRingBuffer[int](newChecked(t, mem.PlainOnly))
	defer r.Close()
	if err := errors.Join(r.SetCapacity(0), r.PushSlice(nil), r.Unread(nil)); err != nil || r.Push(1) != mem.ErrLimit {
		t.Error(err)
	}
	if _, ok := r.Peek(); ok {
		t.Error("Peek of nothing")
	}
	mustPanic(t, "PushOverwrite", func() { r.PushOverwrite(1) }, "call SetCapacity")
	mustPanic(t, "SetCapacity(-1)", func() { r.SetCapacity(-1) })
	r.FromBuffer(make([]int, 2))
	if err := r.PushSlice([]int{1, 2}); err != nil || r.PushSlice([]int{3}) != mem.ErrLimit || r.SetCapacity(3) != mem.ErrLimit {
		t.Error(err)
	}
	for name, f := range map[string]func(){
		"At(2)": func() { r.At(2) }, "Discard(3)": func() { r.Discard(3) }, "Discard(-1)": func() { r.Discard(-1) },
		"Commit(1)": func() { r.Commit(1) }, "SetCapacity(1)": func() { r.SetCapacity(1) }, "FromBuffer": func() { r.FromBuffer(nil) },
	} {
		mustPanic(t, name, f, "generic: RingBuffer")
	}
	if v, ok := r.Peek(); !ok || v != 1 {
		t.Error(v, ok)
	}
	for i, v := range r.All() {
		if v != i+1 {
			t.Error(i, v)
		}
		r.Clear()
	}
}
