// Package bench is what the command allod bench does.
package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/allod-dev/allod/cmd/allod/internal/exit"
	"github.com/allod-dev/allod/cmd/allod/internal/outfile"
	"github.com/allod-dev/allod/cmd/allod/internal/replay"
	"github.com/allod-dev/allod/cmd/allod/internal/say"
	"github.com/allod-dev/allod/cmd/allod/internal/shown"
	"github.com/allod-dev/allod/cmd/allod/internal/tables"
	"github.com/allod-dev/allod/cmd/allod/internal/workload"
	"github.com/allod-dev/allod/testing/alloctrace"
)

// Options are the settings of allod bench.
type Options struct {
	Traces     []string // as workload.Open takes them
	Allocators []string // of replay.Allocators()
	Count      int      // processes for each
	For        time.Duration
	Threads    bool
	JSON       bool
	HTML       string // file to write a page to
}

// A Report is what allod bench --json prints.
type Report struct {
	Go         string   `json:"go"`
	System     string   `json:"system"`
	Processors int      `json:"processors"`
	Threads    bool     `json:"threads"`
	Count      int      `json:"count"`
	Traces     []*Trace `json:"traces"`
}

// A Trace is what was measured of one.
type Trace struct {
	Name    string             `json:"name"`
	Header  alloctrace.Header  `json:"header"`
	Summary alloctrace.Summary `json:"summary"`
	Results []*Result          `json:"results"` // in the order of the allocators
}

// A Result is what replaying a trace over an allocator takes, in ns for an
// operation that writes to what it allocates: the medians of all processes.
type Result struct {
	Allocator string          `json:"allocator"`
	Took      float64         `json:"ns_per_op"`
	CPU       float64         `json:"cpu_ns_per_op"` // 0 if not known
	Least     float64         `json:"min_ns_per_op"`
	Most      float64         `json:"max_ns_per_op"`
	PeakRSS   int64           `json:"peak_rss_growth"` // bytes; 0 if not known
	Cycles    float64         `json:"gc_cycles_per_million_ops"`
	Samples   []replay.Result `json:"samples"` // of each process
}

// baseline is what others are compared with: what a Go program does without.
const baseline = "gc"

// Run is allod bench. Progress goes to stderr if that is a terminal.
func Run(ctx context.Context, o Options, stdout io.Writer, stderr *os.File) (err error) {
	var page *outfile.File
	if o.HTML != "" { // before the work: a wrong name should not cost a minute
		if page, err = outfile.Create(o.HTML); err != nil {
			return exit.UsageError(err)
		}
		defer page.Discard()
	}
	bar := shown.NewBar(stderr)
	defer bar.Finish()
	r, err := measure(ctx, o, bar)
	if err != nil {
		return err
	}
	bar.Finish()
	if page != nil {
		if err := errors.Join(r.page().WriteHTML(page), page.Keep()); err != nil {
			return err
		}
	}
	if o.JSON {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "\t")
		return e.Encode(r)
	}
	return r.page().WriteText(stdout)
}

// measure replays every trace over every allocator, each time in a process of its
// own. All have one before any has the next, and always in another order, so that
// what else the machine does hits all alike.
func measure(ctx context.Context, o Options, bar *shown.Bar) (*Report, error) {
	r := &Report{
		Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, Processors: runtime.GOMAXPROCS(0),
		Threads: o.Threads, Count: o.Count,
	}
	for _, name := range o.Traces {
		t := &Trace{Name: name}
		for _, a := range o.Allocators {
			t.Results = append(t.Results, &Result{Allocator: a})
		}
		r.Traces = append(r.Traces, t)
	}
	total, done := o.Count*len(o.Traces)*len(o.Allocators), 0
	dice := rand.New(rand.NewPCG(1, 2))
	for range o.Count {
		for _, t := range r.Traces {
			for _, i := range dice.Perm(len(t.Results)) {
				result := t.Results[i]
				bar.Stage(title(t.Name)+", "+result.Allocator)(done, total)
				one, err := replay.Apart(ctx, replay.Options{Trace: t.Name, Allocators: []string{result.Allocator}, Passes: 1, For: o.For, Threads: o.Threads})
				if err != nil {
					return nil, err
				}
				t.Header, t.Summary = one.Header, one.Summary
				result.Samples = append(result.Samples, one.Results...)
				done++
			}
		}
	}
	for _, t := range r.Traces {
		for _, result := range t.Results {
			result.sum()
		}
	}
	return r, nil
}

