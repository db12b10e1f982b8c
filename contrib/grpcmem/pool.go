// Package grpcmem gives gRPC, and reverse proxies of net/http/httputil, buffers
// from an allod allocator: off the Go heap, of the size that is asked for, and
// within a limit.
//
// It imports neither, and works with any release of them that has the interface.
package grpcmem

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/allod-dev/allod/mem"
)

// A Pool is gRPC's mem.BufferPool over an allocator of allod:
//
//	pool := grpcmem.New(heap.Default())
//	experimental.SetDefaultBufferPool(pool) // what is marshaled
//	grpc.NewClient(target, experimental.WithBufferPool(pool))
//	grpc.NewServer(experimental.BufferPool(pool))
//
// Memory comes from the child, in tiers of powers of two up to 1 MiB, and beyond
// as it is asked for. What is put back is kept for the next Get of its tier, the
// last first, as long as all that is kept is not more than the options say; the
// rest goes back to the child. gRPC's own pool has five tiers that are far apart,
// and clears all of a buffer in Get: a MiB for a message of 33 KiB.
//
// Buffers of at most 1 KiB come from the Go heap, and are pooled there: gRPC's
// mem.NewBuffer forgets the pool of such a buffer, and never gives it back. So do
// buffers that the child refuses, for want of memory or because of a limit: Get
// cannot fail, and a server goes on, slower, rather than die.
//
// Put gives a buffer back, by its start and capacity; it may have been shortened,
// but not moved. A buffer lives until then. One that is larger than 1 KiB and
// never put is a leak: with a heap.Debug as the child, and nothing kept, it is
// told whose, and so is what is put twice, or written to afterwards.
//
// A Pool is safe for concurrent use if its child is, and it must be. It must not
// be copied. The zero Pool has no child; call [New].
type Pool struct {
	child   mem.Allocator
	zero    bool
	retain  int64                      // most bytes that are kept
	kept    atomic.Int64               // bytes in tiers
	small   [len(smallSizes)]sync.Pool // of *[]byte
	tiers   [tiers]tier
	headers sync.Pool // of *[]byte without memory

	refused atomic.Uint64
	strays  atomic.Int64 // entries of stray
	mu      sync.Mutex
	stray   map[*byte]struct{} // starts of buffers that the child refused
}

// A tier keeps free buffers of one size.
type tier struct {
	mu   sync.Mutex
	free [][]byte
	_    [32]byte // its own cache line
}

// Why there are free lists here. A general purpose allocator spreads what it hands
// out over the many sizes that it has, and over all slots of each: a stream of
// messages of any size touches tens of MiB, though a few dozen buffers are live
// at a time. The last buffer that was put back is warm, and there are few tiers.
// A sync.Pool would lose buffers that nobody else holds. A lock for each tier is
// held for some nanoseconds.
//
// The *[]byte that a buffer travels in lives on the Go heap and is pooled apart
// from it: Put leaves it empty, so that a second Put of it does nothing.

// maxSmall is the largest buffer that mem.NewBuffer forgets the pool of.
const maxSmall = 1 << 10

var smallSizes = [...]int{256, maxSmall}

const (
	minTier = 11 // binary logarithm of the size of the first tier
	maxTier = 20
	tiers   = maxTier - minTier + 1
)

// Options are the settings of [NewWith]. The zero value is that of [New].
type Options struct {
	// Retain is how many bytes of free buffers are kept for the next Get, rather
	// than given back to the child: 0 stands for 8 MiB, negative for none.
	Retain int
	// Zero makes Get return buffers that are zero, as gRPC's own pool does. gRPC
	// writes to a buffer before it reads it, so it needs none of that; a program
	// that uses the pool for itself might.
	Zero bool
}

// Stats are the counters of a [Pool].
type Stats struct {
	Refused uint64 // buffers that the child refused, and the Go heap had to serve
	Strays  int    // of these, how many have not been put back
	Kept    int    // bytes in free buffers
}

// New returns a Pool that takes memory from child.
func New(child mem.Allocator) *Pool { return NewWith(child, Options{}) }

// NewWith returns a Pool with the given options.
func NewWith(child mem.Allocator, o Options) *Pool {
	if child == nil {
		panic("grpcmem: New: nil Allocator")
	}
	if o.Retain == 0 {
		o.Retain = 8 << 20
	}
	return &Pool{child: child, zero: o.Zero, retain: int64(o.Retain), stray: make(map[*byte]struct{})}
}

// layout is that of every block; Zero is ignored when they are freed.
var layout = mem.Layout{Align: mem.Align(64), Type: mem.TypeFor[byte]()}

// tierOf returns the tier of buffers of n bytes, which is above the last for those
// that have none.
func tierOf(n int) int { return max(bits.Len(uint(n-1))-minTier, 0) }

// Get returns a buffer of the given length. Unless the options say otherwise it
// may hold anything.
func (p *Pool) Get(length int) *[]byte {
	if length <= maxSmall {
		return p.getSmall(length)
	}
	b := p.get(length)
	h := p.header()
	*h = b[:length]
	return h
}

