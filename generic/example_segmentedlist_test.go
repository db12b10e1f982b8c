package generic_test

import (
	"fmt"
	"log"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// Elements that refer to one another by their address must not move.
func ExampleSegmentedList() {
	type person struct {
		born   int
		parent mem.Ptr[person]
	}
	people := generic.NewSegmentedList[person](heap.Page{})
	defer people.Close()
	var parent *person
	for born := 1900; born < 2000; born += 25 {
		child, err := people.AddOne()
		if err != nil {
			log.Fatal(err)
		}
		*child = person{born, mem.PtrTo(parent)}
		parent = child
	}
	for p := parent; p != nil; p = p.parent.Get() {
		fmt.Print(p.born, " ")
	}
	// Output: 1975 1950 1925 1900
}

// The unmanaged form is handed its allocator.
func ExampleSegmentedListUnmanaged() {
	var l generic.SegmentedListUnmanaged[int]
	a := heap.Page{}
	defer l.Close(a)
	first, err := l.AddOne(a)
	if err != nil {
		log.Fatal(err)
	}
	for n := range 10_000 {
		if err := l.Append(a, n); err != nil {
			log.Fatal(err)
		}
	}
	*first = 7
	fmt.Println(l.At(0), l.At(10_000), l.Len())
	// Output: 7 9999 10001
}
