package generic_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// mapProgram runs ops on a map and on a Go map and compares the two.
func mapProgram[K comparable, V comparable](t *testing.T, a *checked, ops []byte, key func(byte) K, value func(byte) V) {
	var m generic.HashMapUnmanaged[K, V]
	defer m.Close(a)
	model := map[K]V{}
	next := func() byte {
		if len(ops) == 0 {
			return 0
		}
		b := ops[0]
		ops = ops[1:]
		return b
	}
	for len(ops) > 0 {
		op := next()
		var err error
		switch op % 20 {
		case 0, 1, 2, 3:
			k, v := key(next()), value(next())
			if err = m.Put(a, k, v); err == nil {
				model[k] = v
			}
		case 4, 5:
			k, v := key(next()), value(next())
			var old V
			var had bool
			if old, had, err = m.FetchPut(a, k, v); err == nil {
				if want, ok := model[k]; had != ok || old != want {
					t.Fatalf("FetchPut(%v): %v, %v; want %v, %v", k, old, had, want, ok)
				}
				model[k] = v
			}
		case 6, 7:
			k, v := key(next()), value(next())
			var s generic.Slot[K, V]
			s, err = m.GetOrPut(a, k)
			want, ok := model[k]
			if err == nil {
				if s.Found != ok || *s.Value != want || s.Key != k {
					t.Fatalf("GetOrPut(%v): %v, %v; want %v, %v", k, *s.Value, s.Found, want, ok)
				}
				*s.Value = v
				model[k] = v
			} else if ok {
				t.Fatalf("GetOrPut of a key that is there: %v", err)
			}
		case 8:
			k, v := key(next()), value(next())
			var s generic.Slot[K, V]
			if s, err = m.GetOrPutValue(a, k, v); err == nil {
				if _, ok := model[k]; ok != s.Found {
					t.Fatalf("GetOrPutValue(%v): found %v", k, s.Found)
				} else if !ok {
					model[k] = v
				}
				if *s.Value != model[k] {
					t.Fatalf("GetOrPutValue(%v): %v, want %v", k, *s.Value, model[k])
				}
			}
		case 9, 10, 11:
			k := key(next())
			_, ok := model[k]
			if got := m.Remove(k); got != ok {
				t.Fatalf("Remove(%v): %v, want %v", k, got, ok)
			}
			delete(model, k)
		case 12, 13:
			k := key(next())
			want, ok := model[k]
			if got, had := m.FetchRemove(k); got != want || had != ok {
				t.Fatalf("FetchRemove(%v): %v, %v; want %v, %v", k, got, had, want, ok)
			}
			delete(model, k)
		case 14:
			k, v := key(next()), value(next())
			if _, ok := model[k]; ok || m.Len() < m.Cap() {
				m.PutAssumeCapacity(k, v)
				model[k] = v
			}
		case 15:
			n := int(next())
			if err = m.EnsureUnusedCapacity(a, n); err == nil && m.Cap() < m.Len()+n {
				t.Fatalf("capacity %d, want %d", m.Cap(), m.Len()+n)
			}
		case 16:
			var c generic.HashMapUnmanaged[K, V]
			if c, err = m.Clone(a); err == nil {
				m.Close(a)
				m = c
			}
		case 17:
			switch next() % 8 {
			case 0:
				m.Clear()
				clear(model)
			case 1:
				m.ClearAndFree(a)
				clear(model)
			default:
				m.ShrinkAndFree(a)
			}
		case 18: // remove while iterating
			b := next()
			i := byte(0)
			seen := map[K]bool{}
			for k, v := range m.All() {
				if want, ok := model[k]; !ok || v != want || seen[k] {
					t.Fatalf("All: %v, %v; want %v, %v", k, v, want, ok)
				}
				seen[k] = true
				if i++; i%4 == b%4 {
					m.Remove(k)
					delete(model, k)
				}
				if i%8 == b%8 { // another one, maybe yet to come
					k := key(i * b)
					m.Remove(k)
					delete(model, k)
				}
			}
			for k := range model {
				if !seen[k] {
					t.Fatalf("All did not yield %v", k)
				}
			}
		case 19:
			for k, p := range m.AllPtr() {
				*p = value(op)
				model[k] = value(op)
			}
		}
		if err != nil && a.failed == 0 {
			t.Fatalf("operation %d: %v", op%20, err)
		}
		if m.Len() != len(model) || m.Cap() < m.Len() {
			t.Fatalf("operation %d: len %d, cap %d; want %d", op%20, m.Len(), m.Cap(), len(model))
		}
		k := key(next())
		want, ok := model[k]
		if got, had := m.Get(k); got != want || had != ok || m.Contains(k) != ok || (m.GetPtr(k) != nil) != ok {
			t.Fatalf("operation %d: Get(%v): %v, %v; want %v, %v", op%20, k, got, had, want, ok)
		}
	}
	if got := maps.Collect(m.All()); !maps.Equal(got, model) {
		t.Fatalf("%v, want %v", got, model)
	}
	for k := range m.Keys() {
		if _, ok := model[k]; !ok {
			t.Fatalf("Keys yields %v", k)
		}
	}
	n := 0
	for range m.Values() {
		n++
	}
	if n != len(model) {
		t.Fatalf("Values yields %d values, want %d", n, len(model))
	}
}

