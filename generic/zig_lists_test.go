package generic_test

import (
	"testing"

	"github.com/allod-dev/allod/generic"
)

type zigNode struct {
	generic.DoublyLinks[zigNode]
	data int
}

type zigSingle struct {
	generic.SinglyLinks[zigSingle]
	data int
}

func TestZigLinkedLists(t *testing.T) {
	doubly := func(t *testing.T, l *generic.IntrusiveDoublyLinkedList[zigNode, *zigNode], want ...int) {
		t.Helper()
		var got []int
		for n := range l.All() {
			got = append(got, n.data)
		}
		mustEqual(t, "forwards", got, want)
		got = nil
		for n := range l.Backward() {
			got = append(got, n.data)
		}
		mustEqual(t, "backwards", got, backwards(want...))
		mustEqual(t, "length", l.Len(), len(want))
	}
	t.Run("DoublyLinkedList basics", func(t *testing.T) {
		var l generic.IntrusiveDoublyLinkedList[zigNode, *zigNode]
		var n [6]zigNode
		for i := range n {
			n[i].data = i
		}
		l.PushBack(&n[2])
		l.PushBack(&n[5])
		l.PushFront(&n[1])
		l.InsertBefore(&n[5], &n[4])
		l.InsertAfter(&n[2], &n[3])
		doubly(t, &l, 1, 2, 3, 4, 5)
		mustEqual(t, "first", l.PopFront().data, 1)
		mustEqual(t, "last", l.PopBack().data, 5)
		l.Remove(&n[3])
		doubly(t, &l, 2, 4)
	})
	t.Run("DoublyLinkedList concatenation", func(t *testing.T) {
		var one, two generic.IntrusiveDoublyLinkedList[zigNode, *zigNode]
		n := make([]zigNode, 6)
		for i := range n {
			n[i].data = i
		}
		for i := 1; i <= 5; i++ {
			if i < 3 {
				one.PushBack(&n[i])
			} else {
				two.PushBack(&n[i])
			}
		}
		one.Concat(&two)
		doubly(t, &one, 1, 2, 3, 4, 5)
		doubly(t, &two)
		mustEqual(t, "ends", two.First() == nil && two.Last() == nil && one.Last() == &n[5], true)
		two.Concat(&one) // and back: what is moved leaves nothing behind
		doubly(t, &two, 1, 2, 3, 4, 5)
		doubly(t, &one)
	})
	t.Run("SinglyLinkedList basics", func(t *testing.T) {
		var l generic.IntrusiveSinglyLinkedList[zigSingle, *zigSingle]
		data := func() (got []int) {
			for n := range l.All() {
				got = append(got, n.data)
			}
			mustEqual(t, "length", l.Len(), len(got))
			return got
		}
		var n [6]zigSingle
		for i := range n {
			n[i].data = i
		}
		mustEqual(t, "nodes", data(), nil)
		l.PushFront(&n[2])
		l.InsertAfter(&n[2], &n[5])
		l.PushFront(&n[1])
		l.InsertAfter(&n[2], &n[3])
		l.InsertAfter(&n[3], &n[4])
		mustEqual(t, "nodes", data(), []int{1, 2, 3, 4, 5})
		l.PopFront()
		mustEqual(t, "Remove", l.Remove(&n[5]), true)
		mustEqual(t, "RemoveAfter", l.RemoveAfter(&n[2]), &n[3])
		mustEqual(t, "nodes", data(), []int{2, 4})
		l.Reverse()
		mustEqual(t, "nodes", data(), []int{4, 2})
	})
}
