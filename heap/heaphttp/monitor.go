package heaphttp

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/allod-dev/allod/heap"
)

// Options are the settings of [NewMonitor]. The zero value is the one of
// [DefaultMonitor].
type Options struct {
	// Registry has the allocators that are shown. Nil stands for
	// [heap.DefaultRegistry].
	Registry *heap.Registry
	// Interval is how far apart the points of the history are at least. 0 stands
	// for a second.
	Interval time.Duration
	// Points is how many points of the history are kept. 0 stands for 600.
	Points int
}

// A Monitor is an [http.Handler] that serves what the allocators of a registry
// hold, and keeps what has to be kept for that: a history, and what the stacks
// held at first. Want one of your own to show a registry of your own; otherwise
// there is [DefaultMonitor].
//
// It may be mounted at any path that ends in a slash: of the path of a request
// only what is behind the last slash counts.
//
// A Monitor is safe for concurrent use. It must not be copied. There is no
// useful zero value; call [NewMonitor].
type Monitor struct {
	registry *heap.Registry
	interval time.Duration
	started  time.Time

	mu      sync.Mutex
	history ring
	added   map[*source]struct{} // by AddProfile
	base    map[siteKey]int64    // live bytes at since, nil if nobody has looked
	since   time.Time

	look   sync.Mutex          // is taken before mu
	ids    map[Profiler]uint64 // a number for each that was there at the last look
	lastID uint64
}

// DefaultMonitor shows the [heap.DefaultRegistry].
var DefaultMonitor = NewMonitor(Options{})

// NewMonitor returns a Monitor. It panics if a number in o is negative.
func NewMonitor(o Options) *Monitor {
	if o.Interval < 0 || o.Points < 0 {
		panic("heaphttp: NewMonitor: negative option")
	}
	m := &Monitor{registry: o.Registry, interval: o.Interval, started: time.Now(), added: make(map[*source]struct{})}
	if m.registry == nil {
		m.registry = heap.DefaultRegistry
	}
	if m.interval == 0 {
		m.interval = time.Second
	}
	m.history.most = o.Points
	if o.Points == 0 {
		m.history.most = 600
	}
	return m
}

// Handler returns [DefaultMonitor]. It is for a path that ends in a slash.
func Handler() http.Handler { return DefaultMonitor }

// Index serves what [Handler] does.
func Index(w http.ResponseWriter, r *http.Request) { DefaultMonitor.ServeHTTP(w, r) }

// Register mounts [DefaultMonitor] at /debug/allod/. A nil mux stands for
// [http.DefaultServeMux].
func Register(mux *http.ServeMux) { DefaultMonitor.Register(mux) }

// Register mounts m at /debug/allod/. A nil mux stands for
// [http.DefaultServeMux].
func (m *Monitor) Register(mux *http.ServeMux) {
	if mux == nil {
		mux = http.DefaultServeMux
	}
	mux.Handle("/debug/allod/", m)
}

// Record adds a point to the history at every interval until ctx is done, and
// returns the cause. Without it the history has points of when somebody asked.
func (m *Monitor) Record(ctx context.Context) error {
	t := time.NewTicker(m.interval)
	defer t.Stop()
	for {
		m.observe(time.Now(), m.registry.Stats())
		select {
		case <-t.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
