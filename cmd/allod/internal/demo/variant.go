package demo

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/allod-dev/allod/heap"
)

// A variant is one way of keeping the index in memory. Each runs in a process of
// its own.
type variant struct {
	name      string // in the hidden command
	title     string // for people
	gcPercent int    // for debug.SetGCPercent
	offHeap   bool   // the index is in an arena
	scratch   bool   // documents and results are, too
}

// The collector of the off-heap variants has no percentage to run by: it runs
// when the memory limit nears, and so has the same memory as the others. With
// the usual 100 % a Go heap of next to nothing would be collected hundreds of
// times, for no gain of anybody.
var variants = []variant{
	{name: "go", title: "plain Go", gcPercent: 100},
	{name: "go400", title: "GOGC=400", gcPercent: 400},
	{name: "arena", title: "arena", gcPercent: -1, offHeap: true},
	{name: "scratch", title: "+ scratch", gcPercent: -1, offHeap: true, scratch: true},
}

func variantNamed(name string) (variant, error) {
	for _, v := range variants {
		if v.name == name {
			return v, nil
		}
	}
	return variant{}, fmt.Errorf("no variant is called %q", name)
}

// A spec is what a process is told to do.
type spec struct {
	Root    string
	Scale   float64
	Variant string
	Budget  int64         // bytes of memory in all; 0: as much as it likes
	Load    time.Duration // how long to serve
	// Requests and Rate are those of the first variant, for the others to serve
	// as many, as fast; 0: find out.
	Requests int
	Rate     float64
}

// A Result is what a process measured. Times are in nanoseconds.
type Result struct {
	Variant string `json:"variant"`
	Title   string `json:"title"`

	Documents    int     `json:"documents"`
	Words        int     `json:"words"`
	Postings     int     `json:"postings"`
	SlackPercent float64 `json:"slack_percent"` // memory for postings that holds none
	Answers      string  `json:"answers"`       // hash over all answers

	Build     time.Duration `json:"build_ns"`
	Requests  int           `json:"requests"` // served as fast as possible
	PerSecond float64       `json:"requests_per_second"`
	Got       float64       `json:"share_of_processors"` // of those it had work for, in its worst phase; 0: not known
	Rate      float64       `json:"rate"`                // arrivals per second, for the latencies
	Latencies []Quantile    `json:"latencies"`
	// The share of requests that Latencies are of: see latencies.
	Undisturbed float64       `json:"undisturbed_share_of_requests"`
	OfAll       []Quantile    `json:"latencies_of_all_requests"`
	PeakRSS     int64         `json:"peak_rss_bytes"`
	OffHeap     int64         `json:"off_heap_bytes"`
	Objects     uint64        `json:"live_heap_objects"`
	Cycles      uint64        `json:"gc_cycles"`
	GCCPU       float64       `json:"gc_cpu_seconds"`
	FullGC      time.Duration `json:"full_gc_ns"` // with the index live, the shortest of some
	Teardown    time.Duration `json:"teardown_ns"`
	Lost        int64         `json:"lost_bytes"`
	PerRequest  float64       `json:"go_bytes_per_request"`
}

// leftOut tells whether the latencies are not of all requests.
func (r *Result) leftOut() bool { return 0 < r.Undisturbed && r.Undisturbed < 1 }

// A Quantile is a point of the latency distribution: a share Q of the requests
// took no longer than Latency.
type Quantile struct {
	Q       float64       `json:"q"`
	Latency time.Duration `json:"ns"`
}

var quantiles = []float64{0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 1}

// Latency returns the latency at one of the quantiles.
func (r *Result) Latency(q float64) time.Duration {
	for _, p := range r.Latencies {
		if p.Q == q {
			return p.Latency
		}
	}
	return 0
}

// An event is what a process tells its parent: progress, and at the end a
// result or an error.
type event struct {
	Progress float64 `json:"progress,omitempty"` // 0 to 1
	Result   *Result `json:"result,omitempty"`
	Error    string  `json:"error,omitempty"`
	Code     int     `json:"code,omitempty"`
}

const (
	// What no limit of the runtime counts: the program itself, and the part of
	// the collector that runs while the limit is near.
	programSize = 16 << 20
	// However much is off the Go heap, it keeps this much: with less, the
	// collector would run all the time.
	leastGoHeap = 32 << 20

	queryCount = 1024
	fullGCs    = 20
	// The rate of arrivals, as a share of what plain Go can serve.
	utilisation = 0.25
	// The share of Load that goes into finding out how much that is.
	saturation = 0.15
	// A pause after that: a system that rations processor time makes those wait
	// who just used all of it, which is not what the latencies are to show.
	rest = 250 * time.Millisecond
)

