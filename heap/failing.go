package heap

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// Failing wraps an allocator and makes chosen operations fail, so that a test
// sees what a program does when memory runs out. Want it wherever an error path
// must be run: exactly the k-th allocation, all from the k-th on, every n-th, a
// seeded share of them, by size, by caller or by a function of one's own, with
// rules of their own for Alloc, Resize and Remap.
//
// Memory comes from the child, to which every operation that is not made to
// fail is passed unchanged; an operation that is made to fail never reaches it.
// Free is the child's, and always happens. Blocks live as long as the child
// says.
//
// A Failing is safe for concurrent use if its child is, and if the functions in
// its rules are; [Failing.Arm] and all else that reads or sets it always is. It
// must not be copied. The zero Failing has no child; call [NewFailing].
type Failing struct {
	copies noCopy
	child  mem.Allocator
	plan   atomic.Pointer[failPlan]
	first  atomic.Pointer[Stack] // of the first induced failure

	ops            [numFailOps]failCounters
	frees          atomic.Int64
	allocatedBytes atomic.Int64
	freedBytes     atomic.Int64
}

var _ mem.Allocator = (*Failing)(nil)

// A rule looks at nothing but the number of the operation among those it
// considers, and that number is drawn by one atomic addition. The verdict on
// the n-th operation is therefore a function of the options alone: the same in
// every run, on every machine, however many goroutines take part. Chance is a
// hash of the seed and that number (splitmix64), not a generator with a state.

// ErrInduced is the error of an Alloc that a [Failing] made fail. It wraps
// [mem.ErrOutOfMemory].
var ErrInduced = mem.NewError("heap: Failing: induced failure", mem.ErrOutOfMemory)

// FailOp names an operation that a [Failing] can make fail.
type FailOp uint8

// The operations that can fail.
const (
	FailAlloc FailOp = iota
	FailResize
	FailRemap
	numFailOps
)

// String returns the name of the method.
func (o FailOp) String() string {
	switch o {
	case FailAlloc:
		return "Alloc"
	case FailResize:
		return "Resize"
	case FailRemap:
		return "Remap"
	}
	return fmt.Sprintf("FailOp(%d)", uint8(o))
}

// FailingOptions says what a [Failing] makes fail. The zero FailingOptions
// makes nothing fail.
type FailingOptions struct {
	// Alloc, Resize and Remap are the rules for these methods. Each counts its
	// own operations. A failing Alloc returns [ErrInduced]; a failing Resize or
	// Remap returns false.
	Alloc, Resize, Remap FailRule
	// Seed chooses the operations that a Probability picks. The same seed picks
	// the same ones in every run and on every machine.
	Seed uint64
}

// FailRule says which operations of one kind fail. The first group of fields
// narrows down which operations the rule considers, the second picks among
// those; any one of the second group is enough. A rule with nothing in the
// second group fails every operation that it considers, except that the zero
// FailRule fails none. Operations are counted from 1.
type FailRule struct {
	// MinSize and MaxSize, where not 0, restrict the rule to requests of at
	// least or at most so many bytes; of a Resize or Remap, the new size counts.
	MinSize, MaxSize int
	// Caller, if not empty, restricts the rule to calls with a function on the
	// stack whose full name ("main.(*Index).Add") contains it, among the 64
	// innermost. Looking costs microseconds and allocates.
	Caller string
	// If, if not nil, restricts the rule to requests for which it returns true.
	// It must not use the allocator.
	If func(op FailOp, size int, l mem.Layout) bool

	// At fails the At-th operation and no other: a transient failure.
	At int
	// From fails the From-th operation and all after it: memory that has run
	// out stays out.
	From int
	// Every fails every Every-th operation.
	Every int
	// Probability fails each operation with this probability, from 0 to 1.
	Probability float64

	// Times, if not 0, is how many operations fail at most.
	Times int
}

// FailingStats is what a [Failing] has counted since it was made.
type FailingStats struct {
	// Alloc, Resize and Remap count the calls of these methods.
	Alloc, Resize, Remap FailingCount
	// Frees is the number of blocks given back.
	Frees int64
	// AllocatedBytes counts the bytes of every block handed out and what blocks
	// grew by, FreedBytes those given back and what blocks shrank by. They are
	// equal when nothing is outstanding.
	AllocatedBytes, FreedBytes int64
}