type padded struct {
	a byte
	b uint32
}

type triple [3]uint16

func mapPrograms(t *testing.T, a *checked, ops []byte) {
	id := func(b byte) byte { return b }
	mapProgram(t, a, ops, func(b byte) uint64 { return uint64(b) << 32 }, func(b byte) uint32 { return uint32(b) })
	mapProgram(t, a, ops, id, func(byte) struct{} { return struct{}{} })
	mapProgram(t, a, ops, func(b byte) triple { return triple{uint16(b), 1, uint16(b % 3)} }, id)
	mapProgram(t, a, ops, func(b byte) padded { return padded{b, uint32(b) * 7} }, func(b byte) wide { return wide{c: uint64(b)} })
	mapProgram(t, a, ops, func(b byte) float64 {
		if b == 0 {
			return math.Copysign(0, -1)
		}
		return float64(b - b%2)
	}, id)
	mapProgram(t, a, ops, func(b byte) struct{} { return struct{}{} }, id)
	if a.answer != mem.PlainOnly {
		mapProgram(t, a, ops, func(b byte) string { return links[b].name }, func(b byte) *link { return &links[b] })
		mapProgram(t, a, ops, func(b byte) *link { return &links[b] }, id)
	}
	if a.answer == mem.Scanned {
		mapProgram(t, a, ops, func(b byte) any {
			if b%2 == 0 {
				return b
			}
			return links[b].name
		}, id)
	}
}

func TestHashMapModel(t *testing.T) {
	variants(t, func(t *testing.T, a *checked) {
		for seed := range uint64(2) {
			mapPrograms(t, a, program(seed, 2000))
		}
	})
}

// The same with a directory, which else only maps of many entries have.
func TestHashMapModelParts(t *testing.T) {
	for _, groups := range []int{1, 2, 8} {
		t.Run(fmt.Sprint(groups), func(t *testing.T) {
			defer generic.SmallParts(groups)()
			variants(t, func(t *testing.T, a *checked) { mapPrograms(t, a, program(uint64(groups), 2000)) })
		})
	}
}

func FuzzHashMap(f *testing.F) {
	for seed := range uint64(3) {
		f.Add(byte(seed), byte(seed*7), program(seed+100, 300))
	}
	f.Fuzz(func(t *testing.T, mode, fail byte, ops []byte) {
		if len(ops) > 3000 {
			return
		}
		a := newChecked(t, mem.Pointers(mode%3))
		a.failAt, a.onwards = int(fail), mode&16 != 0
		if mode&32 != 0 {
			defer generic.SmallParts(1 << (mode >> 6))()
		}
		mapPrograms(t, a, ops)
	})
}

