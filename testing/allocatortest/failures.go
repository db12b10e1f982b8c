package allocatortest

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// CheckAllFailures calls fn many times, each time with a new allocator, and
// fails tb unless fn can do without every single request that it makes. It
// returns in how many calls a request failed. fn must succeed when none does,
// give back all that it allocates in any case, and make the same requests in
// every call.
//
// Of each request for memory it finds out what happens when only this one fails,
// as after a spike, and when this one and all later ones do. If fn resizes, it
// does both once more while Resize and Remap refuse, and has each Resize and
// Remap refused in turn, which fn need not survive with success. It reports,
// with the stack of the request that failed:
//
//   - blocks that are live when fn returns: leaks;
//   - a nil error although a request for memory failed: it was swallowed;
//   - an error that does not wrap [mem.ErrOutOfMemory];
//   - panics;
//   - requests that differ from those of the first call;
//   - that there were none: fn then used another allocator.
//
// The allocator answers [mem.Scanned]; see [FailureOptions] for others. What it
// costs grows with the square of the number of requests.
func CheckAllFailures(tb TB, fn func(a mem.Allocator) error) int {
	tb.Helper()
	return CheckFailures(tb, FailureOptions{}, fn)
}

// FailureOptions change what [CheckFailures] does.
type FailureOptions struct {
	// Child is where memory comes from, and answers Pointers. nil means
	// [heap.GC].
	Child mem.Allocator

	// MaySwallow allows fn to return nil although a request for memory failed:
	// for programs that can do with less.
	MaySwallow bool

	// MaxPoints is the most requests that are made to fail in each of the ways,
	// chosen evenly from all that there are. 0 means 500.
	MaxPoints int
}

// CheckFailures is [CheckAllFailures] with options.
func CheckFailures(tb TB, o FailureOptions, fn func(a mem.Allocator) error) int {
	tb.Helper()
	c := &checker{tb: tb, o: o, run: func(in *injector) error {
		in.armed = true
		return fn(in)
	}}
	n := c.check()
	if n == 0 && c.failures == 0 {
		tb.Errorf("allocatortest: nothing was asked of the allocator, so that nothing could fail: does the function use the one it is given?")
	}
	return n
}

// An Operation is one step of a program, which should happen completely or not
// at all. See [CheckUnchanged].
type Operation[S any] struct {
	// Setup makes what the operation works on; a request of it never fails.
	Setup func(a mem.Allocator) (S, error)

	// Run is the operation.
	Run func(s S) error

	// Snapshot returns what is to be unchanged after Run failed, compared with
	// [reflect.DeepEqual]: usually a copy of the contents, as Go values. It must
	// not refer to memory that Run changes.
	Snapshot func(s S) any

	// Teardown gives everything back. It may be nil.
	Teardown func(s S)

	// Options are as for [CheckFailures].
	Options FailureOptions
}

// CheckUnchanged is [CheckAllFailures] for an operation that promises to change
// nothing when it fails. It calls Setup, takes a snapshot, calls Run while a
// request fails, and compares with another snapshot if Run failed. Then it calls
// Run once more, with all the memory there is, which must succeed, and Teardown.
func CheckUnchanged[S any](tb TB, op Operation[S]) int {
	tb.Helper()
	c := &checker{tb: tb, o: op.Options}
	c.run = func(in *injector) error {
		s, err := op.Setup(in)
		if err != nil {
			c.fail(in, "Setup: %v", err)
			return nil
		}
		if op.Teardown != nil {
			defer op.Teardown(s)
		}
		before := op.Snapshot(s)
		in.armed = true
		err = op.Run(s)
		in.armed = false
		if err == nil {
			return nil
		}
		if after := op.Snapshot(s); !reflect.DeepEqual(before, after) {
			c.fail(in, "Run failed and left something changed:\nbefore %s\nafter  %s", brief(before), brief(after))
		}
		if again := op.Run(s); again != nil {
			c.fail(in, "Run failed, and failed again when there was memory: %v", again)
		}
		return err
	}
	return c.check()
}

