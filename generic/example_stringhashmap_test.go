package generic_test

import (
	"fmt"
	"log"
	"strings"

	"github.com/allod-dev/allod/generic"
)

// The map copies its keys, so the words may be views of a buffer that is used
// again.
func ExampleStringHashMap() {
	count := generic.NewStringHashMap[int](exampleAllocator)
	defer count.Close()
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
	var ids generic.StringHashMapUnmanaged[int32] // ready for use
	defer ids.Close(exampleAllocator)
	line := []byte("name=value")
	key, err := ids.Put(exampleAllocator, string(line[:4]), 1)
	if err != nil {
		log.Fatal(err)
	}
	copy(line, "gone")
	fmt.Println(key, ids.Contains("name"), ids.Remove(exampleAllocator, key))
	// Output: name true true
}
