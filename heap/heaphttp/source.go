package heaphttp

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// A Profiler knows which stacks have allocated what: a [heap.Profile] or a
// [heap.Debug]. It must be safe for concurrent use.
type Profiler interface {
	// Sites returns what was allocated, by stack.
	Sites() []heap.ProfileSite
}

// A source is a Profiler with the names under which it is known.
type source struct {
	name  string // all of them, to be shown
	names []string
	of    Profiler
}

// AddProfile makes p known under a name, until remove is called. It is for a
// Profile that no named allocator stands on; others are found without. It panics
// if p is nil.
func (m *Monitor) AddProfile(p Profiler, name string) (remove func()) {
	if p == nil {
		panic("heaphttp: Monitor.AddProfile: nil Profiler")
	}
	s := &source{name, []string{name}, p}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.added[s] = struct{}{}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.added, s)
	}
}

// sources returns the Profilers that are known, each once, sorted by name: those
// that were added, those below the names of the registry, and what Debugs are
// open beside these.
func (m *Monitor) sources() []source {
	names := make(map[Profiler][]string)
	add := func(p Profiler, name string) {
		if reflect.ValueOf(p).Comparable() { // or it would be no key
			names[p] = append(names[p], name)
		}
	}
	m.mu.Lock()
	for s := range m.added {
		add(s.of, s.name)
	}
	m.mu.Unlock()
	for _, n := range m.registry.Allocators() {
		if p, ok := mem.As[Profiler](n.Unwrap()); ok {
			add(p, n.Name())
		}
		// The Debug below a Profile is known by the same name.
		if d, ok := mem.As[*heap.Debug](n.Unwrap()); ok {
			add(d, n.Name())
		}
	}
	for i, d := range heap.OpenDebugs() {
		if names[d] == nil {
			add(d, fmt.Sprint("debug ", i+1))
		}
	}
	all := make([]source, 0, len(names))
	for p, known := range names {
		slices.Sort(known)
		known = slices.Compact(known)
		all = append(all, source{strings.Join(known, ", "), known, p})
	}
	slices.SortFunc(all, func(a, b source) int { return strings.Compare(a.name, b.name) })
	return all
}

// profiles returns the sources of one allocator and what is below it, or of all
// if name is empty. Where a Profile stands on a Debug, both know the same blocks,
// and the Profile is left out, which only estimates.
func (m *Monitor) profiles(name string) (chosen []source) {
	all := m.sources()
	exact := make(map[string]bool)
	for _, s := range all {
		if _, ok := s.of.(*heap.Debug); ok {
			exact[s.name] = true
		}
	}
	for _, s := range all {
		if _, ok := s.of.(*heap.Profile); ok && exact[s.name] {
			continue
		}
		if name == "" || s.isBelow(name) {
			chosen = append(chosen, s)
		}
	}
	return chosen
}

// isBelow tells whether one of the names of s is name, or stands below it.
func (s *source) isBelow(name string) bool {
	return slices.ContainsFunc(s.names, func(n string) bool { return n == name || strings.HasPrefix(n, name+"/") })
}

// A siteKey tells sites apart.
type siteKey struct{ source, stack string }

func keyOf(s *source, site *heap.ProfileSite) siteKey {
	var b strings.Builder
	for _, pc := range site.Stack {
		fmt.Fprintf(&b, "%x ", pc)
	}
	return siteKey{s.name, b.String()}
}
