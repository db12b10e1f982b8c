package generic_test

import (
	"fmt"
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
	var ids generic.StringHashMapUnmanaged[int32] // ready for use
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
