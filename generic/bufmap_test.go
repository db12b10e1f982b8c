package generic_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// bufMapProgram runs a tape on a map of strings and on one of Go.
func bufMapProgram(t *testing.T, a *checked, p *tape) {
	var m generic.BufMapUnmanaged
	defer func() { m.Close(a) }()
	model := map[string]string{}
	key := func() string {
		if b := p.next(); b > 0 {
			return fmt.Sprint(b % 64)
		}
		return ""
	}
	for p.more() {
		op := p.next() % 9
		k, v := key(), string(slice(p, 20, func(b byte) byte { return b }))
		var err error
		switch op {
		case 0, 1, 2:
			if err = m.Put(a, k, v); err == nil {
				model[k] = v
			}
		case 3: // with strings of the map itself
			w, ok := m.Get(k)
			if ok {
				if err = m.Put(a, w, k); err == nil {
					model[model[k]] = k
				}
			}
		case 4:
			var kk, vv string
			if kk, err = mem.DupeString(a, k); err != nil {
				break
			}
			if vv, err = mem.DupeString(a, v); err == nil {
				if err = m.PutMove(a, kk, vv); err == nil {
					model[k] = v
					break
				}
				mem.FreeString(a, vv)
			}
			mem.FreeString(a, kk)
		case 5, 6:
			_, had := model[k]
			if m.Remove(a, k) != had {
				t.Fatalf("Remove(%q): %v", k, !had)
			}
			delete(model, k)
		case 7:
			var c generic.BufMapUnmanaged
			if c, err = m.Clone(a); err == nil {
				m.Close(a)
				m = c
			}
		case 8:
			if p.next()%8 == 0 {
				m.Clear(a)
				clear(model)
			}
			err = m.EnsureUnusedCapacity(a, int(p.next())%50)
		}
		mustSucceed(t, a, op, err)
		if !maps.Equal(maps.Collect(m.All()), model) || m.Len() != len(model) {
			t.Fatalf("operation %d: %v, want %v", op, maps.Collect(m.All()), model)
		}
		want, had := model[k]
		got, ok := m.Get(k)
		if kk, has := m.GetKey(k); ok != had || got != want || has != had || has && kk != k || m.Contains(k) != had {
			t.Fatalf("operation %d: Get(%q): %q, %v", op, k, got, ok)
		}
	}
	for k := range m.Backward() {
		m.Remove(a, k)
	}
	if m.Len() != 0 {
		t.Fatalf("%d left", m.Len())
	}
}

// poolProgram runs a tape on a pool of strings and on a slice of them.
func poolProgram(t *testing.T, a *checked, p *tape) {
	var pool generic.StringPoolUnmanaged
	defer func() { pool.Close(a) }()
	model := []string{""}
	for p.more() {
		op := p.next() % 8
		n := int(p.next()) % 40
		s := string(slice(p, n, func(b byte) byte { return b & 3 }))
		var err error
		switch op {
		case 0, 1, 2, 3, 4:
			at := slices.Index(model, s)
			if h, ok := pool.Lookup(s); ok != (at >= 0) || ok && int(h) != at {
				t.Fatalf("Lookup(%q): %d, %v; want %d", s, h, ok, at)
			}
			var h generic.StringHandle
			if op == 4 {
				h, err = pool.InternBytes(a, []byte(s))
			} else {
				h, err = pool.Intern(a, s)
			}
			if err != nil {
				break
			}
			if at < 0 {
				at = len(model)
				model = append(model, s)
			}
			if int(h) != at {
				t.Fatalf("Intern(%q): %d, want %d", s, h, at)
			}
		case 5:
			err = pool.EnsureUnusedCapacity(a, n, 10*n)
		case 6:
			var c generic.StringPoolUnmanaged
			if c, err = pool.Clone(a); err == nil {
				pool.Close(a)
				pool = c
			}
		case 7: // a part of the pool itself, longer than a block
			if len(model) > 3 && n == 0 {
				pool.Clear(a)
				model = model[:1]
			}
		}
		mustSucceed(t, a, op, err)
		bytes := 0
		for h, s := range model {
			if got := pool.Get(generic.StringHandle(h)); got != s {
				t.Fatalf("operation %d: Get(%d): %q, want %q", op, h, got, s)
			}
			bytes += len(s)
		}
		if pool.Len() != len(model)-1 || pool.Bytes() != bytes {
			t.Fatalf("operation %d: %d strings of %d bytes, want %d of %d", op, pool.Len(), pool.Bytes(), len(model)-1, bytes)
		}
	}
	for h, s := range pool.All() {
		if s != model[h] {
			t.Fatalf("All: %d: %q, want %q", h, s, model[h])
		}
	}
}

