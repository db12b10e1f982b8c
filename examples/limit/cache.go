// Package limit shows how to choose a limit and what to do when it is reached:
// a cache that may use so many bytes, and drops what is oldest to make room.
package limit

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"

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

// Put stores a copy of content, which may be what Get returned, or a part of
// it. Where a limit is reached, that of the cache or one below it, the oldest
// pages go until there is room.
//
// It fails if content would not fit even if all pages went, and if something
// else than a limit refuses: when the machine has no memory, dropping pages
// promises nothing. The cache then holds what it did before, save for pages
// that went for a limit before something that no limit tells beforehand refused.
func (c *Cache) Put(name string, content []byte) error {
	if len(content) > c.memory.Limit() {
		return fmt.Errorf("cache: page %s of %d bytes: %w", name, len(content), mem.ErrTooLarge)
	}
	page, err := mem.Dupe(c.memory, content)
	for len(c.names) > 0 && c.dropsHelp(err, len(content)) {
		oldest := c.names[0]
		if overlap(c.pages[oldest], content) {
			content = bytes.Clone(content) // it is about to die
		}
		c.Drop(oldest)
		page, err = mem.Dupe(c.memory, content)
	}
	if err != nil {
		return fmt.Errorf("cache: page %s: %w", name, err)
	}
	c.Drop(name)
	c.pages[name] = page
	c.names = append(c.names, name)
	return nil
}

// dropsHelp tells whether err is the answer of a heap.Limit, to which all pages
// together are room enough for n bytes. The other limits are asked as well, so
// that no page goes for one of them in vain: those in the chain below the cache
// are known before they refuse.
func (c *Cache) dropsHelp(err error, n int) bool {
	var refused *heap.LimitError
	if !errors.As(err, &refused) {
		return false
	}
	more := n - c.memory.Used() // than all pages have
	if more > refused.Limit.Available() {
		return false
	}
	for l, ok := c.memory, true; ok; l, ok = mem.As[*heap.Limit](l.Unwrap()) {
		if more > l.Available() {
			return false
		}
	}
	return true
}

// overlap tells whether two slices have bytes in common.
func overlap(a, b []byte) bool {
	x, y := reflect.ValueOf(a).Pointer(), reflect.ValueOf(b).Pointer()
	return len(a) > 0 && len(b) > 0 && (x-y < uintptr(len(b)) || y-x < uintptr(len(a)))
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
