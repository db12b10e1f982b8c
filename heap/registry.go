package heap

import (
	"cmp"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/allod-dev/allod/internal/rtype"
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
	past map[string]*NamedStats // of those that were closed, by name

	watched map[*watched]struct{}
}

// watched is a call of Watch that was not ended.
type watched struct {
	name string
	what mem.Footprinter
}

// DefaultRegistry is where [Named] puts its allocators.
var DefaultRegistry = new(Registry)

// A registry asks its allocators when it is asked itself, and they do not know
// of one another: counting costs nothing that another goroutine could notice.
// What a name totals must not fall when an allocator is closed, or a rate that
// is computed from it would be negative; so the totals of the closed are kept,
// one set for a name.

// Named returns child under a name, which is one or more words of UTF-8 with
// slashes in between. It panics if name is not that, or child is nil. Names
// should be few: what a name totals is kept after all its allocators are closed.
func (r *Registry) Named(child mem.Allocator, name string) *NamedAllocator {
	mustChild("heap: Registry.Named", child)
	return r.named(child, name, "heap: Registry.Named")
}

func (r *Registry) named(child mem.Allocator, name, function string) *NamedAllocator {
	if !validName(name) {
		panic(function + ": a name is words of UTF-8 with slashes in between")
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
		r.past = make(map[string]*NamedStats)
	}
	last := n.counts().past()
	addTo(r.past, n.name, &last)
}

// Watch makes what f holds known under a name in the [DefaultRegistry]; see
// [Registry.Watch].
func Watch(f mem.Footprinter, name string) (stop func()) {
	return DefaultRegistry.watch(f, name, "heap: Watch")
}

// Watch makes what f holds known under a name, until stop is called. It is for
// allocators that a [NamedAllocator] does not stand on, which are found without:
// an [Arena] or [Pool] whose chunks come from one, say. Unless its
// chunks come from an allocator of the whole process, its name should not begin
// with the same word as that of its child, or the same memory counts twice in the
// names above both. Watch panics if name is not one as [Registry.Named] wants
// it, or f is nil.
func (r *Registry) Watch(f mem.Footprinter, name string) (stop func()) {
	return r.watch(f, name, "heap: Registry.Watch")
}

func (r *Registry) watch(f mem.Footprinter, name, function string) (stop func()) {
	if f == nil || rtype.IsNilPointer(f) {
		panic(function + ": nil Footprinter")
	}
	if !validName(name) {
		panic(function + ": a name is words of UTF-8 with slashes in between")
	}
	f.Footprint() // some keep figures only after somebody has asked
	w := &watched{name, f}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.watched == nil {
		r.watched = make(map[*watched]struct{})
	}
	r.watched[w] = struct{}{}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.watched, w)
	}
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
	sums := make(map[string]*NamedStats)
	add := func(s *NamedStats) {
		for name := s.Name; name != ""; name = above(name) {
			addTo(sums, name, s)
		}
	}
	r.mu.Lock()
	for _, s := range r.past {
		add(s)
	}
	live := slices.Collect(maps.Keys(r.live))
	r.mu.Unlock()
	// What is closed from here on is counted as live, and not in what is past.
	var s NamedStats
	for _, n := range live {
		n.countInto(&s)
		add(&s)
	}
	for _, f := range r.Footprints() {
		if f.Name != "" && !f.Process {
			add(&NamedStats{Name: f.Name, Footprint: f.Footprint})
		}
	}
	sorted := slices.SortedFunc(maps.Values(sums), func(s, t *NamedStats) int { return compareNames(s.Name, t.Name) })
	all := make([]NamedStats, len(sorted))
	for i, s := range sorted {
		all[i] = *s
	}
	return all
}

// addTo adds s to the sum of that name.
func addTo(sums map[string]*NamedStats, name string, s *NamedStats) {
	sum := sums[name]
	if sum == nil {
		sum = &NamedStats{Name: name, Sizes: make([]SizeStats, 0, len(s.Sizes))}
		sums[name] = sum
	}
	sum.add(s)
}

