// Package limit shows how to choose a limit and what to do when it is reached:
// a cache that may use so many bytes, and drops what is oldest to make room.
package limit

import (
	"errors"
	"fmt"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// A Cache keeps the newest pages that fit into its limit.
type Cache struct {
	memory *heap.Limit
	pages  map[string][]byte // contents in memory
	names  []string          // oldest first
}

// NewCache returns a cache whose pages take no more than limit bytes of memory.
//
// Set the limit of a cache to what is left of the machine's or the container's
// memory when everything else has its share: the Go heap at its largest, which
// is about twice what is live with GOGC=100, and 10 to 20 MiB for the program
// itself. Then set GOMEMLIMIT to the rest, since the Go runtime does not count
// what is off its heap.
func NewCache(memory mem.Allocator, limit int) *Cache {
	return &Cache{memory: heap.NewLimit(memory, limit), pages: make(map[string][]byte)}
}

// Put stores a copy of content. It fails if content alone does not fit; the
// cache then holds what it did before.
func (c *Cache) Put(name string, content []byte) error {
	if len(content) > c.memory.Limit() {
		return fmt.Errorf("cache: page %s of %d bytes: %w", name, len(content), mem.ErrTooLarge)
	}
	page, err := mem.Dupe(c.memory, content)
	for errors.Is(err, mem.ErrLimit) && len(c.names) > 0 {
		c.Drop(c.names[0])
		page, err = mem.Dupe(c.memory, content)
	}
	if err != nil { // the machine itself has no memory
		return fmt.Errorf("cache: page %s: %w", name, err)
	}
	c.Drop(name)
	c.pages[name] = page
	c.names = append(c.names, name)
	return nil
}

// Get returns what was stored under name. It is valid until the next Put, Drop
// or Close.
func (c *Cache) Get(name string) (content []byte, ok bool) {
	content, ok = c.pages[name]
	return content, ok
}

// Drop forgets a page, if there is one of that name.
func (c *Cache) Drop(name string) {
	page, ok := c.pages[name]
	if !ok {
		return
	}
	delete(c.pages, name)
	for i, n := range c.names {
		if n == name {
			c.names = append(c.names[:i], c.names[i+1:]...)
			break
		}
	}
	mem.Free(c.memory, page)
}

// Close gives all memory back.
func (c *Cache) Close() {
	for _, page := range c.pages {
		mem.Free(c.memory, page)
	}
	clear(c.pages)
	c.names = nil
}
