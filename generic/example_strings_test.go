package generic_test

import (
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// Attributes that outlive the text that they were read from.
func ExampleBufMap() {
	a := heap.NewArena(heap.Page{})
	defer a.Close()
	m := generic.NewBufMap(a)
	line := []byte("kind=manor size=120")
	for _, kv := range [][2][]byte{{line[:4], line[5:10]}, {line[11:15], line[16:]}} {
		if err := m.Put(string(kv[0]), string(kv[1])); err != nil {
			log.Fatal(err)
		}
	}
	clear(line)
	for k, v := range m.All() {
		fmt.Println(k, v)
	}
	// Output:
	// kind manor
	// size 120
}

// The unmanaged form is handed its allocator.
func ExampleBufMapUnmanaged() {
	var m generic.BufMapUnmanaged
	a := heap.GC{}
	defer m.Close(a)
	if err := m.Put(a, "lord", "none"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Get("lord"))
	// Output: none true
}

// Words that were seen.
func ExampleBufSet() {
	seen := generic.NewBufSet(heap.GC{})
	defer seen.Close()
	for _, word := range []string{"land", "and", "land"} {
		if err := seen.Insert(word); err != nil {
			log.Fatal(err)
		}
	}
	for word := range seen.All() {
		fmt.Println(word)
	}
	// Output:
	// land
	// and
}

// The unmanaged form is handed its allocator.
func ExampleBufSetUnmanaged() {
	var s generic.BufSetUnmanaged
	a := heap.GC{}
	defer s.Close(a)
	if err := s.Insert(a, "fief"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Contains("fief"), s.Remove(a, "fief"), s.Len())
	// Output: true true 0
}

// Handles make structs small, free of pointers, and quick to compare.
func ExampleStringPool() {
	type parcel struct {
		owner, parish generic.StringHandle
		acres         int32
	}
	words := generic.NewStringPool(heap.Page{})
	defer words.Close()
	intern := func(s string) generic.StringHandle { return mem.Must(words.Intern(s)) }
	land := []parcel{
		{intern("ada"), intern("north"), 12},
		{intern("bob"), intern("north"), 7},
		{intern("ada"), intern("south"), 30},
	}
	ada, _ := words.Lookup("ada")
	for _, p := range land {
		if p.owner == ada {
			fmt.Println(words.Get(p.parish), p.acres)
		}
	}
	// Output:
	// north 12
	// south 30
}

// The unmanaged form is handed its allocator.
func ExampleStringPoolUnmanaged() {
	var p generic.StringPoolUnmanaged
	a := heap.GC{}
	defer p.Close(a)
	one := mem.Must(p.Intern(a, "one"))
	again := mem.Must(p.InternBytes(a, []byte("one")))
	fmt.Println(one == again, p.Len())
	// Output: true 1
}

// A buffer is a reader and a writer.
func ExampleBuffer() {
	b := generic.NewBuffer(heap.Page{})
	defer b.Close()
	if err := json.NewEncoder(b).Encode([]int{1, 2, 3}); err != nil {
		log.Fatal(err)
	}
	fmt.Fprintf(b, "%d bytes so far\n", b.Len())
	if _, err := b.WriteTo(os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// [1,2,3]
	// 8 bytes so far
}

// The unmanaged form is handed its allocator, and so is no writer.
func ExampleBufferUnmanaged() {
	var b generic.BufferUnmanaged
	a := heap.GC{}
	defer b.Close(a)
	if err := b.AppendString(a, "own land"); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s,%s\n", b.Next(3), b.Bytes())
	// Output: own, land
}

// A string that is made of parts, and leaves the builder in a block of its size.
func ExampleStringBuilder() {
	a := heap.GC{}
	b := generic.NewStringBuilder(a)
	defer b.Close()
	for i := range 3 {
		fmt.Fprintf(b, "<%d>", i)
	}
	s, err := b.ToOwnedString()
	if err != nil {
		log.Fatal(err)
	}
	defer mem.FreeString(a, s)
	fmt.Println(s, b.Len())
	// Output: <0><1><2> 0
}

// The unmanaged form is handed its allocator.
func ExampleStringBuilderUnmanaged() {
	var b generic.StringBuilderUnmanaged
	a := heap.GC{}
	defer b.Close(a)
	for _, r := range "ßæþ" {
		if _, err := b.AppendRune(a, r); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(b.String(), b.Len())
	// Output: ßæþ 6
}