// runVariant does what s says in this process.
func runVariant(s spec, tell func(event)) (_ *Result, err error) {
	v, err := variantNamed(s.Variant)
	if err != nil {
		return nil, err
	}
	debug.SetGCPercent(v.gcPercent)
	if s.Budget > 0 {
		b, failure := heap.NewBudget(int(min(s.Budget-programSize, math.MaxInt)), heap.BudgetOptions{MinGoHeap: leastGoHeap})
		if failure != nil {
			return nil, failure
		}
		defer func() { err = errors.Join(err, b.Close()) }()
	}
	pages := heap.NewCounting(heap.Page{})
	var ix index = newGoIndex()
	if v.offHeap {
		ix = newArenaIndex(pages)
	}
	newScratch := func() *scratch { return new(scratch) }
	if v.scratch {
		newScratch = func() *scratch { return newArenaScratch(pages) }
	}
	// Whatever happens, everything goes back: closing twice is closing once.
	defer func() { err = errors.Join(err, ix.close()) }()

	r := &Result{Variant: v.name, Title: v.title}
	c, err := openCorpus(s.Root, s.Scale)
	if err != nil {
		return nil, err
	}
	if err := r.measureBuild(ix, c, newScratch(), share(tell, 0, 0.4)); err != nil {
		return nil, err
	}
	r.OffHeap = pages.Stats().Bytes
	if err := r.measureLoad(ix, c, s, newScratch, share(tell, 0.4, 1)); err != nil {
		return nil, err
	}
	r.measureCollector()
	start := time.Now()
	if err := ix.close(); err != nil {
		return nil, err
	}
	if !v.offHeap {
		debug.FreeOSMemory() // the collector has to find out what is free
	}
	r.Teardown = time.Since(start)
	r.Lost = pages.Stats().Bytes
	r.PeakRSS, err = peakRSS()
	return r, err
}

// share returns a progress function for the part of all work between from and
// to.
func share(tell func(event), from, to float64) func(done, total int) {
	return func(done, total int) {
		if step := max(total/100, 1); done%step == 0 {
			tell(event{Progress: from + (to-from)*float64(done)/float64(total)})
		}
	}
}

func (r *Result) measureBuild(ix index, c *corpus, s *scratch, progress func(done, total int)) error {
	work, start := startWork(), time.Now()
	err := build(ix, c, s, progress)
	r.Build = time.Since(start)
	r.got(work.share())
	if err := errors.Join(err, s.close()); err != nil {
		return err
	}
	r.Documents = len(c.docs)
	r.Words, r.Postings = ix.size()
	r.SlackPercent = 100 * float64(ix.slack()) / float64(r.Postings*postingSize)
	return nil
}

func (r *Result) measureLoad(ix index, c *corpus, s spec, newScratch func() *scratch, progress func(done, total int)) error {
	queries, err := chooseQueries(ix, c, queryCount, true)
	if err != nil {
		return err
	}
	scratch := newScratch()
	r.Answers, err = digest(ix, queries, scratch)
	if err = errors.Join(err, scratch.close()); err != nil {
		return err
	}
	service, err := newService(ix, c.docs, queries)
	if err != nil {
		return err
	}
	crew := newCrew(service, newScratch)
	err = r.measureCrew(crew, s, progress)
	return errors.Join(err, crew.close())
}

func (r *Result) measureCrew(crew *crew, s spec, progress func(done, total int)) error {
	allocated := readMetric("/gc/heap/allocs:bytes")
	work := startWork()
	served, took, err := crew.saturate(s.Requests, time.Duration(saturation*float64(s.Load)))
	if err != nil {
		return err
	}
	r.Requests = served
	r.PerSecond = float64(served) / took.Seconds()
	r.got(work.share())
	// Here it had work for all processors, whether or not its waiting is known.
	r.got(work.cpu().Seconds() / took.Seconds() / float64(runtime.GOMAXPROCS(0)))
	r.PerRequest = (readMetric("/gc/heap/allocs:bytes") - allocated) / float64(served)
	time.Sleep(rest)
	r.Rate = cmp.Or(s.Rate, utilisation*r.PerSecond)
	work = startWork()
	all, undisturbed, err := crew.serve(r.Rate, int(r.Rate*(1-saturation)*s.Load.Seconds())+1, progress)
	if err != nil {
		return err
	}
	r.got(work.share())
	r.Undisturbed = float64(len(undisturbed)) / float64(len(all))
	for _, q := range quantiles {
		r.Latencies = append(r.Latencies, Quantile{q, quantile(undisturbed, q)})
		r.OfAll = append(r.OfAll, Quantile{q, quantile(all, q)})
	}
	return nil
}

// got notes which share of the processors a phase got, if that is known.
func (r *Result) got(share float64) {
	if share > 0 && (r.Got == 0 || share < r.Got) {
		r.Got = share
	}
}

// measureCollector reads what the collector did so far, and then makes it
// collect with the index live.
func (r *Result) measureCollector() {
	r.Cycles = uint64(readMetric("/gc/cycles/total:gc-cycles"))
	r.GCCPU = gcCPU()
	r.FullGC = math.MaxInt64
	for range fullGCs {
		start := time.Now()
		runtime.GC()
		// The shortest: what others do on the machine only ever adds.
		r.FullGC = min(r.FullGC, time.Since(start))
	}
	r.Objects = uint64(readMetric("/gc/heap/objects:objects"))
}

// gcCPU returns the seconds of processor time that collecting took from the
// program: what it did on idle processors took nothing.
func gcCPU() float64 {
	return readMetric("/cpu/classes/gc/total:cpu-seconds") - readMetric("/cpu/classes/gc/mark/idle:cpu-seconds")
}

// readMetric returns a metric of the runtime.
func readMetric(name string) float64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	switch v := sample[0].Value; v.Kind() {
	case metrics.KindUint64:
		return float64(v.Uint64())
	case metrics.KindFloat64:
		return v.Float64()
	}
	panic("demo: the runtime has no metric " + name)
}
