package generic_test

import (
	"errors"
	"fmt"
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
