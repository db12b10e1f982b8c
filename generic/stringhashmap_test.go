package generic_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// stringMapProgram runs ops on a map and on a Go map and compares the two. The
// bytes of the keys passed in are overwritten after every call.
func stringMapProgram[V comparable](t *testing.T, a *checked, ops []byte, value func(byte) V) {
	var m generic.StringHashMapUnmanaged[V]
	defer m.Close(a)
	model := map[string]V{}
	next := func() byte {
		if len(ops) == 0 {
			return 0
		}
		b := ops[0]
		ops = ops[1:]
		return b
	}
	buf := make([]byte, 0, 64)
	key := func() (passed, kept string) {
		b := next()
		for i := range buf {
			buf[i] = '!'
		}
		kept = strings.Repeat(string('a'+rune(b%7)), int(b)%23) // empty now and then
		buf = append(buf[:0], kept...)
		return stringOf(buf), kept
	}
	for len(ops) > 0 {
		op := next()
		var err error
		switch op % 16 {
		case 0, 1, 2:
			k, kept := key()
			v := value(next())
			var own string
			if own, err = m.Put(a, k, v); err == nil {
				model[kept] = v
				if got, ok := m.GetKey(kept); !ok || got != own || own != kept {
					t.Fatalf("Put(%q): the map's copy is %q, and GetKey returns %q", kept, own, got)
				}
			}
		case 3:
			k, kept := key()
			v := value(next())
			var old V
			var had bool
			if old, had, err = m.FetchPut(a, k, v); err == nil {
				if want, ok := model[kept]; had != ok || old != want {
					t.Fatalf("FetchPut(%q): %v, %v; want %v, %v", kept, old, had, want, ok)
				}
				model[kept] = v
			}
		case 4, 5:
			k, kept := key()
			v := value(next())
			var s generic.Slot[string, V]
			s, err = m.GetOrPut(a, k)
			want, ok := model[kept]
			if err == nil {
				if s.Found != ok || *s.Value != want || s.Key != kept {
					t.Fatalf("GetOrPut(%q): %v, %v; want %v, %v", kept, *s.Value, s.Found, want, ok)
				}
				*s.Value = v
				model[kept] = v
			} else if ok {
				t.Fatalf("GetOrPut of a key that is there: %v", err)
			}
		case 6:
			k, kept := key()
			var s generic.Slot[string, V]
			if s, err = m.GetOrPutValue(a, k, value(op)); err == nil {
				if _, ok := model[kept]; !ok {
					model[kept] = value(op)
				}
				if *s.Value != model[kept] {
					t.Fatalf("GetOrPutValue(%q): %v, want %v", kept, *s.Value, model[kept])
				}
			}
		case 7, 8:
			k, kept := key()
			_, ok := model[kept]
			if got := m.Remove(a, k); got != ok {
				t.Fatalf("Remove(%q): %v, want %v", kept, got, ok)
			}
			delete(model, kept)
		case 9:
			k, kept := key()
			want, ok := model[kept]
			if got, had := m.FetchRemove(a, k); got != want || had != ok {
				t.Fatalf("FetchRemove(%q): %v, %v; want %v, %v", kept, got, had, want, ok)
			}
			delete(model, kept)
		case 10:
			n := int(next()) % 64
			if err = m.EnsureUnusedCapacity(a, n); err == nil && m.Cap() < m.Len()+n {
				t.Fatalf("capacity %d, want %d", m.Cap(), m.Len()+n)
			}
		case 11:
			var c generic.StringHashMapUnmanaged[V]
			if c, err = m.Clone(a); err == nil {
				m.Close(a)
				m = c
			}
		case 12:
			switch next() % 8 {
			case 0:
				m.Clear(a)
				clear(model)
			case 1:
				m.ClearAndFree(a)
				clear(model)
			default:
				m.ShrinkAndFree(a)
			}
		case 13: // remove while iterating
			b, i := next(), byte(0)
			for k, v := range m.All() {
				if want, ok := model[k]; !ok || v != want {
					t.Fatalf("All: %q, %v; want %v, %v", k, v, want, ok)
				}
				if i++; i%4 == b%4 {
					delete(model, k)
					m.Remove(a, k)
				}
			}
		case 14:
			for k, p := range m.AllPtr() {
				*p = value(op)
				model[strings.Clone(k)] = value(op)
			}
		case 15:
			n := int(next())
			if err = m.EnsureTotalCapacity(a, n); err == nil && m.Cap() < n {
				t.Fatalf("capacity %d, want %d", m.Cap(), n)
			}
		}
		if err != nil && a.failed == 0 {
			t.Fatalf("operation %d: %v", op%16, err)
		}
		if m.Len() != len(model) || m.Cap() < m.Len() {
			t.Fatalf("operation %d: len %d, cap %d; want %d", op%16, m.Len(), m.Cap(), len(model))
		}
		k, kept := key()
		want, ok := model[kept]
		if got, had := m.Get(k); got != want || had != ok || m.Contains(k) != ok || (m.GetPtr(k) != nil) != ok {
			t.Fatalf("operation %d: Get(%q): %v, %v; want %v, %v", op%16, kept, got, had, want, ok)
		}
	}
	if got := maps.Collect(m.All()); !maps.Equal(got, model) {
		t.Fatalf("%v, want %v", got, model)
	}
	if got, want := slices.Sorted(m.Keys()), slices.Sorted(maps.Keys(model)); !slices.Equal(got, want) {
		t.Fatalf("%q, want %q", got, want)
	}
	n := 0
	for range m.Values() {
		n++
	}
	if n != len(model) {
		t.Fatalf("Values yields %d values, want %d", n, len(model))
	}
}

