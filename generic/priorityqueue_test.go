package generic_test

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// queue is what the two priority queues have in common.
type queue[T any] interface {
	Push(mem.Allocator, T) error
	PushBounded(T) error
	PushSlice(mem.Allocator, []T) error
	Set(int, T) T
	Fix(int)
	RemoveAt(int) T
	Items() []T
	Len() int
	Clear()
	ShrinkAndFree(mem.Allocator)
	Close(mem.Allocator)
}

// queueProgram runs a tape on a priority queue and on a sorted slice and compares
// the two. pop removes an element from one end or the other, and says which.
func queueProgram[T comparable](t *testing.T, a *checked, p *tape, q queue[T], order func(a, b T) int, value func(byte) T,
	pop func(p *tape) (v T, ok, last bool), clone func() error) {
	defer q.Close(a)
	var model []T
	add := func(v T) {
		i, _ := slices.BinarySearchFunc(model, v, order)
		model = slices.Insert(model, i, v)
	}
	remove := func(v T) {
		i := slices.Index(model, v)
		if i < 0 {
			t.Fatalf("%v is not among %v", v, model)
		}
		model = slices.Delete(model, i, i+1)
	}
	for p.more() {
		op := p.next() % 11
		var err error
		switch op {
		case 0, 1, 2:
			v := value(p.next())
			if err = q.Push(a, v); err == nil {
				add(v)
			}
		case 3:
			v := slice(p, 30, value)
			if err = q.PushSlice(a, v); err == nil {
				for _, v := range v {
					add(v)
				}
			}
		case 4, 5, 6:
			v, ok, last := pop(p)
			if ok != (len(model) > 0) {
				t.Fatalf("pop of %d: %v", len(model), ok)
			}
			if ok {
				want := model[0]
				if last {
					want = model[len(model)-1]
				}
				if order(v, want) != 0 {
					t.Fatalf("pop: %v of %v", v, model)
				}
				remove(v)
			}
		case 7:
			if len(model) > 0 {
				remove(q.RemoveAt(p.index(len(model))))
			}
		case 8:
			if len(model) > 0 {
				i, v := p.index(len(model)), value(p.next())
				if v2 := value(p.next()); p.next()%2 == 0 {
					remove(q.Set(i, v))
				} else {
					remove(q.Items()[i])
					q.Items()[i], v = v2, v2
					q.Fix(i)
				}
				add(v)
			}
		case 9:
			q.ShrinkAndFree(a)
			if len(model) > 200 {
				q.Clear()
				model = nil
			}
		case 10:
			err = clone()
		}
		mustSucceed(t, a, op, err)
		if q.Len() != len(model) {
			t.Fatalf("operation %d: %d elements, want %d", op, q.Len(), len(model))
		}
	}
	got := slices.Clone(q.Items())
	slices.SortFunc(got, order)
	if !slices.EqualFunc(got, model, func(a, b T) bool { return order(a, b) == 0 }) {
		t.Fatalf("%v, want %v", got, model)
	}
}

func priorityProgram[T comparable, C generic.Order[T]](value func(byte) T) modelProgram {
	return func(t *testing.T, a *checked, p *tape) {
		var q generic.PriorityQueueUnmanaged[T, C]
		queueProgram(t, a, p, &q, q.Order.Compare, value, func(*tape) (v T, ok, last bool) {
			first, _ := q.Peek()
			if v, ok = q.Pop(); v != first {
				t.Fatalf("Pop: %v, Peek: %v", v, first)
			}
			return v, ok, false
		}, func() error {
			c, err := q.Clone(a)
			if err == nil {
				q.Close(a)
				q = c
			}
			return err
		})
	}
}

func dequeueProgram[T comparable, C generic.Order[T]](value func(byte) T) modelProgram {
	return func(t *testing.T, a *checked, p *tape) {
		var q generic.PriorityDequeueUnmanaged[T, C]
		queueProgram(t, a, p, &q, q.Order.Compare, value, func(p *tape) (v T, ok, last bool) {
			var want T
			if last = p.next()%2 == 0; last {
				want, _ = q.PeekMax()
				v, ok = q.PopMax()
			} else {
				want, _ = q.PeekMin()
				v, ok = q.PopMin()
			}
			if v != want {
				t.Fatalf("pop: %v, peek: %v", v, want)
			}
			return v, ok, last
		}, func() error {
			c, err := q.Clone(a)
			if err == nil {
				q.Close(a)
				q = c
			}
			return err
		})
	}
}

type same struct{}

func (same) Compare(a, b struct{}) int { return 0 }

type linksByName struct{}

func (linksByName) Compare(a, b link) int { return cmp.Compare(a.name, b.name) }

// withPromise leaves memory out that may not hold the values of a program.
func withPromise(run modelProgram) modelProgram {
	return func(t *testing.T, a *checked, p *tape) {
		if a.answer != mem.PlainOnly {
			run(t, a, p)
		}
	}
}

