package generic_test

import (
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

var foldSeed = maphash.MakeSeed()

// folded compares strings without regard to case.
var folded = generic.Context[string]{
	Hash:  func(s string) uint64 { return maphash.String(foldSeed, strings.ToLower(s)) },
	Equal: strings.EqualFold,
}

// row is a key that stands for a row of a table of rowNames.
var (
	rowNames = []string{"anna", "bert", "anna", "carl"}
	rowHash  = func(name string) uint64 { return maphash.String(foldSeed, name) }
	byName   = generic.Context[int]{
		Hash:  func(r int) uint64 { return rowHash(rowNames[r]) },
		Equal: func(a, b int) bool { return rowNames[a] == rowNames[b] },
	}
)

func TestHashMapContext(t *testing.T) {
	m := generic.NewHashMap[int, string](allocatortest.New(t))
	defer m.Close()
	m.SetContext(&byName)
	for r := range rowNames {
		if err := m.Put(r, fmt.Sprint(r)); err != nil {
			t.Fatal(err)
		}
	}
	if k, ok := m.GetKey(2); m.Len() != 3 || !ok || k != 0 {
		t.Errorf("%d entries, the key of 2 is %d", m.Len(), k)
	}
	is := func(name string) func(int) bool { return func(r int) bool { return rowNames[r] == name } }
	if v, ok := m.GetAdapted(rowHash("anna"), is("anna")); !ok || v != "2" {
		t.Error(v, ok)
	}
	if _, ok := m.GetAdapted(rowHash("dora"), is("dora")); ok || m.GetPtrAdapted(rowHash("dora"), is("dora")) != nil {
		t.Error("dora is found")
	}
	dora := func() (int, error) { rowNames = append(rowNames, "dora"); return len(rowNames) - 1, nil }
	for i := range 2 {
		s, err := m.GetOrPutAdapted(rowHash("dora"), is("dora"), dora)
		if err != nil || s.Found != (i == 1) || s.Key != 4 {
			t.Error(s, err)
		}
		*s.Value = "dora"
	}
	if p := m.GetPtrAdapted(rowHash("dora"), is("dora")); p == nil || *p != "dora" || len(rowNames) != 5 {
		t.Error(p, rowNames)
	}
	oops := errors.New("oops")
	if _, err := m.GetOrPutAdapted(rowHash("emil"), is("emil"), func() (int, error) { return 0, oops }); err != oops || m.Len() != 4 {
		t.Error(err)
	}
	if k, v, ok := m.FetchRemoveAdapted(rowHash("bert"), is("bert")); !ok || k != 1 || v != "1" {
		t.Error(k, v, ok)
	}
	if _, _, ok := m.FetchRemoveAdapted(rowHash("bert"), is("bert")); ok || m.Contains(1) {
		t.Error("bert is still there")
	}
	c, err := m.Clone()
	if err != nil || !c.Contains(2) || c.Len() != 3 {
		t.Error(err)
	}
	c.Close()
	if err := c.Put(0, ""); err != nil || !c.Contains(2) {
		t.Error("a context does not survive Close")
	}
	mustPanic(t, "with memory", func() { c.SetContext(&byName) }, "generic: HashMap.SetContext: the container has memory")
	c.Close()
	mustPanic(t, "empty", func() { c.SetContext(&generic.Context[int]{}) }, "without Hash or Equal")
	mustPanic(t, "nil", func() { c.SetContext(nil) }, "without Hash or Equal")
	d := generic.NewHashMap[int, int](heap.GC{})
	mustPanic(t, "none", func() { d.GetAdapted(0, nil) }, "generic: HashMap.GetAdapted: the container has no Context")
}

// With a hash that is the same for all keys, a map is slow and right, and does
// not ask for memory without end.
func TestHashMapBadContext(t *testing.T) {
	defer generic.SmallParts(2)()
	a := newChecked(t, mem.PlainOnly)
	m := generic.NewHashMap[int, int](a)
	defer m.Close()
	m.SetContext(&generic.Context[int]{Hash: func(int) uint64 { return 0 }, Equal: func(a, b int) bool { return a == b }})
	const n = 300
	for i := range n {
		if err := m.Put(i, i*i); err != nil {
			t.Fatal(err)
		}
	}
	parts, strays := generic.Parts(m)
	if strays < n/2 || parts > n {
		t.Errorf("%d parts, %d strays", parts, strays)
	}
	for i := range n {
		if v, ok := m.Get(i); !ok || v != i*i {
			t.Fatalf("Get(%d): %d, %v", i, v, ok)
		}
		if i%3 == 0 && !m.Remove(i) {
			t.Fatalf("Remove(%d)", i)
		}
	}
	if m.Contains(n) || m.Contains(3) || m.Len() != n-n/3 {
		t.Error("what is not there is found")
	}
	m.Rehash()
	m.ShrinkAndFree()
	if err := m.EnsureUnusedCapacity(3 * n); err != nil {
		t.Fatal(err)
	}
	for k, v := range m.Drain() {
		if v != k*k || k%3 == 0 {
			t.Fatal(k, v)
		}
	}
	if _, strays := generic.Parts(m); strays != 0 || m.Len() != 0 {
		t.Errorf("%d strays of %d", strays, m.Len())
	}
}

func TestStringHashMapContext(t *testing.T) {
	defer generic.SmallParts(1)()
	a := newChecked(t, mem.PlainOnly)
	var m generic.StringHashMapUnmanaged[int]
	m.SetContext(&folded)
	defer m.Close(a)
	for i := range 100 {
		if _, err := m.Put(a, fmt.Sprint("Key ", i), i); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 100 {
		k := fmt.Sprint("kEY ", i)
		if v, ok := m.Get(k); !ok || v != i {
			t.Fatalf("Get(%q): %d, %v", k, v, ok)
		}
		if own, _ := m.GetKey(k); own[:3] != "Key" {
			t.Fatal(own)
		}
	}
	c, err := m.Clone(a)
	if err != nil || !c.Contains("KEY 7") {
		t.Error(err)
	}
	c.Close(a)
	if !m.Remove(a, "KEY 7") || m.Contains("Key 7") || m.Len() != 99 {
		t.Error("Remove")
	}
	mustPanic(t, "with memory", func() { m.SetContext(&folded) }, "generic: StringHashMap.SetContext: the container has memory")
}

func TestMapLock(t *testing.T) {
	a := allocatortest.New(t)
	m := generic.NewHashMap[int, int](a)
	s := generic.NewStringHashMap[int](a)
	am := generic.NewArrayHashMap[int, int](a)
	ss := generic.NewStringHashSet(a)
	for i := range 8 {
		_, err := s.Put(fmt.Sprint(i), i)
		_, _, err2 := ss.Add(fmt.Sprint(i))
		if err := errors.Join(err, err2, m.Put(i, i), am.Put(i, i)); err != nil {
			t.Fatal(err)
		}
	}
	am.LockPointers()
	for i := 8; i < am.Cap(); i++ { // which moves nothing
		if err := am.Put(i, i); err != nil {
			t.Fatal(err)
		}
	}
	n := am.Len()
	ss.LockPointers()
	m.LockPointers()
	m.LockPointers()
	s.LockPointers()
	for name, f := range map[string]func(){
		"HashMap.Put":                 func() { m.Put(8, 8) },
		"HashMap.EnsureTotalCapacity": func() { m.EnsureTotalCapacity(100) },
		"HashMap.Remove":              func() { m.Remove(1) },
		"HashMap.FetchRemove":         func() { m.FetchRemove(1) },
		"HashMap.DeleteFunc":          func() { m.DeleteFunc(func(int, int) bool { return true }) },
		"HashMap.Drain": func() {
			for range m.Drain() {
			}
		},
		"ArrayHashMap.Put":                     func() { am.Put(-1, 7) },
		"ArrayHashMap.EnsureTotalCapacity":     func() { am.EnsureTotalCapacity(100) },
		"ArrayHashMap.SwapRemove":              func() { am.SwapRemove(1) },
		"ArrayHashMap.SwapRemoveAt":            func() { am.SwapRemoveAt(1) },
		"ArrayHashMap.FetchSwapRemove":         func() { am.FetchSwapRemove(1) },
		"ArrayHashMap.OrderedRemove":           func() { am.OrderedRemove(1) },
		"ArrayHashMap.OrderedRemoveAt":         func() { am.OrderedRemoveAt(1) },
		"ArrayHashMap.OrderedRemoveAtMany":     func() { am.OrderedRemoveAtMany([]int{1}) },
		"ArrayHashMap.FetchOrderedRemove":      func() { am.FetchOrderedRemove(1) },
		"ArrayHashMap.Pop":                     func() { am.Pop() },
		"ArrayHashMap.ShrinkRetainingCapacity": func() { am.ShrinkRetainingCapacity(1) },
		"ArrayHashMap.DeleteFunc":              func() { am.DeleteFunc(func(k, _ int) bool { return k > 3 }) },
		"ArrayHashMap.SortFunc":                func() { am.SortFunc(func(i, j int) int { return j - i }) },
		"ArrayHashMap.SortStableFunc":          func() { am.SortStableFunc(func(i, j int) int { return j - i }) },
		"ArrayHashMap.Clear":                   func() { am.Clear() },
		"ArrayHashMap.ShrinkAndFree":           func() { am.ShrinkAndFree() },
		"ArrayHashMap.Close":                   func() { am.Close() },
		"StringHashMap.Drain": func() {
			for range ss.Drain() {
			}
		},
		"HashMap.Rehash":                    func() { m.Rehash() },
		"HashMap.Clear":                     func() { m.Clear() },
		"HashMap.ClearAndFree":              func() { m.ClearAndFree() },
		"HashMap.ShrinkAndFree":             func() { m.ShrinkAndFree() },
		"HashMap.Close":                     func() { m.Close() },
		"StringHashMap.Put":                 func() { s.Put("8", 8) },
		"StringHashMap.EnsureTotalCapacity": func() { s.EnsureTotalCapacity(100) },
		"StringHashMap.Remove":              func() { s.Remove("1") },
		"StringHashMap.Rehash":              func() { s.Rehash() },
		"StringHashMap.Clear":               func() { s.Clear() },
		"StringHashMap.ShrinkAndFree":       func() { s.ShrinkAndFree() },
		"StringHashMap.Close":               func() { s.Close() },
	} {
		mustPanic(t, name, f, "generic: "+name+": pointers into the container are locked")
		if m.Len() != 8 || s.Len() != 8 || am.Len() != n || ss.Len() != 8 || am.Keys()[6] != 6 || am.Index(6) != 6 {
			t.Fatal(name)
		}
	}
	if err := m.Put(1, 2); err != nil {
		t.Error(err)
	}
	m.UnlockPointers()
	mustPanic(t, "still locked", func() { m.Remove(1) })
	m.UnlockPointers()
	s.UnlockPointers()
	am.UnlockPointers()
	ss.UnlockPointers()
	mustPanic(t, "not locked", am.UnlockPointers, "generic: ArrayHashMap.UnlockPointers: not locked")
	ss.Rehash()
	if !am.SwapRemove(1) || !ss.Remove("1") || !ss.Contains("2") {
		t.Error("Remove")
	}
	am.Close()
	ss.Close()
	mustPanic(t, "not locked", m.UnlockPointers, "not locked")
	mustPanic(t, "not locked", s.UnlockPointers, "not locked")
	if !m.Remove(1) || !s.Remove("1") {
		t.Error("Remove")
	}
	m.Close()
	s.Close()
}

func TestMapDeleteAndDrain(t *testing.T) {
	a := newChecked(t, mem.PlainOnly)
	m := generic.NewHashMap[float64, int](a)
	defer m.Close()
	s := generic.NewStringHashMap[int](a)
	defer s.Close()
	for i := range 100 {
		k := float64(i)
		if i >= 90 {
			k = math.NaN()
		}
		_, err := s.PutBytes([]byte(fmt.Sprint(i)), i)
		if err := errors.Join(err, m.Put(k, i)); err != nil {
			t.Fatal(err)
		}
	}
	if v, ok := s.GetBytes([]byte("17")); !ok || v != 17 {
		t.Error(v, ok)
	}
	m.DeleteFunc(func(_ float64, v int) bool { return v%2 == 0 })
	s.DeleteFunc(func(_ string, v int) bool { return v%2 == 0 })
	m.Rehash()
	s.Rehash()
	var got []int
	for _, v := range m.Drain() {
		if got = append(got, v); len(got) == 20 {
			break
		}
	}
	if m.Len() != 30 {
		t.Error(m.Len())
	}
	for k, v := range m.Drain() {
		if !math.IsNaN(k) && int(k) != v {
			t.Error(k, v)
		}
		got = append(got, v)
	}
	var strs []int
	for k, v := range s.Drain() {
		if s.Contains(k) || k != fmt.Sprint(v) {
			t.Error(k, v)
		}
		strs = append(strs, v)
		if len(strs) == 20 {
			break
		}
	}
	strs = slices.AppendSeq(strs, maps.Values(maps.Collect(s.Drain())))
	slices.Sort(got)
	slices.Sort(strs)
	if len(got) != 50 || got[0] != 1 || got[49] != 99 || !slices.Equal(got, strs) || m.Len()+s.Len() != 0 {
		t.Errorf("%v\n%v", got, strs)
	}
}

// Keys that Go cannot compare are compared by the Context alone, also when they are
// removed in a loop, and when parts are split and rehashed.
func TestHashMapContextUncomparable(t *testing.T) {
	defer generic.SmallParts(2)()
	const n = 500
	key := func(i int) any { return []int{i % 7, i} }
	c := generic.Context[any]{
		Hash:  func(k any) uint64 { return uint64(k.([]int)[1]) },
		Equal: func(a, b any) bool { return slices.Equal(a.([]int), b.([]int)) },
	}
	m := generic.NewHashMap[any, int](heap.GC{})
	defer m.Close()
	s := generic.NewHashSet[any](heap.GC{})
	defer s.Close()
	m.SetContext(&c)
	s.SetContext(&c)
	for i := range n {
		_, err := s.Add(key(i))
		if err := errors.Join(err, m.Put(key(i), i)); err != nil {
			t.Fatal(err)
		}
	}
	m.DeleteFunc(func(_ any, v int) bool { return v%2 > 0 })
	s.DeleteFunc(func(k any) bool { return k.([]int)[1]%2 > 0 })
	m.Rehash()
	m.ShrinkAndFree()
	for i := range n {
		if m.Contains(key(i)) != (i%2 == 0) || s.Contains(key(i)) != (i%2 == 0) {
			t.Fatal(i)
		}
	}
	got := 0
	for range s.Drain() {
		got++
	}
	for range m.Drain() {
		got++
	}
	if got != n || m.Len()+s.Len() != 0 {
		t.Errorf("%d of %d, %d left", got, n, m.Len()+s.Len())
	}
}