// Live returns the number of blocks that are outstanding.
func (s FailingStats) Live() int64 { return s.Alloc.Successes - s.Frees }

// FailingCount counts the calls of one method. What is missing from Attempts is
// what the child itself refused.
type FailingCount struct {
	Attempts  int64 // calls
	Successes int64 // calls that the child answered well
	Induced   int64 // calls that were made to fail
}

type failCounters struct{ attempts, successes, induced atomic.Int64 }

func (c *failCounters) load() FailingCount {
	// In this order, so that Attempts never falls short of the others.
	n := FailingCount{Successes: c.successes.Load(), Induced: c.induced.Load()}
	n.Attempts = c.attempts.Load()
	return n
}

// failPlan is a set of rules with the counts that they need. Arm replaces it
// whole, so that no rule ever meets the counts of another.
type failPlan struct {
	rules [numFailOps]failRule
	seed  uint64
}

type failRule struct {
	FailRule
	active     bool         // not the zero rule
	picks      bool         // says which among those considered
	threshold  uint64       // Probability in units of 2^-53
	considered atomic.Int64 // operations that passed the filters
	left       atomic.Int64 // failures still allowed, if Times is set
}

// NewFailing returns child with the failures that o asks for. It panics if an
// option is out of range.
func NewFailing(child mem.Allocator, o FailingOptions) *Failing {
	mustChild("heap: NewFailing", child)
	f := &Failing{child: child}
	f.plan.Store(newFailPlan("heap: NewFailing", o))
	return f
}

// Arm replaces the rules by those of o, which count from 1 again; the zero
// FailingOptions disarms. Statistics go on. Operations that run at the same
// time follow the old rules or the new. It panics if an option is out of range.
func (f *Failing) Arm(o FailingOptions) {
	f.plan.Store(newFailPlan("heap: Failing.Arm", o))
}

// Alloc implements [mem.Allocator].
func (f *Failing) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("heap: Failing.Alloc", size)
	f.copies.check("heap: Failing.Alloc")
	if f.child == nil {
		return nil, zeroValue("heap: Failing.Alloc", "NewFailing")
	}
	if f.fails(FailAlloc, size, l) {
		return nil, ErrInduced
	}
	b, err := f.child.Alloc(size, l)
	if err == nil {
		f.succeeded(FailAlloc, 0, len(b))
	}
	return b, err
}

// Resize implements [mem.Allocator].
func (f *Failing) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: Failing.Resize", size)
	if f.child == nil {
		zeroValue("heap: Failing.Resize", "NewFailing")
		return b, false
	}
	if f.fails(FailResize, size, l) {
		return b, false
	}
	r, ok := f.child.Resize(b, l, size)
	if ok {
		f.succeeded(FailResize, len(b), len(r))
	}
	return r, ok
}

// Remap implements [mem.Allocator].
func (f *Failing) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: Failing.Remap", size)
	if f.child == nil {
		zeroValue("heap: Failing.Remap", "NewFailing")
		return b, false
	}
	if f.fails(FailRemap, size, l) {
		return b, false
	}
	r, ok := f.child.Remap(b, l, size)
	if ok {
		f.succeeded(FailRemap, len(b), len(r))
	}
	return r, ok
}

// Free implements [mem.Allocator].
func (f *Failing) Free(b []byte, l mem.Layout) {
	if f.child == nil {
		zeroValue("heap: Failing.Free", "NewFailing")
		return
	}
	if !freeTo(f.child, b, l) {
		return
	}
	race.Disable()
	f.frees.Add(1)
	f.freedBytes.Add(int64(len(b)))
	race.Enable()
}

// Pointers returns the child's answer.
func (f *Failing) Pointers() mem.Pointers {
	if f.child == nil {
		return mem.PlainOnly
	}
	return f.child.Pointers()
}

// Unwrap returns the child.
func (f *Failing) Unwrap() mem.Allocator { return f.child }

// Failed tells whether an operation was made to fail.
func (f *Failing) Failed() bool { return f.first.Load() != nil }

// FailureStack returns the stack of the first operation that was made to fail,
// from the one who called the Failing outwards; nil if none was.
func (f *Failing) FailureStack() Stack {
	if s := f.first.Load(); s != nil {
		return *s
	}
	return nil
}

