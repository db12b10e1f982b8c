package generic_test

import (
	"fmt"
	"log"
	"slices"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
)

// Add tells whether a key is new.
func ExampleHashSet() {
	seen := generic.NewHashSet[int](heap.Page{})
	defer seen.Close()
	for _, n := range []int{3, 1, 4, 1, 5} {
		added, err := seen.Add(n)
		if err != nil {
			log.Fatal(err)
		}
		if !added {
			fmt.Println("again:", n)
		}
	}
	fmt.Println(slices.Sorted(seen.All()))
	// Output:
	// again: 1
	// [1 3 4 5]
}

func ExampleHashSetUnmanaged() {
	a := heap.NewFixedBuffer(make([]byte, 1<<10))
	var primes generic.HashSetUnmanaged[int] // ready for use
	defer primes.Close(a)
	if err := primes.EnsureTotalCapacity(a, 4); err != nil {
		log.Fatal(err)
	}
	for _, n := range []int{2, 3, 5, 7} {
		primes.AddAssumeCapacity(n)
	}
	fmt.Println(primes.Contains(5), primes.Contains(6))
	// Output: true false
}

// The set keeps copies, so that the buffer may be used again.
func ExampleStringHashSet() {
	words := generic.NewStringHashSet(heap.GC{})
	defer words.Close()
	buf := []byte("land")
	own, _, err := words.Add(string(buf))
	if err != nil {
		log.Fatal(err)
	}
	copy(buf, "band")
	fmt.Println(own, words.Contains("land"), words.Contains("band"))
	// Output: land true false
}

func ExampleStringHashSetUnmanaged() {
	a := heap.NewArena(heap.Page{})
	defer a.Close() // with all that is in it
	var words generic.StringHashSetUnmanaged
	for _, w := range []string{"to", "be", "or", "not", "to", "be"} {
		if _, _, err := words.Add(a, w); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(words.Len())
	// Output: 4
}

// Keys and values are slices, in the order in which they were added.
func ExampleArrayHashMap() {
	price := generic.NewArrayHashMap[string, int](heap.GC{})
	defer price.Close()
	for i, k := range []string{"tea", "bread", "salt", "oil"} {
		if err := price.Put(k, i+1); err != nil {
			log.Fatal(err)
		}
	}
	price.OrderedRemove("bread")
	fmt.Println(price.Keys(), price.Values(), price.Index("oil"))
	price.SwapRemove("tea")
	fmt.Println(price.Keys())
	// Output:
	// [tea salt oil] [1 3 4] 2
	// [oil salt]
}

func ExampleArrayHashMapUnmanaged() {
	a := heap.NewFixedBuffer(make([]byte, 1<<10))
	var m generic.ArrayHashMapUnmanaged[rune, int] // ready for use
	defer m.Close(a)
	for i, r := range "abba" {
		if err := m.Put(a, r, i); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(string(m.Keys()), m.Values())
	// Output: ab [3 2]
}