func stringMapPrograms(t *testing.T, a *checked, ops []byte) {
	stringMapProgram(t, a, ops, func(b byte) byte { return b })
	stringMapProgram(t, a, ops, func(byte) struct{} { return struct{}{} })
	if a.answer != mem.PlainOnly {
		stringMapProgram(t, a, ops, func(b byte) link { return links[b] })
	}
}

func TestStringHashMapModel(t *testing.T) {
	variants(t, func(t *testing.T, a *checked) {
		for seed := range uint64(4) {
			stringMapPrograms(t, a, program(seed, 2000))
		}
	})
}

func TestStringHashMapModelParts(t *testing.T) {
	for _, groups := range []int{1, 4} {
		t.Run(fmt.Sprint(groups), func(t *testing.T) {
			defer generic.SmallParts(groups)()
			variants(t, func(t *testing.T, a *checked) { stringMapPrograms(t, a, program(uint64(groups), 2000)) })
		})
	}
}

func FuzzStringHashMap(f *testing.F) {
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
		stringMapPrograms(t, a, ops)
	})
}

// stringKey makes keys of one length: which of them Clone copies first is chance.
func stringKey(i int) string { return fmt.Sprintf("key %03d", i) }

// Every operation that fails leaves the map as it was, and succeeds when it is
// tried again.
func TestStringHashMapFailures(t *testing.T) {
	type M = *generic.StringHashMap[int]
	type snapshot struct {
		entries map[string]int
		cap     int
	}
	points := 0
	for name, op := range map[string]func(m M) error{
		"Put":           func(m M) error { _, err := m.Put("new", 1); return err },
		"Put empty":     func(m M) error { _, err := m.Put("", 1); return err },
		"FetchPut":      func(m M) error { _, _, err := m.FetchPut("new", 1); return err },
		"GetOrPut":      func(m M) error { _, err := m.GetOrPut("new"); return err },
		"GetOrPutValue": func(m M) error { _, err := m.GetOrPutValue("new", 1); return err },
		"EnsureTotal":   func(m M) error { return m.EnsureTotalCapacity(100) },
		"EnsureUnused":  func(m M) error { return m.EnsureUnusedCapacity(100) },
		"ShrinkAndFree": func(m M) error { m.Remove(stringKey(0)); m.ShrinkAndFree(); return nil },
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
			points += failures(t, o, false, allocatortest.Operation[M]{
				Setup: func(a mem.Allocator) (M, error) {
					m := generic.NewStringHashMap[int](a)
					for i := range n {
						if _, err := m.Put(stringKey(i), i); err != nil {
							return nil, err
						}
					}
					return m, nil
				},
				Run: func(m M) error {
					err := op(m)
					if err != nil { // what is there is found, memory or not
						for i := range n {
							if s, err := m.GetOrPut(stringKey(i)); err != nil || !s.Found {
								t.Errorf("GetOrPut(%q): %v, %v", stringKey(i), s.Found, err)
							}
						}
					}
					return err
				},
				Snapshot: func(m M) any {
					s := snapshot{map[string]int{}, m.Cap()}
					for k, v := range m.All() {
						s.entries[strings.Clone(k)] = v
					}
					return s
				},
				Teardown: func(m M) { m.Close() },
			})
			restore()
		}
	}
	t.Logf("%d failures injected", points)
}

