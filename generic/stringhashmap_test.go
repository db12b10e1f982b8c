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
)

// stringKey makes keys of one length: which of them Clone copies first is chance.
func stringKey(i int) string { return fmt.Sprintf("key %03d", i) }

func TestStringHashMapOverflow(t *testing.T) {
	a := newChecked(t, mem.PlainOnly)
	m := generic.NewStringHashMap[int](a)
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
	for i := range 8 {
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
		if m.Len() != 8 || m.Cap() != 8 || len(slices.Collect(m.Keys())) != 8 {
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
	if n := allocsPerRun(100, func() {
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
		m := generic.NewStringHashMap[string](a)
		garbage := make([][]byte, 64)
		for i := range 3000 {
			k := fmt.Sprint("key ", i)
			v, err := mem.DupeString(a, k)
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
				mem.FreeString(a, v)
			}
		}
		c, err := m.Clone()
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range m.AllPtr() {
			if k != *v {
				t.Fatalf("key %q, value %q", k, *v)
			}
			mem.FreeString(a, *v)
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