// Every operation that fails leaves the map as it was, and succeeds when it is
// tried again.
func TestHashMapFailures(t *testing.T) {
	type M = *generic.HashMap[string, *link]
	type snapshot struct {
		entries map[string]*link
		cap     int
	}
	points := 0
	for name, op := range map[string]func(m M) error{
		"Put":           func(m M) error { return m.Put("new", &links[1]) },
		"FetchPut":      func(m M) error { _, _, err := m.FetchPut("new", &links[1]); return err },
		"GetOrPut":      func(m M) error { _, err := m.GetOrPut("new"); return err },
		"GetOrPutValue": func(m M) error { _, err := m.GetOrPutValue("new", nil); return err },
		"EnsureTotal":   func(m M) error { return m.EnsureTotalCapacity(100) },
		"EnsureUnused":  func(m M) error { return m.EnsureUnusedCapacity(100) },
		"ShrinkAndFree": func(m M) error { m.Remove("0"); m.ShrinkAndFree(); return nil },
		"Clone": func(m M) error {
			c, err := m.Clone()
			if err == nil {
				c.Close()
			}
			return err
		},
	} {
		for _, n := range []int{0, 7, 12, 13, -25} {
			// With a directory, a Put can do without memory where there is room
			// in another part.
			o := allocatortest.FailureOptions{MaySwallow: name == "ShrinkAndFree" || n < 0}
			restore := func() {}
			if n < 0 {
				n = -n
				restore = generic.SmallParts(1)
			}
			points += failures(t, o, true, allocatortest.Operation[M]{
				Setup: func(a mem.Allocator) (M, error) {
					m := generic.NewHashMap[string, *link](a)
					for i := range n {
						if err := m.Put(links[i].name, &links[i]); err != nil {
							return nil, err
						}
					}
					return m, nil
				},
				Run: func(m M) error {
					err := op(m)
					if err != nil { // what is there is found, memory or not
						for i := range n {
							if s, err := m.GetOrPut(links[i].name); err != nil || !s.Found {
								t.Errorf("GetOrPut(%q): %v, %v", links[i].name, s.Found, err)
							}
						}
					}
					return err
				},
				Snapshot: func(m M) any { return snapshot{maps.Collect(m.All()), m.Cap()} },
				Teardown: func(m M) { m.Close() },
			})
			restore()
		}
	}
	t.Logf("%d failures injected", points)
}

