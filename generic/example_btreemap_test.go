package generic_test

import (
	"bytes"
	"fmt"
	"log"
	"slices"
	"strings"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
)

// A calendar: what comes next, and what is between two dates.
func ExampleBTreeMap() {
	events := generic.NewBTreeMap[int, [8]byte](heap.Page{})
	defer events.Close()
	for date, name := range map[int]string{1301: "visit", 220: "market", 705: "fair", 1112: "slaughter"} {
		var b [8]byte
		copy(b[:], name)
		if err := events.Put(date, b); err != nil {
			log.Fatal(err)
		}
	}
	date, name, _ := events.Ceiling(400)
	fmt.Printf("%d %s\n", date, bytes.TrimRight(name[:], "\x00"))
	for date := range events.Range(700, 1300) {
		fmt.Println(date)
	}
	// Output:
	// 705 fair
	// 705
	// 1112
}

// Maps in another order than the natural one.
func ExampleOrder() {
	a := heap.GC{}
	down := generic.NewBTreeMapOrder[int](a, generic.Descending[string]{})
	defer down.Close()
	fold := generic.NewBTreeMapOrder[int](a, generic.OrderFunc[string](func(a, b string) int {
		return strings.Compare(strings.ToLower(a), strings.ToLower(b))
	}))
	defer fold.Close()
	for i, word := range []string{"oats", "Rye", "RYE", "barley"} {
		if err := down.Put(word, i); err != nil {
			log.Fatal(err)
		}
		if err := fold.Put(word, i); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(slices.Collect(down.Keys()))
	fmt.Println(slices.Collect(fold.Keys()))
	// Output:
	// [oats barley Rye RYE]
	// [barley oats Rye]
}

// The unmanaged form of a map in natural order, as a set, filled in one go.
func ExampleBTreeMapUnmanaged() {
	a := heap.NewArena(heap.Page{})
	defer a.Close()
	var squares generic.BTreeMapUnmanaged[int, struct{}, generic.Ascending[int]]
	err := squares.Load(a, func(yield func(int, struct{}) bool) {
		for i := 0; i < 1000 && yield(i*i, struct{}{}); i++ {
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	below, _, _ := squares.Floor(2000)
	fmt.Println(squares.Len(), below)
	// Output: 1000 1936
}
