package generic_test

import (
	"errors"
	"math"
	"math/bits"
	"slices"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// bitProgram runs a tape on two bit sets and on slices of bools.
func bitProgram(t *testing.T, a *checked, p *tape) {
	var s, o generic.DynamicBitSetUnmanaged
	defer s.Close(a)
	defer o.Close(a)
	var ms, mo []bool
	both := func(f func(x, y bool) bool) {
		for i := range ms {
			ms[i] = f(ms[i], mo[i])
		}
	}
	for p.more() {
		op := p.next() % 16
		var err error
		i := 0
		if len(ms) > 0 {
			i = p.index(len(ms))
		} else if op >= 2 && op <= 5 {
			op = 0
		}
		same := len(ms) == len(mo)
		switch op {
		case 0, 1:
			n, v := p.index(300), p.next()%2 == 0
			if err = s.Resize(a, n, v); err == nil {
				ms = append(ms, slices.Repeat([]bool{v}, max(0, n-len(ms)))...)[:n]
			}
		case 2:
			s.Set(i)
			ms[i] = true
		case 3:
			s.Unset(i)
			ms[i] = false
		case 4:
			s.Toggle(i)
			ms[i] = !ms[i]
		case 5:
			v := p.next()%2 == 0
			s.SetValue(i, v)
			ms[i] = v
		case 6:
			i, j := p.span(len(ms))
			v := p.next()%2 == 0
			s.SetRange(i, j, v)
			for ; i < j; i++ {
				ms[i] = v
			}
		case 7:
			s.ToggleAll()
			for i := range ms {
				ms[i] = !ms[i]
			}
		case 8:
			if same {
				s.Union(&o)
				both(func(x, y bool) bool { return x || y })
			}
		case 9:
			if same {
				s.Intersection(&o)
				both(func(x, y bool) bool { return x && y })
			}
		case 10:
			if same {
				s.Difference(&o)
				both(func(x, y bool) bool { return x && !y })
			}
		case 11:
			if same {
				s.ToggleSet(&o)
				both(func(x, y bool) bool { return x != y })
			}
		case 12:
			var c generic.DynamicBitSetUnmanaged
			if c, err = s.Clone(a); err == nil {
				o.Close(a)
				o, mo = c, slices.Clone(ms)
			}
		case 13:
			s, o, ms, mo = o, s, mo, ms
		case 14:
			if first := s.TakeFirst(); first != slices.Index(ms, true) {
				t.Fatalf("TakeFirst: %d, want %d", first, slices.Index(ms, true))
			} else if first >= 0 {
				ms[first] = false
			}
		case 15:
			if p.next()%4 == 0 {
				s.SetAll()
				for i := range ms {
					ms[i] = true
				}
			} else {
				s.Clear()
				clear(ms)
			}
		}
		mustSucceed(t, a, op, err)
		var set, unset []int
		for i, v := range ms {
			if v {
				set = append(set, i)
			} else {
				unset = append(unset, i)
			}
		}
		if s.Len() != len(ms) || s.Count() != len(set) || !slices.Equal(slices.Collect(s.All()), set) ||
			!slices.Equal(slices.Collect(s.AllUnset()), unset) || !slices.Equal(slices.Collect(s.Backward()), reversed(set)) ||
			!slices.Equal(slices.Collect(s.BackwardUnset()), reversed(unset)) {
			t.Fatalf("operation %d: %v, want %v", op, slices.Collect(s.All()), set)
		}
		first, last := -1, -1
		if len(set) > 0 {
			first, last = set[0], set[len(set)-1]
		}
		if s.First() != first || s.Last() != last {
			t.Fatalf("First %d, Last %d of %v", s.First(), s.Last(), set)
		}
		if len(ms) > 0 {
			i = p.index(len(ms))
			next := slices.Index(ms[i:], true)
			if next >= 0 {
				next += i
			}
			if s.Next(i) != next || s.IsSet(i) != ms[i] {
				t.Fatalf("Next(%d): %d, want %d", i, s.Next(i), next)
			}
		}
		if same = len(ms) == len(mo); same {
			sub, super := true, true
			for i := range ms {
				sub, super = sub && (!ms[i] || mo[i]), super && (ms[i] || !mo[i])
			}
			if s.SubsetOf(&o) != sub || s.SupersetOf(&o) != super {
				t.Fatalf("SubsetOf %v, SupersetOf %v; want %v, %v", s.SubsetOf(&o), s.SupersetOf(&o), sub, super)
			}
		}
		if s.Equal(&o) != slices.Equal(ms, mo) {
			t.Fatalf("Equal: %v", s.Equal(&o))
		}
	}
	n := s.Count()
	if got := slices.Collect(s.Drain()); len(got) != n || s.Count() != 0 {
		t.Fatalf("Drain: %d of %d", len(got), n)
	}
}

// stackProgram runs a tape on a stack of bits and on a slice of bools.
func stackProgram(t *testing.T, a *checked, p *tape) {
	var s generic.BitStackUnmanaged
	defer s.Close(a)
	var model []bool
	for p.more() {
		op := p.next() % 8
		bit := p.next()%2 == 0
		var err error
		switch op {
		case 0, 1, 2, 3:
			if err = s.Push(a, bit); err == nil {
				model = append(model, bit)
			}
		case 4, 5:
			top, ok := s.Peek()
			got, popped := s.Pop()
			if ok != popped || top != got || ok != (len(model) > 0) || ok && got != model[len(model)-1] {
				t.Fatalf("Pop: %v, %v", got, ok)
			}
			model = model[:max(0, len(model)-1)]
		case 6:
			if room := s.Cap() - s.Len(); (s.PushBounded(bit) == nil) != (room > 0) {
				t.Fatalf("PushBounded, room for %d", room)
			} else if room > 0 {
				model = append(model, bit)
			}
		case 7:
			var c generic.BitStackUnmanaged
			if c, err = s.Clone(a); err == nil {
				s.Close(a)
				s = c
			}
		}
		mustSucceed(t, a, op, err)
		if !slices.Equal(slices.Collect(s.Values()), model) || s.Len() != len(model) || !slices.Equal(slices.Collect(s.Backward()), reversed(model)) {
			t.Fatalf("operation %d: %v, want %v", op, slices.Collect(s.Values()), model)
		}
	}
	slices.Reverse(model)
	if got := slices.Collect(s.Drain()); !slices.Equal(got, model) {
		t.Fatalf("Drain: %v, want %v", got, model)
	}
}

func TestDynamicBitSetModel(t *testing.T) { testModel(t, bitProgram) }
func TestBitStackModel(t *testing.T)      { testModel(t, stackProgram) }

func FuzzDynamicBitSet(f *testing.F) { fuzzModel(f, bitProgram) }
func FuzzBitStack(f *testing.F)      { fuzzModel(f, stackProgram) }

func TestBitEdges(t *testing.T) {
	a := allocatortest.New(t)
	s, o := generic.NewDynamicBitSet(a), generic.NewDynamicBitSet(a)
	defer s.Close()
	defer o.Close()
	if s.First() != -1 || s.Last() != -1 || s.Next(0) != -1 || s.Count() != 0 {
		t.Error("an empty set has something")
	}
	if err := errors.Join(s.Resize(70, true), o.Resize(69, false)); err != nil {
		t.Fatal(err)
	}
	if math.MaxInt > math.MaxInt32 { // with 32 bits there is memory for as many
		if err := s.Resize(math.MaxInt, true); !errors.Is(err, mem.ErrOutOfMemory) || s.Len() != 70 || s.Count() != 70 {
			t.Error(err)
		}
	}
	b := generic.NewBitStack(a)
	defer b.Close()
	for name, f := range map[string]func(){
		"Set(70)": func() { s.Set(70) }, "IsSet(-1)": func() { s.IsSet(-1) }, "Resize(-1)": func() { s.Resize(-1, true) },
		"SetRange(1, 71)": func() { s.SetRange(1, 71, false) }, "SetRange(2, 1)": func() { s.SetRange(2, 1, false) },
		"Next(71)": func() { s.Next(71) }, "Union": func() { s.Union(o) }, "SubsetOf": func() { s.SubsetOf(o) },
	} {
		mustPanic(t, name, f, "generic: DynamicBitSet")
	}
	if s.Equal(o) || s.Count() != 70 {
		t.Error("Equal")
	}
	mustPanic(t, "EnsureUnusedCapacity(-1)", func() { b.EnsureUnusedCapacity(-1) }, "generic: BitStack")
	mustPanic(t, "At(0)", func() { b.At(0) }, "generic: BitStack")
	mustPanic(t, "PushAssumeCapacity", func() { b.PushAssumeCapacity(true) })
	if err := b.Push(true); err != nil {
		t.Fatal(err)
	}
	if err := b.EnsureUnusedCapacity(math.MaxInt); err != mem.ErrTooLarge {
		t.Error(err)
	}
	for b.Len() < b.Cap() {
		b.PushAssumeCapacity(b.Len()%3 == 0)
	}
	if bit, ok := b.Pop(); !ok || bit != ((b.Cap()-1)%3 == 0) {
		t.Error(bit, ok)
	}
	b.Clear()
	if _, ok := b.Pop(); ok || b.Cap() == 0 {
		t.Error("Clear")
	}
	b.ClearAndFree()
	if b.Cap() != 0 {
		t.Error("ClearAndFree")
	}
	var fixed generic.DynamicBitSetUnmanaged
	fixed.FromBuffer(make([]uint, 2))
	if err := fixed.Resize(a, fixed.Cap(), true); err != nil || fixed.Count() != 2*bits.UintSize {
		t.Error(err)
	}
	if err := fixed.Resize(a, fixed.Cap()+1, true); err != mem.ErrLimit || fixed.Len() != fixed.Cap() {
		t.Error(err)
	}
	fixed.Close(a)
	var stack generic.BitStackUnmanaged
	stack.FromBuffer(make([]uint, 1))
	for range bits.UintSize {
		if err := stack.Push(a, true); err != nil {
			t.Error(err)
		}
	}
	if err := stack.Push(a, true); err != mem.ErrLimit || stack.PushBounded(true) != mem.ErrLimit || stack.Len() != bits.UintSize {
		t.Error(err)
	}
	stack.Close(a)
	mustPanic(t, "EnsureTotalCapacity(-1)", func() { b.EnsureTotalCapacity(-1) }, "generic: BitStack.EnsureTotalCapacity")
	for range s.All() { // with bits that change
		s.Clear()
	}
	for i := range s.AllUnset() {
		s.SetRange(i, 70, true)
	}
	if s.Count() != 70 {
		t.Error(s.Count())
	}
}
