package generic_test

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// names are strings in order, in memory of an allocator.
var names = func() []string {
	a := mem.NoGoPointers(heap.NewArena(heap.Page{}))
	s := mem.Must(mem.Alloc[string](a, 4096))
	for i := range s {
		s[i] = mem.Must(mem.DupeString(a, fmt.Sprintf("%05d", i)))
	}
	return s
}()

// A sorted is a model of a map whose keys are in order: key(i) for ascending i.
type sorted[K, V comparable] struct {
	key  func(int) K
	keys []int
	vals map[int]V
}

func (s *sorted[K, V]) put(i int, v V) {
	if at, found := slices.BinarySearch(s.keys, i); !found {
		s.keys = slices.Insert(s.keys, at, i)
	}
	s.vals[i] = v
}

func (s *sorted[K, V]) remove(i int) (v V, ok bool) {
	at, found := slices.BinarySearch(s.keys, i)
	if found {
		s.keys = slices.Delete(s.keys, at, at+1)
		v = s.vals[i]
		delete(s.vals, i)
	}
	return v, found
}

// compare wants the entries of the model from one index of its keys to another.
func (s *sorted[K, V]) compare(t *testing.T, name string, keys []int, seq func(func(K, V) bool)) {
	t.Helper()
	n := 0
	for k, v := range seq {
		if n == len(keys) || k != s.key(keys[n]) || v != s.vals[keys[n]] {
			t.Fatalf("%s: entry %d of %d is %v: %v", name, n, len(keys), k, v)
		}
		n++
	}
	if n != len(keys) {
		t.Fatalf("%s: %d entries, want %d", name, n, len(keys))
	}
}

func reversed[T any](s []T) []T {
	s = slices.Clone(s)
	slices.Reverse(s)
	return s
}

// btreeProgram runs a tape on a map and on a model of it. Keys come in runs, so
// that the tree grows and shrinks by whole nodes.
func btreeProgram[K, V comparable, C generic.Order[K]](t *testing.T, a *checked, p *tape, key func(int) K, value func(byte) V) {
	const most = 4096
	if invariant.Enabled { // each change of a small map looks at all of it
		p.ops = p.ops[:min(len(p.ops), 150)]
	}
	var m generic.BTreeMapUnmanaged[K, V, C]
	defer func() { m.Close(a) }()
	s := sorted[K, V]{key, nil, map[int]V{}}
	for p.more() {
		op := p.next() % 10
		start, n, step := p.index(most), int(p.next()), 1+int(p.next())%9
		if op%2 == 1 {
			step = -step
		}
		var err error
		switch op {
		case 0, 1, 2, 3:
			for i := start; n > 0 && 0 <= i && i < most; i, n = i+step, n-1 {
				v := value(byte(n))
				if perr := m.Put(a, key(i), v); perr != nil {
					err = perr
					continue
				}
				s.put(i, v)
			}
		case 4, 5:
			for i := start; n > 0 && 0 <= i && i < most; i, n = i+step, n-1 {
				v, ok := s.remove(i)
				if got, found := m.FetchRemove(a, key(i)); found != ok || got != v {
					t.Fatalf("FetchRemove(%v): %v, %v; want %v, %v", key(i), got, found, v, ok)
				}
			}
		case 6: // from either end
			for ; n > 0 && len(s.keys) > 0; n-- {
				k, v, ok := m.PopMin(a)
				i := s.keys[0]
				if n%2 == 0 {
					i = s.keys[len(s.keys)-1]
					if n%4 == 0 && m.Contains(key(i)) {
						m.Put(a, k, v)
						k, v, ok = m.PopMax(a)
					} else {
						i = s.keys[0]
					}
				}
				if want, _ := s.remove(i); !ok || k != key(i) || v != want {
					if a.failed == 0 {
						t.Fatalf("Pop: %v: %v, %v; want %v: %v", k, v, ok, key(i), want)
					}
					return
				}
			}
		case 7:
			v := value(byte(n))
			had := m.Contains(key(start))
			var q *V
			var found bool
			if q, found, err = m.GetOrPut(a, key(start)); err == nil {
				if found != had || found && *q != s.vals[start] || !found && *q != *new(V) {
					t.Fatalf("GetOrPut: %v, %v", *q, found)
				}
				*q = v
				s.put(start, v)
			} else if had {
				t.Fatalf("GetOrPut of a key that is there: %v", err)
			}
		case 8:
			var c generic.BTreeMapUnmanaged[K, V, C]
			if c, err = m.Clone(a); err == nil {
				m.Close(a)
				m = c
			} else if c.Len() > 0 {
				t.Fatal("a clone that failed has entries")
			}
		case 9: // removing and putting during an iteration
			at, dice := 0, n
			for k, v := range m.From(key(start)) {
				if at == 0 {
					at, _ = slices.BinarySearch(s.keys, start)
				}
				i := s.keys[at]
				if k != key(i) || v != s.vals[i] {
					t.Fatalf("From(%v) with removals: %v: %v, want %v", key(start), k, v, key(i))
				}
				if dice = (dice*7 + 1) % 1000; dice%3 > 0 {
					s.remove(i)
					m.Remove(a, k)
				} else {
					at++
				}
				if at == len(s.keys) || dice%50 == 0 {
					break
				}
			}
		}
		mustSucceed(t, a, op, err)
		if m.Len() != len(s.keys) {
			t.Fatalf("operation %d: %d entries, want %d", op, m.Len(), len(s.keys))
		}
		at, there := slices.BinarySearch(s.keys, start)
		if v, ok := m.Get(key(start)); ok != there || v != s.vals[start] {
			t.Fatalf("operation %d: Get(%v): %v, %v", op, key(start), v, ok)
		}
		if k, _, ok := m.Ceiling(key(start)); ok != (at < len(s.keys)) || ok && k != key(s.keys[at]) {
			t.Fatalf("operation %d: Ceiling(%v): %v, %v", op, key(start), k, ok)
		}
		floor := at
		if !there {
			floor--
		}
		if k, _, ok := m.Floor(key(start)); ok != (floor >= 0) || ok && k != key(s.keys[floor]) {
			t.Fatalf("operation %d: Floor(%v): %v, %v", op, key(start), k, ok)
		}
		end, _ := slices.BinarySearch(s.keys, min(start+n, most-1))
		s.compare(t, "Range", s.keys[at:max(at, end)], m.Range(key(start), key(min(start+n, most-1))))
		if op == 8 {
			s.compare(t, "All", s.keys, m.All())
			s.compare(t, "Backward", reversed(s.keys), m.Backward())
			s.compare(t, "BackwardFrom", reversed(s.keys[:floor+1]), m.BackwardFrom(key(start)))
		}
	}
	s.compare(t, "All", s.keys, m.All())
	s.compare(t, "Backward", reversed(s.keys), m.Backward())
	s.compare(t, "Drain", s.keys, m.Drain(a))
}

