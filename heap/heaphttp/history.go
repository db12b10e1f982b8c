package heaphttp

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/allod-dev/allod/heap"
)

// History is what is served at history: live bytes over time, oldest first. All
// lists have the same length. With ?since=t only points are served whose time is
// more than t.
type History struct {
	// Time is when, in milliseconds since 1970.
	Time []int64 `json:"time"`
	// OffHeap is [Memory.OffHeap] and GoTotal [Memory.GoTotal], in bytes.
	OffHeap []int64 `json:"off_heap"`
	GoTotal []int64 `json:"go_total"`
	// Bytes are the live bytes of each name, with those of the names below it. It
	// has at most 100 names, those with the most bytes at one time or other.
	Bytes map[string][]int64 `json:"bytes"`
}

// historyNames bounds how many names a point has, and a History.
const historyNames = 100

// point is a moment of the history.
type point struct {
	at               int64 // milliseconds
	offHeap, goTotal int64
	bytes            []namedBytes
}

type namedBytes struct {
	name  string
	bytes int64
}

// ring holds the last points.
type ring struct {
	most   int
	points []point
	next   int // where the oldest is, once there are most
}

func (r *ring) add(p point) {
	if len(r.points) < r.most {
		r.points = append(r.points, p)
		return
	}
	r.points[r.next] = p
	r.next = (r.next + 1) % r.most
}

// last returns the time of the newest point.
func (r *ring) last() (at int64, ok bool) {
	if len(r.points) == 0 {
		return 0, false
	}
	return r.points[(r.next+len(r.points)-1)%len(r.points)].at, true
}

// all yields the points, oldest first.
func (r *ring) all(yield func(*point) bool) {
	for i := range r.points {
		if !yield(&r.points[(r.next+i)%len(r.points)]) {
			return
		}
	}
}

// observe adds a point to the history, unless the last one is too near.
func (m *Monitor) observe(now time.Time, stats []heap.NamedStats) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := now.UnixMilli()
	// A ticker may be early by a little.
	if last, ok := m.history.last(); ok && at-last < m.interval.Milliseconds()*9/10 {
		return
	}
	p := point{at: at, offHeap: int64(heap.OffHeap()), goTotal: goTotal()}
	for i := range stats {
		if stats[i].TotalBlocks > 0 { // or it is only watched
			p.bytes = append(p.bytes, namedBytes{stats[i].Name, stats[i].Bytes})
		}
	}
	if len(p.bytes) > historyNames {
		slices.SortStableFunc(p.bytes, func(a, b namedBytes) int { return cmp.Compare(b.bytes, a.bytes) })
		p.bytes = slices.Clone(p.bytes[:historyNames])
	}
	m.history.add(p)
}

// historySince returns the points later than since.
func (m *Monitor) historySince(since int64) History {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := History{Time: []int64{}, OffHeap: []int64{}, GoTotal: []int64{}, Bytes: map[string][]int64{}}
	top := make(map[string]int64)
	for p := range m.history.all {
		if p.at <= since {
			continue
		}
		h.Time = append(h.Time, p.at)
		h.OffHeap = append(h.OffHeap, p.offHeap)
		h.GoTotal = append(h.GoTotal, p.goTotal)
		for _, n := range p.bytes {
			top[n.name] = max(top[n.name], n.bytes)
		}
	}
	names := make([]namedBytes, 0, len(top))
	for name, bytes := range top {
		names = append(names, namedBytes{name, bytes})
	}
	slices.SortFunc(names, func(a, b namedBytes) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), cmp.Compare(a.name, b.name))
	})
	for _, n := range names[:min(len(names), historyNames)] {
		h.Bytes[n.name] = make([]int64, len(h.Time))
	}
	i := 0
	for p := range m.history.all {
		if p.at <= since {
			continue
		}
		for _, n := range p.bytes {
			if line, ok := h.Bytes[n.name]; ok {
				line[i] = n.bytes
			}
		}
		i++
	}
	return h
}

func (m *Monitor) serveHistory(w http.ResponseWriter, r *http.Request) {
	since := int64(0)
	if s := parameter(r, "since"); s != "" {
		var err error
		if since, err = strconv.ParseInt(s, 10, 64); err != nil {
			refuse(w, http.StatusBadRequest, "since is a number of milliseconds")
			return
		}
	}
	m.observe(time.Now(), m.registry.Stats())
	serveJSON(w, m.historySince(since))
}