func TestBufMapModel(t *testing.T)     { testModel(t, bufMapProgram) }
func TestStringPoolModel(t *testing.T) { testModel(t, poolProgram) }

func FuzzBufMap(f *testing.F)     { fuzzModel(f, bufMapProgram) }
func FuzzStringPool(f *testing.F) { fuzzModel(f, poolProgram) }

// clones returns the entries of a map with strings of their own.
func clones(seq func(func(string, string) bool)) (s []string) {
	for k, v := range seq {
		s = append(s, fmt.Sprint(k, "=", v))
	}
	return s
}

func TestBufMapEdges(t *testing.T) {
	a := allocatortest.New(t, allocatortest.Child(heap.NewArena(heap.Page{})))
	m := generic.NewBufMap(a)
	defer m.Close()
	if m.Remove("x") || m.Contains("x") || m.EnsureUnusedCapacity(0) != nil {
		t.Error("an empty map has something")
	}
	for _, k := range []string{"a", "b", "", "c"} {
		if err := m.Put(k, k+k); err != nil {
			t.Fatal(err)
		}
	}
	m.Remove("b")
	if k, v := slices.Collect(m.Keys()), slices.Collect(m.Values()); !slices.Equal(k, []string{"a", "c", ""}) || !slices.Equal(v, []string{"aa", "cc", ""}) {
		t.Error(k, v)
	}
	mustPanic(t, "negative", func() { m.EnsureUnusedCapacity(-1) }, "generic: BufMap")
	if err := m.EnsureUnusedCapacity(math.MaxInt); err != mem.ErrTooLarge {
		t.Error(err)
	}
	if err := m.EnsureUnusedCapacity(math.MaxInt / 2); !errors.Is(err, mem.ErrTooLarge) {
		t.Error(err)
	}

	s := generic.NewBufSet(a)
	defer s.Close()
	for _, k := range []string{"x", "y", "x"} {
		if err := s.Insert(k); err != nil {
			t.Fatal(err)
		}
	}
	if k, ok := s.Get("x"); !ok || k != "x" || s.Len() != 2 || !s.Contains("y") || !s.Remove("y") || s.Remove("y") {
		t.Error(k, ok)
	}
	if err := s.EnsureUnusedCapacity(3); err != nil {
		t.Error(err)
	}
	s.Clear()
	for range s.All() {
		t.Error("a cleared set yields")
	}

	p := generic.NewStringPool(a)
	defer p.Close()
	if h, err := p.Intern(""); h != 0 || err != nil || p.Get(0) != "" || p.Len() != 0 {
		t.Error(h, err)
	}
	if h, ok := p.Lookup(""); h != 0 || !ok {
		t.Error(h, ok)
	}
	mustPanic(t, "Get(1)", func() { p.Get(1) }, "generic: StringPool.Get")
	mustPanic(t, "negative", func() { p.EnsureUnusedCapacity(0, -1) }, "generic: StringPool")
	if err := p.EnsureUnusedCapacity(math.MaxInt, 0); err != mem.ErrTooLarge || p.EnsureUnusedCapacity(0, 0) != nil {
		t.Error(err)
	}
	long := fmt.Sprintf("%3000000d", 7)
	for i := range 3000 {
		if h, err := p.Intern(fmt.Sprint(i)); err != nil || int(h) != i+1 {
			t.Fatal(h, err)
		}
	}
	h, err := p.Intern(long)
	if err != nil || p.Get(h) != long {
		t.Error(h, err)
	}
	if n := allocsPerRun(100, func() {
		p.Intern(long)
		p.Lookup("none")
		m.Put("a", "b")
		m.Get("a")
	}); n > 0 {
		t.Logf("%v allocations, of the test's own allocator", n)
	}
	var u generic.BufMapUnmanaged
	if err := u.Put(heap.GC{}, "k", "v"); err != nil {
		t.Fatal(err)
	}
	mustPanic(t, "other kind", func() { u.Put(heap.Page{}, "k", "w") }, "BufMap.Put")
	mustPanic(t, "other kind", func() { u.Remove(heap.Page{}, "k") }, "BufMap.Remove")
	mustPanic(t, "other kind", func() { u.Close(heap.Page{}) }, "BufMap")
}

