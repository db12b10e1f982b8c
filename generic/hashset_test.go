package generic_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

func TestHashSet(t *testing.T) {
	a := allocatortest.New(t)
	s := generic.NewHashSet[int](a)
	defer s.Close()
	if s.Allocator() != mem.Allocator(a) || s.Remove(1) || s.Contains(1) {
		t.Error("empty set")
	}
	for i := range 1000 {
		if added, err := s.Add(i % 500); err != nil || added != (i < 500) {
			t.Fatal(i, added, err)
		}
	}
	s.DeleteFunc(func(k int) bool { return k%2 == 0 })
	if s.Len() != 250 || s.Contains(2) || !s.Contains(3) || !s.Remove(3) || s.Remove(3) {
		t.Error(s.Len())
	}
	s.Rehash()
	c, err := s.Clone()
	if err != nil || !slices.Equal(slices.Sorted(c.All()), slices.Sorted(s.All())) {
		t.Error(err)
	}
	n := 0
	for k := range c.Drain() {
		if c.Contains(k) {
			t.Error(k)
		}
		if n++; n == 100 {
			break
		}
	}
	for range c.All() {
		n++
		break
	}
	if c.Len() != 149 || n != 101 {
		t.Error(c.Len(), n)
	}
	c.ShrinkAndFree()
	if err := errors.Join(c.EnsureTotalCapacity(200), c.EnsureUnusedCapacity(100)); err != nil || c.Cap() < 249 {
		t.Error(c.Cap(), err)
	}
	if !c.AddAssumeCapacity(-1) || c.AddAssumeCapacity(-1) {
		t.Error("AddAssumeCapacity")
	}
	c.Clear()
	c.ClearAndFree()
	if c.Len()+c.Cap() != 0 {
		t.Error(c.Len(), c.Cap())
	}
	mustPanic(t, "no room", func() { c.AddAssumeCapacity(1) }, "generic: HashSet.AddAssumeCapacity")
	mustPanic(t, "nil", func() { generic.NewHashSet[int](nil) }, "generic: NewHashSet: nil Allocator")
	mustPanic(t, "zero", func() { new(generic.HashSet[int]).Add(1) }, "call NewHashSet")

	f := generic.NewHashSet[string](a)
	defer f.Close()
	f.SetContext(&folded)
	if _, err := f.Add("Key"); err != nil {
		t.Error(err)
	}
	if k, ok := f.Get("KEY"); !ok || k != "Key" {
		t.Error(k, ok)
	}
	if _, ok := f.Get("another"); ok {
		t.Error("Get")
	}
}

func TestStringHashSet(t *testing.T) {
	a := allocatortest.New(t)
	s := generic.NewStringHashSet(a)
	defer s.Close()
	buf := []byte("....")
	for i := range 1000 {
		copy(buf, fmt.Sprintf("%04d", i%500))
		own, added, err := s.Add(stringOf(buf))
		if err != nil || added != (i < 500) || own != string(buf) {
			t.Fatal(i, own, added, err)
		}
	}
	s.DeleteFunc(func(k string) bool { return strings.HasSuffix(k, "1") })
	if s.Allocator() != mem.Allocator(a) || s.Len() != 450 || s.Contains("0001") || !s.Remove("0002") || s.Remove("0002") {
		t.Error(s.Len())
	}
	c, err := s.Clone()
	if err != nil || !slices.Equal(slices.Sorted(c.All()), slices.Sorted(s.All())) {
		t.Error(err)
	}
	for k := range c.Drain() {
		if c.Contains(k) {
			t.Error(k)
		}
		if c.Len() == 100 {
			break
		}
	}
	if own, ok := s.Get("0003"); !ok || own != "0003" || c.Len() != 100 {
		t.Error(own, c.Len())
	}
	c.ShrinkAndFree()
	if err := errors.Join(c.EnsureTotalCapacity(200), c.EnsureUnusedCapacity(100)); err != nil || c.Cap() < 200 {
		t.Error(c.Cap(), err)
	}
	c.Clear()
	c.ClearAndFree()
	mustPanic(t, "nil", func() { generic.NewStringHashSet(nil) }, "generic: NewStringHashSet: nil Allocator")
	c.SetContext(&folded)
	if _, _, err := c.Add("Key"); err != nil || !c.Contains("KEY") {
		t.Error(err)
	}
	c.Close()
}

