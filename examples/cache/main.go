// Cache keeps a million entries off the Go heap and shows what they cost the
// garbage collector, beside what they cost it in a map of Go's.
//
//	go run ./examples/cache
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"os"
	"runtime"
	"time"

	"github.com/allod-dev/allod/generic"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

func main() {
	const n = 1_000_000
	if err := run(os.Stdout, heap.Default(), n, 256<<20); err != nil {
		log.Fatal(err)
	}
	compare(n)
}

// run puts n entries into a cache of at most size bytes, looks for them again,
// and reports. The memory is that of a, which should be an allocator for many
// goroutines, whose memory the collector does not see, and where what is given up
// makes room for what comes.
func run(w io.Writer, a mem.Allocator, n, size int) error {
	cache := generic.NewCache(a, size)
	defer cache.Close()

	key := make([]byte, 0, 32)
	value := make([]byte, 64)
	for i := range n {
		binary.LittleEndian.PutUint64(value, uint64(i))
		if err := cache.Put(string(userKey(key, i)), value); err != nil {
			return err
		}
	}

	took := collection()

	var buf []byte
	for i := range n {
		var ok bool
		buf, ok = cache.AppendGet(buf[:0], string(userKey(key, i)))
		if ok && binary.LittleEndian.Uint64(buf) != uint64(i) {
			return fmt.Errorf("entry %d is %d", i, binary.LittleEndian.Uint64(buf))
		}
	}
	s := cache.Stats()
	fmt.Fprintf(w, "%d entries in %d bytes, %d given up, %d of %d found\n", s.Entries, s.Bytes, s.Evictions, s.Hits, n)
	fmt.Fprintf(os.Stderr, "a collection of the Go heap took %v\n", took)
	return nil
}

// compare reports what a collection takes with n entries in the Go heap.
func compare(n int) {
	entries := make(map[string][]byte, n)
	for i := range n {
		entries[string(userKey(nil, i))] = make([]byte, 64)
	}
	fmt.Fprintf(os.Stderr, "with the same entries in a map it takes %v\n", collection())
	runtime.KeepAlive(entries)
}

// collection returns how long a collection of the Go heap takes.
func collection() time.Duration {
	runtime.GC() // what is garbage by now is another matter
	start := time.Now()
	runtime.GC()
	return time.Since(start).Round(10 * time.Microsecond)
}

// userKey returns the key of user i, in the memory of b.
func userKey(b []byte, i int) []byte { return fmt.Appendf(b[:0], "user:%08d", i) }
