// Package httparena gives each request of an HTTP server an arena: what handlers
// allocate there costs next to nothing, is invisible to the collector, and is
// freed all at once when the handler has returned.
package httparena

import (
	"context"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"sync"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// Arenas is a pool of arenas, and the middleware that lends them to requests. Want
// one for each server, or for each group of handlers with a limit of its own.
//
// Memory comes from the child, by way of a heap.ConcurrentArena for each request
// that is being served, so that a handler may allocate from several goroutines.
// Free does what it does with such an arena: next to nothing.
//
// A block lives until the handler returns: neither the handler's goroutines nor
// anything that outlives the request, such as a cache, a log queue or a hijacked
// connection, may use it afterwards. To find who does, serve from a heap.Debug,
// with Options.Idle negative:
//
//	debug := heap.NewDebug(heap.Default(), heap.DebugOptions{})
//	arenas := httparena.New(debug, httparena.Options{Idle: -1})
//
// Each arena is then freed after its request: a pointer that was kept reads 0xDD,
// a write by it is reported, and with DebugOptions.Guard either is a fault.
//
// Arenas is safe for concurrent use if its child is, and it must be. It must not
// be copied. The zero Arenas has no child; call [New].
type Arenas struct {
	child  mem.Allocator
	retain int
	most   int // idle arenas that are kept

	mu     sync.Mutex
	idle   []*heap.ConcurrentArena // the last used is the last
	lent   map[*heap.ConcurrentArena]struct{}
	closed bool
}

// The last arena that was used serves the next request: its memory is warm, and
// after a busy time those at the bottom are never touched. A sync.Pool would drop
// arenas that nobody else could close.

// Options are the settings of [New]. The zero value is the one to want at first.
type Options struct {
	// Retain is how many bytes an idle arena keeps of what its request used: 0
	// stands for 256 KiB, negative for none.
	Retain int
	// Idle is how many idle arenas are kept: 0 stands for four for each processor,
	// negative for none.
	Idle int
}

// Stats says what an [Arenas] has.
type Stats struct {
	InUse int // arenas of requests that are being served
	Idle  int // arenas that wait for one
}

// New returns an Arenas that takes memory from child.
func New(child mem.Allocator, o Options) *Arenas {
	if child == nil {
		panic("httparena: New: nil Allocator")
	}
	if o.Retain == 0 {
		o.Retain = 256 << 10
	}
	if o.Idle == 0 {
		o.Idle = 4 * runtime.GOMAXPROCS(0)
	}
	return &Arenas{child: child, lent: make(map[*heap.ConcurrentArena]struct{}), retain: max(o.Retain, 0), most: max(o.Idle, 0)}
}

// contextKey is the key of a request's arena.
type contextKey struct{}

// Wrap returns a handler that calls next with an arena in the context of the
// request, see [From], and takes it back when next returns or panics.
func (p *Arenas) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := p.get()
		defer p.put(a)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, mem.Allocator(a))))
	})
}

// From returns the allocator of the request that ctx belongs to. It panics if
// there is none, which means that the handler is not wrapped.
func From(ctx context.Context) mem.Allocator {
	a, ok := ctx.Value(contextKey{}).(mem.Allocator)
	if !ok {
		panic("httparena: From: no arena in this context; wrap the handler")
	}
	return a
}

// get returns an arena for a request.
func (p *Arenas) get() (a *heap.ConcurrentArena) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle) - 1; n >= 0 {
		a = p.idle[n]
		p.idle[n] = nil
		p.idle = p.idle[:n]
	} else {
		a = heap.NewConcurrentArena(p.child)
	}
	p.lent[a] = struct{}{}
	return a
}

// put takes an arena back from a request.
func (p *Arenas) put(a *heap.ConcurrentArena) {
	a.ResetTo(p.retain)
	p.mu.Lock()
	delete(p.lent, a)
	keep := !p.closed && len(p.idle) < p.most
	if keep {
		p.idle = append(p.idle, a)
	}
	p.mu.Unlock()
	if !keep {
		a.Close()
	}
}

// Stats returns how many arenas there are.
func (p *Arenas) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Stats{InUse: len(p.lent), Idle: len(p.idle)}
}

// Footprint implements [mem.Footprinter] with the sum of all arenas, of which
// those that are idle have nothing live. Watch it to see how full they are:
//
//	heap.Watch(arenas, "arenas of requests")
//
// It does not know the number of blocks, nor the peak.
func (p *Arenas) Footprint() mem.Footprint {
	p.mu.Lock()
	all := slices.AppendSeq(slices.Clone(p.idle), maps.Keys(p.lent))
	p.mu.Unlock()
	var sum mem.Footprint
	for _, a := range all {
		sum = sum.Plus(a.Footprint())
	}
	sum.Peak = 0 // those of each, at different moments, say nothing
	return sum
}

// Close frees the idle arenas at once, and those of requests that are being
// served when they are done. Requests may still come: each then has an arena that
// is freed with it. It always returns nil.
func (p *Arenas) Close() error {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, a := range idle {
		a.Close()
	}
	return nil
}
