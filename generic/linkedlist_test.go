package generic_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// doublyProgram runs a tape on a doubly linked list and on a slice.
func doublyProgram[T comparable](t *testing.T, a *checked, p *tape, value func(byte) T) {
	var l generic.DoublyLinkedListUnmanaged[T]
	defer func() { l.Close(a) }()
	var model []T
	var nodes []*generic.DoublyNode[T]
	for p.more() {
		op := p.next() % 13
		var err error
		var n *generic.DoublyNode[T]
		v, i := value(p.next()), 0
		if len(model) > 0 {
			i = p.index(len(model))
		} else if op == 3 || op == 4 || op == 6 {
			op = 1
		}
		add := func(i int) {
			if err == nil {
				model, nodes = slices.Insert(model, i, v), slices.Insert(nodes, i, n)
			}
		}
		remove := func(i int) {
			model, nodes = slices.Delete(model, i, i+1), slices.Delete(nodes, i, i+1)
		}
		switch op {
		case 0:
			n, err = l.PushFront(a, v)
			add(0)
		case 1, 2:
			n, err = l.PushBack(a, v)
			add(len(model))
		case 3:
			n, err = l.InsertBefore(a, nodes[i], v)
			add(i)
		case 4:
			n, err = l.InsertAfter(a, nodes[i], v)
			add(i + 1)
		case 5:
			if got, ok := l.PopFront(a); ok != (len(model) > 0) || ok && got != model[0] {
				t.Fatalf("PopFront: %v, %v of %v", got, ok, model)
			} else if ok {
				remove(0)
			}
		case 6:
			if got := l.Remove(a, nodes[i]); got != model[i] {
				t.Fatalf("Remove: %v, want %v", got, model[i])
			}
			remove(i)
		case 7:
			if got, ok := l.PopBack(a); ok != (len(model) > 0) || ok && got != model[len(model)-1] {
				t.Fatalf("PopBack: %v, %v of %v", got, ok, model)
			} else if ok {
				remove(len(model) - 1)
			}
		case 8:
			if len(model) == 0 {
				break
			}
			v, n = model[i], nodes[i]
			remove(i)
			if p.next()%2 == 0 {
				l.MoveToFront(n)
				add(0)
			} else {
				l.MoveToBack(n)
				add(len(model))
			}
		case 9: // take it apart and put it together
			var c generic.DoublyLinkedListUnmanaged[T]
			if c, err = l.Clone(a); err == nil {
				l.Concat(&c)
				model = append(model, model...)
				nodes = slices.Collect(l.All())
			}
		case 10:
			k := 0
			for n := range l.All() { // every other goes
				if k++; k%2 == 0 {
					l.Remove(a, n)
				}
			}
			for i := len(model) / 2; i > 0; i-- {
				remove(2*i - 1)
			}
		case 11:
			l.ShrinkAndFree(a)
		case 12: // all go, in some order
			for len(model) > 0 && p.more() {
				i := p.index(len(model))
				l.Remove(a, nodes[i])
				remove(i)
			}
		}
		mustSucceed(t, a, op, err)
		if !slices.Equal(slices.Collect(l.Values()), model) || !slices.Equal(slices.Collect(l.All()), nodes) || l.Len() != len(model) {
			t.Fatalf("operation %d: %v, want %v", op, slices.Collect(l.Values()), model)
		}
		back := slices.Collect(l.Backward())
		slices.Reverse(back)
		if !slices.Equal(back, nodes) {
			t.Fatalf("operation %d: backward %v, want %v", op, back, nodes)
		}
		if len(model) > 100 {
			l.Clear(a)
			model, nodes = nil, nil
		}
	}
	if got := slices.Collect(l.Drain(a)); !slices.Equal(got, model) {
		t.Fatalf("Drain: %v, want %v", got, model)
	}
}