func brief(v any) string {
	const most = 500
	s := fmt.Sprintf("%+v", v)
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

// checker makes the requests of one function fail.
type checker struct {
	tb       TB
	o        FailureOptions
	run      func(*injector) error
	injected int
	failures int
	over     bool // there were too many
}

// A plan says which requests of a run fail.
type plan struct {
	op      pointOp // which kind; none fails if it is 0
	at      int     // the first to fail, of its kind
	onwards bool    // and all later ones of its kind
	refuse  bool    // Resize and Remap refuse always
}

func (p plan) String() string {
	if p.op == 0 {
		if p.refuse {
			return "no request failed, but Resize and Remap refused"
		}
		return "no request failed"
	}
	s := fmt.Sprintf("%v number %d failed", p.op, p.at+1)
	if p.onwards {
		s += ", and all later ones"
	}
	if p.refuse {
		s += ", and Resize and Remap refused"
	}
	return s
}

// pointOp is the kind of a request.
type pointOp uint8

const (
	opAlloc pointOp = iota + 1
	opResize
	opRemap
)

func (o pointOp) String() string { return [...]string{"", "Alloc", "Resize", "Remap"}[o] }

// A point is a request that was made.
type point struct {
	op    pointOp
	size  int
	stack heap.Stack
}

func (p point) equal(q point) bool {
	return p.op == q.op && p.size == q.size && sameStack(p.stack, q.stack)
}

// sameStack compares two stacks up to where they enter this file, which calls
// the function from more than one line.
func sameStack(x, y heap.Stack) bool {
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return ours(x[i]) && ours(y[i])
		}
	}
	return len(x) == len(y)
}

func ours(pc uintptr) bool {
	f := runtime.FuncForPC(pc - 1)
	return f != nil && strings.Contains(f.Name(), "/allocatortest.(*checker).")
}

// check runs all plans and returns in how many runs something failed.
func (c *checker) check() int {
	c.tb.Helper()
	points, ok := c.baseline(false)
	if !ok {
		return 0
	}
	c.all(points, opAlloc, false)
	if resizes := c.all(points, opResize, false) + c.all(points, opRemap, false); resizes > 0 {
		if points, ok := c.baseline(true); ok {
			c.all(points, opAlloc, true)
		}
	}
	c.tb.Logf("allocatortest: %d failures injected", c.injected)
	return c.injected
}

// baseline runs twice without a failure, and returns the requests made.
func (c *checker) baseline(refuse bool) ([]point, bool) {
	c.tb.Helper()
	var points []point
	before := c.failures
	for i := range 2 {
		in := c.once(plan{refuse: refuse})
		switch {
		case c.failures > before:
			return nil, false
		case in.err != nil:
			c.fail(in, "error %v, want success", in.err)
			return nil, false
		case i == 0:
			points = in.points
		default:
			if c.differ(in, points, len(points)) {
				return nil, false
			}
		}
	}
	return points, true
}

// all makes each request of one kind fail, and returns how many there are.
func (c *checker) all(points []point, op pointOp, refuse bool) int {
	c.tb.Helper()
	n := 0
	for _, p := range points {
		if p.op == op {
			n++
		}
	}
	most := c.o.MaxPoints
	if most <= 0 {
		most = 500
	}
	step := 1
	if n > most {
		step = (n + most - 1) / most
		c.tb.Logf("allocatortest: %d requests of %v: one in %d is made to fail", n, op, step)
	}
	for k := 0; k < n && !c.over; k += step {
		for _, onwards := range []bool{false, true} {
			in := c.once(plan{op, k, onwards, refuse})
			c.injected++
			if c.failures >= maxErrors {
				if !c.over {
					c.tb.Errorf("allocatortest: too many failures, giving up")
				}
				c.over = true
				return n
			}
			c.judge(in, points)
		}
	}
	return n
}