type byA struct{}

func (byA) Compare(x, y wide) int { return cmp.Compare(x.a, y.a) }

var btreePrograms = []modelProgram{
	func(t *testing.T, a *checked, p *tape) {
		btreeProgram[int, int, generic.Ascending[int]](t, a, p, func(i int) int { return i - 2000 }, intOf)
	},
	func(t *testing.T, a *checked, p *tape) {
		btreeProgram[uint16, struct{}, generic.Descending[uint16]](t, a, p, func(i int) uint16 { return uint16(5000 - i) },
			func(byte) struct{} { return struct{}{} })
	},
	func(t *testing.T, a *checked, p *tape) {
		btreeProgram[wide, bool, byA](t, a, p, func(i int) wide { return wide{a: uint64(i), ok: true} }, func(b byte) bool { return b%2 == 0 })
	},
	func(t *testing.T, a *checked, p *tape) {
		if a.answer != mem.PlainOnly {
			btreeProgram[string, link, generic.Ascending[string]](t, a, p, func(i int) string { return names[i] },
				func(b byte) link { return links[b] })
		}
	},
}

func TestBTreeMapModel(t *testing.T) { testModel(t, btreePrograms...) }

func FuzzBTreeMap(f *testing.F) { fuzzModel(f, btreePrograms...) }

// Keys of every kind that has a way of its own to be compared, and some that
// have not.
func TestBTreeMapKinds(t *testing.T) {
	testKind(t, func(i int) int { return i - 50 })
	testKind(t, func(i int) int8 { return int8(i - 50) })
	testKind(t, func(i int) int32 { return int32(i - 50) })
	testKind(t, func(i int) int64 { return int64(i-50) << 40 })
	testKind(t, func(i int) uint { return uint(i) << 24 })
	testKind(t, func(i int) uint32 { return uint32(i) << 25 })
	testKind(t, func(i int) uint64 { return uint64(i) << 57 })
	testKind(t, func(i int) float64 { return float64(i-50) / 3 })
	testKind(t, func(i int) string { return names[i] })
}

