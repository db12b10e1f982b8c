package generic_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// The managed forms hand their allocator on. What they do with it is tested with
// the unmanaged ones, save for what is called here.

func TestArrayListManaged(t *testing.T) {
	a := allocatortest.New(t)
	l := generic.NewArrayList[int](a)
	if l.Allocator() != mem.Allocator(a) {
		t.Error("Allocator")
	}
	if _, ok := l.Last(); ok {
		t.Error("Last of an empty list")
	}
	s, err := mem.Alloc[int](a, 8)
	if err != nil {
		t.Fatal(err)
	}
	s[0], s[1] = 5, 6
	l.FromOwnedSlice(s[:2])
	if v, ok := l.Last(); !ok || v != 6 || l.At(0) != 5 || l.Cap() != 8 {
		t.Errorf("FromOwnedSlice: %v, cap %d", l.Items(), l.Cap())
	}
	l.AppendAssumeCapacity(7)
	*l.AddOneAssumeCapacity() = 8
	copy(l.AddManyAssumeCapacity(2), []int{9, 10})
	l.InsertAssumeCapacity(0, 4)
	l.InsertSliceAssumeCapacity(0, []int{3})
	if !slices.Equal(l.Items(), []int{3, 4, 5, 6, 7, 8, 9, 10}) {
		t.Error(l.Items())
	}
	l.ShrinkRetainingCapacity(4)
	l.AppendSliceAssumeCapacity(l.Items()[:2])
	if s, err := l.AddManyBounded(1); err != nil || len(s) != 1 || s[0] != 0 {
		t.Error(s, err)
	}
	if err := l.AppendSliceBounded([]int{1}); err != nil {
		t.Error(err)
	}
	if !slices.Equal(l.Items(), []int{3, 4, 5, 6, 3, 4, 0, 1}) {
		t.Error(l.Items())
	}
	if err := l.AppendSliceBounded([]int{1}); err != mem.ErrLimit {
		t.Error(err)
	}
	l.ShrinkRetainingCapacity(4)
	l.AppendNAssumeCapacity(2, 1)
	l.InsertManyAssumeCapacity(1, 1)[0] = 1
	l.ReplaceRangeAssumeCapacity(2, 4, []int{0})
	l.ReplaceRangeAssumeCapacity(0, 1, l.Items()[:3])
	if !slices.Equal(l.Items(), []int{3, 1, 0, 1, 0, 6, 2}) {
		t.Error(l.Items())
	}
	if _, err := l.InsertManyBounded(0, 2); err != mem.ErrLimit {
		t.Error(err)
	}
	if err := errors.Join(l.AppendNBounded(1, 1), l.AppendNBounded(1, 0)); err != nil {
		t.Error(err)
	}
	c, err := l.Clone()
	if err != nil || !slices.Equal(c.Items(), l.Items()) {
		t.Error(c.Items(), err)
	}
	if err := errors.Join(c.EnsureTotalCapacity(3), c.EnsureTotalCapacityPrecise(3)); err != nil || c.Cap() != 8 {
		t.Error(c.Cap(), err)
	}
	l.ClearAndFree()
	for range 2 {
		if err := errors.Join(c.Close(), l.Close()); err != nil || c.Cap()+l.Cap() != 0 {
			t.Error(err)
		}
	}
	for range l.Values() {
		t.Error("empty list yields")
	}
	if _, err := l.Clone(); err != nil {
		t.Error(err)
	}
	var pe *mem.PointerError
	r := generic.NewArrayList[link](newChecked(t, mem.PlainOnly))
	if _, err := r.ToOwnedSlice(); err != nil {
		t.Error(err)
	}
	if err := r.EnsureTotalCapacity(1); !errors.As(err, &pe) {
		t.Error(err)
	}
}

// An iteration ends when the loop does.
func TestIterationsEnd(t *testing.T) {
	l := generic.NewArrayList[int](allocatortest.New(t))
	defer l.Close()
	m := generic.NewStringHashMap[int](l.Allocator())
	defer m.Close()
	for i := range 3 {
		if _, err := m.Put(stringKey(i), i); err != nil {
			t.Fatal(err)
		}
		if err := l.Append(i); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for range l.All() {
		n++
		break
	}
	for range l.Values() {
		n++
		break
	}
	for range l.Backward() {
		n++
		break
	}
	for range m.All() {
		n++
		break
	}
	for range m.AllPtr() {
		n++
		break
	}
	for range m.Keys() {
		n++
		break
	}
	for range m.Values() {
		n++
		break
	}
	if n != 7 {
		t.Error(n)
	}
}

func TestHashMapManaged(t *testing.T) {
	a := allocatortest.New(t)
	m := generic.NewHashMap[int, string](a)
	if m.Allocator() != mem.Allocator(a) {
		t.Error("Allocator")
	}
	if err := m.EnsureTotalCapacity(3); err != nil {
		t.Fatal(err)
	}
	m.PutAssumeCapacity(1, "one")
	*m.GetOrPutAssumeCapacity(2).Value = "two"
	if s := m.GetOrPutAssumeCapacity(1); !s.Found || *s.Value != "one" {
		t.Errorf("%+v", s)
	}
	if s, err := m.GetOrPutValue(3, "three"); err != nil || s.Found || *m.GetPtr(3) != "three" {
		t.Error(err)
	}
	for k, p := range m.AllPtr() {
		if k == 2 {
			*p = "TWO"
		}
	}
	if v, ok := m.FetchRemove(2); !ok || v != "TWO" || m.GetPtr(2) != nil {
		t.Error(v, ok)
	}
	c, err := m.Clone()
	if err != nil || !maps.Equal(maps.Collect(c.All()), map[int]string{1: "one", 3: "three"}) {
		t.Error(err)
	}
	m.ClearAndFree()
	for range 2 {
		if err := errors.Join(c.Close(), m.Close()); err != nil || c.Cap()+m.Cap() != 0 {
			t.Error(err)
		}
	}
	if c, err := m.Clone(); err != nil || c.Len() != 0 || m.Remove(1) {
		t.Error(err)
	}
}

func TestStringHashMapManaged(t *testing.T) {
	a := allocatortest.New(t)
	m := generic.NewStringHashMap[string](a)
	if m.Allocator() != mem.Allocator(a) {
		t.Error("Allocator")
	}
	for _, k := range []string{"a", "b", ""} {
		if s, err := m.GetOrPutValue(k, k+k); err != nil || s.Found || s.Key != k {
			t.Error(err)
		}
	}
	if k, ok := m.GetKey("b"); !ok || k != "b" || !m.Contains("") || m.Contains("c") {
		t.Error(k, ok)
	}
	if k, ok := m.GetKey("c"); ok {
		t.Error(k)
	}
	if v, ok := m.FetchRemove("a"); !ok || v != "aa" || m.Remove("a") {
		t.Error(v, ok)
	}
	if v := slices.Sorted(m.Values()); !slices.Equal(v, []string{"", "bb"}) {
		t.Error(v)
	}
	c, err := m.Clone()
	if err != nil || !maps.Equal(maps.Collect(c.All()), map[string]string{"b": "bb", "": ""}) {
		t.Error(err)
	}
	m.Clear()
	if m.Len() != 0 || m.Cap() != 8 {
		t.Error(m.Len(), m.Cap())
	}
	c.ClearAndFree()
	for range 2 {
		if err := errors.Join(c.Close(), m.Close()); err != nil || c.Cap()+m.Cap() != 0 {
			t.Error(err)
		}
	}
}
