package generic_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/testing/allocatortest"
)

type numbered struct {
	key uint8
	n   int
}

// Sorting by columns is what package slices does with structs, for all lengths
// around those of the runs that are merged, and of few keys and many.
func TestSort(t *testing.T) {
	a := allocatortest.New(t)
	key := generic.ColumnOf(func(v *numbered) *uint8 { return &v.key })
	byKey := func(x, y numbered) int { return cmp.Compare(x.key, y.key) }
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 2, 3, 15, 16, 17, 31, 32, 33, 48, 100, 300} {
		for _, keys := range []int{1, 3, 256} {
			rows := make([]numbered, n)
			for i := range rows {
				rows[i] = numbered{uint8(r.IntN(keys)), i}
			}
			l := generic.NewMultiArrayList[numbered](a)
			m := generic.NewArrayHashMap[int, int](a)
			if err := l.AppendSlice(rows); err != nil {
				t.Fatal(err)
			}
			for _, v := range rows {
				if err := m.Put(v.n, int(v.key)); err != nil {
					t.Fatal(err)
				}
			}
			of := func() []uint8 { return key.Items(l) }
			byColumn := func(i, j int) int { return cmp.Compare(of()[i], of()[j]) }

			want := slices.Clone(rows)
			slices.SortStableFunc(want, byKey)
			l.SortStableFunc(byColumn)
			if got := slices.Collect(l.Values()); !slices.Equal(got, want) {
				t.Fatalf("%d rows of %d keys: SortStableFunc: %v, want %v", n, keys, got, want)
			}
			m.SortStableFunc(func(i, j int) int { return cmp.Compare(m.Values()[i], m.Values()[j]) })
			for i, v := range want {
				if m.Keys()[i] != v.n || m.Values()[i] != int(v.key) || m.Index(v.n) != i {
					t.Fatalf("%d entries of %d keys: entry %d is %d: %d, want %v", n, keys, i, m.Keys()[i], m.Values()[i], v)
				}
			}
			m.SortFunc(func(i, j int) int { return cmp.Compare(m.Keys()[j], m.Keys()[i]) })
			for i, k := range m.Keys() {
				if v, ok := m.Get(k); k != n-1-i || !ok || v != int(rows[k].key) {
					t.Fatalf("%d entries: SortFunc has %d in place %d", n, k, i)
				}
			}

			l.Clear()
			if err := l.AppendSlice(rows); err != nil {
				t.Fatal(err)
			}
			i, j := n/3, n-n/4
			l.SortRangeFunc(i, j, byColumn)
			got := slices.Collect(l.Values())
			if !slices.Equal(got[:i], rows[:i]) || !slices.Equal(got[j:], rows[j:]) || !slices.IsSortedFunc(got[i:j], byKey) {
				t.Fatalf("%d rows of %d keys: SortRangeFunc(%d, %d): %v", n, keys, i, j, got)
			}
			l.Clear()
			if err := l.AppendSlice(rows); err != nil {
				t.Fatal(err)
			}
			want = slices.Clone(rows)
			slices.SortStableFunc(want[i:j], byKey)
			l.SortRangeStableFunc(i, j, byColumn)
			if got := slices.Collect(l.Values()); !slices.Equal(got, want) {
				t.Fatalf("%d rows of %d keys: SortRangeStableFunc(%d, %d): %v, want %v", n, keys, i, j, got, want)
			}
			l.SortFunc(byColumn)
			if !slices.IsSorted(of()) {
				t.Fatalf("%d rows of %d keys: SortFunc: %v", n, keys, of())
			}
			mustPanic(t, "range", func() { l.SortRangeFunc(0, n+1, byColumn) }, "generic: MultiArrayList.SortRangeFunc")
			mustPanic(t, "order", func() { l.SortRangeFunc(1, 0, byColumn) }, "generic: MultiArrayList.SortRangeFunc")
			mustPanic(t, "range", func() { l.SortRangeStableFunc(0, n+1, byColumn) }, "generic: MultiArrayList.SortRangeStableFunc")
			mustPanic(t, "order", func() { l.SortRangeStableFunc(1, 0, byColumn) }, "generic: MultiArrayList.SortRangeStableFunc")
			l.Close()
			m.Close()
		}
	}
}

func TestOrderedRemoveMany(t *testing.T) {
	a := allocatortest.New(t)
	for _, remove := range [][]int{nil, {0}, {9}, {0, 1, 2}, {2, 2, 2, 5}, {0, 3, 3, 9}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}} {
		l := generic.NewMultiArrayList[numbered](a)
		m := generic.NewArrayHashMap[int, int](a)
		var want []numbered
		for i := range 10 {
			if err := l.Append(numbered{uint8(i), -i}); err != nil {
				t.Fatal(err)
			}
			if err := m.Put(i, -i); err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(remove, i) {
				want = append(want, numbered{uint8(i), -i})
			}
		}
		l.OrderedRemoveMany(remove)
		if got := slices.Collect(l.Values()); !slices.Equal(got, want) {
			t.Errorf("OrderedRemoveMany(%v): %v", remove, got)
		}
		m.OrderedRemoveAtMany(remove)
		for i, v := range want {
			if m.Len() != len(want) || m.Keys()[i] != int(v.key) || m.Index(int(v.key)) != i || m.Values()[i] != v.n {
				t.Errorf("OrderedRemoveAtMany(%v): %v", remove, m.Keys())
			}
		}
		l.Close()
		m.Close()
	}
	l := generic.NewMultiArrayList[numbered](a)
	defer l.Close()
	if err := l.Resize(3); err != nil {
		t.Fatal(err)
	}
	mustPanic(t, "order", func() { l.OrderedRemoveMany([]int{1, 0}) }, "generic: MultiArrayList.OrderedRemoveMany: indexes are not sorted")
	mustPanic(t, "range", func() { l.OrderedRemoveMany([]int{0, 3}) }, "generic: MultiArrayList.OrderedRemoveMany")
	if l.Len() != 3 {
		t.Error(l.Len())
	}
}
