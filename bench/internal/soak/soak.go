// Package soak works allocators for long: many goroutines, pages that cannot be
// had, or given back, now and then, the bytes at the ends of blocks verified, and
// memory watched for growth.
package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/allod-dev/allod/bench/internal/measure"
	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

// A Room is an allocator to be worked.
type Room struct {
	Name      string
	Allocator mem.Allocator
	// TrimEvery is how many operations come to one Trim. 0: there is none.
	TrimEvery int
}

// Options are the settings of Run.
type Options struct {
	For        time.Duration
	Goroutines int           // of each room
	Every      time.Duration // between looks at memory
	Reports    int           // how many of these are reported
	// FailOneIn is how many calls for pages there are for each that fails, on
	// average. 0: none fail.
	FailOneIn int
	// MaxSlope is by how much memory may grow in a minute, as a share of it, over
	// all but the first quarter of the time. Memory goes up and down with the
	// sizes that chance brings: what counts is the mean of each thirtieth of the
	// time.
	MaxSlope float64
}

// Result is what was seen.
type Result struct {
	Rooms    []Counts // in the order of the rooms
	Injected [vm.Calls]int64
	PeakRSS  int64
	// Growth of physical memory, 0 if that cannot be watched, and of what is committed,
	// which is without what the Go runtime has.
	Resident, Committed Growth
}

// Growth is by how much memory grows in a minute, and the standard error of that, as
// shares of it.
type Growth struct{ Slope, Error float64 }

func (g Growth) String() string {
	return fmt.Sprintf("%.3f %% in a minute (standard error %.3f %%)", 100*g.Slope, 100*g.Error)
}

// Counts is what happened in a room.
type Counts struct{ Ops, Refused int64 }

// Failures says which calls were made fail, and how often.
func (r Result) Failures() string {
	all, each := int64(0), ""
	for c, n := range r.Injected {
		if n > 0 {
			all += n
			each += fmt.Sprintf(", %s %d", vm.Call(c), n)
		}
	}
	return fmt.Sprintf("%d failures injected%s", all, each)
}

const (
	objects   = 400 // live for each goroutine, at most
	passEvery = 64  // operations until a block goes to another goroutine
	smallest  = 8
	largest   = 256 << 10
	huge      = 2 << 20
	edge      = 16 // bytes verified at either end
)

// ErrGrowing says that memory grew by more than it may.
var ErrGrowing = errors.New("soak: memory grows")

// Run works the rooms, all at once, until the time is over or something is wrong,
// and reports to w.
func Run(ctx context.Context, rooms []Room, o Options, w io.Writer) (Result, error) {
	s := &soak{}
	ctx, cancel := context.WithTimeout(ctx, o.For)
	defer cancel()
	undo := s.injectFailures(o.FailOneIn)
	var all sync.WaitGroup
	for n, of := range rooms {
		r := &room{Room: of, soak: s, passed: make(chan block, o.Goroutines)}
		s.rooms = append(s.rooms, r)
		for i := range o.Goroutines {
			all.Go(func() {
				if err := r.work(ctx, rand.New(rand.NewPCG(uint64(i), uint64(n)))); err != nil {
					s.fail(fmt.Errorf("%s: %w", r.Name, err))
					cancel()
				}
			})
		}
	}
	samples := s.watch(ctx, o, w)
	all.Wait()
	undo()
	for _, r := range s.rooms {
		close(r.passed)
		for b := range r.passed {
			s.fail(r.free(b))
		}
	}
	r := s.result()
	for _, v := range samples {
		r.PeakRSS = max(r.PeakRSS, v.rss)
	}
	late := samples[len(samples)/4:]
	r.Resident = slope(late, o.For/30, look.resident)
	r.Committed = slope(late, o.For/30, look.committed)
	if o.MaxSlope > 0 && r.Resident.Slope > o.MaxSlope {
		s.fail(fmt.Errorf("%w: %v, %.3f %% allowed", ErrGrowing, r.Resident, 100*o.MaxSlope))
	}
	return r, errors.Join(s.errs...)
}

