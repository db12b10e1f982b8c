// Package allodswiss lets the maps of cockroachdb/swiss keep their tables in
// memory of an allod allocator: off the Go heap, within a limit, or watched.
package allodswiss

import (
	"fmt"

	"github.com/cockroachdb/swiss"

	"github.com/allod-dev/allod/mem"
)

// An Allocator is what a swiss.Map takes as its Allocator, over an allocator of
// allod: one for each map.
//
// Memory comes from the child. If it is not scanned by the collector, neither
// keys nor values may hold pointers, unless it is wrapped by mem.NoGoPointers.
//
// Free, which the map calls for tables that it has outgrown, gives them back to
// the child. [swiss.Map.All] goes on reading tables that it has outgrown during
// the iteration: with this Allocator, do not put into a map while iterating.
// Deleting and replacing is safe.
//
// Tables live until the map is closed with Map.Close. A map has no way to report
// that memory ran out: Put panics then, as mem.Must does, and mem.Rescue turns
// that into an error. The map must not be used again, nor closed; Close of the
// Allocator gives back what it had.
//
// An Allocator is not safe for concurrent use, as a map is not. It must not be
// copied. There is no useful zero value; call [New].
type Allocator[K comparable, V any] struct {
	child mem.Allocator
	live  map[*swiss.Group[K, V]]int // first group of a table -> number of groups
}

// New returns an Allocator for one map that takes memory from child. The error is
// a [*mem.PointerError] if the child does not serve maps with such keys and
// values.
func New[K comparable, V any](child mem.Allocator) (*Allocator[K, V], error) {
	if child == nil {
		panic("allodswiss: New: nil Allocator")
	}
	if l := mem.LayoutOf[swiss.Group[K, V]](); l.Kind == mem.Managed && child.Pointers() == mem.PlainOnly {
		return nil, mem.Refuse(l)
	}
	return &Allocator[K, V]{child: child, live: make(map[*swiss.Group[K, V]]int)}, nil
}

// Option returns the option that makes a map use a.
func (a *Allocator[K, V]) Option() swiss.Option[K, V] { return swiss.WithAllocator[K, V](a) }

// Alloc implements [swiss.Allocator]. It panics, as mem.Must does, if the child
// refuses.
func (a *Allocator[K, V]) Alloc(n int) []swiss.Group[K, V] {
	groups, err := mem.Alloc[swiss.Group[K, V]](a.child, n)
	if err != nil {
		err = fmt.Errorf("allodswiss: Allocator.Alloc: %d groups: %w", n, err)
	} else if n > 0 {
		a.live[&groups[0]] = n
	}
	return mem.Must(groups, err)
}

// Free implements [swiss.Allocator].
func (a *Allocator[K, V]) Free(groups []swiss.Group[K, V]) {
	if len(groups) > 0 && a.live[&groups[0]] == len(groups) {
		delete(a.live, &groups[0])
	}
	mem.Free(a.child, groups)
}

// Close frees all tables that the map did not free. The map must not be used
// afterwards, unless it has been closed before. It always returns nil.
func (a *Allocator[K, V]) Close() error {
	for first, n := range a.live {
		a.Free(table(first, n))
	}
	return nil
}

// Unwrap returns the child.
func (a *Allocator[K, V]) Unwrap() mem.Allocator { return a.child }