// Stats returns what was counted so far. If operations are running, each count
// is right by itself, and no more frees are counted than allocations.
func (f *Failing) Stats() FailingStats {
	race.Disable()
	defer race.Enable()
	s := FailingStats{Frees: f.frees.Load(), FreedBytes: f.freedBytes.Load()}
	s.AllocatedBytes = f.allocatedBytes.Load()
	s.Alloc = f.ops[FailAlloc].load()
	s.Resize = f.ops[FailResize].load()
	s.Remap = f.ops[FailRemap].load()
	return s
}

// succeeded counts an operation that took a block from old bytes to size.
func (f *Failing) succeeded(op FailOp, old, size int) {
	race.Disable()
	f.ops[op].successes.Add(1)
	if size >= old {
		f.allocatedBytes.Add(int64(size - old))
	} else {
		f.freedBytes.Add(int64(old - size))
	}
	race.Enable()
}

// fails counts an attempt and decides whether it fails.
func (f *Failing) fails(op FailOp, size int, l mem.Layout) bool {
	race.Disable()
	f.ops[op].attempts.Add(1)
	race.Enable()
	p := f.plan.Load() // after Arm, in the detector's eyes too
	if !p.rules[op].considers(op, size, l) || !p.decide(op) {
		return false
	}
	race.Disable()
	f.ops[op].induced.Add(1)
	race.Enable()
	if f.first.Load() == nil {
		s := callers(3)
		f.first.CompareAndSwap(nil, &s)
	}
	return true
}

// considers tells whether the operation passes the filters of r.
func (r *failRule) considers(op FailOp, size int, l mem.Layout) bool {
	return r.active &&
		size >= r.MinSize && (r.MaxSize == 0 || size <= r.MaxSize) &&
		(r.If == nil || r.If(op, size, l)) &&
		(r.Caller == "" || onStack(r.Caller))
}

// decide tells whether the operation, which the rule considers, fails.
func (p *failPlan) decide(op FailOp) bool {
	race.Disable()
	defer race.Enable()
	r := &p.rules[op]
	n := r.considered.Add(1)
	hit := !r.picks ||
		n == int64(r.At) ||
		r.From > 0 && n >= int64(r.From) ||
		r.Every > 0 && n%int64(r.Every) == 0 ||
		r.threshold > 0 && chance(p.seed^uint64(op)<<62, uint64(n)) < r.threshold
	if !hit || r.Times == 0 {
		return hit
	}
	for left := r.left.Load(); left > 0; left = r.left.Load() {
		if r.left.CompareAndSwap(left, left-1) {
			return true
		}
	}
	return false
}

// chance returns a number below 2^53 that is a function of seed and n only.
func chance(seed, n uint64) uint64 { return mix64(mix64(seed)+n) >> 11 }

// mix64 is the step and the finaliser of splitmix64 (Steele, Lea, Flood: Fast
// Splittable Pseudorandom Number Generators, 2014).
func mix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// onStack tells whether a function whose name contains name is running.
func onStack(name string) bool {
	for f := range callers(5).frames {
		if strings.Contains(f.Function, name) {
			return true
		}
	}
	return false
}

func newFailPlan(function string, o FailingOptions) *failPlan {
	p := &failPlan{seed: o.Seed}
	for op, rule := range [numFailOps]FailRule{o.Alloc, o.Resize, o.Remap} {
		if min(rule.MinSize, rule.MaxSize, rule.At, rule.From, rule.Every, rule.Times) < 0 {
			panic(function + ": negative number in the rule for " + FailOp(op).String())
		}
		if !(rule.Probability >= 0 && rule.Probability <= 1) { // NaN fails both
			panic(function + ": Probability in the rule for " + FailOp(op).String() + " is not between 0 and 1")
		}
		r := &p.rules[op]
		r.FailRule = rule
		r.picks = rule.At > 0 || rule.From > 0 || rule.Every > 0 || rule.Probability > 0
		r.active = r.picks || rule.MinSize > 0 || rule.MaxSize > 0 || rule.Caller != "" || rule.If != nil || rule.Times > 0
		r.threshold = uint64(rule.Probability * (1 << 53)) // exact: a power of two
		r.left.Store(int64(rule.Times))
	}
	return p
}
