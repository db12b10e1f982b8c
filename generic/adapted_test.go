package generic_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// adapted are the lookups of one container by something else than its keys.
type adapted struct {
	get    func(hash uint64, equal func(string) bool) (string, bool)
	add    func(hash uint64, equal func(string) bool, key func() (string, error)) (string, bool, error)
	remove func(hash uint64, equal func(string) bool) bool
	has    func(k string) bool
	len    func() int
}

// Every map and set finds, adds and removes by what is not a key: here, the
// number in it.
func TestAdapted(t *testing.T) {
	a := allocatortest.New(t)
	m, n := generic.NewHashMap[string, int](a), generic.NewHashMap[string, int](a)
	s, o := generic.NewHashSet[string](a), generic.NewHashSet[string](a)
	am, an := generic.NewArrayHashMap[string, int](a), generic.NewArrayHashMap[string, int](a)
	sm, sn := generic.NewStringHashMap[int](a), generic.NewStringHashMap[int](a)
	ss, so := generic.NewStringHashSet(a), generic.NewStringHashSet(a)
	for _, c := range []interface {
		SetContext(*generic.Context[string])
	}{m, s, am, sm, ss} {
		c.SetContext(&hashed)
	}
	for name, c := range map[string]adapted{
		"HashMap": {
			get: func(hash uint64, equal func(string) bool) (string, bool) {
				k, ok := m.GetKeyAdapted(hash, equal)
				if _, found := m.GetAdapted(hash, equal); found != ok || ok != (m.GetPtrAdapted(hash, equal) != nil) {
					t.Errorf("%q: %v, %v", k, ok, found)
				}
				return k, ok
			},
			add: func(hash uint64, equal func(string) bool, key func() (string, error)) (string, bool, error) {
				e, err := m.GetOrPutAdapted(hash, equal, key)
				return e.Key, e.Found, err
			},
			remove: func(hash uint64, equal func(string) bool) bool {
				_, _, ok := m.FetchRemoveAdapted(hash, equal)
				return ok
			},
			has: m.Contains, len: m.Len,
		},
		"HashSet": {
			get: s.GetAdapted,
			add: func(hash uint64, equal func(string) bool, key func() (string, error)) (string, bool, error) {
				added, err := s.AddAdapted(hash, equal, key)
				k, _ := s.GetAdapted(hash, equal)
				return k, err == nil && !added, err
			},
			remove: func(hash uint64, equal func(string) bool) bool {
				k, ok := s.RemoveAdapted(hash, equal)
				return ok && k != ""
			},
			has: s.Contains, len: s.Len,
		},
		"ArrayHashMap": {
			get: func(hash uint64, equal func(string) bool) (string, bool) {
				i := am.IndexAdapted(hash, equal)
				if _, found := am.GetAdapted(hash, equal); found != (i >= 0) || found != (am.GetPtrAdapted(hash, equal) != nil) {
					t.Errorf("%d: %v", i, found)
				}
				if i < 0 {
					return "", false
				}
				return am.Keys()[i], true
			},
			add: func(hash uint64, equal func(string) bool, key func() (string, error)) (string, bool, error) {
				e, err := am.GetOrPutAdapted(hash, equal, key)
				return e.Key, e.Found, err
			},
			remove: func(hash uint64, equal func(string) bool) bool {
				i := am.IndexAdapted(hash, equal)
				if i >= 0 {
					am.SwapRemoveAt(i)
				}
				return i >= 0
			},
			has: am.Contains, len: am.Len,
		},
		"StringHashMap": {
			get: func(hash uint64, equal func(string) bool) (string, bool) {
				k, ok := sm.GetKeyAdapted(hash, equal)
				if _, found := sm.GetAdapted(hash, equal); found != ok || ok != (sm.GetPtrAdapted(hash, equal) != nil) {
					t.Errorf("%q: %v, %v", k, ok, found)
				}
				return k, ok
			},
			add: func(hash uint64, equal func(string) bool, key func() (string, error)) (string, bool, error) {
				e, err := sm.GetOrPutAdapted(hash, equal, key)
				return e.Key, e.Found, err
			},
			remove: func(hash uint64, equal func(string) bool) bool {
				_, ok := sm.FetchRemoveAdapted(hash, equal)
				return ok
			},
			has: sm.Contains, len: sm.Len,
		},
		"StringHashSet": {
			get: ss.GetAdapted,
			add: func(hash uint64, equal func(string) bool, key func() (string, error)) (string, bool, error) {
				own, added, err := ss.AddAdapted(hash, equal, key)
				return own, err == nil && !added, err
			},
			remove: ss.RemoveAdapted,
			has:    ss.Contains, len: ss.Len,
		},
	} {
		t.Run(name, func(t *testing.T) {
			const most = 100
			number := func(i int) (uint64, func(string) bool, func() (string, error)) {
				return hashed.Hash(stringKey(i)), func(k string) bool { return k == stringKey(i) }, func() (string, error) { return stringKey(i), nil }
			}
			for i := range most {
				h, equal, key := number(i)
				if k, ok := c.get(h, equal); ok || k != "" {
					t.Fatalf("%d is there: %q", i, k)
				}
				if c.remove(h, equal) {
					t.Fatalf("%d was removed", i)
				}
				oops := errors.New("oops")
				if _, _, err := c.add(h, equal, func() (string, error) { return "", oops }); err != oops || c.len() != i {
					t.Fatal(err, c.len())
				}
				if k, found, err := c.add(h, equal, key); err != nil || found || k != stringKey(i) {
					t.Fatal(k, found, err)
				}
				if k, found, err := c.add(h, equal, nil); err != nil || !found || k != stringKey(i) { // and nobody asks for a key
					t.Fatal(k, found, err)
				}
			}
			for i := range most {
				h, equal, _ := number(i)
				if k, ok := c.get(h, equal); !ok || k != stringKey(i) || !c.has(k) {
					t.Fatalf("%d: %q, %v", i, k, ok)
				}
				if i%2 == 0 && (!c.remove(h, equal) || c.has(stringKey(i))) {
					t.Fatalf("%d was not removed", i)
				}
			}
			if c.len() != most/2 {
				t.Error(c.len())
			}
		})
	}
	no := func(string) bool { return false }
	for name, f := range map[string]func(){
		"HashMap.GetAdapted": func() { n.GetAdapted(1, no) }, "HashSet.GetAdapted": func() { o.GetAdapted(1, no) },
		"ArrayHashMap.IndexAdapted": func() { an.IndexAdapted(1, no) }, "StringHashMap.GetAdapted": func() { sn.GetAdapted(1, no) },
		"StringHashMap.GetKeyAdapted": func() { so.GetAdapted(1, no) },
	} {
		mustPanic(t, name, f, "generic: "+name+": the container has no Context")
	}
	for _, c := range []interface{ Close() error }{m, s, am, sm, ss} {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A key that is there is found, or put again, when there is no memory left, at
// every size.
func TestFoundWithoutMemory(t *testing.T) {
	a := newChecked(t, mem.Scanned)
	m := generic.NewHashMap[int, int](a)
	s := generic.NewHashSet[int](a)
	am := generic.NewArrayHashMap[int, int](a)
	sm := generic.NewStringHashMap[int](a)
	ss := generic.NewStringHashSet(a)
	bs := generic.NewBufSet(a)
	bt := generic.NewBTreeMap[int, int](a)
	sp := generic.NewStringPool(a)
	cm := generic.NewConcurrentMap[int, int](a)
	sc := generic.NewStringConcurrentMap[int](a)
	add := map[string]func(i int) error{
		"HashMap.Put":                  func(i int) error { return m.Put(i, i) },
		"HashMap.FetchPut":             func(i int) error { _, _, err := m.FetchPut(i, i); return err },
		"HashMap.GetOrPut":             func(i int) error { _, err := m.GetOrPut(i); return err },
		"HashSet.Add":                  func(i int) error { _, err := s.Add(i); return err },
		"ArrayHashMap.Put":             func(i int) error { return am.Put(i, i) },
		"ArrayHashMap.FetchPut":        func(i int) error { _, _, err := am.FetchPut(i, i); return err },
		"ArrayHashMap.GetOrPut":        func(i int) error { _, err := am.GetOrPut(i); return err },
		"ArrayHashMap.GetOrPutValue":   func(i int) error { _, err := am.GetOrPutValue(i, i); return err },
		"StringHashMap.Put":            func(i int) error { _, err := sm.Put(stringKey(i), i); return err },
		"StringHashMap.FetchPut":       func(i int) error { _, _, err := sm.FetchPut(stringKey(i), i); return err },
		"StringHashMap.GetOrPut":       func(i int) error { _, err := sm.GetOrPut(stringKey(i)); return err },
		"StringHashSet.Add":            func(i int) error { _, _, err := ss.Add(stringKey(i)); return err },
		"BufSet.Insert":                func(i int) error { return bs.Insert(stringKey(i)) },
		"BTreeMap.Put":                 func(i int) error { return bt.Put(i, i) },
		"BTreeMap.GetOrPut":            func(i int) error { _, _, err := bt.GetOrPut(i); return err },
		"StringPool.Intern":            func(i int) error { _, err := sp.Intern(stringKey(i)); return err },
		"ConcurrentMap.Put":            func(i int) error { return cm.Put(i, i) },
		"ConcurrentMap.GetOrPut":       func(i int) error { _, _, err := cm.GetOrPut(i, i); return err },
		"ConcurrentMap.Update":         func(i int) error { return cm.Update(i, func(*int, bool) bool { return true }) },
		"StringConcurrentMap.Put":      func(i int) error { return sc.Put(stringKey(i), i) },
		"StringConcurrentMap.GetOrPut": func(i int) error { _, _, err := sc.GetOrPut(stringKey(i), i); return err },
		"StringConcurrentMap.Update":   func(i int) error { return sc.Update(stringKey(i), func(*int, bool) bool { return true }) },
	}
	defer generic.SmallParts(2)()
	for i := range 70 {
		for name, f := range add {
			if err := f(i); err != nil {
				t.Fatalf("%s(%d): %v", name, i, err)
			}
		}
		a.failAt, a.onwards = 1, true
		for name, f := range add {
			for k := range i + 1 {
				if err := f(k); err != nil {
					t.Fatalf("%s(%d) of %d, without memory: %v", name, k, i+1, err)
				}
			}
		}
		a.failAt = 0
	}
	for _, c := range []interface{ Close() error }{m, s, am, sm, ss, bs, bt, sp, cm, sc} {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestArrayHashMapMore(t *testing.T) {
	a := allocatortest.New(t)
	m := generic.NewArrayHashMap[string, int](a)
	defer m.Close()
	m.SetContext(&folded)
	for i := range 20 {
		if s, err := m.GetOrPutValue(fmt.Sprint("Key ", i), i); err != nil || s.Found || *s.Value != i {
			t.Fatal(err)
		}
	}
	if s, err := m.GetOrPutValue("KEY 3", 33); err != nil || !s.Found || *s.Value != 3 || s.Key != "Key 3" {
		t.Error(s, err)
	}
	if k, ok := m.GetKey("kEY 5"); !ok || k != "Key 5" {
		t.Error(k, ok)
	}
	if k, ok := m.GetKey("no"); ok || k != "" {
		t.Error(k, ok)
	}
	m.SetKey(5, "another")
	if m.Contains("key 5") || m.Index("ANOTHER") != 5 || m.Values()[5] != 5 || m.Len() != 20 {
		t.Error(m.Keys())
	}
	mustPanic(t, "SetKey", func() { m.SetKey(20, "x") })
	m.ShrinkRetainingCapacity(6)
	if m.Len() != 6 || m.Contains("key 6") || !m.Contains("Another") || m.Cap() < 20 {
		t.Error(m.Keys(), m.Cap())
	}
	mustPanic(t, "ShrinkRetainingCapacity", func() { m.ShrinkRetainingCapacity(7) }, "generic: ArrayHashMap.ShrinkRetainingCapacity")
	*m.GetOrPutAssumeCapacity("new").Value = 7
	if s := m.GetOrPutAssumeCapacity("NEW"); !s.Found || *s.Value != 7 {
		t.Error(s)
	}
	mustPanic(t, "no room", func() {
		for i := range 100 {
			m.GetOrPutAssumeCapacity(fmt.Sprint("more", i))
		}
	}, "generic: ArrayHashMap.GetOrPutAssumeCapacity: no room")
	m.ShrinkRetainingCapacity(5) // few enough to be searched without an index
	m.ShrinkAndFree()
	m.SetKey(0, "first")
	if m.Index("FIRST") != 0 || m.Contains("key 0") {
		t.Error(m.Keys())
	}
	if err := m.EnsureTotalCapacity(math.MaxInt); !errors.Is(err, mem.ErrTooLarge) {
		t.Error(err)
	}
}
