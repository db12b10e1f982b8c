package alloctrace

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/allod-dev/allod/mem"
)

// ReplayOptions are the settings of [Replayer.Run]. With the zero value it
// performs the operations in their order, and nothing else.
type ReplayOptions struct {
	// Touch writes to what is allocated, as a program would: an allocator that
	// never sees its memory used looks better than it is. The first byte of
	// every 64 is written in objects of up to 4096 bytes, and of every 4096 in
	// larger ones; after growth, only in what was added.
	Touch bool
	// Check fills both ends of each object with a pattern of its own, and
	// verifies it when the object is resized or freed; that zeroed memory reads
	// as zero; and that every address is aligned. It replaces Touch.
	Check bool
	// Threads performs the operations of each recorded thread on a goroutine of
	// its own. Only the order of operations on one object is then kept.
	Threads bool
	// Sample, if set, is called some 64 times on the way, right after the bytes
	// that are live were the most, and at the end. It may measure memory. It is
	// not called with Threads.
	Sample func()
}

// samples is how many times Sample is called, apart from the peak and the end.
const samples = 64

// A Replayer performs the operations of a trace on allocators. It holds the
// blocks meanwhile, in a table that it allocates and writes to beforehand, so
// that measurements need not count it. It is for one goroutine at a time.
type Replayer struct {
	trace  *Trace
	blocks [][]byte
	done   []atomic.Uint32 // operations performed on each object; with Threads only
}

// NewReplayer returns a Replayer of t.
func NewReplayer(t *Trace) *Replayer {
	r := &Replayer{trace: t, blocks: make([][]byte, t.Summary.Allocs)}
	for i := range r.blocks {
		r.blocks[i] = touched
	}
	clear(r.blocks)
	return r
}

// touched makes NewReplayer write something else than the zero that the
// operating system gives without memory behind it.
var touched = make([]byte, 1)

// Run performs all operations on a, and returns how long that took, with the
// cost of looking them up: some nanoseconds for each. Then it frees, outside
// the time taken, what the trace leaves live. With Threads, a must be safe for
// concurrent use.
//
// The error is the first that a gave, or what Check found; what is live is
// freed then too.
func (r *Replayer) Run(a mem.Allocator, o ReplayOptions) (time.Duration, error) {
	defer r.freeAll(a)
	if o.Threads {
		return r.runThreads(a, o)
	}
	ops := r.trace.Ops
	start := time.Now()
	if o.Sample == nil {
		err := r.play(a, o, 0, len(ops))
		return time.Since(start), err
	}
	for from := 0; from < len(ops); {
		to := min(from+len(ops)/samples+1, len(ops))
		if peak := r.trace.Summary.PeakOp + 1; from < peak && peak < to {
			to = peak
		}
		if err := r.play(a, o, from, to); err != nil {
			return time.Since(start), err
		}
		o.Sample()
		from = to
	}
	return time.Since(start), nil
}

// play performs the operations from to to.
func (r *Replayer) play(a mem.Allocator, o ReplayOptions, from, to int) error {
	ops := r.trace.Ops
	for i := from; i < to; i++ {
		if err := r.step(a, o, &ops[i]); err != nil {
			return fmt.Errorf("operation %d: %v of object %d: %w", i, ops[i].Kind, ops[i].Object, err)
		}
	}
	return nil
}

func (r *Replayer) step(a mem.Allocator, o ReplayOptions, op *Op) error {
	b := &r.blocks[op.Object]
	if o.Check {
		return checked(a, op, b)
	}
	if err := perform(a, op, b); err != nil {
		return err
	}
	if o.Touch && op.Size > op.Old {
		touch(*b, op.Old)
	}
	return nil
}

// perform does op on the block *b. An object of size 0 has none.
func perform(a mem.Allocator, op *Op, b *[]byte) (err error) {
	l := mem.Layout{Align: op.Align()}
	switch {
	case op.Kind == Free:
		if op.Old > 0 {
			a.Free(*b, l)
		}
		*b = nil
	case op.Size == 0:
	case op.Old == 0:
		l.Zero = op.Kind == ZeroAlloc
		*b, err = a.Alloc(op.Size, l)
	default:
		*b, err = resize(a, *b, l, op.Size)
	}
	return err
}

// resize is C's realloc: in place, else as the allocator knows, else by copying.
func resize(a mem.Allocator, b []byte, l mem.Layout, size int) ([]byte, error) {
	if n, ok := a.Resize(b, l, size); ok {
		return n, nil
	}
	if n, ok := a.Remap(b, l, size); ok {
		return n, nil
	}
	n, err := a.Alloc(size, l)
	if err != nil {
		return b, err
	}
	copy(n, b)
	a.Free(b, l)
	return n, nil
}

const (
	lineStep  = 64
	pageStep  = 4096
	smallSize = 4096
)

// touch writes to what lies at old and beyond.
func touch(b []byte, old int) {
	step := lineStep
	if len(b) > smallSize {
		step = pageStep
	}
	for i := (old + step - 1) &^ (step - 1); i < len(b); i += step {
		b[i] = 1
	}
}

// freeAll frees what is live.
func (r *Replayer) freeAll(a mem.Allocator) {
	for i := range r.trace.Ops {
		op := &r.trace.Ops[i]
		if b := &r.blocks[op.Object]; op.Turn == 0 && len(*b) != 0 {
			a.Free(*b, mem.Layout{Align: op.Align()})
			*b = nil
		}
	}
}

// runThreads is Run with a goroutine for each thread. An operation waits until
// those before it on the same object are done. That cannot deadlock: the
// earliest operation not yet done never has to wait.
func (r *Replayer) runThreads(a mem.Allocator, o ReplayOptions) (time.Duration, error) {
	o.Sample = nil
	r.done = make([]atomic.Uint32, len(r.blocks))
	plans := map[uint32][]int32{}
	for i := range r.trace.Ops {
		t := r.trace.Ops[i].Thread
		plans[t] = append(plans[t], int32(i))
	}
	var (
		ready, all sync.WaitGroup
		begin      = make(chan struct{})
		failed     atomic.Bool
		mu         sync.Mutex
		errs       []error
	)
	for _, plan := range plans {
		ready.Add(1)
		all.Go(func() {
			ready.Done()
			<-begin
			if err := r.playThread(a, o, plan, &failed); err != nil {
				failed.Store(true)
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
			}
		})
	}
	ready.Wait()
	start := time.Now()
	close(begin)
	all.Wait()
	return time.Since(start), errors.Join(errs...)
}

// playThread performs the operations of one thread, until one fails somewhere.
func (r *Replayer) playThread(a mem.Allocator, o ReplayOptions, plan []int32, failed *atomic.Bool) error {
	for _, i := range plan {
		op := &r.trace.Ops[i]
		for r.done[op.Object].Load() != op.Turn {
			if failed.Load() {
				return nil
			}
			runtime.Gosched()
		}
		if err := r.play(a, o, int(i), int(i)+1); err != nil {
			return err
		}
		r.done[op.Object].Store(op.Turn + 1)
	}
	return nil
}