// singlyProgram runs a tape on a singly linked list and on a slice.
func singlyProgram[T comparable](t *testing.T, a *checked, p *tape, value func(byte) T) {
	var l generic.SinglyLinkedListUnmanaged[T]
	defer func() { l.Close(a) }()
	var model []T
	for p.more() {
		op := p.next() % 10
		var err error
		v, i := value(p.next()), 0
		at := l.First()
		if len(model) > 0 {
			i = p.index(len(model))
			for range i {
				at = at.Next()
			}
			if at.Value != model[i] {
				t.Fatalf("element %d is %v, want %v", i, at.Value, model[i])
			}
		} else if op >= 2 && op <= 4 {
			op = 0
		}
		switch op {
		case 0, 1:
			if _, err = l.PushFront(a, v); err == nil {
				model = slices.Insert(model, 0, v)
			}
		case 2, 3:
			if _, err = l.InsertAfter(a, at, v); err == nil {
				model = slices.Insert(model, i+1, v)
			}
		case 4:
			got, ok := l.RemoveAfter(a, at)
			if ok != (i+1 < len(model)) || ok && got != model[i+1] {
				t.Fatalf("RemoveAfter: %v, %v", got, ok)
			}
			if ok {
				model = slices.Delete(model, i+1, i+2)
			}
		case 5:
			if got, ok := l.PopFront(a); ok != (len(model) > 0) || ok && got != model[0] {
				t.Fatalf("PopFront: %v, %v of %v", got, ok, model)
			}
			model = model[min(1, len(model)):]
		case 6:
			l.Reverse()
			slices.Reverse(model)
		case 7:
			var c generic.SinglyLinkedListUnmanaged[T]
			if c, err = l.Clone(a); err == nil {
				l.Close(a)
				l = c
			}
		case 8:
			l.ShrinkAndFree(a)
		case 9:
			for range p.index(9) {
				if _, ok := l.PopFront(a); !ok {
					break
				}
				model = model[1:]
			}
		}
		mustSucceed(t, a, op, err)
		if !slices.Equal(slices.Collect(l.Values()), model) || l.Len() != len(model) {
			t.Fatalf("operation %d: %v, want %v", op, slices.Collect(l.Values()), model)
		}
		if len(model) > 100 {
			l.Clear(a)
			model = nil
		}
	}
	if got := slices.Collect(l.Drain(a)); !slices.Equal(got, model) {
		t.Fatalf("Drain: %v, want %v", got, model)
	}
}

var (
	doublyPrograms = modelOf(doublyProgram[byte], doublyProgram[wide], doublyProgram[struct{}], doublyProgram[link])
	singlyPrograms = modelOf(singlyProgram[byte], singlyProgram[wide], singlyProgram[struct{}], singlyProgram[link])
)

func TestDoublyLinkedListModel(t *testing.T) { testModel(t, doublyPrograms...) }
func TestSinglyLinkedListModel(t *testing.T) { testModel(t, singlyPrograms...) }

func FuzzDoublyLinkedList(f *testing.F) { fuzzModel(f, doublyPrograms...) }
func FuzzSinglyLinkedList(f *testing.F) { fuzzModel(f, singlyPrograms...) }

type task struct {
	generic.DoublyLinks[task]
	generic.SinglyLinks[task]
	id int
}

