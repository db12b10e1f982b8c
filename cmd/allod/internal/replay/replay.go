// Package replay is what the commands allod replay and allod record do.
package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/allod-dev/allod/cmd/allod/internal/exit"
	"github.com/allod-dev/allod/cmd/allod/internal/outfile"
	"github.com/allod-dev/allod/cmd/allod/internal/say"
	"github.com/allod-dev/allod/cmd/allod/internal/shown"
	"github.com/allod-dev/allod/cmd/allod/internal/tables"
	"github.com/allod-dev/allod/cmd/allod/internal/usage"
	"github.com/allod-dev/allod/cmd/allod/internal/workload"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/alloctrace"
)

// Options are the settings of allod replay.
type Options struct {
	Trace      string        // file name, or workload.Prefix and the name of a workload
	Allocators []string      // of Allocators()
	Passes     int           // timed ones, with and without touching each, at least
	For        time.Duration // timed passes go on for so long
	Check      bool
	Threads    bool
	JSON       bool
	HTML       string // file to write a page to
}

// A Result is what replaying over one allocator showed.
type Result struct {
	Allocator string  `json:"allocator"`
	Plain     float64 `json:"ns_per_op"`              // best pass
	Touching  float64 `json:"ns_per_op_touching"`     // best pass
	CPU       float64 `json:"cpu_ns_per_op_touching"` // over all passes, with the collector's; 0 if not known
	PeakRSS   int64   `json:"peak_rss_growth"`        // bytes over what was there before; 0 if not known
	RSSToLive float64 `json:"rss_to_peak_live"`
	Cycles    uint64  `json:"gc_cycles"` // of the collector, in the timed passes
	TimedOps  int     `json:"timed_ops"` // operations in those
	Checked   bool    `json:"checked"`
}

// A Report is what allod replay --json prints.
type Report struct {
	Trace   string             `json:"trace"`
	Header  alloctrace.Header  `json:"header"`
	Summary alloctrace.Summary `json:"summary"`
	Threads bool               `json:"threads"`
	Results []Result           `json:"results"`
}

// Run is allod replay. Progress goes to stderr if that is a terminal.
func Run(ctx context.Context, o Options, stdout io.Writer, stderr *os.File) (err error) {
	var page *outfile.File
	if o.HTML != "" { // before the work: a wrong name should not cost a minute
		if page, err = outfile.Create(o.HTML); err != nil {
			return exit.UsageError(err)
		}
		defer page.Discard()
	}
	var r *Report
	if len(o.Allocators) == 1 {
		r, err = here(o)
	} else {
		r, err = apart(ctx, o, shown.NewBar(stderr))
	}
	if err != nil {
		return err
	}
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

// apart replays over each allocator in a process of its own: what one leaves
// behind would spoil the next.
func apart(ctx context.Context, o Options, bar *shown.Bar) (all *Report, err error) {
	defer bar.Finish()
	names := o.Allocators
	for i, name := range names {
		bar.Stage(name)(i, len(names))
		o.Allocators = []string{name}
		one, err := Apart(ctx, o)
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = one
		} else {
			all.Results = append(all.Results, one.Results...)
		}
	}
	return all, nil
}

// Apart replays over the one allocator of o in a process of its own.
func Apart(ctx context.Context, o Options) (*Report, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "replay", "--json", "--allocator="+o.Allocators[0],
		fmt.Sprintf("--passes=%d", o.Passes), fmt.Sprintf("--for=%v", o.For), fmt.Sprintf("--check=%t", o.Check),
		fmt.Sprintf("--threads=%t", o.Threads), "--", o.Trace)
	// Settings of the collector are not the caller's.
	cmd.Env = append(os.Environ(), "GOGC=100", "GOMEMLIMIT=off")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		said, _ := bytes.CutPrefix(bytes.TrimSpace(complaints.Bytes()), []byte("allod replay: "))
		return nil, programError(cmd, fmt.Errorf("%s", said))
	}
	one := new(Report)
	if err := json.Unmarshal(out, one); err != nil {
		return nil, fmt.Errorf("%s: %w", o.Allocators[0], err)
	}
	return one, nil
}

