package allocatortest

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
)

// checker makes the requests of one function fail.
type checker struct {
	tb       TB
	o        FailureOptions
	run      func(*injector) error
	injected int
	failures int
	over     bool // there were too many
	one      bool // only what the flag says is run
}

// check runs all plans and returns in how many runs something failed.
func (c *checker) check() int {
	c.tb.Helper()
	if text := given(failFlag); text != "" {
		c.only(text)
		return c.injected
	}
	points, ok := c.baseline(false)
	if !ok {
		return 0
	}
	c.all(points, opAlloc, false)
	c.chances(points)
	if resizes := c.all(points, opResize, false) + c.all(points, opRemap, false); resizes > 0 {
		if points, ok := c.baseline(true); ok {
			c.all(points, opAlloc, true)
		}
	}
	c.tb.Logf("allocatortest: %d failures injected", c.injected)
	return c.injected
}

// only runs the plan that a flag asks for.
func (c *checker) only(text string) {
	c.tb.Helper()
	c.one = true
	p, err := parsePlan(text)
	if err != nil {
		fail(c.tb, "allocatortest: %v", err)
		return
	}
	points, ok := c.baseline(p.refuse)
	if !ok || p.op == 0 {
		return
	}
	n := 0
	for _, x := range points {
		if x.op == p.op {
			n++
		}
	}
	if p.at >= n && !p.chance {
		c.tb.Logf("allocatortest: -allod.fail=%s: there are %d requests of %v", text, n, p.op)
		return
	}
	in := c.once(p)
	c.injected++
	c.judge(in, points)
	c.tb.Logf("allocatortest: -allod.fail=%s: %d requests failed, and the error was %v", text, in.failed, in.err)
}

// chances has requests fail by chance.
func (c *checker) chances(points []point) {
	c.tb.Helper()
	for i := 0; i < c.o.Seeds && !c.over; i++ {
		c.try(plan{op: opAlloc, chance: true, seed: c.o.Seed + uint64(i)}, points)
	}
}

// try runs a plan, says what is wrong, and gives up if that was often enough.
func (c *checker) try(p plan, points []point) *injector {
	c.tb.Helper()
	in := c.once(p)
	c.injected++
	if c.failures >= maxErrors {
		if !c.over {
			fail(c.tb, "allocatortest: too many failures, giving up")
		}
		c.over = true
		return in
	}
	c.judge(in, points)
	return in
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
	var chosen []int // of those of the kind
	n := 0
	for _, p := range points {
		if p.op == op {
			if c.chooses(p) {
				chosen = append(chosen, n)
			}
			n++
		}
	}
	step := c.step(len(chosen))
	if step > 1 {
		c.tb.Logf("allocatortest: %d requests of %v: one in %d is made to fail", len(chosen), op, step)
	}
	for i := 0; i < len(chosen) && !c.over; i += step {
		p := plan{op: op, at: chosen[i], refuse: refuse}
		in := c.try(p, points)
		if !c.over && c.o.Pairs && op == opAlloc {
			c.pairs(p, in.seen[opAlloc], points)
		}
		if p.onwards = true; !c.over {
			c.try(p, points)
		}
	}
	return len(chosen)
}

// pairs makes each request after that of p fail as well, of which there were n
// when p's failed.
func (c *checker) pairs(p plan, n int, points []point) {
	c.tb.Helper()
	step := c.step(n - p.at - 1)
	for p.second = p.at + 1; p.second < n && !c.over; p.second += step {
		c.try(p, points)
	}
}

// step is how far apart requests are made to fail if there are n.
func (c *checker) step(n int) int {
	most := c.o.MaxPoints
	if most <= 0 {
		most = 500
	}
	return max(1, (n+most-1)/most)
}

// optional are the functions of allod that can do without what they ask for.
var optional = []string{
	"allod/heap.(*Arena).Reset",
	"allod/heap.(*ArenaState).Reset",
	"allod/heap.(*ConcurrentArena).Reset",
	").ShrinkAndFree",
	"allod/generic.(*table[...]).roomFor", // full parts have room elsewhere
}

// needs tells whether nothing on the stack of p can do without what it asks for.
func (c *checker) needs(p point) bool {
	return !slices.ContainsFunc(optional, p.calledBy) && !slices.ContainsFunc(c.o.Optional, p.calledBy)
}

// chooses tells whether p is among the requests that may fail.
func (c *checker) chooses(p point) bool {
	return p.size >= c.o.MinSize && (c.o.Caller == "" || p.calledBy(c.o.Caller))
}

// judge says what is wrong with a run in which a request failed.
func (c *checker) judge(in *injector, points []point) {
	c.tb.Helper()
	switch {
	case in.panicked:
	case in.failed == 0 && in.plan.chance:
		if in.err != nil {
			c.fail(in, "error %v, want success", in.err)
		}
	case in.failed == 0:
		if !c.differ(in, points, len(points)) {
			c.fail(in, "the request was not made this time")
		}
	case c.differ(in, points, in.first+1):
	case in.refused == in.failed:
		// To be refused is no failure, but the long way may be closed as well.
		if in.err != nil && !errors.Is(in.err, mem.ErrOutOfMemory) {
			c.fail(in, "error %q, which does not wrap mem.ErrOutOfMemory", in.err)
		}
	case in.err == nil:
		if !c.o.MaySwallow && in.needed > 0 {
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
		source = heap.NewHybrid(heap.Default())
	}
	quiet := &quiet{}
	below := New(quiet, Child(&roomy{child: source, rooms: make(map[uintptr]room)}))
	in := &injector{child: below, plan: pl, first: -1, chooses: c.chooses, needs: c.needs, probability: c.o.Probability}
	func() {
		c.tb.Helper()
		defer func() {
			if r := recover(); r != nil {
				in.panicked = true
				c.fail(in, "panic: %v\n%s", r, debug.Stack())
			}
		}()
		in.err = c.run(in)
	}()
	leaks, before := below.Leaks(), len(quiet.failures())
	below.end()
	for i, f := range quiet.failures() {
		if i < before || leaks == nil || i > before && !in.panicked { // at before is the leak
			c.fail(in, "%s", f)
		}
	}
	if leaks != nil && !in.panicked {
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
	failWith(c.tb, failFlag, in.plan.flag(), "allocatortest: %v: %s", in.plan, s)
}