type soak struct {
	rooms    []*room
	injected [vm.Calls]atomic.Int64

	mu   sync.Mutex
	errs []error
}

type room struct {
	Room
	soak         *soak
	passed       chan block
	ops, refused atomic.Int64
}

// result returns what was counted.
func (s *soak) result() (r Result) {
	for _, room := range s.rooms {
		r.Rooms = append(r.Rooms, Counts{room.ops.Load(), room.refused.Load()})
	}
	for c := range s.injected {
		r.Injected[c] = s.injected[c].Load()
	}
	return r
}

func (s *soak) fail(err error) {
	if err != nil {
		s.mu.Lock()
		s.errs = append(s.errs, err)
		s.mu.Unlock()
	}
}

// injectFailures makes calls for pages fail, one in so many.
func (s *soak) injectFailures(oneIn int) (undo func()) {
	if oneIn == 0 {
		return func() {}
	}
	return vm.Inject(func(c vm.Call) error {
		switch c {
		case vm.CallMap, vm.CallGrow, vm.CallMove, vm.CallDecommit, vm.CallRecommit, vm.CallReserve, vm.CallCommit, vm.CallUncommit:
			if rand.IntN(oneIn) == 0 {
				s.injected[c].Add(1)
				return mem.ErrOutOfMemory
			}
		}
		return nil
	})
}

// A block is a live one, with what is written at its ends.
type block struct {
	b      []byte
	layout mem.Layout
	mark   byte
}

// work makes, resizes, passes on and frees blocks at random.
func (s *room) work(ctx context.Context, r *rand.Rand) error {
	var live []block
	defer func() {
		for _, b := range live {
			s.soak.fail(s.free(b))
		}
	}()
	for i := 0; i%256 != 0 || ctx.Err() == nil; i++ {
		s.ops.Add(1)
		if s.TrimEvery > 0 && r.IntN(s.TrimEvery) == 0 {
			mem.Trim(s.Allocator)
		}
		switch k := r.IntN(8); {
		case i%passEvery == 0 && len(live) > 0:
			at := r.IntN(len(live))
			select {
			case s.passed <- live[at]:
				live[at] = <-s.passed
			default:
			}
		case k == 0 && len(live) > 0:
			if err := s.resize(&live[r.IntN(len(live))], size(r)); err != nil {
				return err
			}
		case len(live) < r.IntN(objects):
			b, err := s.make(r)
			if err != nil {
				return err
			}
			if b.b != nil {
				live = append(live, b)
			}
		case len(live) > 0:
			at, last := r.IntN(len(live)), len(live)-1
			b := live[at]
			live[at] = live[last]
			live = live[:last]
			if err := s.free(b); err != nil {
				return err
			}
		}
	}
	return nil
}

// size returns one of which small ones are far more likely.
func size(r *rand.Rand) int {
	n := smallest << r.IntN(10)
	if r.IntN(1000) == 0 {
		n = largest >> r.IntN(8)
	}
	if r.IntN(20_000) == 0 {
		n = huge
	}
	return n + r.IntN(n)
}

// make returns a block, or none if there is no memory.
func (s *room) make(r *rand.Rand) (block, error) {
	l := mem.Layout{Align: mem.AlignLog2(r.IntN(7)), Zero: r.IntN(4) == 0}
	b, err := s.Allocator.Alloc(size(r), l)
	if err != nil {
		return block{}, s.refuse(err)
	}
	if l.Zero {
		for i, v := range b {
			if v != 0 {
				return block{}, fmt.Errorf("soak: byte %d of %d is %#x, not zero", i, len(b), v)
			}
		}
	}
	n := block{b, l, byte(r.Uint32())}
	n.fill()
	return n, nil
}

// refuse counts an error that is about memory.
func (s *room) refuse(err error) error {
	if errors.Is(err, mem.ErrOutOfMemory) {
		s.refused.Add(1)
		return nil
	}
	return err
}

func (s *room) free(b block) error {
	err := b.verify(len(b.b))
	s.Allocator.Free(b.b, b.layout)
	return err
}

