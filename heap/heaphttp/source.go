package heaphttp

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// A Profiler knows which stacks have allocated what: a [heap.Profile], a
// [heap.SMP] that profiles itself, or a [heap.Debug]. It must be safe for
// concurrent use.
type Profiler interface {
	// Sites returns what was allocated, by stack.
	Sites() []heap.ProfileSite
}

// A source is a Profiler with the names under which it is known.
type source struct {
	name  string // all of them, to be shown
	names []string
	of    Profiler
	under bool   // others stand on it
	whole bool   // it is the default allocator, whose name others may have
	id    uint64 // its number in Monitor.ids
}

// AddProfile makes p known under a name, until remove is called. It is for a
// Profile that no named allocator stands on; others are found without. It panics
// if p is nil.
func (m *Monitor) AddProfile(p Profiler, name string) (remove func()) {
	if p == nil {
		panic("heaphttp: Monitor.AddProfile: nil Profiler")
	}
	s := &source{name: name, of: p}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.added[s] = struct{}{}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.added, s)
	}
}

// Below one name there may be several Profilers: a Profile that stands on a Debug
// that stands on an SMP. They know the same blocks, and a block must count once.
// The first has the say, since nobody else is below it. Of what is shared, only
// the blocks count that did not come through another: it is on their stacks. A
// Debug is exact, and so preferred to the Profile above it.

// sources returns the Profilers that are known, each once, sorted by name: those
// that were added, those below the names of the registry, the default allocator,
// and what Debugs are open beside these. Those of one name stay in their order.
func (m *Monitor) sources() []source {
	m.look.Lock()
	defer m.look.Unlock()
	names := make(map[Profiler][]string)
	under := make(map[Profiler]bool)
	add := func(p Profiler, name string) {
		if reflect.ValueOf(p).Comparable() { // or it would be no key
			names[p] = append(names[p], name)
		}
	}
	// first adds the first Profiler of a chain, and notes what that stands on.
	first := func(a mem.Allocator, name string) {
		p, ok := profiler(a)
		if !ok {
			return
		}
		if d, ok := mem.As[*heap.Debug](a); ok {
			p = d
		}
		if s, ok := mem.As[*heap.SMP](a); ok && Profiler(s) != p {
			under[s] = true
		}
		if p != Profiler(heap.Default()) { // which is not of this name alone
			add(p, name)
		}
	}
	m.mu.Lock()
	added := slices.Collect(maps.Keys(m.added))
	m.mu.Unlock()
	for _, s := range added {
		if a, ok := s.of.(mem.Allocator); ok {
			first(a, s.name)
		} else {
			add(s.of, s.name)
		}
	}
	for _, n := range m.registry.Allocators() {
		first(n.Unwrap(), n.Name())
	}
	add(heap.Default(), strings.TrimPrefix(reflect.TypeFor[*heap.SMP]().String(), "*")) // as in Footprints
	for i, d := range heap.OpenDebugs() {
		if names[d] == nil {
			add(d, fmt.Sprint("debug ", i+1))
		}
	}
	all := make([]source, 0, len(names))
	ids := make(map[Profiler]uint64, len(names)) // without those that are gone, which it must not keep
	for p, known := range names {
		id, had := m.ids[p]
		if !had {
			m.lastID++
			id = m.lastID
		}
		ids[p] = id
		slices.Sort(known)
		known = slices.Compact(known)
		all = append(all, source{strings.Join(known, ", "), known, p, under[p], p == Profiler(heap.Default()), id})
	}
	m.ids = ids
	slices.SortFunc(all, func(a, b source) int { return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.id, b.id)) })
	return all
}

// profiler returns the first Profiler in the chain of a that knows anything.
func profiler(a mem.Allocator) (Profiler, bool) {
	p, ok := mem.As[Profiler](a)
	if s, is := p.(*heap.SMP); is && s.ProfileRate() == 0 {
		return nil, false
	}
	return p, ok
}

// profiles returns the sources of one allocator and what is below it, or of all
// if name is empty.
func (m *Monitor) profiles(name string) (chosen []source) {
	for _, s := range m.sources() {
		if name == "" || s.isBelow(name) {
			chosen = append(chosen, s)
		}
	}
	return chosen
}

// sites returns what s knows, but for what came through another source.
func (s *source) sites() []heap.ProfileSite {
	all := s.of.Sites()
	if !s.under {
		return all
	}
	return slices.DeleteFunc(all, func(site heap.ProfileSite) bool {
		return slices.ContainsFunc(frames(site.Stack), func(f Frame) bool {
			return strings.HasPrefix(f.Function, throughProfile) || strings.HasPrefix(f.Function, throughDebug)
		})
	})
}

// What the methods of those are called that a block comes through.
var (
	throughProfile = reflect.TypeFor[heap.Profile]().PkgPath() + ".(*Profile)."
	throughDebug   = reflect.TypeFor[heap.Debug]().PkgPath() + ".(*Debug)."
)

// isBelow tells whether one of the names of s is name, or stands below it.
func (s *source) isBelow(name string) bool {
	return slices.ContainsFunc(s.names, func(n string) bool { return n == name || strings.HasPrefix(n, name+"/") })
}

// A siteKey tells sites apart, whatever names their sources have: one that is
// shared gets others while the program runs, and several may have the same.
type siteKey struct {
	source uint64 // its id
	stack  string
}

func keyOf(s *source, site *heap.ProfileSite) siteKey { return siteKey{s.id, callsOf(site.Stack)} }

// callsOf returns s as something to compare.
func callsOf(s heap.Stack) string {
	b := make([]byte, 0, 8*len(s))
	for _, pc := range s {
		b = binary.LittleEndian.AppendUint64(b, uint64(pc))
	}
	return string(b)
}
