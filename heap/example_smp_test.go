package heap_test

import (
	"fmt"
	"log"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// One allocator for blocks of any size, from any goroutine.
func ExampleSMP() {
	s := heap.NewSMP(heap.SMPOptions{})
	defer s.Close()

	done := make(chan []int64)
	go func() {
		squares, err := mem.Alloc[int64](s, 5)
		if err != nil {
			log.Fatal(err)
		}
		for i := range squares {
			squares[i] = int64(i * i)
		}
		done <- squares // whoever gets it may free it
	}()
	squares := <-done
	fmt.Println(squares)

	var st heap.SMPStats = s.Stats()
	var c heap.SMPClassStats = st.Classes[0]
	fmt.Printf("%d block in slots of %d bytes\n", c.Live, c.Size)

	mem.Free(s, squares)
	fmt.Println(s.Stats().Blocks, "blocks left")
	// Output:
	// [0 1 4 9 16]
	// 1 block in slots of 40 bytes
	// 0 blocks left
}

// Default is for those who do not want to carry an allocator around.
func ExampleDefault() {
	p, err := mem.Create[int](heap.Default())
	if err != nil {
		log.Fatal(err)
	}
	*p = 42
	fmt.Println(*p)
	mem.Destroy(heap.Default(), p)
	// Output:
	// 42
}

// A goroutine that allocates all the time keeps a cache of its own.
func ExampleSMPCache() {
	c := heap.Default().Cache()
	defer c.Close()
	sum := 0
	for i := range 1000 {
		p, err := mem.New(c, i)
		if err != nil {
			log.Fatal(err)
		}
		sum += *p
		mem.Destroy(c, p)
	}
	fmt.Println(sum)
	// Output:
	// 499500
}
