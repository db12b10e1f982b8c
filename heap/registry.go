package heap

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/allod-dev/allod/mem"
)

// A Registry knows the allocators of a program by their names, so that what they
// hold can be looked at, and exported to whatever collects metrics. A program
// has one, the [DefaultRegistry], unless a library wants one of its own.
//
// It is an expvar.Var:
//
//	expvar.Publish("allod", heap.DefaultRegistry)
//
// A Registry is safe for concurrent use. The zero Registry is empty and ready to
// use. It must not be copied.
type Registry struct {
	_    noCopy
	mu   sync.Mutex
	live map[*NamedAllocator]struct{}
	past map[string]NamedStats // of those that were closed, by name
}

// DefaultRegistry is where [Named] puts its allocators.
var DefaultRegistry = new(Registry)

// A registry asks its allocators when it is asked itself, and they do not know
// of one another: counting costs nothing that another goroutine could notice.
// What a name totals must not fall when an allocator is closed, or a rate that
// is computed from it would be negative; so the totals of the closed are kept,
// one set for a name.

// Named returns child under a name, which is one or more words with slashes in
// between. It panics if name is not that, or child is nil.
func (r *Registry) Named(child mem.Allocator, name string) *NamedAllocator {
	mustChild("heap: Registry.Named", child)
	return r.named(child, name, "heap: Registry.Named")
}

func (r *Registry) named(child mem.Allocator, name, function string) *NamedAllocator {
	if !validName(name) {
		panic(function + ": a name is words with slashes in between")
	}
	n := &NamedAllocator{name: name, registry: r, count: NewCounting(child)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live == nil {
		r.live = make(map[*NamedAllocator]struct{})
	}
	r.live[n] = struct{}{}
	return n
}

func (r *Registry) remove(n *NamedAllocator) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.live, n)
	if r.past == nil {
		r.past = make(map[string]NamedStats)
	}
	sum := r.past[n.name]
	sum.Name = n.name
	r.past[n.name] = sum.plus(n.Stats().past())
}

// Stats returns what is counted for each name, sorted by name. A name that only
// stands above others is there, too. What is counted for a name is in the counts
// of all names above it.
func (r *Registry) Stats() []NamedStats {
	return r.stats(func(name string) string {
		return name[:max(strings.LastIndexByte(name, '/'), 0)]
	})
}

// Own is Stats without that: what is counted for a name is in no other's counts,
// as those want it who add up themselves.
func (r *Registry) Own() []NamedStats {
	return r.stats(func(string) string { return "" })
}

// stats returns the sums of what is counted for each name, and for what above
// says stands above it.
func (r *Registry) stats(above func(name string) string) []NamedStats {
	sums := make(map[string]NamedStats)
	add := func(s NamedStats) {
		for name := s.Name; name != ""; name = above(name) {
			sum := sums[name]
			sum.Name = name
			sums[name] = sum.plus(s)
		}
	}
	r.mu.Lock()
	for _, s := range r.past {
		add(s)
	}
	for n := range r.live {
		add(n.Stats())
	}
	r.mu.Unlock()
	all := slices.Collect(maps.Values(sums))
	// By words, so that what stands below a name follows it.
	slices.SortFunc(all, func(s, t NamedStats) int {
		return slices.Compare(strings.Split(s.Name, "/"), strings.Split(t.Name, "/"))
	})
	return all
}

// Allocators returns the allocators that are not closed, sorted by name.
func (r *Registry) Allocators() []*NamedAllocator {
	r.mu.Lock()
	all := make([]*NamedAllocator, 0, len(r.live))
	for n := range r.live {
		all = append(all, n)
	}
	r.mu.Unlock()
	slices.SortFunc(all, func(n, o *NamedAllocator) int { return cmp.Compare(n.name, o.name) })
	return all
}

// String returns Stats as JSON, as package expvar wants it.
func (r *Registry) String() string {
	b, err := json.Marshal(r.Stats())
	if err != nil {
		panic("heap: Registry.String: " + err.Error()) // numbers and names
	}
	return string(b)
}