// A NamedFootprint is what an allocator holds that blocks of some names come
// from, or that is watched.
type NamedFootprint struct {
	// Name is what the names of its users begin with, the whole name if there is
	// one: an allocator of "cache/index" and "cache/data" counts for "cache". It is
	// empty if they have nothing in common. An allocator that the whole process
	// shares has the name of its type: "heap.Page", or "heap.Page (process)" if that
	// is the name of another.
	Name string
	// Type is that of the allocator: "*heap.SMP". What allocators of one name and
	// one type hold is added up.
	Type string
	// Users are the names under which there are blocks of it, or it is watched,
	// sorted.
	Users []string
	// What it holds, for all users, those without a name among them.
	mem.Footprint
}

// Footprints returns what the allocators hold that blocks of the names come from,
// as far as they implement [mem.Footprinter], and those that are watched, sorted
// by name. Each allocator counts once.
func (r *Registry) Footprints() []NamedFootprint {
	users := make(map[mem.Footprinter][]string)
	add := func(f mem.Footprinter, name string) {
		if reflect.ValueOf(f).Comparable() { // or it would be no key
			users[f] = append(users[f], name)
		}
	}
	r.mu.Lock()
	for n := range r.live {
		if f, ok := footprinterOf(n.Unwrap()); ok {
			add(f, n.name)
		}
	}
	for w := range r.watched {
		add(w.what, w.name)
	}
	r.mu.Unlock()
	// They are asked without the lock: each may have locks of its own.
	var all []NamedFootprint
	taken := make(map[string]bool)
	for f, names := range users {
		held := f.Footprint()
		if held.IsZero() {
			continue
		}
		slices.Sort(names)
		names = slices.Compact(names)
		n := NamedFootprint{Type: reflect.TypeOf(f).String(), Users: names, Footprint: held}
		if held.Process {
			n.Name = strings.TrimPrefix(n.Type, "*")
		} else {
			n.Name = names[0]
			for _, name := range names {
				n.Name = common(n.Name, name)
			}
			taken[n.Name] = true
		}
		all = append(all, n)
	}
	for i := range all {
		for all[i].Process && taken[all[i].Name] {
			all[i].Name += " (process)"
		}
	}
	slices.SortFunc(all, func(a, b NamedFootprint) int {
		return cmp.Or(compareNames(a.Name, b.Name), cmp.Compare(a.Type, b.Type))
	})
	sums := all[:0]
	for _, n := range all {
		if last := len(sums) - 1; last >= 0 && sums[last].Name == n.Name && sums[last].Type == n.Type {
			sums[last].Footprint = sums[last].Plus(n.Footprint)
			sums[last].Users = append(sums[last].Users, n.Users...)
			slices.Sort(sums[last].Users)
			sums[last].Users = slices.Compact(sums[last].Users)
		} else {
			sums = append(sums, n)
		}
	}
	return sums
}

// common returns the words that two names begin with.
func common(a, b string) string {
	n, ends := 0, 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		if a[n] == '/' {
			ends = n
		}
		n++
	}
	if (n == len(a) || a[n] == '/') && (n == len(b) || b[n] == '/') {
		ends = n
	}
	return a[:ends]
}

// compareNames orders names by words, so that what stands below a name follows
// it.
func compareNames(a, b string) int {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	switch {
	case i == len(a) || i == len(b):
		return cmp.Compare(len(a), len(b))
	case a[i] == '/': // where a word ends, which is before all that it could go on with
		return -1
	case b[i] == '/':
		return 1
	}
	return cmp.Compare(a[i], b[i])
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

// String returns Stats as JSON, as package expvar wants it, with
// [NamedStats.Fragmentation] beside the fields.
func (r *Registry) String() string {
	type fragmented struct {
		NamedStats
		Fragmentation float64
	}
	stats := r.Stats()
	all := make([]fragmented, len(stats))
	for i := range stats {
		all[i] = fragmented{stats[i], stats[i].Fragmentation()}
	}
	b, err := json.Marshal(all)
	if err != nil {
		panic("heap: Registry.String: " + err.Error()) // numbers and names
	}
	return string(b)
}