func TestIntrusiveLists(t *testing.T) {
	tasks := make([]task, 4)
	var d, e generic.IntrusiveDoublyLinkedList[task, *task]
	var s generic.IntrusiveSinglyLinkedList[task, *task]
	for i := range tasks {
		tasks[i].id = i
		d.PushBack(&tasks[i])
		s.PushFront(&tasks[i])
	}
	ids := func(seq func(func(*task) bool)) (ids []int) {
		for p := range seq {
			ids = append(ids, p.id)
		}
		return ids
	}
	d.MoveToFront(&tasks[2])
	e.PushFront(d.PopBack())
	e.InsertBefore(e.First(), d.PopFront())
	if got := ids(e.All()); !slices.Equal(got, []int{2, 3}) || e.Next(&tasks[2]) != &tasks[3] || e.Prev(&tasks[2]) != nil {
		t.Error(got)
	}
	d.Concat(&e)
	d.Concat(&e)
	if got := ids(d.Backward()); !slices.Equal(got, []int{3, 2, 1, 0}) || d.Len() != 4 || e.Len() != 0 || d.Last() != &tasks[3] {
		t.Error(got)
	}
	if got := ids(s.All()); !slices.Equal(got, []int{3, 2, 1, 0}) {
		t.Error(got)
	}
	if !s.Remove(&tasks[3]) || !s.Remove(&tasks[1]) || s.Remove(&tasks[1]) || s.Len() != 2 || s.Next(&tasks[2]) != &tasks[0] {
		t.Error(ids(s.All()))
	}
	s.InsertAfter(&tasks[2], &tasks[1])
	if s.RemoveAfter(&tasks[2]) != &tasks[1] || s.RemoveAfter(&tasks[0]) != nil {
		t.Error(ids(s.All()))
	}
	e.PushFront(new(task))
	var three generic.IntrusiveDoublyLinkedList[task, *task]
	for range 3 {
		three.PushBack(new(task))
	}
	for name, f := range map[string]func(){
		"twice in one list":   func() { d.PushBack(&tasks[1]) },
		"twice at the end":    func() { e.PushBack(e.First()) },
		"in no list":          func() { d.Remove(new(task)) },
		"in another list":     func() { d.Remove(e.First()) },
		"first in another":    func() { d.Remove(three.First()) },
		"last in another":     func() { d.Remove(three.Last()) },
		"Concat with itself":  func() { d.Concat(&d) },
		"singly, linked":      func() { s.PushFront(&tasks[2]) },
		"singly, first, only": func() { s.RemoveAfter(&tasks[2]); s.PushFront(&tasks[2]) },
		"InsertAfter, linked": func() { d.InsertAfter(&tasks[0], &tasks[2]) },
	} {
		mustPanic(t, name, f, "LinkedList")
		if got := ids(d.All()); !slices.Equal(got, []int{0, 1, 2, 3}) {
			t.Fatalf("%s: %v", name, got)
		}
	}
	for n := range d.Drain() {
		if d.PushBack(n); n.id == 2 { // and comes again, at the end
			break
		}
	}
	if got := ids(d.All()); !slices.Equal(got, []int{3, 0, 1, 2}) {
		t.Error(got)
	}
	for n := range d.Drain() {
		if n.id == 1 {
			break
		}
	}
	if got := ids(d.All()); !slices.Equal(got, []int{2}) || s.First() != &tasks[0] && s.First() != &tasks[2] {
		t.Error(got)
	}
	d.Clear()
	if got := ids(s.Drain()); len(got) == 0 || s.First() != nil {
		t.Error(got)
	}
	s.Clear()
	if d.PopFront() != nil || d.PopBack() != nil || s.PopFront() != nil || s.First() != nil {
		t.Error("something is left")
	}
	d.PushBack(&tasks[0])
}