func TestStringHashMapOverflow(t *testing.T) {
	a := newChecked(t, mem.PlainOnly)
	m := generic.NewStringHashMap[wide](a)
	defer m.Close()
	for name, err := range map[string]error{
		"EnsureTotalCapacity":  m.EnsureTotalCapacity(math.MaxInt / 8),
		"EnsureUnusedCapacity": m.EnsureUnusedCapacity(math.MaxInt),
	} {
		if !errors.Is(err, mem.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if a.requests > 0 || m.Cap() != 0 {
		t.Errorf("%d requests, cap %d", a.requests, m.Cap())
	}
}

// Keys of the map need no promise: they point to its own copies. Values do.
func TestStringHashMapPointersRefused(t *testing.T) {
	a := newChecked(t, mem.PlainOnly)
	m := generic.NewStringHashMap[link](a)
	defer m.Close()
	_, err := m.Put("key", links[0])
	var pe *mem.PointerError
	if !errors.As(err, &pe) || pe.Type.String() != "generic_test.link" {
		t.Errorf("Put: %v", err)
	}
	if m.Cap() != 0 || len(a.live) != 0 {
		t.Errorf("cap %d, %d blocks", m.Cap(), len(a.live))
	}
}

func TestStringHashMapPanics(t *testing.T) {
	a, s := newChecked(t, mem.PlainOnly), newChecked(t, mem.Scanned)
	var m generic.StringHashMapUnmanaged[int]
	defer m.Close(a)
	for i := range 7 {
		if _, err := m.Put(a, links[i].name, i); err != nil {
			t.Fatal(err)
		}
	}
	for name, f := range map[string]func(){
		"EnsureUnusedCapacity(-1)":  func() { m.EnsureUnusedCapacity(a, -1) },
		"nil allocator":             func() { m.Put(nil, "x", 7) },
		"NewStringHashMap(nil)":     func() { generic.NewStringHashMap[int](nil) },
		"zero StringHashMap":        func() { new(generic.StringHashMap[int]).Put("", 1) },
		"other kind, Put":           func() { m.Put(s, "x", 7) },
		"other kind, Remove":        func() { m.Remove(s, "1") },
		"other kind, Close":         func() { m.Close(s) },
		"other kind, Clear":         func() { m.Clear(s) },
		"other kind, ShrinkAndFree": func() { m.ShrinkAndFree(s) },
	} {
		mustPanic(t, name, f)
		if m.Len() != 7 || m.Cap() != 7 || len(slices.Collect(m.Keys())) != 7 {
			t.Fatalf("%s: %d of %d", name, m.Len(), m.Cap())
		}
	}
}

func TestStringHashMapAllocs(t *testing.T) {
	a := newChecked(t, mem.PlainOnly)
	m := generic.NewStringHashMap[int](a)
	defer m.Close()
	m.Put("key", 1)
	m.EnsureTotalCapacity(7)
	for m.Len() < m.Cap() {
		m.Put(fmt.Sprint(m.Len()), 1)
	}
	a.failAt, a.onwards = 1, true
	if n := testing.AllocsPerRun(100, func() {
		m.Put("key", 1)
		m.FetchPut("key", 1)
		m.Get("key")
		m.GetPtr("miss")
		m.GetOrPut("key")
		for k, v := range m.All() {
			runtime.KeepAlive(k)
			runtime.KeepAlive(v)
		}
		m.Remove("miss")
		if _, err := m.Put("another", 1); err == nil {
			t.Error("no failure")
		}
		if _, err := m.GetOrPut(""); err == nil {
			t.Error("no failure")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Over the collected heap, nothing but the map keeps its keys alive.
func TestStringHashMapCollector(t *testing.T) {
	stop, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	}()
	for _, a := range []mem.Allocator{heap.GC{}, mem.NoGoPointers(newChecked(t, mem.PlainOnly))} {
		m := generic.NewStringHashMap[[]byte](a)
		garbage := make([][]byte, 64)
		for i := range 3000 {
			k := fmt.Sprint("key ", i)
			v, err := mem.Dupe(a, []byte(k))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Put(k, v); err != nil {
				t.Fatal(err)
			}
			garbage[i%64] = make([]byte, 8+i%16)
			if i%3 == 0 {
				k := fmt.Sprint("key ", i/2)
				v, _ := m.FetchRemove(k)
				mem.Free(a, v)
			}
		}
		c, err := m.Clone()
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range m.AllPtr() {
			if k != string(*v) {
				t.Fatalf("key %q, value %q", k, *v)
			}
			mem.Free(a, *v)
		}
		m.Close()
		for k := range c.Keys() {
			if !strings.HasPrefix(k, "key ") {
				t.Fatalf("key %q", k)
			}
		}
		c.Close()
	}
	close(stop)
	<-done
}
