package generic_test

import (
	"fmt"
	"hash/maphash"
	"log"
	"strings"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
)

// The map copies its keys, so the words may be views of a buffer that is used
// again.
func ExampleStringHashMap() {
	arena := heap.NewArena(heap.Page{})
	defer arena.Close() // takes the map along
	count := generic.NewStringHashMap[int](arena)
	for word := range strings.FieldsSeq("to be or not to be") {
		s, err := count.GetOrPut(word)
		if err != nil {
			log.Fatal(err)
		}
		*s.Value++
	}
	be, _ := count.Get("be")
	fmt.Println(count.Len(), be)
	// Output: 4 2
}

// Put returns the map's copy of the key, which lives until the entry goes.
func ExampleStringHashMapUnmanaged() {
	a := heap.NewFixedBuffer(make([]byte, 1<<10))
	var ids generic.StringHashMapUnmanaged[int] // ready for use
	defer ids.Close(a)
	line := []byte("name=value")
	key, err := ids.Put(a, string(line[:4]), 1)
	if err != nil {
		log.Fatal(err)
	}
	copy(line, "gone")
	fmt.Println(key, ids.Contains("name"))
	ids.Remove(a, key) // key is dead from here on
	// Output: name true
}

// Header fields are equal without regard to case.
func ExampleContext() {
	seed := maphash.MakeSeed()
	fold := generic.Context[string]{
		Hash:  func(s string) uint64 { return maphash.String(seed, strings.ToLower(s)) },
		Equal: strings.EqualFold,
	}
	header := generic.NewStringHashMap[int](heap.GC{})
	defer header.Close()
	header.SetContext(&fold)
	if _, err := header.Put("Content-Length", 42); err != nil {
		log.Fatal(err)
	}
	fmt.Println(header.Get("content-length"))
	fmt.Println(header.GetKey("CONTENT-LENGTH"))
	// Output:
	// 42 true
	// Content-Length true
}
