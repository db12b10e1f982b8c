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
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/alloctrace"
)

// Options are the settings of allod replay.
type Options struct {
	Trace      string   // file name
	Allocators []string // of Allocators()
	Passes     int      // timed ones, with and without touching each
	Check      bool
	Threads    bool
	JSON       bool
}

// A Result is what replaying over one allocator showed.
type Result struct {
	Allocator string  `json:"allocator"`
	Plain     float64 `json:"ns_per_op"`          // best pass
	Touching  float64 `json:"ns_per_op_touching"` // best pass
	PeakRSS   int64   `json:"peak_rss_growth"`    // bytes over what was there before; 0 if not known
	RSSToLive float64 `json:"rss_to_peak_live"`
	Cycles    uint64  `json:"gc_cycles"` // of the collector, in the timed passes
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

// Run is allod replay.
func Run(ctx context.Context, o Options, w io.Writer) error {
	var r *Report
	var err error
	if len(o.Allocators) == 1 {
		r, err = here(o)
	} else {
		r, err = apart(ctx, o)
	}
	if err != nil {
		return err
	}
	if o.JSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "\t")
		return e.Encode(r)
	}
	_, err = io.WriteString(w, r.table())
	return err
}

// apart replays over each allocator in a process of its own: what one leaves
// behind would spoil the next.
func apart(ctx context.Context, o Options) (*Report, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var all *Report
	for _, name := range o.Allocators {
		cmd := exec.CommandContext(ctx, self, "replay", "--json", "--allocator="+name,
			fmt.Sprintf("--passes=%d", o.Passes), fmt.Sprintf("--check=%t", o.Check),
			fmt.Sprintf("--threads=%t", o.Threads), "--", o.Trace)
		var complaints bytes.Buffer
		cmd.Stderr = &complaints
		out, err := cmd.Output()
		if err != nil {
			return nil, programError(cmd, fmt.Errorf("%w: %s", err, bytes.TrimSpace(complaints.Bytes())))
		}
		one := new(Report)
		if err := json.Unmarshal(out, one); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if all == nil {
			all = one
		} else {
			all.Results = append(all.Results, one.Results...)
		}
	}
	return all, nil
}

// A ProgramError is the failure of a program that was run.
type ProgramError struct {
	Code int // that it ended with, as far as it did so by itself
	err  error
}

func (e *ProgramError) Error() string { return e.err.Error() }
func (e *ProgramError) Unwrap() error { return e.err }

// programError returns err, which running cmd gave, with what is known beside.
func programError(cmd *exec.Cmd, err error) error {
	code := 1
	if cmd.ProcessState != nil {
		code = max(code, cmd.ProcessState.ExitCode())
	}
	return &ProgramError{code, err}
}

// here replays over one allocator in this process.
func here(o Options) (*Report, error) {
	name := o.Allocators[0]
	trace, err := alloctrace.ReadFile(o.Trace)
	if err != nil {
		return nil, err
	}
	if len(trace.Ops) == 0 {
		return nil, fmt.Errorf("%s: there is no operation in it", o.Trace)
	}
	result, err := measure(trace, allocators[name](), o)
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
	before := cycles()
	for range o.Passes {
		for _, pass := range []struct {
			best  *float64
			touch bool
		}{{&r.Plain, false}, {&r.Touching, true}} {
			took, err := replayer.Run(a, alloctrace.ReplayOptions{Touch: pass.touch, Threads: o.Threads})
			if err != nil {
				return r, err
			}
			perOp := float64(took) / float64(time.Nanosecond) / float64(len(trace.Ops))
			if *pass.best == 0 || perOp < *pass.best {
				*pass.best = perOp
			}
		}
	}
	r.Cycles = cycles() - before
	return r, nil
}

// peak replays once, and returns by how much the memory of the process grew.
func peak(replayer *alloctrace.Replayer, a mem.Allocator) (growth int64, err error) {
	runtime.GC()
	debug.FreeOSMemory()
	base, known := rss()
	var most int64
	_, err = replayer.Run(a, alloctrace.ReplayOptions{Touch: true, Sample: func() {
		now, _ := rss()
		most = max(most, now)
	}})
	if !known {
		return 0, err
	}
	return max(most-base, 0), err
}

// cycles returns how many times the collector ran.
func cycles() uint64 {
	s := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// table returns the report as text.
func (r *Report) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\n", r.Trace, describe(r.Header, r.Summary))
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"allocator", "ns/op", "touching", "peak RSS", "RSS/live", "GCs"})
	var right []table.ColumnConfig
	for column := 2; column <= 6; column++ {
		right = append(right, table.ColumnConfig{Number: column, Align: text.AlignRight})
	}
	t.SetColumnConfigs(right)
	for _, v := range r.Results {
		rss, ratio := "–", "–"
		if v.PeakRSS > 0 {
			rss, ratio = fmt.Sprintf("%.1f MB", float64(v.PeakRSS)/1e6), fmt.Sprintf("%.2f", v.RSSToLive)
		}
		t.AppendRow(table.Row{v.Allocator, fmt.Sprintf("%.1f", v.Plain), fmt.Sprintf("%.1f", v.Touching), rss, ratio, v.Cycles})
	}
	b.WriteString(t.Render() + "\n\n")
	b.WriteString("Best pass, on a warm allocator. Touching writes to what is allocated. Peak RSS is\nhow much the process grew in the first pass, and RSS/live that by the peak of\nbytes live at one time.\n")
	return b.String()
}

// describe says what is in a trace.
func describe(h alloctrace.Header, s alloctrace.Summary) string {
	threads := "1 thread"
	if s.Threads != 1 {
		threads = fmt.Sprintf("%d threads", s.Threads)
	}
	text := fmt.Sprintf("%d operations by %s, at most %d bytes in %d objects live", s.Ops, threads, s.PeakBytes, s.PeakObjects)
	if h.Workload != "" {
		text = h.Workload + "; " + text
	}
	return text
}

// Record is allod record: it runs the program in args with its trace going to
// the file out, and says on w what was recorded. The trace of a program that
// fails is kept; the error is then the program's.
func Record(ctx context.Context, out string, args []string, w io.Writer) error {
	if _, err := os.Lstat(out); err == nil {
		return fmt.Errorf("%s exists", out)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), alloctrace.EnvVar+"="+absolute(out))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	failed := cmd.Run()
	if failed != nil {
		failed = programError(cmd, fmt.Errorf("%s: %w", args[0], failed))
	}
	trace, err := alloctrace.ReadFile(out)
	switch {
	case errors.Is(err, os.ErrNotExist):
		err = fmt.Errorf("%s recorded nothing: a program is recorded where it calls alloctrace.FromEnv", args[0])
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("%s ended before it called the function that alloctrace.FromEnv returns: %w", args[0], err)
	case err == nil:
		fmt.Fprintf(w, "%s: %s\n", out, describe(trace.Header, trace.Summary))
	}
	return errors.Join(failed, err)
}

// absolute returns the name as it is from every folder.
func absolute(name string) string {
	if abs, err := filepath.Abs(name); err == nil {
		return abs
	}
	return name
}
