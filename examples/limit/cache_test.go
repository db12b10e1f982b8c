package limit

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
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

// A limit below the cache may be the tighter one. Pages go to make room in it,
// and stay if all of them would not do.
func TestCacheTighterChild(t *testing.T) {
	shared := heap.NewLimit(allocatortest.New(t), 2500)
	c := NewCache(heap.NewThreadSafe(shared), 100000)
	defer c.Close()
	put := func(name string, size int) error { return c.Put(name, make([]byte, size)) }
	want := func(names ...string) {
		t.Helper()
		if !slices.Equal(c.names, names) || len(c.pages) != len(names) {
			t.Fatalf("%d pages, names %v, want %v", len(c.pages), c.names, names)
		}
	}
	if err := errors.Join(put("a", 1000), put("b", 1000)); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{2501, 50000} {
		if err := put("c", size); !errors.Is(err, mem.ErrLimit) {
			t.Error(err)
		}
		want("a", "b")
	}
	if err := put("c", 1500); err != nil { // drops a
		t.Error(err)
	}
	want("b", "c")

	// Somebody else takes a part of what the limit allows.
	if err := put("b", 500); err != nil {
		t.Error(err)
	}
	want("c", "b")
	other, err := mem.Alloc[byte](shared, 400)
	if err != nil {
		t.Fatal(err)
	}
	if err := put("d", 2101); !errors.Is(err, mem.ErrLimit) {
		t.Error(err)
	}
	want("c", "b")
	if err := put("d", 2100); err != nil {
		t.Error(err)
	}
	want("d")
	mem.Free(shared, other)
}

// The limit of the cache is reached first, and the one below leaves no room:
// nothing is dropped for the first in vain.
func TestCacheNestedLimits(t *testing.T) {
	shared := heap.NewLimit(allocatortest.New(t), 1000)
	c := NewCache(shared, 900)
	defer c.Close()
	if err := errors.Join(c.Put("a", make([]byte, 200)), c.Put("b", make([]byte, 200))); err != nil {
		t.Fatal(err)
	}
	other, err := mem.Alloc[byte](shared, 500)
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Free(shared, other)
	if err := c.Put("c", make([]byte, 600)); !errors.Is(err, mem.ErrLimit) || len(c.names) != 2 {
		t.Errorf("%v, %d pages left", err, len(c.names))
	}
	if err := c.Put("c", make([]byte, 500)); err != nil || len(c.names) != 1 {
		t.Errorf("%v, %d pages left", err, len(c.names))
	}
}

// A buffer that is full does not get emptier by dropping what came first.
func TestCacheBuffer(t *testing.T) {
	buffer := allocatortest.Child(heap.NewFixedBuffer(make([]byte, 1000)))
	c := NewCache(allocatortest.New(t, buffer, allocatortest.Debug(heap.DebugOptions{Redzone: -1, QuarantineBlocks: -1})), 100000)
	defer c.Close()
	if err := errors.Join(c.Put("a", make([]byte, 400)), c.Put("b", make([]byte, 400))); err != nil {
		t.Fatal(err)
	}
	if err := c.Put("c", make([]byte, 400)); !errors.Is(err, mem.ErrOutOfMemory) || len(c.names) != 2 {
		t.Errorf("%v, %d pages left", err, len(c.names))
	}
}

// What Get returned may be put under another name, or the same, even if its
// page has to go for it.
func TestCachePutOfItsOwn(t *testing.T) {
	const size = 600
	for _, part := range [][2]int{{0, size}, {0, 500}, {100, size}, {200, 300}, {size - 1, size}} {
		for _, name := range []string{"a", "b"} {
			for _, limit := range []int{size, size + 1, 2 * size} {
				c := NewCache(allocatortest.New(t), limit)
				content := make([]byte, size)
				for i := range content {
					content[i] = byte(i)
				}
				if err := c.Put("a", content); err != nil {
					t.Fatal(err)
				}
				page, _ := c.Get("a")
				want := content[part[0]:part[1]]
				if err := c.Put(name, page[part[0]:part[1]:part[1]]); err != nil {
					t.Errorf("%v as %s, limit %d: %v", part, name, limit, err)
				}
				if got, ok := c.Get(name); !ok || !bytes.Equal(got, want) {
					t.Errorf("%v as %s, limit %d: wrong content", part, name, limit)
				}
				c.Close()
			}
		}
	}
}

func TestOverlap(t *testing.T) {
	b := make([]byte, 10)
	for i := range 10 {
		for j := i; j <= 10; j++ {
			for k := range 10 {
				for l := k; l <= 10; l++ {
					want := max(i, k) < min(j, l)
					if got := overlap(b[i:j], b[k:l]); got != want {
						t.Fatalf("[%d:%d] and [%d:%d]: %v", i, j, k, l, got)
					}
				}
			}
		}
	}
	if overlap(nil, b) || overlap(b, nil) || overlap(nil, nil) {
		t.Error("nothing overlaps")
	}
}