// sum fills in what follows from the samples.
func (r *Result) sum() {
	median := func(of func(replay.Result) float64) (middle, least, most float64) {
		var all []float64
		for _, s := range r.Samples {
			all = append(all, of(s))
		}
		slices.Sort(all)
		return (all[(len(all)-1)/2] + all[len(all)/2]) / 2, all[0], all[len(all)-1]
	}
	r.Took, r.Least, r.Most = median(func(s replay.Result) float64 { return s.Touching })
	r.CPU, _, _ = median(func(s replay.Result) float64 { return s.CPU })
	r.Cycles, _, _ = median(func(s replay.Result) float64 { return 1e6 * float64(s.Cycles) / float64(s.TimedOps) })
	rss, _, _ := median(func(s replay.Result) float64 { return float64(s.PeakRSS) })
	r.PeakRSS = int64(rss)
}

// title returns how a trace is called in tables.
func title(name string) string {
	if short, ok := strings.CutPrefix(name, workload.Prefix); ok {
		return short
	}
	return strings.TrimSuffix(filepath.Base(name), ".mtrace.gz")
}

const notes = "ns/op is the median over the processes of the best pass of each, where an operation writes to what it allocates; min–max says " +
	"how far they were apart. Believe no ratio whose spreads overlap. CPU is the processor time, in ns, with what the collector does " +
	"meanwhile on other processors. All of these hold the 2 to 4 ns that replaying an operation takes. Peak RSS is by how much the " +
	"memory of the process grew, and RSS/live that over the most bytes that were live, if these are a MiB. GCs is how often the collector ran in a million operations."

// page returns the report as people read it.
func (r *Report) page() *tables.Page {
	p := &tables.Page{
		Title: "allod bench",
		Lead: fmt.Sprintf("%s, %s, %s; %s of each.", r.Go, r.System, say.Plural(r.Processors, "processor"),
			say.Pick(r.Count == 1, "one process", fmt.Sprintf("%d processes", r.Count))),
		Notes: notes,
	}
	for _, t := range r.Traces {
		p.Tables = append(p.Tables, t.table())
	}
	return p
}

func (t *Trace) table() tables.Table {
	out := tables.Table{Title: title(t.Name), About: replay.Describe(t.Header, t.Summary), Unit: "ns/op"}
	out.Head = []string{"allocator", "ns/op", "min–max", "× " + baseline, "CPU", "peak RSS", "RSS/live", "GCs"}
	var base *Result
	for _, r := range t.Results {
		if r.Allocator == baseline {
			base = r
		}
	}
	for _, r := range t.Results {
		ratio, cpu, rss, live := "–", "–", "–", "–"
		if base != nil {
			ratio = fmt.Sprintf("%.2f", r.Took/base.Took)
		}
		if r.CPU > 0 {
			cpu = say.Digits(r.CPU)
		}
		if r.PeakRSS > 0 {
			rss = say.Size(r.PeakRSS)
			if t.Summary.PeakBytes >= 1<<20 { // or it is only what every process has
				live = say.Digits(float64(r.PeakRSS) / float64(t.Summary.PeakBytes))
			}
		}
		out.Rows = append(out.Rows, tables.Row{
			Cells: []string{r.Allocator, say.Digits(r.Took), say.Digits(r.Least) + "–" + say.Digits(r.Most), ratio, cpu, rss, live, say.Digits(r.Cycles)},
			Bar:   r.Took,
		})
	}
	return out
}