func TestArrayHashMap(t *testing.T) {
	a := allocatortest.New(t)
	m := generic.NewArrayHashMap[string, int](a)
	defer m.Close()
	if err := m.EnsureTotalCapacity(20); err != nil || m.Cap() < 20 || m.Allocator() != mem.Allocator(a) {
		t.Fatal(err)
	}
	for i := range 20 {
		m.PutAssumeCapacity(fmt.Sprint(i), i)
	}
	if k, v := m.SwapRemoveAt(3); k != "3" || v != 3 || m.Keys()[3] != "19" || m.Index("19") != 3 {
		t.Error(m.Keys())
	}
	if k, v := m.OrderedRemoveAt(0); k != "0" || v != 0 || m.Index("19") != 2 {
		t.Error(m.Keys())
	}
	if v, ok := m.FetchOrderedRemove("19"); !ok || v != 19 || m.Index("4") != 2 {
		t.Error(m.Keys())
	}
	if _, ok := m.FetchOrderedRemove("19"); ok || !m.SwapRemove("1") || m.SwapRemove("1") || m.Index("1") != -1 {
		t.Error(m.Keys())
	}
	if k, v, ok := m.Pop(); k != "17" || v != 17 || !ok {
		t.Error(k, v, ok)
	}
	slices.Sort(m.Keys()) // and the values are where they were
	m.Reindex()
	for i, k := range m.Keys() {
		m.Values()[i], _ = m.Get(k)
		if m.Index(k) != i {
			t.Error(k, i)
		}
	}
	var back []string
	for k := range m.Backward() {
		if back = append(back, k); len(back)%2 == 0 {
			m.SwapRemove(k)
		}
	}
	if slices.Reverse(back); !slices.IsSorted(back) || len(back) != 15 || m.Len() != 8 {
		t.Error(back, m.Len())
	}
	for range m.All() {
		break
	}
	for range m.Backward() {
		break
	}
	for range m.Drain() {
		break
	}
	m.ShrinkAndFree()
	if m.Len() != 7 || m.Cap() > 8 {
		t.Error(m.Len(), m.Cap())
	}
	if err := m.EnsureUnusedCapacity(math.MaxInt); !errors.Is(err, mem.ErrTooLarge) {
		t.Error(err)
	}
	if err := m.EnsureTotalCapacity(math.MaxInt); !errors.Is(err, mem.ErrTooLarge) {
		t.Error(err)
	}
	mustPanic(t, "no room", func() {
		for i := range 100 {
			m.PutAssumeCapacity(fmt.Sprint("more", i), 1)
		}
	}, "generic: ArrayHashMap.PutAssumeCapacity: no room")
	mustPanic(t, "negative", func() { m.EnsureTotalCapacity(-1) }, "negative capacity")
	mustPanic(t, "negative", func() { m.EnsureUnusedCapacity(-1) }, "negative count")
	mustPanic(t, "range", func() { m.SwapRemoveAt(m.Len()) })
	mustPanic(t, "nil", func() { generic.NewArrayHashMap[int, int](nil) }, "generic: NewArrayHashMap: nil Allocator")
	mustPanic(t, "zero", func() { new(generic.ArrayHashMap[int, int]).Put(1, 1) }, "call NewArrayHashMap")
	var pe *mem.PointerError
	if err := generic.NewArrayHashMap[string, int](newChecked(t, mem.PlainOnly)).Put("", 1); !errors.As(err, &pe) {
		t.Error(err)
	}
	var u generic.ArrayHashMapUnmanaged[int, int]
	u.SetContext(&generic.Context[int]{Hash: func(k int) uint64 { return uint64(k % 10) }, Equal: func(a, b int) bool { return a%10 == b%10 }})
	for i := range 100 {
		if err := u.Put(a, i, i); err != nil {
			t.Fatal(err)
		}
	}
	mustPanic(t, "other kind", func() { u.Close(newChecked(t, mem.PlainOnly)) }, "generic: ArrayHashMap.Close")
	if u.Len() != 10 || u.Values()[3] != 93 || u.Keys()[3] != 3 {
		t.Error(u.Keys(), u.Values())
	}
	u.Close(a)
}

// NaNs are never found, and go away all the same.
func TestArrayHashMapNaN(t *testing.T) {
	m := generic.NewArrayHashMap[float64, int](newChecked(t, mem.PlainOnly))
	defer m.Close()
	for i := range 20 {
		if err := m.Put(math.NaN(), i); err != nil {
			t.Fatal(err)
		}
	}
	m.SwapRemoveAt(3)
	m.OrderedRemoveAt(3)
	if m.Len() != 18 || m.Contains(math.NaN()) || m.Values()[3] != 4 {
		t.Error(m.Values())
	}
}