func TestHashMapOverflow(t *testing.T) {
	a := newChecked(t, mem.PlainOnly)
	m := generic.NewHashMap[int, wide](a)
	defer m.Close()
	if err := m.Put(1, wide{}); err != nil {
		t.Fatal(err)
	}
	before := a.requests
	for name, err := range map[string]error{
		"EnsureTotalCapacity(MaxInt)":   m.EnsureTotalCapacity(math.MaxInt),
		"EnsureTotalCapacity(MaxInt/8)": m.EnsureTotalCapacity(math.MaxInt / 8),
		"EnsureUnusedCapacity":          m.EnsureUnusedCapacity(math.MaxInt),
		"EnsureUnusedCapacity(less)":    m.EnsureUnusedCapacity(math.MaxInt - 1),
	} {
		if !errors.Is(err, mem.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if a.requests != before || m.Len() != 1 || m.Cap() != 7 {
		t.Errorf("%d requests, len %d, cap %d", a.requests-before, m.Len(), m.Cap())
	}
}

// The capacity that is asked for is there, and not much more.
func TestHashMapCapacity(t *testing.T) {
	a := newChecked(t, mem.PlainOnly)
	for n := 0; n < 1600; n += 1 + n/16 {
		var m generic.HashMapUnmanaged[int, int]
		if err := m.EnsureTotalCapacity(a, n); err != nil {
			t.Fatal(err)
		}
		if c := m.Cap(); c < n || c > max(7, 2*n) || n == 0 && c != 0 {
			t.Errorf("capacity %d for %d", c, n)
		}
		requests := a.requests
		for i := range n {
			m.PutAssumeCapacity(i, i)
		}
		if a.requests != requests {
			t.Errorf("%d requests while there was room", a.requests-requests)
		}
		m.Close(a)
	}
}

// Put and remove for ever, at the edge of the capacity: no growth, and no
// search that gets longer, since nothing is left behind.
func TestHashMapChurn(t *testing.T) {
	a := newChecked(t, mem.PlainOnly)
	m := generic.NewHashMap[uint64, uint64](a)
	defer m.Close()
	if err := m.EnsureTotalCapacity(3072); err != nil {
		t.Fatal(err)
	}
	n := uint64(m.Cap())
	if n != 3072 {
		t.Fatalf("capacity %d", n)
	}
	a.failAt, a.onwards = a.requests+1, true
	early, i := 0, uint64(0)
	for round := range 60 {
		for range n {
			if i >= n && !m.Remove(i-n) {
				t.Fatalf("%d is gone", i-n)
			}
			if err := m.Put(i, i); err != nil {
				t.Fatal(err)
			}
			i++
		}
		if round == 10 {
			early, _ = generic.Passes(m)
		}
	}
	if late, saturated := generic.Passes(m); saturated > 0 || late > early+early/2 {
		t.Errorf("%d passes after 60 rounds, %d after 10; %d saturated", late, early, saturated)
	}
	for k := range m.Keys() {
		m.Remove(k)
	}
	if passes, _ := generic.Passes(m); passes != 0 || m.Len() != 0 {
		t.Errorf("%d passes in a map of %d entries", passes, m.Len())
	}
}

func TestHashMapNaN(t *testing.T) {
	a := newChecked(t, mem.PlainOnly)
	m := generic.NewHashMap[float64, int](a)
	defer m.Close()
	for i := range 100 {
		if err := m.Put(math.NaN(), i); err != nil {
			t.Fatal(err)
		}
	}
	if m.Contains(math.NaN()) || m.Remove(math.NaN()) || m.Len() != 100 {
		t.Errorf("NaN is found, or one replaced another: %d", m.Len())
	}
	v := slices.Sorted(m.Values())
	if len(v) != 100 || v[99] != 99 {
		t.Errorf("%v", v)
	}
	c, err := m.Clone()
	if err != nil || c.Len() != 100 {
		t.Error(c.Len(), err)
	}
	c.Close()
	m.Clear()
	if m.Len() != 0 {
		t.Error(m.Len())
	}
}

func TestHashMapPointersRefused(t *testing.T) {
	a := newChecked(t, mem.PlainOnly)
	check := func(name string, err error, typ string) {
		t.Helper()
		var pe *mem.PointerError
		if !errors.As(err, &pe) || pe.Type.String() != typ {
			t.Errorf("%s: %v", name, err)
		}
	}
	k := generic.NewHashMap[string, int](a)
	check("string key", k.Put("", 1), "string")
	v := generic.NewHashMap[int, link](a)
	check("link value", v.Put(1, links[0]), "generic_test.link")
	if k.Cap() != 0 || v.Cap() != 0 || v.Len() != 0 {
		t.Error("the refused map has memory")
	}
	p := newChecked(t, mem.Promised)
	f := generic.NewHashMap[int, func()](p)
	check("func under the promise", f.Put(1, nil), "func()")
	i := generic.NewHashMap[any, int](p)
	check("any under the promise", i.Put(1, 1), "interface {}")
	if a.requests+p.requests > 0 {
		t.Error("memory was asked for")
	}
}

func TestHashMapPanics(t *testing.T) {
	a, s := newChecked(t, mem.PlainOnly), newChecked(t, mem.Scanned)
	var m generic.HashMapUnmanaged[int, int]
	defer m.Close(a)
	for i := range 7 {
		if err := m.Put(a, i, i); err != nil {
			t.Fatal(err)
		}
	}
	x := generic.NewHashMap[any, int](s)
	defer x.Close()
	if err := x.Put(1, 1); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func(){
		"PutAssumeCapacity":         func() { m.PutAssumeCapacity(7, 7) },
		"GetOrPutAssumeCapacity":    func() { m.GetOrPutAssumeCapacity(7) },
		"zero map without memory":   func() { new(generic.HashMapUnmanaged[int, int]).PutAssumeCapacity(1, 1) },
		"EnsureUnusedCapacity(-1)":  func() { m.EnsureUnusedCapacity(a, -1) },
		"nil allocator":             func() { m.Put(nil, 7, 7) },
		"NewHashMap(nil)":           func() { generic.NewHashMap[int, int](nil) },
		"zero HashMap":              func() { new(generic.HashMap[int, int]).Put(1, 1) },
		"Clone(nil)":                func() { m.Clone(nil) },
		"other kind, growing":       func() { m.Put(s, 7, 7) },
		"other kind, Close":         func() { m.Close(s) },
		"other kind, ClearAndFree":  func() { m.ClearAndFree(s) },
		"other kind, ShrinkAndFree": func() { m.ShrinkAndFree(s) },
		"key not comparable":        func() { x.Put([]int{}, 1) },
		"growth while iterating": func() {
			m := generic.NewHashMap[int, int](a)
			defer m.Close()
			m.Put(0, 0)
			for k := range m.All() {
				m.EnsureUnusedCapacity(100 + k)
			}
		},
	} {
		mustPanic(t, name, f)
		if m.Len() != 7 || m.Cap() != 7 || x.Len() != 1 {
			t.Fatalf("%s: %d of %d", name, m.Len(), m.Cap())
		}
	}
	for range m.All() { // clearing ends an iteration
		m.ClearAndFree(a)
	}
	for range m.All() {
		t.Error("empty map yields")
	}
	if err := m.Put(s, 1, 1); err != nil {
		t.Error(err)
	}
	for range m.Values() {
		break
	}
	for range m.Keys() {
		break
	}
	m.Close(s)
}