// Nodes of lists without pointers need nobody's promise; those with some do.
func TestLinkedListMemory(t *testing.T) {
	defer collecting()()
	a := allocatortest.New(t, allocatortest.Child(heap.Page{}))
	l := generic.NewDoublyLinkedList[int](a)
	defer l.Close()
	for i := range 200 {
		if _, err := l.PushBack(i); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for node := range l.All() {
		if node.Value != n || (n > 0) != (node.Prev() != nil) || (n < 199) != (node.Next() != nil) {
			t.Fatalf("node %d is %d", n, node.Value)
		}
		n++
	}
	var pe *mem.PointerError
	r := generic.NewSinglyLinkedList[func()](mem.NoGoPointers(heap.Page{}))
	if _, err := r.PushFront(nil); !errors.As(err, &pe) {
		t.Error(err)
	}
	var u, v generic.DoublyLinkedListUnmanaged[int]
	if _, err := u.PushBack(a, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := v.PushBack(heap.GC{}, 1); err != nil {
		t.Fatal(err)
	}
	mustPanic(t, "other kind", func() { u.PushBack(heap.GC{}, 2) }, "DoublyLinkedList.PushBack")
	mustPanic(t, "other kind", func() { u.PopBack(heap.GC{}) }, "DoublyLinkedList.PopBack")
	mustPanic(t, "other kind", func() { u.Close(heap.GC{}) }, "DoublyLinkedList")
	mustPanic(t, "other kind", func() { u.Concat(&v) }, "different allocators")
	u.Close(a)
	u.Concat(&v)
	u.Close(heap.GC{})
}

// intrusiveProgram runs a tape on two lists of each kind, which values go from
// one to the other of, and on slices of their numbers.
func intrusiveProgram(t *testing.T, _ *checked, p *tape) {
	var d [2]generic.IntrusiveDoublyLinkedList[task, *task]
	var s [2]generic.IntrusiveSinglyLinkedList[task, *task]
	tasks := make([]task, 12)
	for i := range tasks {
		tasks[i].id = i
	}
	var md, ms [2][]int
	free := func(m [2][]int, n int) bool { return !slices.Contains(m[0], n) && !slices.Contains(m[1], n) }
	for p.more() {
		op, which, n := p.next()%13, p.next()%2, p.index(len(tasks))
		l, m, node := &d[which], &md[which], &tasks[n]
		at := slices.Index(*m, n)
		sl, sm := &s[which], &ms[which]
		sat := slices.Index(*sm, n)
		switch op {
		case 0, 1, 2:
			if free(md, n) {
				l.PushBack(node)
				*m = append(*m, n)
			}
			if free(ms, n) {
				sl.PushFront(node)
				*sm = slices.Insert(*sm, 0, n)
			}
		case 3:
			if free(md, n) {
				l.PushFront(node)
				*m = slices.Insert(*m, 0, n)
			}
		case 4, 5:
			if free(md, n) && len(*m) > 0 {
				i := p.index(len(*m))
				if op == 4 {
					l.InsertBefore(&tasks[(*m)[i]], node)
					*m = slices.Insert(*m, i, n)
				} else {
					l.InsertAfter(&tasks[(*m)[i]], node)
					*m = slices.Insert(*m, i+1, n)
				}
			}
			if free(ms, n) && len(*sm) > 0 {
				i := p.index(len(*sm))
				sl.InsertAfter(&tasks[(*sm)[i]], node)
				*sm = slices.Insert(*sm, i+1, n)
			}
		case 6:
			if at >= 0 {
				l.Remove(node)
				*m = slices.Delete(*m, at, at+1)
			}
			if sl.Remove(node) != (sat >= 0) {
				t.Fatalf("Remove(%d), want %v", n, sat >= 0)
			}
			if sat >= 0 {
				*sm = slices.Delete(*sm, sat, sat+1)
			}
		case 7:
			if at >= 0 {
				l.MoveToFront(node)
				*m = slices.Insert(slices.Delete(*m, at, at+1), 0, n)
			}
			if sat >= 0 {
				got := sl.RemoveAfter(node)
				if (got != nil) != (sat+1 < len(*sm)) || got != nil && got.id != (*sm)[sat+1] {
					t.Fatalf("RemoveAfter(%d) of %v", n, *sm)
				}
				*sm = slices.Delete(*sm, sat+1, min(sat+2, len(*sm)))
			}
		case 8:
			if at >= 0 {
				l.MoveToBack(node)
				*m = append(slices.Delete(*m, at, at+1), n)
			}
			sl.Reverse()
			slices.Reverse(*sm)
		case 9:
			got := l.PopFront()
			if (got != nil) != (len(*m) > 0) || got != nil && got.id != (*m)[0] {
				t.Fatalf("PopFront of %v", *m)
			}
			*m = slices.Delete(*m, 0, min(1, len(*m)))
		case 10:
			got := l.PopBack()
			if (got != nil) != (len(*m) > 0) || got != nil && got.id != (*m)[len(*m)-1] {
				t.Fatalf("PopBack of %v", *m)
			}
			*m = (*m)[:max(0, len(*m)-1)]
		case 11:
			l.Concat(&d[1-which])
			*m, md[1-which] = append(*m, md[1-which]...), nil
		case 12: // the loop removes what it is at
			for v := range l.All() {
				if v.id%3 == n%3 {
					l.Remove(v)
				}
			}
			for v := range sl.All() {
				if v.id%3 == n%3 {
					sl.Remove(v)
				}
			}
			gone := func(id int) bool { return id%3 == n%3 }
			*m, *sm = slices.DeleteFunc(*m, gone), slices.DeleteFunc(*sm, gone)
		}
		for i := range d {
			var forth, back, singly []int
			for v := range d[i].All() {
				forth = append(forth, v.id)
			}
			for v := range d[i].Backward() {
				back = append(back, v.id)
			}
			for v := range s[i].All() {
				singly = append(singly, v.id)
			}
			if !slices.Equal(forth, md[i]) || !slices.Equal(reversed(back), md[i]) || d[i].Len() != len(md[i]) ||
				!slices.Equal(singly, ms[i]) || s[i].Len() != len(ms[i]) {
				t.Fatalf("operation %d: %v, %v and %v; want %v and %v", op, forth, back, singly, md[i], ms[i])
			}
		}
	}
}

func TestIntrusiveListsModel(t *testing.T) {
	for seed := range uint64(3) {
		intrusiveProgram(t, nil, &tape{program(seed, 1500)})
	}
}

func FuzzIntrusiveLists(f *testing.F) { fuzzModel(f, intrusiveProgram) }