// here replays over one allocator in this process.
func here(o Options) (*Report, error) {
	name := o.Allocators[0]
	trace, err := workload.Open(o.Trace)
	if err != nil {
		return nil, err
	}
	if len(trace.Ops) == 0 {
		return nil, fmt.Errorf("%s: there is no operation in it", o.Trace)
	}
	result, err := measure(trace, allocators[name].open(), o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	result.Allocator = name
	return &Report{o.Trace, trace.Header, trace.Summary, o.Threads, []Result{result}}, nil
}

// measure does the passes: one that looks at memory, one that checks if asked
// to, and the timed ones, which find an allocator that is warm.
func measure(trace *alloctrace.Trace, a mem.Allocator, o Options) (r Result, err error) {
	replayer := alloctrace.NewReplayer(trace)
	if r.PeakRSS, err = peak(replayer, a); err != nil {
		return r, err
	}
	r.RSSToLive = float64(r.PeakRSS) / float64(max(trace.Summary.PeakBytes, 1))
	if r.Checked = o.Check; o.Check {
		if _, err := replayer.Run(a, alloctrace.ReplayOptions{Check: true, Threads: o.Threads}); err != nil {
			return r, err
		}
	}
	before := usage.Cycles()
	var cpu time.Duration
	touching := 0
	for start := time.Now(); touching < o.Passes || time.Since(start) < o.For; touching++ {
		for _, pass := range []struct {
			best  *float64
			touch bool
		}{{&r.Plain, false}, {&r.Touching, true}} {
			used := usage.CPU()
			took, err := replayer.Run(a, alloctrace.ReplayOptions{Touch: pass.touch, Threads: o.Threads})
			if err != nil {
				return r, err
			}
			if pass.touch {
				cpu += usage.CPU() - used
			}
			r.TimedOps += len(trace.Ops)
			perOp := float64(took) / float64(time.Nanosecond) / float64(len(trace.Ops))
			if *pass.best == 0 || perOp < *pass.best {
				*pass.best = perOp
			}
		}
	}
	r.CPU = float64(cpu) / float64(touching*len(trace.Ops))
	r.Cycles = usage.Cycles() - before
	return r, nil
}

// peak replays once, and returns by how much the memory of the process grew.
func peak(replayer *alloctrace.Replayer, a mem.Allocator) (growth int64, err error) {
	runtime.GC()
	debug.FreeOSMemory()
	base, known := usage.RSS()
	var most int64
	_, err = replayer.Run(a, alloctrace.ReplayOptions{Touch: true, Sample: func() {
		now, _ := usage.RSS()
		most = max(most, now)
	}})
	if !known {
		return 0, err
	}
	return max(most-base, 0), err
}

// page returns the report as people read it.
func (r *Report) page() *tables.Page {
	t := tables.Table{Head: []string{"allocator", "ns/op", "touching", "CPU", "peak RSS", "RSS/live", "GCs"}, Unit: "ns/op touching"}
	for _, v := range r.Results {
		cpu, rss, ratio := "–", "–", "–"
		if v.CPU > 0 {
			cpu = say.Digits(v.CPU)
		}
		if v.PeakRSS > 0 {
			rss, ratio = say.Size(v.PeakRSS), fmt.Sprintf("%.2f", v.RSSToLive)
		}
		t.Rows = append(t.Rows, tables.Row{
			Cells: []string{v.Allocator, say.Digits(v.Plain), say.Digits(v.Touching), cpu, rss, ratio, say.Count(v.Cycles)},
			Bar:   v.Touching,
		})
	}
	notes := "ns/op is the best pass over an allocator that is warm, with the 2 to 4 ns that replaying takes. " +
		"Touching is the same where what is allocated is written to, and CPU the processor time of that, in ns, with what the collector does meanwhile. " +
		"Peak RSS is by how much the memory of the process grew in the first pass, and RSS/live that over the most bytes that were live. " +
		"GCs is how often the collector ran in the timed passes."
	if r.Results[0].Checked {
		notes += " Contents, alignment and zeroes were checked, and are right."
	}
	return &tables.Page{Title: "allod replay " + r.Trace, Lead: r.Trace + ": " + Describe(r.Header, r.Summary) + ".", Tables: []tables.Table{t}, Notes: notes}
}

// Describe says what is in a trace.
func Describe(h alloctrace.Header, s alloctrace.Summary) string {
	text := fmt.Sprintf("%s by %s, at most %s in %s live",
		say.Plural(s.Ops, "operation"), say.Plural(s.Threads, "thread"), say.Size(int64(s.PeakBytes)), say.Plural(s.PeakObjects, "object"))
	if h.Workload != "" {
		text = h.Workload + "; " + text
	}
	if h.Truncated {
		text += "; the end is missing"
	}
	return text
}
