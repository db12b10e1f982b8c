package heap

import (
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

// A Budget is an amount of memory that the Go heap and the memory off it share.
// Go's memory limit (GOMEMLIMIT) knows nothing of memory off the Go heap: a
// program that fills a gigabyte of pages is a gigabyte over its limit, and the
// collector does not hurry. While a Budget is open, Go's limit is the total less
// what is committed off the Go heap, whichever allocator took it. Want one in a
// program that runs with a memory limit and holds much off the heap.
//
// What counts is what allod's allocators have got from the operating system,
// page by page and once, whether it holds blocks or waits for some; not what C
// code allocates, for which there are [Budget.Reserve] and [Budget.Return], nor
// pages that are made of the Go heap. Go's limit moves in steps, see
// [BudgetOptions], so that the sum of both never is above the total, until Go
// has its minimum.
//
// A process has one Budget at a time, since it has one limit. A Budget does not
// fight over it: once another has called [debug.SetMemoryLimit], it leaves that
// alone, and Close reports it. Close puts back what NewBudget found.
//
// Safe for concurrent use, except that Close waits for nobody. There is no
// useful zero value; call [NewBudget].
type Budget struct {
	opts     BudgetOptions
	governor vm.Governor

	total    atomic.Int64
	applied  atomic.Int64 // bytes off the heap that the limit makes room for
	set      atomic.Int64 // the limit that was set last
	reserved atomic.Int64 // by Reserve
	moves    atomic.Int64
	refused  atomic.Int64
	lost     atomic.Bool // the limit is in other hands
	closed   atomic.Bool
	pressed  atomic.Bool // above the soft limit
	calling  atomic.Bool // Pressure runs, or is about to

	mu     sync.Mutex // held to set the limit, and by Close
	before int64      // the limit that NewBudget found

	percentBefore int // the percentage that NewBudget found
	restore       sync.Once
}

// Whoever takes or gives back pages may hold any lock of any allocator, so what
// happens then is a few loads, now and then a call of SetMemoryLimit, which takes
// some 50 ns and stops nobody, and never a call of the program's: Pressure runs
// on a goroutine of its own. A goroutine that finds another at setting the limit
// goes on, and the other looks again when it is done. All that is hidden from the
// race detector, in whose eyes it would order the goroutines, and they need not
// come after NewBudget themselves: what they run is not instrumented.

// BudgetOptions are the settings of [NewBudget].
type BudgetOptions struct {
	// MinGoHeap is the least that Go's limit is set to, however much is off the
	// heap: with too little the collector would run all the time. 0 means a
	// tenth of the total, at least 64 MiB and at most half the total.
	MinGoHeap int

	// HardLimit is the most that may be committed. A request for pages beyond it
	// fails with an error that wraps [mem.ErrLimit]. Pages that are made of the
	// Go heap count, too, so that a program that is tested under the race
	// detector is refused the same. 0 means no limit.
	HardLimit int

	// SoftLimit is how much off the Go heap makes Pressure be called. 0 means
	// as much as leaves Go its minimum.
	SoftLimit int

	// Pressure, unless nil, is called when what is committed off the Go heap
	// passes SoftLimit, and when a request fails for HardLimit: for a program
	// that can drop what it caches. It runs on a goroutine of its own, once at a
	// time, and is called again only after the memory was below SoftLimit, or
	// for another request that failed.
	Pressure func(BudgetStats)

	// Step is by how much Go's limit moves. Below that, memory may come and go
	// without a call into the runtime. 0 means a 256th of the total, at least
	// 1 MiB.
	Step int

	// GCPercent, unless 0, is what [debug.SetGCPercent] is set to as long as the
	// Budget holds the limit. With -1 the collector runs only as the limit
	// demands. That is for programs that have nearly everything off the heap: by
	// percentage of the little that is left on it, the collector would run again
	// after a few megabytes, however much memory is free.
	GCPercent int
}

// BudgetStats says how a [Budget] is spent, in bytes. What does not fit an int is
// [math.MaxInt].
type BudgetStats struct {
	Total    int  // as given
	OffHeap  int  // committed off the Go heap, with what is reserved
	Reserved int  // of these by Reserve
	GoLimit  int  // Go's memory limit as set last
	Moves    int  // how often that was set
	Refused  int  // requests that failed for HardLimit
	Lost     bool // another has set the limit: it is left alone
}

// ErrBudget reports that Go's memory limit is not a [Budget]'s to set.
var ErrBudget = errors.New("heap: Go's memory limit is in other hands")

// NewBudget lets the Go heap and memory off it share total bytes, from now until
// Close. A total of 0 stands for Go's memory limit, as set by GOMEMLIMIT for
// instance. The error wraps [ErrBudget] if there is an open Budget, if a limit
// other than total is set already, or if total is 0 and there is none. NewBudget
// panics if total or an option is negative, but for GCPercent.
func NewBudget(total int, o BudgetOptions) (*Budget, error) {
	if total < 0 || o.MinGoHeap < 0 || o.HardLimit < 0 || o.SoftLimit < 0 || o.Step < 0 {
		panic("heap: NewBudget: negative size")
	}
	b := &Budget{opts: o}
	b.governor.Moved, b.governor.Refused = b.settle, b.refuse
	b.governor.Limit.Store(math.MaxInt64)
	b.mu.Lock() // until the limit is set, whoever takes memory goes on
	if !vm.Govern(&b.governor) {
		b.mu.Unlock()
		return nil, fmt.Errorf("%w: another Budget is open", ErrBudget)
	}
	if err := b.open(int64(total)); err != nil {
		vm.Ungovern(&b.governor)
		b.mu.Unlock()
		return nil, err
	}
	openBudget.Store(b)
	b.mu.Unlock()
	b.settle()
	return b, nil
}

var openBudget atomic.Pointer[Budget]

// OpenBudget returns the Budget of this process that is open, or nil. It is for
// those who show what there is.
func OpenBudget() *Budget { return openBudget.Load() }

// OffHeap returns how many bytes are committed off the Go heap, which Go's memory
// limit does not count: what allod's allocators have got from the operating
// system, with what [Budget.Reserve] counts.
func OffHeap() int { return int(offHeap()) }

// open takes over the limit that is in force.
func (b *Budget) open(total int64) error {
	b.before = debug.SetMemoryLimit(-1)
	switch {
	case total == 0 && b.before == math.MaxInt64:
		return fmt.Errorf("%w: there is no limit to share; give a total, or set GOMEMLIMIT", ErrBudget)
	case total == 0:
		total = b.before
	case b.before != math.MaxInt64 && b.before != total:
		return fmt.Errorf("%w: it is set to %d bytes already, not %d", ErrBudget, b.before, total)
	}
	b.total.Store(total)
	if b.opts.HardLimit > 0 {
		b.governor.Limit.Store(int64(b.opts.HardLimit))
	}
	b.set.Store(b.before)
	if b.opts.GCPercent != 0 {
		b.percentBefore = debug.SetGCPercent(b.opts.GCPercent)
	}
	b.apply(b.wanted())
	return nil
}

// settle sees to it that Go's limit fits what is off the heap.
//
//go:norace
func (b *Budget) settle() {
	race.Disable()
	defer race.Enable()
	for !b.settled() && b.mu.TryLock() {
		b.apply(b.wanted())
		b.mu.Unlock()
	}
	if b.passed() {
		b.callPressure()
	}
}

// settled tells whether the limit may stay as it is.
//
//go:norace
func (b *Budget) settled() bool { return b.wanted() == b.applied.Load() }

// wanted returns what should be applied: what is off the heap, rounded up to
// steps, unless the applied is near enough.
//
//go:norace
func (b *Budget) wanted() int64 {
	off, applied, step := offHeap(), b.applied.Load(), b.step()
	if off <= applied && off > applied-2*step {
		return applied
	}
	return (off + step - 1) / step * step
}

// apply sets Go's limit to what is left when off bytes are off the heap.
//
//go:norace
func (b *Budget) apply(off int64) {
	b.applied.Store(off)
	if b.closed.Load() || b.lost.Load() {
		return
	}
	if debug.SetMemoryLimit(-1) != b.set.Load() {
		b.lost.Store(true)
		b.start(b.restorePercent) // it stops the world, which has to wait
		return
	}
	limit := max(b.total.Load()-off, b.floor())
	if b.set.Swap(limit) != limit {
		debug.SetMemoryLimit(limit)
		b.moves.Add(1)
	}
}

// passed tells whether the soft limit was passed just now.
//
//go:norace
func (b *Budget) passed() bool {
	soft := int64(b.opts.SoftLimit)
	if soft == 0 {
		soft = b.total.Load() - b.floor()
	}
	off := offHeap()
	switch {
	case off > soft:
		return !b.pressed.Swap(true)
	case off < soft-b.step():
		b.pressed.Store(false)
	}
	return false
}

//go:norace
func (b *Budget) callPressure() {
	if b.opts.Pressure == nil || b.closed.Load() || b.calling.Swap(true) {
		return
	}
	b.start(func() {
		b.calling.Swap(true) // the call before comes before this one
		defer b.calling.Store(false)
		b.opts.Pressure(b.Stats())
	})
}

// start runs f on a goroutine of its own which, in the eyes of the race detector,
// comes after NewBudget, but not after the caller.
//
//go:norace
func (b *Budget) start(f func()) {
	race.Disable()
	go func() {
		b.total.Load()
		f()
	}()
	race.Enable()
}

// refuse notes that a request failed.
//
//go:norace
func (b *Budget) refuse() {
	race.Disable()
	defer race.Enable()
	b.refused.Add(1)
	b.callPressure()
}

//go:norace
func (b *Budget) step() int64 {
	if s := b.opts.Step; s > 0 {
		return int64(s)
	}
	return max(b.total.Load()/256, 1<<20)
}

//go:norace
func (b *Budget) floor() int64 {
	if m := b.opts.MinGoHeap; m > 0 {
		return int64(m)
	}
	total := b.total.Load()
	return min(max(total/10, 64<<20), total/2)
}

// offHeap returns what is committed, and which Go does not count.
func offHeap() int64 {
	all, goHeap := vm.Committed()
	return int64(all - goHeap)
}

// SetTotal changes the total, as when a container was given more memory. It
// panics unless total is positive.
func (b *Budget) SetTotal(total int) {
	if total <= 0 {
		panic("heap: Budget.SetTotal: size is not positive")
	}
	b.mu.Lock()
	b.total.Store(int64(total))
	b.apply(b.wanted())
	b.mu.Unlock()
	b.settle()
}

// Reserve counts n bytes that come from elsewhere, C code for instance, as
// committed off the Go heap. It fails with an error that wraps [mem.ErrLimit] if
// that takes it past the hard limit, and with [mem.ErrClosed] after Close. It
// panics if n is negative.
func (b *Budget) Reserve(n int) error {
	if n < 0 {
		panic("heap: Budget.Reserve: negative size")
	}
	if b.closed.Load() {
		return mem.ErrClosed
	}
	if err := vm.Charge(n); err != nil {
		return pageError(err)
	}
	b.reserved.Add(int64(n))
	return nil
}

// Return gives back n bytes of what was reserved. After Close it does nothing:
// nothing is reserved any more. It panics if n is negative or more than is
// reserved.
func (b *Budget) Return(n int) {
	if n < 0 {
		panic("heap: Budget.Return: negative size")
	}
	for {
		r := b.reserved.Load()
		switch {
		case b.closed.Load():
			return
		case int64(n) > r:
			panic("heap: Budget.Return: more than was reserved")
		case b.reserved.CompareAndSwap(r, r-int64(n)):
			vm.Discharge(n)
			return
		}
	}
}

// Stats returns how the budget is spent. While others allocate, the figures may
// be of slightly different moments.
func (b *Budget) Stats() BudgetStats {
	return BudgetStats{
		Total:    int(min(b.total.Load(), math.MaxInt)),
		OffHeap:  int(offHeap()),
		Reserved: int(b.reserved.Load()),
		GoLimit:  int(min(b.set.Load(), math.MaxInt)),
		Moves:    int(b.moves.Load()),
		Refused:  int(b.refused.Load()),
		Lost:     b.lost.Load(),
	}
}

// Close ends the budget: no request is refused any more, what was reserved is
// not, and Go's limit and percentage are again what NewBudget found. If another
// has set the limit meanwhile, it stays as it is, and the error wraps
// [ErrBudget]. Closing again returns nil.
func (b *Budget) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed.Swap(true) {
		return nil
	}
	openBudget.CompareAndSwap(b, nil)
	vm.Ungovern(&b.governor)
	vm.Discharge(int(b.reserved.Swap(0)))
	lost := b.lost.Load() || debug.SetMemoryLimit(-1) != b.set.Load()
	b.restorePercent() // or wait for who does, where the limit was lost
	if lost {
		return fmt.Errorf("%w: somebody else set it while the Budget was open", ErrBudget)
	}
	debug.SetMemoryLimit(b.before)
	return nil
}

// restorePercent puts the percentage back, once, unless another has set it
// meanwhile.
func (b *Budget) restorePercent() {
	b.restore.Do(func() {
		if b.opts.GCPercent != 0 && gcPercent() == b.opts.GCPercent {
			debug.SetGCPercent(b.percentBefore)
		}
	})
}

// gcPercent returns the percentage in force, -1 if the collector does not run by
// percentage. To ask debug.SetGCPercent would be to set it.
func gcPercent() int {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	if v := sample[0].Value.Uint64(); v <= math.MaxInt32 {
		return int(v)
	}
	return -1
}
