package generic_test

import (
	"cmp"
	"fmt"
	"log"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
)

type job struct {
	due  int
	name [6]byte
}

type byDue struct{}

func (byDue) Compare(a, b job) int { return cmp.Compare(a.due, b.due) }

// Jobs come out as they are due, whatever order they went in.
func ExamplePriorityQueue() {
	jobs := generic.NewPriorityQueueOrder(heap.Page{}, byDue{})
	defer jobs.Close()
	for _, j := range []job{{9, [6]byte([]byte("sow   "))}, {3, [6]byte([]byte("plough"))}, {30, [6]byte([]byte("reap  "))}} {
		if err := jobs.Push(j); err != nil {
			log.Fatal(err)
		}
	}
	for j := range jobs.Drain() {
		fmt.Printf("%d %c\n", j.due, j.name[0])
	}
	// Output:
	// 3 p
	// 9 s
	// 30 r
}

// The unmanaged form, in the natural order turned around.
func ExamplePriorityQueueUnmanaged() {
	var q generic.PriorityQueueUnmanaged[int, generic.Descending[int]]
	a := heap.GC{}
	defer q.Close(a)
	if err := q.PushSlice(a, []int{3, 14, 15, 9}); err != nil {
		log.Fatal(err)
	}
	largest, _ := q.Peek()
	fmt.Println(largest)
	// Output: 15
}

// The best three of many: the worst is pushed out.
func ExamplePriorityDequeue() {
	best := generic.NewPriorityDequeue[int](heap.Page{})
	defer best.Close()
	for _, score := range []int{31, 41, 59, 26, 53, 58, 97} {
		if err := best.Push(score); err != nil {
			log.Fatal(err)
		}
		if best.Len() > 3 {
			best.PopMin()
		}
	}
	first, _ := best.PeekMax()
	last, _ := best.PeekMin()
	fmt.Println(first, last)
	// Output: 97 58
}

// The unmanaged form is handed its allocator.
func ExamplePriorityDequeueUnmanaged() {
	var q generic.PriorityDequeueUnmanaged[string, generic.Ascending[string]]
	a := heap.GC{}
	defer q.Close(a)
	if err := q.PushSlice(a, []string{"oats", "rye", "barley"}); err != nil {
		log.Fatal(err)
	}
	first, _ := q.PopMin()
	last, _ := q.PopMax()
	fmt.Println(first, last)
	// Output: barley rye
}
