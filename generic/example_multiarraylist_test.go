package generic_test

import (
	"cmp"
	"fmt"
	"log"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
)

type city struct {
	country [2]byte
	people  int
	capital bool
}

var cityPeople = generic.ColumnOf(func(c *city) *int { return &c.people })

// A sum over one field reads nothing but that field.
func ExampleMultiArrayList() {
	cities := generic.NewMultiArrayList[city](heap.Page{})
	defer cities.Close()
	for _, c := range []city{
		{[2]byte{'A', 'T'}, 2_028_000, true},
		{[2]byte{'D', 'E'}, 3_878_000, true},
		{[2]byte{'C', 'H'}, 448_000, false},
	} {
		if err := cities.Append(c); err != nil {
			log.Fatal(err)
		}
	}
	sum := 0
	for _, people := range cityPeople.Items(cities) {
		sum += people
	}
	fmt.Println(sum)

	cities.SortFunc(func(i, j int) int {
		return cmp.Compare(cityPeople.Items(cities)[i], cityPeople.Items(cities)[j])
	})
	for c := range cities.Values() {
		fmt.Printf("%s ", c.country)
	}
	// Output:
	// 6354000
	// CH AT DE
}

// A column is writable, like the items of an ArrayList.
func ExampleColumn() {
	var cities generic.MultiArrayListUnmanaged[city]
	a := heap.GC{}
	defer cities.Close(a)
	if err := cities.Resize(a, 2); err != nil {
		log.Fatal(err)
	}
	copy(cityPeople.Items(&cities), []int{7, 8})
	fmt.Println(cities.Get(1).people)
	// Output: 8
}