var priorityPrograms = []modelProgram{
	priorityProgram[byte, generic.Ascending[byte]](func(b byte) byte { return b }),
	priorityProgram[int, generic.Ascending[int]](func(b byte) int { return int(b) - 100 }),
	priorityProgram[uint64, generic.Ascending[uint64]](func(b byte) uint64 { return uint64(b) << 56 }),
	priorityProgram[float64, generic.Ascending[float64]](func(b byte) float64 { return 1 / float64(b) }),
	priorityProgram[int64, generic.Descending[int64]](func(b byte) int64 { return int64(b) - 100 }),
	priorityProgram[struct{}, same](func(byte) struct{} { return struct{}{} }),
	priorityProgram[wide, byA](func(b byte) wide { return wide{a: uint64(b) / 2, ok: b%2 == 0} }),
	withPromise(priorityProgram[link, linksByName](func(b byte) link { return links[b] })),
	withPromise(priorityProgram[string, generic.Ascending[string]](func(b byte) string { return names[b] })),
}

var dequeuePrograms = []modelProgram{
	dequeueProgram[byte, generic.Ascending[byte]](func(b byte) byte { return b }),
	dequeueProgram[int64, generic.Descending[int64]](func(b byte) int64 { return int64(b) - 100 }),
	dequeueProgram[struct{}, same](func(byte) struct{} { return struct{}{} }),
	dequeueProgram[wide, byA](func(b byte) wide { return wide{a: uint64(b) / 2, ok: b%2 == 0} }),
	withPromise(dequeueProgram[link, linksByName](func(b byte) link { return links[b] })),
}

func TestPriorityQueueModel(t *testing.T)   { testModel(t, priorityPrograms...) }
func TestPriorityDequeueModel(t *testing.T) { testModel(t, dequeuePrograms...) }

func FuzzPriorityQueue(f *testing.F)   { fuzzModel(f, priorityPrograms...) }
func FuzzPriorityDequeue(f *testing.F) { fuzzModel(f, dequeuePrograms...) }

func TestPriorityQueueEdges(t *testing.T) {
	a := allocatortest.New(t)
	s, err := mem.Dupe(a, []float64{5, math.NaN(), 3, 4, math.Inf(1), 1})
	if err != nil {
		t.Fatal(err)
	}
	q := generic.NewPriorityQueue[float64](a)
	defer q.Close()
	q.FromOwnedSlice(s)
	got := slices.Collect(q.Drain())
	if len(got) != 6 || !math.IsNaN(got[0]) || !slices.Equal(got[1:], []float64{1, 3, 4, 5, math.Inf(1)}) {
		t.Error(got)
	}
	if _, ok := q.Peek(); ok {
		t.Error("Peek of nothing")
	}
	q.PushAssumeCapacity(1)
	q.ClearAndFree()
	q.FromBuffer(make([]float64, 1))
	if err := q.PushBounded(1); err != nil || q.PushBounded(2) != mem.ErrLimit || q.Push(2) != mem.ErrLimit || q.Len() != 1 {
		t.Error(err)
	}

	d := generic.NewPriorityDequeue[int](a)
	defer d.Close()
	if _, ok := d.PopMax(); ok {
		t.Error("PopMax of nothing")
	}
	if _, ok := d.PeekMax(); ok {
		t.Error("PeekMax of nothing")
	}
	if _, ok := d.PeekMin(); ok {
		t.Error("PeekMin of nothing")
	}
	if err := d.PushSlice([]int{3, 1, 2}); err != nil {
		t.Fatal(err)
	}
	for v := range d.Drain() {
		if v == 2 {
			d.PushAssumeCapacity(7)
			break
		}
	}
	if v := slices.Sorted(d.Values()); !slices.Equal(v, []int{3, 7}) {
		t.Error(v)
	}
	for name, f := range map[string]func(){
		"RemoveAt": func() { d.RemoveAt(2) }, "Set": func() { d.Set(-1, 0) }, "Fix": func() { d.Fix(2) },
		"Queue.RemoveAt": func() { q.RemoveAt(1) }, "Queue.Set": func() { q.Set(1, 0) }, "Queue.Fix": func() { q.Fix(1) },
	} {
		mustPanic(t, name, f)
	}
	mustPanic(t, "nil", func() { generic.NewPriorityQueue[int](nil) }, "generic: NewPriorityQueue: nil Allocator")
	mustPanic(t, "nil", func() { generic.NewPriorityDequeue[int](nil) }, "generic: NewPriorityDequeue: nil Allocator")
	var zero generic.PriorityQueue[int, generic.Ascending[int]]
	mustPanic(t, "zero", func() { zero.Push(1) }, "nil Allocator")
	q.Close()
	if n := allocsPerRun(100, func() {
		d.Push(1)
		d.PopMax()
		d.PushAssumeCapacity(5)
		d.PopMin()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A comparison may return any number, also the least of all, which has no
// opposite.
func TestPriorityDequeueLeastInt(t *testing.T) {
	d := generic.NewPriorityDequeueOrder(allocatortest.New(t), generic.OrderFunc[int](func(a, b int) int {
		switch {
		case a < b:
			return math.MinInt
		case a > b:
			return math.MaxInt
		}
		return 0
	}))
	defer d.Close()
	const n = 20
	for i := range n {
		if err := d.Push(i * 7 % n); err != nil {
			t.Fatal(err)
		}
	}
	for want := n - 1; want >= 0; want-- {
		if v, _ := d.PopMax(); v != want {
			t.Fatalf("PopMax: %d, want %d", v, want)
		}
	}
}
