package generic_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
)

func TestHashMapOverflow(t *testing.T) {
	a := newChecked(t, mem.PlainOnly)
	m := generic.NewHashMap[padded, wide](a)
	defer m.Close()
	if err := m.Put(padded{}, wide{}); err != nil {
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
	if a.requests != before || m.Len() != 1 || m.Cap() != 8 {
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
		if c := m.Cap(); c < n || c > max(8, 2*n) || n == 0 && c != 0 {
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
	if err := m.EnsureTotalCapacity(3584); err != nil {
		t.Fatal(err)
	}
	n := uint64(m.Cap())
	if n != 3584 {
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

// In a full table most NaNs are in other parts than those of their hashes, which
// are forgotten.
func TestHashMapNaNStrays(t *testing.T) {
	defer generic.SmallParts(1)()
	a := newChecked(t, mem.PlainOnly)
	m := generic.NewHashMap[float64, int](a)
	defer m.Close()
	if err := m.EnsureTotalCapacity(64); err != nil {
		t.Fatal(err)
	}
	for i := 0; m.Len() < m.Cap(); i++ {
		m.PutAssumeCapacity(math.NaN(), -1)
		if i%8 == 0 && m.Len() < m.Cap() {
			m.PutAssumeCapacity(float64(i), i)
		}
	}
	m.DeleteFunc(func(_ float64, v int) bool { return v < 0 })
	for i := 0; i < m.Len()*8; i += 8 {
		if v, ok := m.Get(float64(i)); !ok || v != i {
			t.Errorf("%d: %d, %v", i, v, ok)
		}
	}
	for range 4 {
		m.PutAssumeCapacity(math.NaN(), -1)
	}
	m.DeleteFunc(func(float64, int) bool { return true })
	if _, strays := generic.Parts(m); strays != 0 || m.Len() != 0 {
		t.Errorf("%d strays of %d", strays, m.Len())
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
	for i := range 8 {
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
		"PutAssumeCapacity":         func() { m.PutAssumeCapacity(8, 8) },
		"GetOrPutAssumeCapacity":    func() { m.GetOrPutAssumeCapacity(8) },
		"zero map without memory":   func() { new(generic.HashMapUnmanaged[int, int]).PutAssumeCapacity(1, 1) },
		"EnsureUnusedCapacity(-1)":  func() { m.EnsureUnusedCapacity(a, -1) },
		"nil allocator":             func() { m.Put(nil, 8, 8) },
		"NewHashMap(nil)":           func() { generic.NewHashMap[int, int](nil) },
		"zero HashMap":              func() { new(generic.HashMap[int, int]).Put(1, 1) },
		"Clone(nil)":                func() { m.Clone(nil) },
		"other kind, growing":       func() { m.Put(s, 8, 8) },
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
		if m.Len() != 8 || m.Cap() != 8 || x.Len() != 1 {
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
