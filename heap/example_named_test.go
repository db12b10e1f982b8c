package heap_test

import (
	"fmt"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// Two parts of a cache, each with a name of its own. A program would use
// heap.Named, and look at heap.DefaultRegistry.
func ExampleRegistry() {
	var registry heap.Registry
	index := registry.Named(heap.Page{}, "cache/index")
	data := registry.Named(heap.Page{}, "cache/data")
	defer index.Close()
	defer data.Close()

	x := mem.Must(mem.Alloc[uint64](index, 1000))
	defer mem.Free(index, x)
	y := mem.Must(mem.Alloc[byte](data, 1<<20))
	defer mem.Free(data, y)

	for _, s := range registry.Stats() {
		fmt.Printf("%-12s %8d bytes in %d blocks\n", s.Name, s.Bytes, s.Blocks)
	}
	// Output:
	// cache         1056576 bytes in 2 blocks
	// cache/data    1048576 bytes in 1 blocks
	// cache/index      8000 bytes in 1 blocks
}

// How many blocks there are of which size.
func ExampleNamedAllocator() {
	var registry heap.Registry
	a := registry.Named(heap.NewArena(heap.Page{}), "parser")
	for n := range 100 {
		mem.Must(mem.Alloc[byte](a, n+1))
	}
	for _, s := range a.Stats().Sizes {
		fmt.Println("at most", s.MaxSize, "bytes:", s.Blocks)
	}
	// Output:
	// at most 1 bytes: 1
	// at most 2 bytes: 1
	// at most 4 bytes: 2
	// at most 8 bytes: 4
	// at most 16 bytes: 8
	// at most 32 bytes: 16
	// at most 64 bytes: 32
	// at most 128 bytes: 36
}

// An arena stands on what is named, so that nothing named stands on it: how full
// it is shows if it is watched.
func ExampleRegistry_Watch() {
	var registry heap.Registry
	arena := heap.NewArena(registry.Named(heap.Page{}, "chunks"))
	defer arena.Close()
	stop := registry.Watch(arena, "requests")
	defer stop()

	for request := range 3 {
		mem.Must(mem.Alloc[byte](arena, (request+1)*1000))
		arena.Reset()
	}
	for _, f := range registry.Footprints() {
		if f.Name == "requests" {
			fmt.Printf("%s: the last phase used %d of %d bytes\n", f.Type, f.Live, f.Committed)
		}
	}
	// Output: *heap.Arena: the last phase used 3000 of 65536 bytes
}

// What names have in common that share an allocator.
func ExampleRegistry_Footprints() {
	var registry heap.Registry
	smp := heap.NewSMP(heap.SMPOptions{})
	defer smp.Close()
	index := registry.Named(smp, "cache/index")
	data := registry.Named(smp, "cache/data")
	x := mem.Must(mem.Alloc[uint64](index, 10))
	defer mem.Free(index, x)
	y := mem.Must(mem.Alloc[byte](data, 100))
	defer mem.Free(data, y)

	for _, f := range registry.Footprints() {
		fmt.Println(f.Name, f.Type, f.Users, f.Blocks, "blocks")
		for _, c := range f.Classes {
			fmt.Println("slots of", c.Size, "bytes:", c.Live, "live")
		}
	}
	// Output:
	// cache *heap.SMP [cache/data cache/index] 2 blocks
	// slots of 80 bytes: 1 live
	// slots of 104 bytes: 1 live
}
