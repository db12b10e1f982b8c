package heaphttp

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/allod-dev/allod/heap"
)

// Leaks is what is served at leaks: the stacks whose blocks have the most live
// bytes, which are those to look at when memory grows. With ?allocator=name there
// are only those of the name and what is below it, with ?n=10 that many, and with
// ?by=grown those that have grown most since somebody first looked.
type Leaks struct {
	Time time.Time `json:"time"` // when that is
	// Since is when somebody first looked: Grown counts from there.
	Since time.Time `json:"since"`
	// Sources are the names of the Profiles and Debugs that know stacks.
	Sources []string `json:"sources"`
	// Sites are the stacks, most live bytes first, or most grown.
	Sites []Site `json:"sites"`
	// MoreSites and MoreBytes are the stacks that are left out, and their live
	// bytes.
	MoreSites int   `json:"more_sites"`
	MoreBytes int64 `json:"more_bytes"`
}

// Site is a stack, and what the blocks come to that it allocated.
type Site struct {
	// Allocator is the name of the allocator that they are blocks of.
	Allocator string `json:"allocator"`
	// These are the fields of a [heap.ProfileSite].
	Blocks      int64 `json:"blocks"`
	Bytes       int64 `json:"bytes"`
	TotalBlocks int64 `json:"total_blocks"`
	TotalBytes  int64 `json:"total_bytes"`
	// Grown is how many live bytes more there are than at [Leaks.Since].
	Grown int64 `json:"grown"`
	// Stack has the calls, innermost first, without those of allocators.
	Stack []Frame `json:"stack"`
}

// Frame is a call in the stack of a [Site].
type Frame struct {
	// Function is named with its package's path, and File is a path.
	Function string `json:"function"`
	File     string `json:"file"`
	Line     int    `json:"line"`
}

const (
	leaksDefault = 20
	leaksMost    = 1000
)

// Leaks returns the n stacks of an allocator, and what is below it, that hold the
// most bytes, or of all allocators if name is empty.
func (m *Monitor) Leaks(name string, n int) Leaks { return m.leaks(name, n, false) }

// leaks is Leaks, or those that have grown most.
func (m *Monitor) leaks(name string, n int, byGrown bool) Leaks {
	l := Leaks{Time: time.Now(), Sources: []string{}, Sites: []Site{}}
	before := m.atFirst(l.Time)
	type live struct {
		of    *source
		site  heap.ProfileSite
		grown int64
		stack heap.Stack
	}
	var all []live
	// Who reads it does not see what passed a block on, nor which of several
	// Profiles of one name it was: what looks the same is one.
	type row struct {
		name  string
		whole bool
		calls string
	}
	rows := make(map[row]int)
	for _, s := range m.profiles(name) {
		l.Sources = append(l.Sources, s.name)
		for _, site := range s.sites() {
			if site.Bytes <= 0 && site.Blocks <= 0 {
				continue
			}
			grown := site.Bytes - before[keyOf(&s, &site)]
			stack := site.Stack.Program()
			r := row{s.name, s.whole, callsOf(stack)}
			if i, ok := rows[r]; ok {
				all[i].site = plus(all[i].site, site, 1)
				all[i].grown += grown
				continue
			}
			rows[r] = len(all)
			all = append(all, live{&s, site, grown, stack})
		}
	}
	l.Sources = slices.Compact(l.Sources)
	slices.SortStableFunc(all, func(a, b live) int {
		if byGrown && a.grown != b.grown {
			return cmp.Compare(b.grown, a.grown)
		}
		return cmp.Compare(b.site.Bytes, a.site.Bytes)
	})
	for i, s := range all {
		if i >= n {
			l.MoreSites++
			l.MoreBytes += s.site.Bytes
			continue
		}
		l.Sites = append(l.Sites, Site{
			Allocator: s.of.name, Blocks: s.site.Blocks, Bytes: s.site.Bytes,
			TotalBlocks: s.site.TotalBlocks, TotalBytes: s.site.TotalBytes,
			Grown: s.grown, Stack: frames(s.stack),
		})
	}
	m.mu.Lock()
	l.Since = m.since
	m.mu.Unlock()
	return l
}

// atFirst returns what was live when somebody first looked, by stack. That is now if
// nobody has looked before.
func (m *Monitor) atFirst(now time.Time) map[siteKey]int64 {
	m.mu.Lock()
	base := m.base
	m.mu.Unlock()
	if base != nil {
		return base // which is not changed any more
	}
	base = make(map[siteKey]int64)
	for _, s := range m.profiles("") {
		for _, site := range s.sites() {
			base[keyOf(&s, &site)] += site.Bytes
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.base == nil {
		m.base, m.since = base, now
	}
	return m.base
}

func (m *Monitor) serveLeaks(w http.ResponseWriter, r *http.Request) {
	n, ok := number(w, r, "n", leaksDefault, 1, leaksMost)
	if !ok {
		return
	}
	by := parameter(r, "by")
	if by != "" && by != "live" && by != "grown" {
		refuse(w, http.StatusBadRequest, "by is live or grown")
		return
	}
	name := parameter(r, "allocator")
	if !m.knows(w, name) {
		return
	}
	serveJSON(w, m.leaks(name, n, by == "grown"))
}