func (s *room) resize(b *block, size int) error {
	if err := b.verify(len(b.b)); err != nil {
		return err
	}
	l := b.layout
	l.Zero = false
	old := len(b.b)
	n, ok := s.Allocator.Resize(b.b, l, size)
	if !ok {
		n, ok = s.Allocator.Remap(b.b, l, size)
	}
	if !ok {
		return nil
	}
	b.b = n
	for i := range min(edge, old, size) {
		if n[i] != b.mark {
			return fmt.Errorf("soak: byte %d is %#x after resizing %d bytes to %d, not %#x", i, n[i], old, size, b.mark)
		}
	}
	b.fill()
	return nil
}

func (b *block) fill() {
	for i := range min(edge, len(b.b)) {
		b.b[i], b.b[len(b.b)-1-i] = b.mark, b.mark
	}
}

func (b *block) verify(n int) error {
	for i := range min(edge, n) {
		if b.b[i] != b.mark || b.b[n-1-i] != b.mark {
			return fmt.Errorf("soak: %#x and %#x are %d bytes from the ends of a block of %d, not %#x", b.b[i], b.b[n-1-i], i, n, b.mark)
		}
	}
	return nil
}

// A look is memory at some moment.
type look struct {
	at        time.Duration
	rss, held int64 // physical memory, and what is committed
}

func (l look) resident() int64  { return l.rss }
func (l look) committed() int64 { return l.held }

// watch looks at memory until ctx is done.
func (s *soak) watch(ctx context.Context, o Options, w io.Writer) (looks []look) {
	every := max(int(o.For/o.Every)/max(o.Reports, 1), 1)
	start, tick := time.Now(), time.NewTicker(o.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return looks
		case <-tick.C:
		}
		l := look{time.Since(start), measure.RSS(), int64(vm.ReadStats().Committed)}
		looks = append(looks, l)
		if len(looks)%every != 0 {
			continue
		}
		now, ops, refused := s.result(), int64(0), int64(0)
		for _, c := range now.Rooms {
			ops, refused = ops+c.Ops, refused+c.Refused
		}
		fmt.Fprintf(w, "%v: %d operations, %d refused, %s; %.1f MiB, %.1f MiB committed\n",
			l.at.Round(time.Second), ops, refused, now.Failures(), float64(l.rss)/(1<<20), float64(l.held)/(1<<20))
	}
}

// means returns the mean of memory in each such time, at the mean of its moments.
func means(looks []look, of time.Duration, memory func(look) int64) (at, mean []float64) {
	n, now := 0.0, time.Duration(-1)
	for _, l := range looks {
		if i := l.at / of; i != now {
			at, mean, n, now = append(at, 0), append(mean, 0), 0, i
		}
		n++
		last := len(at) - 1
		at[last] += (l.at.Minutes() - at[last]) / n
		mean[last] += (float64(memory(l)) - mean[last]) / n
	}
	return at, mean
}

// slope returns by how much memory grows in a minute, as a share of its mean: that
// of the straight line with the least squares through the mean of each such time. It
// is known up to its standard error as far as chance moves each of them by itself: if
// memory stays up or down for longer than that, it is known less well. Of less than
// three, the error is infinite.
func slope(looks []look, of time.Duration, memory func(look) int64) Growth {
	x, y := means(looks, of, memory)
	n, at, mean := float64(len(x)), 0.0, 0.0
	for i := range x {
		at += x[i] / n
		mean += y[i] / n
	}
	above, below := 0.0, 0.0
	for i := range x {
		above += (x[i] - at) * (y[i] - mean)
		below += (x[i] - at) * (x[i] - at)
	}
	if below == 0 || mean == 0 {
		return Growth{}
	}
	g, rest := above/below, 0.0
	for i := range x {
		d := y[i] - mean - g*(x[i]-at)
		rest += d * d
	}
	if n < 3 {
		rest = math.Inf(1) // a line goes through any two
	}
	return Growth{g / mean, math.Sqrt(rest/max(n-2, 1)/below) / mean}
}
