package generic_test

import (
	"maps"
	"slices"
	"strings"
	"testing/iotest"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

var none allocatortest.FailureOptions

// injections are the cases of [TestInjectedPoints]: a container of some sizes,
// and all its operations that may ask for memory.
var injections = slices.Concat(sequenceInjections, queueInjections, mapInjections, stringInjections, sharedInjections)

// take gives back a slice that a container gave up.
func take[T any](a mem.Allocator, s []T, err error) error {
	if err == nil {
		mem.Free(a, s)
	}
	return err
}

var sequenceInjections = []injection{
	inject(none, true, []int{3, 4}, func(a mem.Allocator, n int) (*generic.ArrayList[link], error) { // of capacity 4
		l := generic.NewArrayList[link](a)
		if err := l.EnsureTotalCapacityPrecise(4); err != nil {
			return nil, err
		}
		return l, l.AppendSliceBounded(links[:n])
	}, func(l *generic.ArrayList[link]) any {
		return []any{slices.Clone(l.Items()), l.Cap()}
	}, operations[*generic.ArrayList[link]]{
		"AddMany":                    func(l *generic.ArrayList[link], n int) error { _, err := l.AddMany(7); return err },
		"AddManyUninit":              func(l *generic.ArrayList[link], n int) error { _, err := l.AddManyUninit(7); return err },
		"AddOne":                     func(l *generic.ArrayList[link], n int) error { _, err := l.AddOne(); return err },
		"Append":                     func(l *generic.ArrayList[link], n int) error { return l.Append(links[1]) },
		"AppendN":                    func(l *generic.ArrayList[link], n int) error { return l.AppendN(links[0], 5) },
		"AppendSlice":                func(l *generic.ArrayList[link], n int) error { return l.AppendSlice(links[:9]) },
		"AppendSlice: of itself":     func(l *generic.ArrayList[link], n int) error { return l.AppendSlice(l.Items()) },
		"Clone":                      func(l *generic.ArrayList[link], n int) error { return closing(l.Clone()) },
		"EnsureTotalCapacity":        func(l *generic.ArrayList[link], n int) error { return l.EnsureTotalCapacity(400) },
		"EnsureTotalCapacityPrecise": func(l *generic.ArrayList[link], n int) error { return l.EnsureTotalCapacityPrecise(400) },
		"EnsureUnusedCapacity":       func(l *generic.ArrayList[link], n int) error { return l.EnsureUnusedCapacity(400) },
		"Insert":                     func(l *generic.ArrayList[link], n int) error { return l.Insert(1, links[1]) },
		"InsertMany":                 func(l *generic.ArrayList[link], n int) error { _, err := l.InsertMany(1, 7); return err },
		"InsertSlice":                func(l *generic.ArrayList[link], n int) error { return l.InsertSlice(1, links[:9]) },
		"InsertSlice: of itself":     func(l *generic.ArrayList[link], n int) error { return l.InsertSlice(1, l.Items()) },
		"ReplaceRange":               func(l *generic.ArrayList[link], n int) error { return l.ReplaceRange(1, 2, links[:9]) },
		"ReplaceRange: by itself":    func(l *generic.ArrayList[link], n int) error { return l.ReplaceRange(1, 2, l.Items()) },
		"Resize":                     func(l *generic.ArrayList[link], n int) error { return l.Resize(400) },
		"ShrinkAndFree":              func(l *generic.ArrayList[link], n int) error { l.ShrinkAndFree(2); return nil },
		"ToOwnedSlice": func(l *generic.ArrayList[link], n int) error {
			s, err := l.ToOwnedSlice()
			return take(l.Allocator(), s, err)
		},
	}),
	inject(none, true, []int{4}, func(a mem.Allocator, n int) (*generic.MultiArrayList[link], error) {
		l := generic.NewMultiArrayList[link](a)
		if err := l.EnsureTotalCapacityPrecise(n); err != nil {
			return l, err
		}
		return l, l.AppendSlice(links[:n])
	}, func(l *generic.MultiArrayList[link]) any {
		return []any{slices.Collect(l.Values()), l.Cap()}
	}, operations[*generic.MultiArrayList[link]]{
		"Append":                     func(l *generic.MultiArrayList[link], n int) error { return l.Append(links[1]) },
		"AppendSlice":                func(l *generic.MultiArrayList[link], n int) error { return l.AppendSlice(links[:20]) },
		"Clone":                      func(l *generic.MultiArrayList[link], n int) error { return closing(l.Clone()) },
		"EnsureTotalCapacity":        func(l *generic.MultiArrayList[link], n int) error { return l.EnsureTotalCapacity(100) },
		"EnsureTotalCapacityPrecise": func(l *generic.MultiArrayList[link], n int) error { return l.EnsureTotalCapacityPrecise(100) },
		"EnsureUnusedCapacity":       func(l *generic.MultiArrayList[link], n int) error { return l.EnsureUnusedCapacity(50) },
		"Insert":                     func(l *generic.MultiArrayList[link], n int) error { return l.Insert(0, links[3]) },
		"Resize":                     func(l *generic.MultiArrayList[link], n int) error { return l.Resize(90) },
		"ShrinkAndFree":              func(l *generic.MultiArrayList[link], n int) error { l.ShrinkAndFree(2); return nil },
	}),
	inject(none, true, []int{4, 12, 60}, func(a mem.Allocator, n int) (*generic.SegmentedList[link], error) { // up to the end of a segment
		l := generic.NewSegmentedList[link](a)
		err := l.AppendSlice(links[:n])
		for err == nil && l.Len() < l.Cap() {
			err = l.Append(links[n])
		}
		return l, err
	}, func(l *generic.SegmentedList[link]) any {
		return []any{slices.Collect(l.Values()), l.Cap()}
	}, operations[*generic.SegmentedList[link]]{
		"AddOne":               func(l *generic.SegmentedList[link], n int) error { _, err := l.AddOne(); return err },
		"Append":               func(l *generic.SegmentedList[link], n int) error { return l.Append(links[1]) },
		"AppendSlice":          func(l *generic.SegmentedList[link], n int) error { return l.AppendSlice(links[:200]) },
		"Clone":                func(l *generic.SegmentedList[link], n int) error { return closing(l.Clone()) },
		"EnsureTotalCapacity":  func(l *generic.SegmentedList[link], n int) error { return l.EnsureTotalCapacity(1000) },
		"EnsureUnusedCapacity": func(l *generic.SegmentedList[link], n int) error { return l.EnsureUnusedCapacity(500) },
	}),
	inject(none, true, []int{2}, func(a mem.Allocator, n int) (*generic.DoublyLinkedList[link], error) {
		l := generic.NewDoublyLinkedList[link](a)
		for _, v := range links[:n] {
			if _, err := l.PushFront(v); err != nil {
				return l, err
			}
		}
		return l, nil
	}, func(l *generic.DoublyLinkedList[link]) any { return slices.Collect(l.Values()) }, operations[*generic.DoublyLinkedList[link]]{
		"Clone": func(l *generic.DoublyLinkedList[link], n int) error { return closing(l.Clone()) },
		"InsertAfter": func(l *generic.DoublyLinkedList[link], n int) error {
			_, err := l.InsertAfter(l.First(), links[1])
			return err
		},
		"InsertBefore": func(l *generic.DoublyLinkedList[link], n int) error {
			_, err := l.InsertBefore(l.First(), links[1])
			return err
		},
		"PushBack":  func(l *generic.DoublyLinkedList[link], n int) error { _, err := l.PushBack(links[1]); return err },
		"PushFront": func(l *generic.DoublyLinkedList[link], n int) error { _, err := l.PushFront(links[1]); return err },
	}),
	inject(none, true, []int{2}, func(a mem.Allocator, n int) (*generic.SinglyLinkedList[link], error) {
		l := generic.NewSinglyLinkedList[link](a)
		for _, v := range links[:n] {
			if _, err := l.PushFront(v); err != nil {
				return l, err
			}
		}
		return l, nil
	}, func(l *generic.SinglyLinkedList[link]) any { return slices.Collect(l.Values()) }, operations[*generic.SinglyLinkedList[link]]{
		"Clone": func(l *generic.SinglyLinkedList[link], n int) error { return closing(l.Clone()) },
		"InsertAfter": func(l *generic.SinglyLinkedList[link], n int) error {
			_, err := l.InsertAfter(l.First(), links[1])
			return err
		},
		"PushFront": func(l *generic.SinglyLinkedList[link], n int) error { _, err := l.PushFront(links[1]); return err },
	}),
	inject(none, false, []int{100}, func(a mem.Allocator, n int) (*generic.DynamicBitSet, error) {
		s := generic.NewDynamicBitSet(a)
		return s, s.Resize(n, true)
	}, func(s *generic.DynamicBitSet) any {
		return []any{slices.Collect(s.All()), s.Len()}
	}, operations[*generic.DynamicBitSet]{
		"Clone":            func(s *generic.DynamicBitSet, n int) error { return closing(s.Clone()) },
		"Resize":           func(s *generic.DynamicBitSet, n int) error { return s.Resize(1000, true) },
		"Resize: to zeros": func(s *generic.DynamicBitSet, n int) error { return s.Resize(1000, false) },
	}),
	inject(none, false, []int{0, 3, 512}, func(a mem.Allocator, n int) (*generic.BitStack, error) {
		s := generic.NewBitStack(a)
		for range n {
			if err := s.Push(true); err != nil {
				return s, err
			}
		}
		return s, nil
	}, func(s *generic.BitStack) any { return []any{slices.Collect(s.Values()), s.Cap()} }, operations[*generic.BitStack]{
		"Clone":                func(s *generic.BitStack, n int) error { return closing(s.Clone()) },
		"EnsureTotalCapacity":  func(s *generic.BitStack, n int) error { return s.EnsureTotalCapacity(10_000) },
		"EnsureUnusedCapacity": func(s *generic.BitStack, n int) error { return s.EnsureUnusedCapacity(10_000) },
		"Push":                 func(s *generic.BitStack, n int) error { return s.Push(true) },
	}),
}

type (
	linkQueue   = *generic.PriorityQueue[link, linksByName]
	linkDequeue = *generic.PriorityDequeue[link, linksByName]
)

var queueInjections = []injection{
	inject(none, true, []int{2, 4}, func(a mem.Allocator, n int) (*generic.Deque[link], error) { // of capacity 4, and wrapped
		d := generic.NewDeque[link](a)
		if err := d.EnsureTotalCapacityPrecise(4); err != nil {
			return nil, err
		}
		d.PushBackSliceAssumeCapacity(links[:3])
		d.RemoveFront(3)
		d.PushBackSliceAssumeCapacity(links[:n])
		return d, nil
	}, func(d *generic.Deque[link]) any {
		return []any{slices.Collect(d.Values()), d.Cap()}
	}, operations[*generic.Deque[link]]{
		"Clone":                      func(d *generic.Deque[link], n int) error { return closing(d.Clone()) },
		"EnsureTotalCapacity":        func(d *generic.Deque[link], n int) error { return d.EnsureTotalCapacity(100) },
		"EnsureTotalCapacityPrecise": func(d *generic.Deque[link], n int) error { return d.EnsureTotalCapacityPrecise(100) },
		"EnsureUnusedCapacity":       func(d *generic.Deque[link], n int) error { return d.EnsureUnusedCapacity(100) },
		"PushBack":                   func(d *generic.Deque[link], n int) error { return d.PushBack(links[1]) },
		"PushBackSlice":              func(d *generic.Deque[link], n int) error { return d.PushBackSlice(links[:9]) },
		"PushFront":                  func(d *generic.Deque[link], n int) error { return d.PushFront(links[1]) },
		"PushFrontSlice":             func(d *generic.Deque[link], n int) error { return d.PushFrontSlice(links[:9]) },
		"PushFrontSlice: of itself": func(d *generic.Deque[link], n int) error {
			first, _ := d.Slices()
			return d.PushFrontSlice(first)
		},
		"ShrinkAndFree": func(d *generic.Deque[link], n int) error { d.ShrinkAndFree(); return nil },
	}),
	inject(none, true, []int{3}, func(a mem.Allocator, n int) (*generic.RingBuffer[link], error) { // of capacity 4, and wrapped
		r := generic.NewRingBuffer[link](a)
		if err := r.SetCapacity(4); err != nil {
			return nil, err
		}
		r.Write(links[:4])
		r.Discard(3)
		return r, r.PushSlice(links[:n-1])
	}, func(r *generic.RingBuffer[link]) any {
		return []any{slices.Collect(r.Values()), r.Cap()}
	}, operations[*generic.RingBuffer[link]]{
		"Clone":                func(r *generic.RingBuffer[link], n int) error { return closing(r.Clone()) },
		"SetCapacity":          func(r *generic.RingBuffer[link], n int) error { return r.SetCapacity(9) },
		"SetCapacity: of less": func(r *generic.RingBuffer[link], n int) error { return r.SetCapacity(n) },
	}),
	inject(none, true, []int{6, 8}, func(a mem.Allocator, n int) (linkQueue, error) { // of capacity 8
		q := generic.NewPriorityQueueOrder(a, linksByName{})
		if err := q.EnsureTotalCapacityPrecise(8); err != nil {
			return q, err
		}
		return q, q.PushSlice(links[:n])
	}, func(q linkQueue) any { return []any{slices.Clone(q.Items()), q.Cap()} }, operations[linkQueue]{
		"Clone":                      func(q linkQueue, n int) error { return closing(q.Clone()) },
		"EnsureTotalCapacity":        func(q linkQueue, n int) error { return q.EnsureTotalCapacity(99) },
		"EnsureTotalCapacityPrecise": func(q linkQueue, n int) error { return q.EnsureTotalCapacityPrecise(99) },
		"EnsureUnusedCapacity":       func(q linkQueue, n int) error { return q.EnsureUnusedCapacity(99) },
		"Push":                       func(q linkQueue, n int) error { return q.Push(links[9]) },
		"PushSlice":                  func(q linkQueue, n int) error { return q.PushSlice(links[:30]) },
		"ShrinkAndFree":              func(q linkQueue, n int) error { q.ShrinkAndFree(); return nil },
		"ToOwnedSlice": func(q linkQueue, n int) error {
			s, err := q.ToOwnedSlice()
			return take(q.Allocator(), s, err)
		},
	}),
	inject(none, true, []int{6, 8}, func(a mem.Allocator, n int) (linkDequeue, error) { // of capacity 8
		q := generic.NewPriorityDequeueOrder(a, linksByName{})
		if err := q.EnsureTotalCapacityPrecise(8); err != nil {
			return q, err
		}
		return q, q.PushSlice(links[:n])
	}, func(q linkDequeue) any { return []any{slices.Clone(q.Items()), q.Cap()} }, operations[linkDequeue]{
		"Clone":                      func(q linkDequeue, n int) error { return closing(q.Clone()) },
		"EnsureTotalCapacity":        func(q linkDequeue, n int) error { return q.EnsureTotalCapacity(99) },
		"EnsureTotalCapacityPrecise": func(q linkDequeue, n int) error { return q.EnsureTotalCapacityPrecise(99) },
		"EnsureUnusedCapacity":       func(q linkDequeue, n int) error { return q.EnsureUnusedCapacity(99) },
		"Push":                       func(q linkDequeue, n int) error { return q.Push(links[9]) },
		"PushSlice":                  func(q linkDequeue, n int) error { return q.PushSlice(links[:30]) },
		"ShrinkAndFree":              func(q linkDequeue, n int) error { q.ShrinkAndFree(); return nil },
		"ToOwnedSlice": func(q linkDequeue, n int) error {
			s, err := q.ToOwnedSlice()
			return take(q.Allocator(), s, err)
		},
	}),
}

// treeSizes are those of trees whose nodes are all full, below a full root in the
// end. With invariants, a tree looks at all of itself again and again.
var treeSizes = func() []int {
	if invariant.Enabled {
		return []int{0, 64, 256}
	}
	return []int{0, 64, 256, 64 * 64}
}()

type linkTree = *generic.BTreeMap[int, link, generic.Ascending[int]]

// hashed is what adapted lookups need: a hash that is known.
var hashed = generic.Context[string]{
	Hash:  func(k string) uint64 { return generic.HashOf(1, []byte(k)) },
	Equal: func(a, b string) bool { return a == b },
}

var hashedInts = generic.Context[int]{
	Hash:  func(k int) uint64 { return uint64(k) },
	Equal: func(a, b int) bool { return a == b },
}

// is returns what an adapted lookup of k needs.
func is[K comparable](c *generic.Context[K], k K) (hash uint64, equal func(K) bool, key func() (K, error)) {
	return c.Hash(k), func(x K) bool { return x == k }, func() (K, error) { return k, nil }
}

var mapInjections = []injection{
	inject(none, true, []int{0, 7, 12, 14, -7, -25}, func(a mem.Allocator, n int) (*generic.HashMap[string, *link], error) {
		m := generic.NewHashMap[string, *link](a)
		for i := range n {
			if err := m.Put(links[i].name, &links[i]); err != nil {
				return nil, err
			}
		}
		return m, nil
	}, func(m *generic.HashMap[string, *link]) any {
		return []any{maps.Collect(m.All()), m.Cap()}
	}, operations[*generic.HashMap[string, *link]]{
		"Clone":                func(m *generic.HashMap[string, *link], n int) error { return closing(m.Clone()) },
		"EnsureTotalCapacity":  func(m *generic.HashMap[string, *link], n int) error { return m.EnsureTotalCapacity(100) },
		"EnsureUnusedCapacity": func(m *generic.HashMap[string, *link], n int) error { return m.EnsureUnusedCapacity(100) },
		"FetchPut":             func(m *generic.HashMap[string, *link], n int) error { _, _, err := m.FetchPut("new", nil); return err },
		"GetOrPut":             func(m *generic.HashMap[string, *link], n int) error { _, err := m.GetOrPut("new"); return err },
		"GetOrPutValue": func(m *generic.HashMap[string, *link], n int) error {
			_, err := m.GetOrPutValue("new", nil)
			return err
		},
		"GetOrPutAdapted": func(m *generic.HashMap[string, *link], n int) error {
			c := generic.NewHashMap[string, *link](m.Allocator()) // with a Context
			defer c.Close()
			c.SetContext(&hashed)
			_, err := c.GetOrPutAdapted(is(&hashed, "new"))
			return err
		},
		"Put": func(m *generic.HashMap[string, *link], n int) error { return m.Put("new", &links[1]) },
		"ShrinkAndFree": func(m *generic.HashMap[string, *link], n int) error {
			for i := 2; i < n; i++ {
				m.Remove(links[i].name)
			}
			m.ShrinkAndFree()
			return nil
		},
	}),
	inject(none, false, []int{0, 7, 14, -7, -25}, func(a mem.Allocator, n int) (*generic.HashSet[int], error) {
		s := generic.NewHashSet[int](a)
		s.SetContext(&hashedInts)
		for i := range n {
			if _, err := s.Add(i); err != nil {
				return nil, err
			}
		}
		return s, nil
	}, func(s *generic.HashSet[int]) any { return []any{slices.Sorted(s.All()), s.Cap()} }, operations[*generic.HashSet[int]]{
		"Add":                  func(s *generic.HashSet[int], n int) error { _, err := s.Add(n); return err },
		"AddAdapted":           func(s *generic.HashSet[int], n int) error { _, err := s.AddAdapted(is(&hashedInts, n)); return err },
		"Clone":                func(s *generic.HashSet[int], n int) error { return closing(s.Clone()) },
		"EnsureTotalCapacity":  func(s *generic.HashSet[int], n int) error { return s.EnsureTotalCapacity(100) },
		"EnsureUnusedCapacity": func(s *generic.HashSet[int], n int) error { return s.EnsureUnusedCapacity(90) },
		"ShrinkAndFree":        func(s *generic.HashSet[int], n int) error { shrinkTo(s, 2); return nil },
	}),
	inject(none, false, []int{0, 7, 8, 14}, func(a mem.Allocator, n int) (*generic.ArrayHashMap[int, int], error) {
		m := generic.NewArrayHashMap[int, int](a)
		m.SetContext(&hashedInts)
		for i := range n {
			if err := m.Put(i, i); err != nil {
				return nil, err
			}
		}
		return m, nil
	}, func(m *generic.ArrayHashMap[int, int]) any {
		return []any{slices.Clone(m.Keys()), slices.Clone(m.Values()), m.Cap()}
	}, operations[*generic.ArrayHashMap[int, int]]{
		"Clone":                func(m *generic.ArrayHashMap[int, int], n int) error { return closing(m.Clone()) },
		"EnsureTotalCapacity":  func(m *generic.ArrayHashMap[int, int], n int) error { return m.EnsureTotalCapacity(100) },
		"EnsureUnusedCapacity": func(m *generic.ArrayHashMap[int, int], n int) error { return m.EnsureUnusedCapacity(90) },
		"FetchPut":             func(m *generic.ArrayHashMap[int, int], n int) error { _, _, err := m.FetchPut(n, 1); return err },
		"GetOrPut":             func(m *generic.ArrayHashMap[int, int], n int) error { _, err := m.GetOrPut(n); return err },
		"GetOrPutAdapted": func(m *generic.ArrayHashMap[int, int], n int) error {
			_, err := m.GetOrPutAdapted(is(&hashedInts, n))
			return err
		},
		"GetOrPutValue": func(m *generic.ArrayHashMap[int, int], n int) error { _, err := m.GetOrPutValue(n, 1); return err },
		"Put":           func(m *generic.ArrayHashMap[int, int], n int) error { return m.Put(n, n) },
		"ShrinkAndFree": func(m *generic.ArrayHashMap[int, int], n int) error {
			for m.Len() > 2 {
				m.Pop()
			}
			m.ShrinkAndFree()
			return nil
		},
	}),
	inject(none, true, treeSizes, func(a mem.Allocator, n int) (linkTree, error) {
		m := generic.NewBTreeMap[int, link](a)
		for i := range n {
			if err := m.Put(2*i, links[i%256]); err != nil {
				return m, err
			}
		}
		return m, nil
	}, func(m linkTree) any { return []any{slices.Collect(m.Keys()), slices.Collect(m.Values())} }, operations[linkTree]{
		"Clone":              func(m linkTree, n int) error { return closing(m.Clone()) },
		"FetchPut":           func(m linkTree, n int) error { _, _, err := m.FetchPut(2*n+1, links[1]); return err },
		"GetOrPut":           func(m linkTree, n int) error { _, _, err := m.GetOrPut(2*n + 1); return err },
		"Put":                func(m linkTree, n int) error { return m.Put(2*n+1, links[1]) },
		"Put: in front":      func(m linkTree, n int) error { return m.Put(-1, links[1]) },
		"Put: in the middle": func(m linkTree, n int) error { return m.Put(n|1, links[1]) },
		"Load": func(m linkTree, n int) error {
			c := generic.NewBTreeMap[int, link](m.Allocator())
			defer c.Close()
			return c.Load(m.All())
		},
	}),
}

// shrinkTo gives back the memory of all but n elements.
func shrinkTo(s *generic.HashSet[int], n int) {
	s.DeleteFunc(func(k int) bool { return k >= n })
	s.ShrinkAndFree()
}

// full is the size that stands for as much as there is room for.
const full = 1 << 20

var stringInjections = []injection{
	inject(none, false, []int{0, 7, 12, 14, -7, -25}, func(a mem.Allocator, n int) (*generic.StringHashMap[int], error) {
		m := generic.NewStringHashMap[int](a)
		for i := range n {
			if _, err := m.Put(stringKey(i), i); err != nil {
				return nil, err
			}
		}
		return m, nil
	}, func(m *generic.StringHashMap[int]) any {
		entries := map[string]int{}
		for k, v := range m.All() {
			entries[strings.Clone(k)] = v
		}
		return []any{entries, m.Cap()}
	}, operations[*generic.StringHashMap[int]]{
		"Clone":                func(m *generic.StringHashMap[int], n int) error { return closing(m.Clone()) },
		"EnsureTotalCapacity":  func(m *generic.StringHashMap[int], n int) error { return m.EnsureTotalCapacity(100) },
		"EnsureUnusedCapacity": func(m *generic.StringHashMap[int], n int) error { return m.EnsureUnusedCapacity(100) },
		"FetchPut":             func(m *generic.StringHashMap[int], n int) error { _, _, err := m.FetchPut("new", 1); return err },
		"GetOrPut":             func(m *generic.StringHashMap[int], n int) error { _, err := m.GetOrPut("new"); return err },
		"GetOrPutAdapted": func(m *generic.StringHashMap[int], n int) error {
			c := generic.NewStringHashMap[int](m.Allocator()) // with a Context
			defer c.Close()
			c.SetContext(&hashed)
			_, err := c.GetOrPutAdapted(is(&hashed, "new"))
			return err
		},
		"GetOrPutValue": func(m *generic.StringHashMap[int], n int) error { _, err := m.GetOrPutValue("new", 1); return err },
		"Put":           func(m *generic.StringHashMap[int], n int) error { _, err := m.Put("new", 1); return err },
		"Put: no bytes": func(m *generic.StringHashMap[int], n int) error { _, err := m.Put("", 1); return err },
		"PutBytes":      func(m *generic.StringHashMap[int], n int) error { _, err := m.PutBytes([]byte("new"), 1); return err },
		"ShrinkAndFree": func(m *generic.StringHashMap[int], n int) error {
			m.DeleteFunc(func(_ string, v int) bool { return v >= 2 })
			m.ShrinkAndFree()
			return nil
		},
	}),
	inject(none, false, []int{0, 7, 14, -7, -25}, func(a mem.Allocator, n int) (*generic.StringHashSet, error) {
		s := generic.NewStringHashSet(a)
		for i := range n {
			if _, _, err := s.Add(stringKey(i)); err != nil {
				return nil, err
			}
		}
		return s, nil
	}, func(s *generic.StringHashSet) any { return []any{cloned(s.All()), s.Cap()} }, operations[*generic.StringHashSet]{
		"AddAdapted": func(s *generic.StringHashSet, n int) error {
			c := generic.NewStringHashSet(s.Allocator()) // with a Context
			defer c.Close()
			c.SetContext(&hashed)
			_, _, err := c.AddAdapted(is(&hashed, "new"))
			return err
		},
		"Add":                  func(s *generic.StringHashSet, n int) error { _, _, err := s.Add("new"); return err },
		"Clone":                func(s *generic.StringHashSet, n int) error { return closing(s.Clone()) },
		"EnsureTotalCapacity":  func(s *generic.StringHashSet, n int) error { return s.EnsureTotalCapacity(100) },
		"EnsureUnusedCapacity": func(s *generic.StringHashSet, n int) error { return s.EnsureUnusedCapacity(90) },
		"ShrinkAndFree": func(s *generic.StringHashSet, n int) error {
			s.DeleteFunc(func(k string) bool { return k > stringKey(1) })
			s.ShrinkAndFree()
			return nil
		},
	}),
	inject(none, false, []int{1, 4, 6}, func(a mem.Allocator, n int) (*generic.BufMap, error) { // 4 rows and 6 slots fill their blocks
		m := generic.NewBufMap(a)
		for i := range n {
			if err := m.Put(stringKey(i), "value"); err != nil {
				return m, err
			}
		}
		return m, nil
	}, func(m *generic.BufMap) any { return clones(m.All()) }, operations[*generic.BufMap]{
		"Clone":                       func(m *generic.BufMap, n int) error { return closing(m.Clone()) },
		"EnsureUnusedCapacity":        func(m *generic.BufMap, n int) error { return m.EnsureUnusedCapacity(100) },
		"Put":                         func(m *generic.BufMap, n int) error { return m.Put("new", "value") },
		"Put: of a key that is there": func(m *generic.BufMap, n int) error { return m.Put(stringKey(0), "another value") },
		"PutMove":                     putMove,
	}),
	inject(none, false, []int{1, 4, 6}, func(a mem.Allocator, n int) (*generic.BufSet, error) {
		s := generic.NewBufSet(a)
		for i := range n {
			if err := s.Insert(stringKey(i)); err != nil {
				return s, err
			}
		}
		return s, nil
	}, func(s *generic.BufSet) any { return cloned(s.All()) }, operations[*generic.BufSet]{
		"Clone":                func(s *generic.BufSet, n int) error { return closing(s.Clone()) },
		"EnsureUnusedCapacity": func(s *generic.BufSet, n int) error { return s.EnsureUnusedCapacity(100) },
		"Insert":               func(s *generic.BufSet, n int) error { return s.Insert("new") },
	}),
	inject(none, false, []int{0, 6}, func(a mem.Allocator, n int) (*generic.StringPool, error) {
		p := generic.NewStringPool(a)
		for i := range n {
			if _, err := p.Intern(stringKey(i) + strings.Repeat(".", 160)); err != nil {
				return p, err
			}
		}
		return p, nil
	}, func(p *generic.StringPool) any { return maps.Collect(p.All()) }, operations[*generic.StringPool]{
		"Clone":                func(p *generic.StringPool, n int) error { return closing(p.Clone()) },
		"EnsureUnusedCapacity": func(p *generic.StringPool, n int) error { return p.EnsureUnusedCapacity(100, 10_000) },
		"Intern":               func(p *generic.StringPool, n int) error { _, err := p.Intern("longer than what is left"); return err },
		"InternBytes": func(p *generic.StringPool, n int) error {
			_, err := p.InternBytes([]byte("longer than what is left"))
			return err
		},
	}),
	inject(none, false, []int{3, full}, func(a mem.Allocator, n int) (*generic.StringBuilder, error) {
		b := generic.NewStringBuilder(a)
		if err := b.EnsureUnusedCapacity(5); err != nil {
			return b, err
		}
		_, err := b.WriteString(strings.Repeat("x", min(n, b.Cap())))
		return b, err
	}, func(b *generic.StringBuilder) any { return []any{strings.Clone(b.String()), b.Cap()} }, operations[*generic.StringBuilder]{
		"Clone":                func(b *generic.StringBuilder, n int) error { return closing(b.Clone()) },
		"EnsureUnusedCapacity": func(b *generic.StringBuilder, n int) error { return b.EnsureUnusedCapacity(100) },
		"ToOwnedString": func(b *generic.StringBuilder, n int) error {
			s, err := b.ToOwnedString()
			if err == nil {
				mem.FreeString(b.Allocator(), s)
			}
			return err
		},
		"Write":     func(b *generic.StringBuilder, n int) error { _, err := b.Write([]byte(b.String())); return err },
		"WriteByte": func(b *generic.StringBuilder, n int) error { return b.WriteByte('x') },
		"WriteRune": func(b *generic.StringBuilder, n int) error { _, err := b.WriteRune('€'); return err },
		"WriteString": func(b *generic.StringBuilder, n int) error {
			_, err := b.WriteString("more than there is room for")
			return err
		},
	}),
	inject(none, false, []int{full}, func(a mem.Allocator, n int) (*generic.Buffer, error) {
		b := generic.NewBuffer(a)
		if err := b.EnsureUnusedCapacity(1); err != nil {
			return b, err
		}
		_, err := b.WriteString(strings.Repeat("x", min(n, b.Cap())))
		return b, err
	}, func(b *generic.Buffer) any { return []any{b.String(), b.Cap()} }, operations[*generic.Buffer]{
		"Clone":                func(b *generic.Buffer, n int) error { return closing(b.Clone()) },
		"EnsureUnusedCapacity": func(b *generic.Buffer, n int) error { return b.EnsureUnusedCapacity(100) },
		"ReadFrom": func(b *generic.Buffer, n int) error {
			_, err := b.ReadFrom(iotest.DataErrReader(strings.NewReader("text")))
			return err
		},
		"Write: of itself": func(b *generic.Buffer, n int) error { _, err := b.Write(b.Bytes()); return err },
		"WriteByte":        func(b *generic.Buffer, n int) error { return b.WriteByte(1) },
		"WriteRune":        func(b *generic.Buffer, n int) error { _, err := b.WriteRune('€'); return err },
		"WriteString": func(b *generic.Buffer, n int) error {
			_, err := b.WriteString("more than there is room for")
			return err
		},
	}),
}

// many puts entries one after the other, so that some of the shards of a
// container grow, and removes them if one fails.
func many(put func(k int) error, remove func(k int) bool) error {
	for k := range 24 {
		if err := put(1000 + k); err != nil {
			for i := range k {
				remove(1000 + i)
			}
			return err
		}
	}
	return nil
}

type (
	sharedMap     = *generic.ConcurrentMap[int, link]
	sharedStrings = *generic.StringConcurrentMap[link]
)

var sharedInjections = []injection{
	inject(none, true, []int{0, 100}, func(a mem.Allocator, n int) (sharedMap, error) {
		m := generic.NewConcurrentMap[int, link](a)
		for i := range n {
			if err := m.Put(i, links[i]); err != nil {
				return nil, err
			}
		}
		return m, nil
	}, func(m sharedMap) any { return maps.Collect(m.All()) }, operations[sharedMap]{
		"Clone":    func(m sharedMap, n int) error { return closing(m.Clone()) },
		"FetchPut": func(m sharedMap, n int) error { _, _, err := m.FetchPut(n, links[1]); return err },
		"GetOrPut": func(m sharedMap, n int) error { _, _, err := m.GetOrPut(n, links[1]); return err },
		"Put":      func(m sharedMap, n int) error { return m.Put(n, links[1]) },
		"Put: many": func(m sharedMap, n int) error {
			return many(func(k int) error { return m.Put(k, links[1]) }, m.Remove)
		},
		"Update": func(m sharedMap, n int) error {
			return m.Update(n, func(*link, bool) bool { return true })
		},
		"Update: many": func(m sharedMap, n int) error {
			return many(func(k int) error { return m.Update(k, func(*link, bool) bool { return true }) }, m.Remove)
		},
	}),
	inject(none, true, []int{0, 100}, func(a mem.Allocator, n int) (sharedStrings, error) {
		m := generic.NewStringConcurrentMap[link](a)
		for i := range n {
			if err := m.Put(stringKey(i), links[i]); err != nil {
				return nil, err
			}
		}
		return m, nil
	}, func(m sharedStrings) any {
		entries := map[string]link{}
		for k, v := range m.All() {
			entries[strings.Clone(k)] = v
		}
		return entries
	}, operations[sharedStrings]{
		"Clone":    func(m sharedStrings, n int) error { return closing(m.Clone()) },
		"FetchPut": func(m sharedStrings, n int) error { _, _, err := m.FetchPut("new", links[1]); return err },
		"GetOrPut": func(m sharedStrings, n int) error { _, _, err := m.GetOrPut("new", links[1]); return err },
		"Put":      func(m sharedStrings, n int) error { return m.Put("new", links[1]) },
		"PutBytes": func(m sharedStrings, n int) error { return m.PutBytes([]byte("new"), links[1]) },
		"Put: many": func(m sharedStrings, n int) error {
			return many(func(k int) error { return m.Put(stringKey(k), links[1]) }, func(k int) bool { return m.Remove(stringKey(k)) })
		},
		"Update": func(m sharedStrings, n int) error {
			return m.Update("new", func(*link, bool) bool { return true })
		},
	}),
	inject(none, false, []int{0, 100}, func(a mem.Allocator, n int) (*generic.ConcurrentBufMap, error) {
		m := generic.NewConcurrentBufMap(a)
		for i := range n {
			if err := m.Put(stringKey(i), []byte("value")); err != nil {
				return nil, err
			}
		}
		return m, nil
	}, func(m *generic.ConcurrentBufMap) any {
		entries := map[string]string{}
		for k, v := range m.All() {
			entries[strings.Clone(k)] = string(v)
		}
		return entries
	}, operations[*generic.ConcurrentBufMap]{
		"Clone": func(m *generic.ConcurrentBufMap, n int) error { return closing(m.Clone()) },
		"Put":   func(m *generic.ConcurrentBufMap, n int) error { return m.Put("new", []byte("value")) },
		"Put: of a key that may be there": func(m *generic.ConcurrentBufMap, n int) error {
			return m.Put(stringKey(0), []byte("another value"))
		},
		"Put: many": func(m *generic.ConcurrentBufMap, n int) error {
			return many(func(k int) error { return m.Put(stringKey(k), []byte("value")) }, func(k int) bool { return m.Remove(stringKey(k)) })
		},
	}),
	// A cache gives up what it has before it fails, but not what it is to replace.
	inject(allocatortest.FailureOptions{MaySwallow: true}, false, []int{0, 5, 16, 24}, func(a mem.Allocator, n int) (*generic.Cache, error) {
		c := generic.NewCache(a, 1<<20)
		for i := range n {
			if err := c.Put(stringKey(i), []byte("value")); err != nil {
				return nil, err
			}
		}
		return c, nil
	}, func(c *generic.Cache) any { return c.Contains("new") }, operations[*generic.Cache]{
		"Put": func(c *generic.Cache, n int) error { return c.Put("new", []byte("value")) },
		"Put: of a key that may be there": func(c *generic.Cache, n int) error {
			had := c.Contains(stringKey(0))
			err := c.Put(stringKey(0), []byte("another value"))
			if v, ok := c.AppendGet(nil, stringKey(0)); err != nil && had && (!ok || string(v) != "value") {
				panic("a Put that failed gave up what it was to replace")
			}
			return err
		},
	}),
}

// cloned returns strings of their own.
func cloned(seq func(func(string) bool)) (s []string) {
	for k := range seq {
		s = append(s, strings.Clone(k))
	}
	slices.Sort(s)
	return s
}

// putMove has the map take over a key and a value, which are the caller's where
// it fails.
func putMove(m *generic.BufMap, _ int) error {
	a := m.Allocator()
	k, err := mem.DupeString(a, "new")
	if err != nil {
		return err
	}
	v, err := mem.DupeString(a, "value")
	if err != nil {
		mem.FreeString(a, k)
		return err
	}
	if err = m.PutMove(k, v); err != nil {
		mem.FreeString(a, k)
		mem.FreeString(a, v)
	}
	return err
}