// get returns a large buffer.
func (p *Pool) get(length int) []byte {
	size := length
	if i := tierOf(length); i < tiers {
		if b := p.pop(i); b != nil {
			if p.zero {
				clear(b[:length])
			}
			return b
		}
		size = 1 << (i + minTier)
	}
	l := layout
	l.Zero = p.zero
	b, err := p.child.Alloc(size, l)
	if err != nil && p.Trim() > 0 {
		b, err = p.child.Alloc(size, l)
	}
	if err != nil {
		return p.fromGo(length)
	}
	return b
}

// header returns a *[]byte for a buffer to travel in.
func (p *Pool) header() *[]byte {
	if h, ok := p.headers.Get().(*[]byte); ok {
		return h
	}
	return new([]byte)
}

// pop takes a free buffer of the tier, or returns nil.
func (p *Pool) pop(i int) (b []byte) {
	t := &p.tiers[i]
	t.mu.Lock()
	if n := len(t.free) - 1; n >= 0 {
		b = t.free[n]
		t.free[n] = nil
		t.free = t.free[:n]
	}
	t.mu.Unlock()
	if b != nil {
		p.kept.Add(-int64(len(b)))
	}
	return b
}

// Put gives the buffer back. It may be shorter than Get returned it, but must
// begin where that did.
func (p *Pool) Put(h *[]byte) {
	b := (*h)[:cap(*h)]
	if len(b) <= maxSmall {
		p.putSmall(h)
		return
	}
	*h = nil
	p.headers.Put(h)
	if p.strays.Load() == 0 || !p.wasStray(b) {
		p.put(b)
	}
}

// put takes back a large buffer.
func (p *Pool) put(b []byte) {
	i := tierOf(len(b))
	if i >= tiers || len(b) != 1<<(i+minTier) || !p.keep(len(b)) {
		p.child.Free(b, layout)
		return
	}
	t := &p.tiers[i]
	t.mu.Lock()
	t.free = append(t.free, b)
	t.mu.Unlock()
}

// keep tells whether n more bytes may be kept, and counts them.
func (p *Pool) keep(n int) bool {
	if p.kept.Add(int64(n)) <= p.retain {
		return true
	}
	p.kept.Add(-int64(n))
	return false
}

// Trim implements [mem.Trimmer]: it gives all that is kept back to the child, and
// returns how many bytes that was.
func (p *Pool) Trim() int {
	n := 0
	for i := range p.tiers {
		for b := p.pop(i); b != nil; b = p.pop(i) {
			n += len(b)
			p.child.Free(b, layout)
		}
	}
	return n
}

// getSmall is Get from the Go heap.
func (p *Pool) getSmall(length int) *[]byte {
	tier := 0
	for length > smallSizes[tier] {
		tier++
	}
	h, ok := p.small[tier].Get().(*[]byte)
	if !ok {
		b := make([]byte, length, smallSizes[tier])
		return &b
	}
	*h = (*h)[:length]
	if p.zero {
		clear(*h)
	}
	return h
}

// putSmall keeps a buffer if it is from getSmall.
func (p *Pool) putSmall(h *[]byte) {
	for tier, size := range smallSizes {
		if cap(*h) == size {
			p.small[tier].Put(h)
			return
		}
	}
}

// fromGo returns a buffer from the Go heap that Put will know, since its
// capacity is as large as that of others.
func (p *Pool) fromGo(length int) []byte {
	b := make([]byte, length)
	p.refused.Add(1)
	p.mu.Lock()
	p.stray[&b[0]] = struct{}{}
	p.mu.Unlock()
	p.strays.Add(1)
	return b
}

// wasStray tells whether b is from fromGo, and forgets it.
func (p *Pool) wasStray(b []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.stray[&b[0]]
	if ok {
		delete(p.stray, &b[0])
		p.strays.Add(-1)
	}
	return ok
}

// Stats returns the counters.
func (p *Pool) Stats() Stats {
	return Stats{Refused: p.refused.Load(), Strays: int(p.strays.Load()), Kept: int(p.kept.Load())}
}

// Unwrap returns the child.
func (p *Pool) Unwrap() mem.Allocator { return p.child }

// Proxy returns the pool as the BufferPool of a net/http/httputil.ReverseProxy,
// whose buffers then have the given size; 0 stands for 32 KiB, which is what
// ReverseProxy uses by itself. It panics if size is negative.
func (p *Pool) Proxy(size int) *Proxy {
	if size < 0 {
		panic("grpcmem: Pool.Proxy: negative size")
	}
	if size == 0 {
		size = 32 << 10
	}
	return &Proxy{pool: p, size: size}
}

// A Proxy is the BufferPool of a ReverseProxy; see [Pool.Proxy]. It is safe for
// concurrent use, and must not be copied.
type Proxy struct {
	pool *Pool
	size int
}

// Get returns a buffer.
func (p *Proxy) Get() []byte {
	if p.size <= maxSmall {
		return make([]byte, p.size)
	}
	return p.pool.get(p.size)[:p.size]
}

// Put gives a buffer back.
func (p *Proxy) Put(b []byte) {
	h := p.pool.header()
	*h = b
	p.pool.Put(h)
}