// judge says what is wrong with a run in which a request failed.
func (c *checker) judge(in *injector, points []point) {
	c.tb.Helper()
	switch {
	case in.panicked:
	case in.failed == 0:
		if !c.differ(in, points, len(points)) {
			c.fail(in, "the request was not made this time")
		}
	case c.differ(in, points, in.first+1):
	case in.plan.op != opAlloc:
		// To be refused is no failure, but the long way may be closed as well.
		if in.err != nil && !errors.Is(in.err, mem.ErrOutOfMemory) {
			c.fail(in, "error %q, which does not wrap mem.ErrOutOfMemory", in.err)
		}
	case in.err == nil:
		if !c.o.MaySwallow {
			c.fail(in, "no error: the failure was swallowed")
		}
	case !errors.Is(in.err, mem.ErrOutOfMemory):
		c.fail(in, "error %q, which does not wrap mem.ErrOutOfMemory", in.err)
	}
}

// differ fails the test if the first n requests of a run are not those of the
// first run.
func (c *checker) differ(in *injector, want []point, n int) bool {
	c.tb.Helper()
	got := in.points
	for i := range n {
		switch {
		case i >= len(got):
			c.fail(in, "%d requests, and %d in the first run; the first one missing is %v(%d) by\n%s",
				len(got), len(want), want[i].op, want[i].size, indent(want[i].stack))
			return true
		case !got[i].equal(want[i]):
			c.fail(in, "request %d is %v(%d) by\n%sand was %v(%d) in the first run, by\n%s", i+1,
				got[i].op, got[i].size, indent(got[i].stack), want[i].op, want[i].size, indent(want[i].stack))
			return true
		}
	}
	if in.plan.op == 0 && len(got) > n {
		c.fail(in, "%d requests, and %d in the first run; the first one more is %v(%d) by\n%s",
			len(got), len(want), got[n].op, got[n].size, indent(got[n].stack))
		return true
	}
	return false
}

// once runs with a plan and checks what holds in every run.
func (c *checker) once(pl plan) *injector {
	c.tb.Helper()
	source := c.o.Child
	if source == nil {
		source = heap.GC{}
	}
	quiet := &quiet{}
	below := New(quiet, Child(&roomy{child: source, rooms: make(map[uintptr]room)}))
	in := &injector{child: below, plan: pl, first: -1}
	func() {
		defer func() {
			if r := recover(); r != nil {
				in.panicked = true
				c.fail(in, "panic: %v\n%s", r, debug.Stack())
			}
		}()
		in.err = c.run(in)
	}()
	for _, f := range quiet.failures() {
		c.fail(in, "%s", f)
	}
	if leaks := below.Leaks(); leaks != nil && !in.panicked {
		c.fail(in, "%v", leaks)
	}
	return in
}

// fail reports what happened in a run.
func (c *checker) fail(in *injector, format string, args ...any) {
	c.tb.Helper()
	c.failures++
	s := fmt.Sprintf(format, args...)
	if in.failed > 0 {
		p := in.points[in.first]
		s += fmt.Sprintf("\nwhat failed is %v(%d), requested by\n%s", p.op, p.size, indent(p.stack))
	}
	c.tb.Errorf("allocatortest: %v: %s", in.plan, strings.TrimSuffix(s, "\n"))
}

// injector passes requests on, apart from those that its plan makes fail.
type injector struct {
	child mem.Allocator
	plan  plan

	mu       sync.Mutex
	armed    bool // count requests, and make them fail
	seen     [opRemap + 1]int
	points   []point
	first    int // index in points of the first request that failed, or -1
	failed   int // how many did
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
	in.points = append(in.points, point{op, size, callers()})
	if op != in.plan.op || n < in.plan.at || n > in.plan.at && !in.plan.onwards {
		return false
	}
	if in.failed == 0 {
		in.first = len(in.points) - 1
	}
	in.failed++
	return true
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