// Strings survive collections, whoever scans what.
func TestBufMapCollector(t *testing.T) {
	defer collecting()()
	for _, a := range []mem.Allocator{heap.GC{}, heap.NewArena(heap.Page{})} {
		m, p := generic.NewBufMap(a), generic.NewStringPool(a)
		for i := range 3000 {
			k := fmt.Sprint(i % 500)
			h, err := p.Intern(k)
			if err = errors.Join(err, m.Put(k, fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
			if v, _ := m.Get(k); v != fmt.Sprint(i) || p.Get(h) != k {
				t.Fatalf("%s: %s, %s", k, v, p.Get(h))
			}
			if i%7 == 0 {
				m.Remove(fmt.Sprint(i % 300))
			}
		}
		m.Close()
		p.Close()
	}
}

// bufSetProgram runs a tape on a set of strings and on a slice of them in order.
func bufSetProgram(t *testing.T, a *checked, p *tape) {
	var s generic.BufSetUnmanaged
	defer func() { s.Close(a) }()
	var model []string
	for p.more() {
		op, k := p.next()%8, words(p.next())
		at := slices.Index(model, k)
		var err error
		switch op {
		case 0, 1, 2, 3:
			if err = s.Insert(a, k); err == nil && at < 0 {
				model = append(model, k)
			}
		case 4:
			if s.Remove(a, k) != (at >= 0) {
				t.Fatalf("Remove(%q), want %v", k, at >= 0)
			}
			if at >= 0 { // the last one takes its place
				model[at] = model[len(model)-1]
				model = model[:len(model)-1]
			}
		case 5:
			var c generic.BufSetUnmanaged
			if c, err = s.Clone(a); err == nil {
				s.Close(a)
				s = c
			}
		case 6:
			n := int(p.next()) % 4
			for k := range s.Drain(a) {
				if last := len(model) - 1; k != model[last] || s.Contains(k) {
					t.Fatalf("Drain: %q, want %q", k, model[last])
				}
				model = model[:len(model)-1]
				if n--; n < 0 {
					break
				}
			}
		case 7:
			if p.next()%8 == 0 {
				s.Clear(a)
				model = nil
			} else {
				err = s.EnsureUnusedCapacity(a, int(p.next())%20)
			}
		}
		mustSucceed(t, a, op, err)
		own, ok := s.Get(k)
		if want := slices.Contains(model, k); ok != want || s.Contains(k) != want || want && own != k || s.Len() != len(model) ||
			!slices.Equal(slices.Collect(s.All()), model) || !slices.Equal(slices.Collect(s.Backward()), reversed(model)) {
			t.Fatalf("operation %d: %q, want %q", op, slices.Collect(s.All()), model)
		}
	}
}

func TestBufSetModel(t *testing.T) { testModel(t, bufSetProgram) }
func FuzzBufSet(f *testing.F)      { fuzzModel(f, bufSetProgram) }

// Drain of a map removes from the end, and frees a pair when the loop is done
// with it, however the loop ends.
func TestBufMapDrain(t *testing.T) {
	m := generic.NewBufMap(allocatortest.New(t))
	defer m.Close()
	for i := range 20 {
		if err := m.Put(stringKey(i), "value"); err != nil {
			t.Fatal(err)
		}
	}
	i := 20
	for k, v := range m.Drain() {
		if i--; k != stringKey(i) || v != "value" || m.Contains(k) || m.Len() != i {
			t.Errorf("%d: %q, %q", i, k, v)
		}
		if i == 10 {
			break
		}
	}
	mustPanic(t, "in Drain", func() {
		for range m.Drain() {
			panic("oops")
		}
	}, "oops")
	if m.Len() != 9 || !m.Contains(stringKey(8)) || m.Contains(stringKey(9)) {
		t.Error(m.Len())
	}
}
