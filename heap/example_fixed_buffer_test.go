package heap_test

import (
	"errors"
	"fmt"
	"sync"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// The buffer is all the memory there is.
func ExampleFixedBuffer() {
	f := heap.NewFixedBuffer(make([]byte, 64))

	primes, err := mem.Alloc[uint16](f, 4)
	fmt.Println(len(primes), err)

	_, err = mem.Alloc[byte](f, 100)
	fmt.Println(errors.Is(err, mem.ErrOutOfMemory))

	mem.Free(f, primes) // the last block: its bytes come back
	fmt.Println(f.Used(), "of", f.Cap())
	// Output:
	// 4 <nil>
	// true
	// 0 of 64
}

// A parser tries one way, and takes back what it allocated if it was the wrong
// one.
func ExampleFixedBuffer_Mark() {
	f := heap.NewFixedBuffer(make([]byte, 64))
	word, _ := mem.DupeString(f, "kept")

	m := f.Mark()
	mem.DupeString(f, "a wrong way")
	f.Rewind(m)

	fmt.Println(word, f.Used())
	// Output: kept 4
}

func ExampleFixedBuffer_Scoped() {
	f := heap.NewFixedBuffer(make([]byte, 64))
	err := f.Scoped(func() error {
		_, err := mem.Alloc[byte](f, 60) // scratch memory
		return err
	})
	fmt.Println(f.Used(), err)
	// Output: 0 <nil>
}

// Many goroutines fill one buffer.
func ExampleFixedBuffer_ThreadSafe() {
	f := heap.NewFixedBuffer(make([]byte, 1024))
	shared := f.ThreadSafe()

	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				mem.Alloc[byte](shared, 16)
			}
		})
	}
	wg.Wait()
	fmt.Println(f.Used())
	// Output: 640
}
