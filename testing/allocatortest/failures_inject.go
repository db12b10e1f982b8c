package allocatortest

import (
	"fmt"
	"sync"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// injector passes requests on, apart from those that its plan makes fail.
type injector struct {
	child       mem.Allocator
	plan        plan
	chooses     func(point) bool // which requests may fail
	needs       func(point) bool // which must not fail in silence
	probability float64

	mu       sync.Mutex
	armed    bool // count requests, and make them fail
	seen     [opRemap + 1]int
	points   []point
	first    int // index in points of the first request that failed, or -1
	failed   int // how many did
	needed   int // how many of these must not fail in silence
	refused  int // how many of these were to resize
	err      error
	panicked bool
}

var _ mem.Allocator = (*injector)(nil)

// fails notes a request and tells whether it is to fail.
func (in *injector) fails(op pointOp, size int) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.armed {
		return false
	}
	if op != opAlloc && in.plan.refuse {
		return true // always, so it is nothing to count
	}
	n := in.seen[op]
	in.seen[op]++
	p := point{op, size, callers()}
	in.points = append(in.points, p)
	if !in.meant(p, n) {
		return false
	}
	if in.failed == 0 {
		in.first = len(in.points) - 1
	}
	in.failed++
	switch {
	case op != opAlloc:
		in.refused++
	case in.needs(p):
		in.needed++
	}
	return true
}

// meant tells whether the plan is about p, which is number n of its kind.
func (in *injector) meant(p point, n int) bool {
	pl := in.plan
	switch {
	case pl.op == 0:
		return false
	case pl.chance:
		return chance(pl.seed, len(in.points), in.probability) && in.chooses(p)
	case p.op != pl.op || n < pl.at:
		return false
	case n == pl.at || n == pl.second:
		return true
	}
	return pl.onwards && in.chooses(p)
}

// chance is true with the given probability, of which 0 stands for 0.1, and
// always the same for the same seed and n.
func chance(seed uint64, n int, probability float64) bool {
	if probability == 0 {
		probability = 0.1
	}
	return float64(mix(seed+uint64(n))>>11) < probability*(1<<53)
}

// mix is splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
// generators, 2014).
func mix(x uint64) uint64 {
	x *= 0x9e3779b97f4a7c15
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// Alloc implements [mem.Allocator].
func (in *injector) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("allocatortest: Alloc", size)
	if in.fails(opAlloc, size) {
		return nil, heap.ErrInduced // which nobody tries to make up for
	}
	return in.child.Alloc(size, l)
}

// Resize implements [mem.Allocator].
func (in *injector) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("allocatortest: Resize", size)
	if in.fails(opResize, size) {
		return b, false
	}
	return in.child.Resize(b, l, size)
}

// Remap implements [mem.Allocator].
func (in *injector) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("allocatortest: Remap", size)
	if in.fails(opRemap, size) {
		return b, false
	}
	return in.child.Remap(b, l, size)
}

// Free implements [mem.Allocator].
func (in *injector) Free(b []byte, l mem.Layout) { in.child.Free(b, l) }

// Pointers implements [mem.Allocator].
func (in *injector) Pointers() mem.Pointers { return in.child.Pointers() }

// roomy makes it a matter of sizes, and of nothing else, whether a block can be
// resized: requests are then the same in every run. It takes twice what is
// asked of it, so that a block can grow once in place; Remap refuses what
// Resize does, except that it moves plain blocks.
type roomy struct {
	child mem.Allocator
	mu    sync.Mutex
	rooms map[uintptr]room // by address
}

// room is what the child served, and for what.
type room struct {
	block  []byte
	layout mem.Layout
}

const roomyMax = 1 << 20 // larger blocks get what they ask for, and no more

// Alloc implements [mem.Allocator].
func (r *roomy) Alloc(size int, l mem.Layout) ([]byte, error) {
	n := size
	if size <= roomyMax {
		n = 2 * size // whole elements, if size was
	}
	b, err := r.child.Alloc(n, l)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.rooms[address(b)] = room{b, l}
	r.mu.Unlock()
	return b[:size:size], nil
}

// Resize implements [mem.Allocator].
func (r *roomy) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	r.mu.Lock()
	whole := r.rooms[address(b)]
	r.mu.Unlock()
	if size > len(whole.block) {
		return b, false
	}
	// What is cut off now must be zero when the block grows again.
	if size < len(b) {
		whole.layout.Type.Clear(b[size:])
	} else if whole.layout.Kind == mem.Plain {
		clear(whole.block[len(b):size])
	}
	return whole.block[:size:size], true
}

// Remap implements [mem.Allocator].
func (r *roomy) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	if c, ok := r.Resize(b, l, size); ok {
		return c, true
	}
	r.mu.Lock()
	whole := r.rooms[address(b)]
	r.mu.Unlock()
	if whole.layout.Kind != mem.Plain {
		return b, false
	}
	l = whole.layout
	l.Zero = true
	c, err := r.Alloc(size, l)
	if err != nil {
		return b, false
	}
	copy(c, b)
	r.Free(b, l)
	return c, true
}

// Free implements [mem.Allocator].
func (r *roomy) Free(b []byte, l mem.Layout) {
	r.mu.Lock()
	whole := r.rooms[address(b)]
	delete(r.rooms, address(b))
	r.mu.Unlock()
	r.child.Free(whole.block, whole.layout)
}

// Pointers implements [mem.Allocator].
func (r *roomy) Pointers() mem.Pointers { return r.child.Pointers() }

// quiet is a test that keeps its failures to itself.
type quiet struct {
	mu   sync.Mutex
	said []string
}

func (q *quiet) Helper()             {}
func (q *quiet) Cleanup(func())      {}
func (q *quiet) Logf(string, ...any) {}

func (q *quiet) Errorf(format string, args ...any) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.said = append(q.said, fmt.Sprintf(format, args...))
}

func (q *quiet) failures() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.said
}
