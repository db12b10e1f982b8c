package generic_test

import (
	"math/bits"
	"testing"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/mem"
)

// Memory of nodes is kept for others, and goes back when the list is empty, but
// for one block, or when it is asked for.
func TestLinkedListKeepsNodes(t *testing.T) {
	a := newChecked(t, mem.PlainOnly)
	var l, m generic.DoublyLinkedListUnmanaged[int]
	push := func(l *generic.DoublyLinkedListUnmanaged[int], n int) (nodes []*generic.DoublyNode[int]) {
		for i := range n {
			node, err := l.PushBack(a, i)
			if err != nil {
				t.Fatal(err)
			}
			nodes = append(nodes, node)
		}
		return nodes
	}
	blocks := func(want int) {
		t.Helper()
		if len(a.live) != want {
			t.Errorf("%d blocks, want %d", len(a.live), want)
		}
	}
	nodes := push(&l, 1000)
	all := len(a.live)
	for i, n := range nodes {
		if i%2 == 0 {
			l.Remove(a, n)
		}
	}
	push(&l, 500)
	blocks(all)
	for _, n := range nodes[1:][:501] {
		if n.Value%2 == 1 {
			l.Remove(a, n)
		}
	}
	l.ShrinkAndFree(a)
	blocks(all) // the new ones are everywhere
	for i := 0; l.Len() > 500; i++ {
		l.Remove(a, l.First())
	}
	stays := l.First()
	for l.Len() > 1 {
		l.PopBack(a)
	}
	l.ShrinkAndFree(a)
	blocks(1)
	if l.First() != stays || l.Len() != 1 || stays.Next() != nil {
		t.Error("ShrinkAndFree moves a node")
	}
	nodes = push(&l, 200)
	nodes = append(nodes, push(&m, 200)...)
	kept := len(a.live)
	for _, n := range nodes[50:150] {
		l.Remove(a, n)
	}
	for _, n := range nodes[250:350] {
		m.Remove(a, n)
	}
	l.Concat(&m)
	m.Close(a)
	push(&l, 200)
	blocks(kept)
	for l.Len() > 0 {
		l.PopFront(a)
	}
	blocks(1)
	push(&l, 1)
	blocks(1)
	l.ShrinkAndFree(a)
	l.PopFront(a)
	l.ShrinkAndFree(a)
	blocks(0)
	l.Concat(&m)
	push(&m, 3)
	l.Concat(&m)
	dead := l.First().Next()
	l.Remove(a, dead)
	mustPanic(t, "a node that was removed", func() { l.Remove(a, dead) }, "not in this list")
	mustPanic(t, "Concat with itself", func() { l.Concat(&l) }, "with itself")
	l.Clear(a)
	blocks(0)

	large := generic.NewSinglyLinkedList[[600]byte](a)
	for range 3 {
		if _, err := large.PushFront([600]byte{}); err != nil {
			t.Fatal(err)
		}
	}
	blocks(3)
	large.PopFront()
	large.ShrinkAndFree()
	blocks(2)
	large.Close()
	blocks(0)
}

// Blocks of a long list are as large as fit into 4 KiB, whatever its nodes:
// allocators cut these out of pages without a rest.
func TestLinkedListBlocks(t *testing.T) {
	const word = bits.UintSize / 8
	a := newChecked(t, mem.PlainOnly)
	small := generic.NewSinglyLinkedList[[16 - word]byte](a)
	middle := generic.NewDoublyLinkedList[[24 - 2*word]byte](a)
	large := generic.NewDoublyLinkedList[[32 - 2*word]byte](a)
	for size, push := range map[int]func() error{
		16: func() error { _, err := small.PushFront([16 - word]byte{}); return err },
		24: func() error { _, err := middle.PushBack([24 - 2*word]byte{}); return err },
		32: func() error { _, err := large.PushBack([32 - 2*word]byte{}); return err },
	} {
		for range 1000 {
			if err := push(); err != nil {
				t.Fatal(err)
			}
		}
		largest := 0
		for _, b := range a.live {
			largest = max(largest, b.size)
		}
		const room = 4096 - 8 // the Go heap takes the rest
		if largest > room || largest < room-64 {
			t.Errorf("nodes of %d bytes are in blocks of %d bytes, want about %d", size, largest, room)
		}
		small.Close()
		middle.Close()
		large.Close()
	}
}
