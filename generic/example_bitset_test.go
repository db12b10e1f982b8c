package generic_test

import (
	"fmt"
	"log"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
)

// The sieve of Eratosthenes.
func ExampleDynamicBitSet() {
	primes := generic.NewDynamicBitSet(heap.Page{})
	defer primes.Close()
	if err := primes.Resize(30, true); err != nil {
		log.Fatal(err)
	}
	primes.SetRange(0, 2, false)
	for p := range primes.All() {
		for n := p * p; n < primes.Len(); n += p {
			primes.Unset(n)
		}
		fmt.Print(p, " ")
	}
	fmt.Println(primes.Count())
	// Output: 2 3 5 7 11 13 17 19 23 29 10
}

// The unmanaged form is handed its allocator.
func ExampleDynamicBitSetUnmanaged() {
	var s generic.DynamicBitSetUnmanaged
	a := heap.GC{}
	defer s.Close(a)
	if err := s.Resize(a, 100, false); err != nil {
		log.Fatal(err)
	}
	s.Set(64)
	s.ToggleAll()
	fmt.Println(s.Count(), s.Last())
	// Output: 99 99
}

// What kind of bracket is open: one bit for each level.
func ExampleBitStack() {
	open := generic.NewBitStack(heap.GC{})
	defer open.Close()
	for i, c := range "[(])" {
		switch c {
		case '(', '[':
			if err := open.Push(c == '('); err != nil {
				log.Fatal(err)
			}
		default:
			if round, ok := open.Pop(); !ok || round != (c == ')') {
				fmt.Println("mismatch at", i)
				return
			}
		}
	}
	// Output: mismatch at 2
}

// The unmanaged form is handed its allocator.
func ExampleBitStackUnmanaged() {
	var s generic.BitStackUnmanaged
	a := heap.GC{}
	defer s.Close(a)
	for i := range 5 {
		if err := s.Push(a, i%2 == 0); err != nil {
			log.Fatal(err)
		}
	}
	for bit := range s.Values() {
		fmt.Print(bit, " ")
	}
	// Output: true false true false true
}
