package limit

import (
	"errors"
	"fmt"
	"testing"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

func Example() {
	c := NewCache(heap.Page{}, 1000)
	defer c.Close()
	for i := range 5 {
		if err := c.Put(fmt.Sprint("page", i), make([]byte, 300)); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(c.names)
	fmt.Println(c.Put("book", make([]byte, 2000)))
	fmt.Println(c.names)
	// Output:
	// [page2 page3 page4]
	// cache: page book of 2000 bytes: mem: request too large
	// [page2 page3 page4]
}

func TestCache(t *testing.T) {
	c := NewCache(allocatortest.New(t), 100)
	defer c.Close()
	for i := range 100 {
		content := make([]byte, 1+i%50)
		content[0] = byte(i)
		name := fmt.Sprint(i % 7)
		if err := c.Put(name, content); err != nil {
			t.Fatal(err)
		}
		got, ok := c.Get(name)
		if !ok || len(got) != len(content) || got[0] != byte(i) {
			t.Errorf("Get(%s) = %v, %v", name, got, ok)
		}
		if c.memory.Used() > 100 || len(c.pages) != len(c.names) {
			t.Errorf("%d bytes in %d pages, %d names", c.memory.Used(), len(c.pages), len(c.names))
		}
	}
	if err := c.Put("x", make([]byte, 101)); !errors.Is(err, mem.ErrOutOfMemory) || len(c.names) == 0 {
		t.Errorf("a page that cannot fit: %v, %d pages left", err, len(c.names))
	}
}

// When the machine has no memory, the cache does not empty itself in vain.
func TestCacheRunningOut(t *testing.T) {
	allocatortest.CheckAllFailures(t, func(a mem.Allocator) error {
		c := NewCache(a, 1000)
		defer c.Close()
		for i := range 5 {
			if err := c.Put(fmt.Sprint(i), make([]byte, 100)); err != nil {
				if len(c.names) != i {
					t.Errorf("after %d pages %d are left", i, len(c.names))
				}
				return err
			}
		}
		return nil
	})
}