func testKind[K cmp.Ordered](t *testing.T, key func(int) K) {
	m := generic.NewBTreeMap[K, int](allocatortest.New(t))
	defer m.Close()
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(100) {
		if err := m.Put(key(i), i); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for k, v := range m.All() {
		if v != n || k != key(n) {
			t.Fatalf("%T: %v: %d, want %v: %d", k, k, v, key(n), n)
		}
		if got, ok := m.Get(k); !ok || got != v {
			t.Fatalf("Get(%v): %d, %v", k, got, ok)
		}
		n++
	}
}

func TestBTreeMapEdges(t *testing.T) {
	a := allocatortest.New(t)
	m := generic.NewBTreeMapOrder[int](a, generic.OrderFunc[string](func(a, b string) int { return cmp.Compare(len(a), len(b)) }))
	defer m.Close()
	if _, _, ok := m.Min(); ok || m.Remove("") || m.GetPtr("") != nil {
		t.Error("an empty map has something")
	}
	if _, _, ok := m.Max(); ok {
		t.Error("Max of nothing")
	}
	if _, _, ok := m.PopMax(); ok {
		t.Error("PopMax of nothing")
	}
	for range m.Backward() {
		t.Error("an empty map yields")
	}
	if err := errors.Join(m.Put("one", 1), m.Put("two", 2), m.Put("three", 3)); err != nil {
		t.Fatal(err)
	}
	if k, ok := m.GetKey("six"); !ok || k != "one" {
		t.Errorf("GetKey: %v, %v", k, ok)
	}
	if _, ok := m.GetKey("four"); ok {
		t.Error("GetKey of what is not there")
	}
	if old, had, err := m.FetchPut("ten", 10); err != nil || !had || old != 2 || *m.GetPtr("six") != 10 {
		t.Error(old, had, err)
	}
	for k, v := range m.AllPtr() {
		*v += len(k)
	}
	if k, v, ok := m.Max(); !ok || k != "three" || v != 8 {
		t.Error(k, v, ok)
	}
	mustPanic(t, "Load into what is not empty", func() { m.Load(m.All()) }, "not empty")
	m.Clear()
	mustPanic(t, "Load of what does not ascend", func() {
		m.Load(func(yield func(string, int) bool) { _ = yield("aa", 1) && yield("bb", 2) })
	}, "do not ascend")
	if m.Len() != 0 {
		t.Errorf("%d entries", m.Len())
	}

	f := generic.NewBTreeMap[float64, int](a)
	defer f.Close()
	for i, x := range []float64{math.NaN(), 1, math.Inf(-1), math.NaN(), 0, math.Copysign(0, -1)} {
		if err := f.Put(x, i); err != nil {
			t.Fatal(err)
		}
	}
	if v := slices.Collect(f.Values()); !slices.Equal(v, []int{3, 2, 5, 1}) {
		t.Errorf("NaN, -Inf, 0, 1: %v", v)
	}
	if v, ok := f.FetchRemove(math.NaN()); !ok || v != 3 {
		t.Error(v, ok)
	}

	var pe *mem.PointerError
	r := generic.NewBTreeMap[string, int](heap.Page{})
	if err := r.Put("", 0); !errors.As(err, &pe) || r.Len() != 0 {
		t.Error(err)
	}
	w := generic.NewBTreeMap[string, any](mem.NoGoPointers(heap.Page{}))
	if err := w.Put("", 0); !errors.As(err, &pe) || w.Len() != 0 {
		t.Error(err)
	}
	var u generic.BTreeMapUnmanaged[int, int, generic.Ascending[int]]
	if err := u.Put(a, 1, 1); err != nil {
		t.Fatal(err)
	}
	mustPanic(t, "other kind", func() { u.Remove(heap.Page{}, 1) }, "BTreeMap.Remove", "scanned")
	mustPanic(t, "other kind", func() { u.Close(heap.Page{}) }, "BTreeMap.Close")
	mustPanic(t, "NewBTreeMap", func() { generic.NewBTreeMap[int, int](nil) }, "generic: NewBTreeMap: nil Allocator")
	mustPanic(t, "NewBTreeMapOrder", func() { generic.NewBTreeMapOrder[int](nil, generic.Ascending[int]{}) }, "nil Allocator")
	u.Close(a)
}

// Nodes of a map without pointers in its entries need nobody's promise, and
// collections do not disturb them.
func TestBTreeMapCollector(t *testing.T) {
	defer collecting()()
	for _, child := range []mem.Allocator{heap.Page{}, heap.GC{}} {
		m := generic.NewBTreeMap[int, int](heap.NewArena(child))
		for i := range 20_000 {
			if err := m.Put(i*7919%20_011, i); err != nil {
				t.Fatal(err)
			}
			if i%3 == 0 {
				m.Remove(i / 2 * 7919 % 20_011)
			}
		}
		last := -1
		for k, v := range m.All() {
			if k <= last || v*7919%20_011 != k {
				t.Fatalf("%d: %d after %d", k, v, last)
			}
			last = k
		}
	}
	s := generic.NewBTreeMap[string, any](heap.GC{})
	for i := range 5000 {
		if err := s.Put(fmt.Sprint(i%997), new(int)); err != nil {
			t.Fatal(err)
		}
		v, _ := s.Get(fmt.Sprint(i % 997))
		if p := v.(*int); *p != 0 {
			t.Fatal(*p)
		} else {
			*p = 1
		}
		s.Remove(fmt.Sprint(i * 31 % 997))
	}
}

func TestBTreeMapAllocs(t *testing.T) {
	m := generic.NewBTreeMap[uint64, int](heap.NewArena(heap.Page{}))
	for i := range uint64(5000) {
		if err := m.Put(i*i, 0); err != nil {
			t.Fatal(err)
		}
	}
	if invariant.Enabled {
		t.Skip("checks allocate")
	}
	i := uint64(0)
	if n := allocsPerRun(300, func() {
		i += 977
		m.Put(i, 1)
		m.Get(i)
		for range m.From(i) {
			break
		}
		m.Remove(i - 977)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
