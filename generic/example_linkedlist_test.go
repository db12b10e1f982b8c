package generic_test

import (
	"fmt"
	"log"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
)

// A list of what was used last: whatever is used moves to the front.
func ExampleDoublyLinkedList() {
	a := heap.NewArena(heap.Page{})
	defer a.Close()
	used := generic.NewDoublyLinkedList[int](a)
	for i := range 4 {
		if _, err := used.PushFront(i); err != nil {
			log.Fatal(err)
		}
	}
	used.MoveToFront(used.Last())
	for n := range used.Values() {
		fmt.Print(n, " ")
	}
	// Output: 0 3 2 1
}

// The unmanaged form is handed its allocator.
func ExampleDoublyLinkedListUnmanaged() {
	var l generic.DoublyLinkedListUnmanaged[string]
	a := heap.GC{}
	defer l.Close(a)
	last, err := l.PushBack(a, "fief")
	if err != nil {
		log.Fatal(err)
	}
	if _, err := l.InsertBefore(a, last, "allod"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(l.Remove(a, last), l.Len())
	// Output: fief 1
}

// A singly linked list is a stack.
func ExampleSinglyLinkedList() {
	stack := generic.NewSinglyLinkedList[int](heap.GC{})
	defer stack.Close()
	for i := range 3 {
		if _, err := stack.PushFront(i); err != nil {
			log.Fatal(err)
		}
	}
	top, _ := stack.PopFront()
	fmt.Println(top, stack.First().Value)
	// Output: 2 1
}

// The unmanaged form is handed its allocator.
func ExampleSinglyLinkedListUnmanaged() {
	var l generic.SinglyLinkedListUnmanaged[int]
	a := heap.GC{}
	defer l.Close(a)
	n, err := l.PushFront(a, 1)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := l.InsertAfter(a, n, 2); err != nil {
		log.Fatal(err)
	}
	l.Reverse()
	fmt.Println(l.First().Value, n.Next())
	// Output: 2 <nil>
}

type client struct {
	generic.DoublyLinks[client]
	name string
}

// What a value needs to be in a list is a part of the value.
func ExampleIntrusiveDoublyLinkedList() {
	clients := []client{{name: "ada"}, {name: "bob"}, {name: "eve"}}
	var waiting, served generic.IntrusiveDoublyLinkedList[client, *client]
	for i := range clients {
		waiting.PushBack(&clients[i])
	}
	waiting.Remove(&clients[1])
	served.PushBack(&clients[1])
	for c := range waiting.All() {
		fmt.Print(c.name, " ")
	}
	fmt.Println(served.First().name)
	// Output: ada eve bob
}

type frame struct {
	generic.SinglyLinks[frame]
	id int
}

// Frames that are not in use, the last one used first.
func ExampleIntrusiveSinglyLinkedList() {
	var free generic.IntrusiveSinglyLinkedList[frame, *frame]
	frames := [3]frame{{id: 1}, {id: 2}, {id: 3}}
	for i := range frames {
		free.PushFront(&frames[i])
	}
	f := free.PopFront()
	fmt.Println(f.id, free.Len())
	free.PushFront(f)
	// Output: 3 2
}
