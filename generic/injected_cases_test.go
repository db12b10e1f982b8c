package generic_test

import (
	"maps"
	"slices"

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
	inject(none, true, []int{1, 7}, func(a mem.Allocator, n int) (*generic.DoublyLinkedList[link], error) { // all nodes in use
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
	inject(none, true, []int{1, 7}, func(a mem.Allocator, n int) (*generic.SinglyLinkedList[link], error) {
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

type linkTree = *generic.BTreeMap[int, *link, generic.Ascending[int]]

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
		m := generic.NewBTreeMap[int, *link](a)
		for i := range n {
			if err := m.Put(2*i, &links[i%256]); err != nil {
				return m, err
			}
		}
		return m, nil
	}, func(m linkTree) any { return []any{slices.Collect(m.Keys()), slices.Collect(m.Values())} }, operations[linkTree]{
		"Clone":              func(m linkTree, n int) error { return closing(m.Clone()) },
		"FetchPut":           func(m linkTree, n int) error { _, _, err := m.FetchPut(2*n+1, &links[1]); return err },
		"GetOrPut":           func(m linkTree, n int) error { _, _, err := m.GetOrPut(2*n + 1); return err },
		"Put":                func(m linkTree, n int) error { return m.Put(2*n+1, &links[1]) },
		"Put: in front":      func(m linkTree, n int) error { return m.Put(-1, &links[1]) },
		"Put: in the middle": func(m linkTree, n int) error { return m.Put(n|1, &links[1]) },
		"Load": func(m linkTree, n int) error {
			c := generic.NewBTreeMap[int, *link](m.Allocator())
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
