// Bench measures the allocators of allod beside those that Go, C and Zig
// programs use, and its containers beside others, with the same work for all.
// See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
	"time"

	"github.com/allod-dev/allod/bench/internal/containers"
	"github.com/allod-dev/allod/bench/internal/impls"
	"github.com/allod-dev/allod/bench/internal/measure"
	"github.com/allod-dev/allod/bench/internal/native"
	"github.com/allod-dev/allod/bench/internal/report"
	"github.com/allod-dev/allod/bench/internal/run"
	"github.com/allod-dev/allod/bench/internal/soak"
	"github.com/allod-dev/allod/bench/internal/spec"
	"github.com/allod-dev/allod/bench/internal/worker"
)

// workerWord is the argument with which this program starts itself to measure.
const workerWord = "worker"

// containerWord is the same for containers.
const containerWord = "container"

func main() {
	if len(os.Args) == 3 && os.Args[1] == workerWord {
		exit(worker.Run(os.Args[2], os.Stdout))
	}
	if len(os.Args) == 3 && os.Args[1] == containerWord {
		exit(containers.Work(os.Args[2], os.Stdout))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := bench(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	exit(err)
}

func exit(err error) {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

// options are the flags.
type options struct {
	impl, workload    string
	count, threads    int
	budget, timeout   time.Duration
	traces, out, from string
	untouched, list   bool
	compare           bool
	containers, short bool
	soak              time.Duration
}

func bench(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.impl, "impl", "", "only implementations whose whole name matches this `pattern`")
	flags.StringVar(&o.workload, "workload", "", "only workloads whose whole name matches this `pattern`")
	flags.IntVar(&o.count, "count", 5, "processes for each implementation and workload")
	flags.IntVar(&o.threads, "threads", runtime.GOMAXPROCS(0), "processors to use, and threads where there are several")
	flags.DurationVar(&o.budget, "budget", 150*time.Millisecond, "what the timed rounds of one process take together, at least")
	flags.DurationVar(&o.timeout, "timeout", 5*time.Minute, "what a process may take")
	flags.StringVar(&o.traces, "traces", filepath.Join("testdata", "traces"), "`folder` with recorded programs")
	flags.BoolVar(&o.untouched, "untouched", false, "replay each trace also without writing to memory")
	flags.StringVar(&o.out, "out", "out", "`folder` for the page and the raw figures")
	flags.StringVar(&o.from, "from", "", "measure nothing, but show the raw figures in this `file`")
	flags.BoolVar(&o.list, "list", false, "measure nothing, but list implementations and workloads")
	flags.BoolVar(&o.compare, "compare", false, "write the figures to standard output, for benchstat, and nothing else")
	flags.BoolVar(&o.containers, "containers", false, "measure the containers of package generic, not allocators")
	flags.BoolVar(&o.short, "short", false, "make the containers small: no figures, only a test")
	flags.DurationVar(&o.soak, "soak", 0, "measure nothing, but work SMPs, or the one allocator of ours that -impl names, for this `time`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if o.count < 1 || o.threads < 1 || o.threads > 64 || o.budget <= 0 {
		return errors.New("-count and -budget must be positive, -threads from 1 to 64")
	}
	if o.soak > 0 {
		return o.work(ctx, stdout)
	}
	if o.short && !o.containers {
		return errors.New("-short is about -containers")
	}
	if o.containers {
		return o.hold(ctx, stdout, stderr)
	}
	if o.from != "" {
		f, err := os.Open(o.from)
		if err != nil {
			return err
		}
		defer f.Close()
		r, err := report.ReadJSON(f)
		if err != nil {
			return fmt.Errorf("%s: %w", o.from, err)
		}
		return write(r, o, stdout, stderr)
	}
	r, err := o.measure(ctx, stdout, stderr)
	if err != nil || r == nil {
		return err
	}
	return write(r, o, stdout, stderr)
}

// work does what -soak says. Memory must be level if it has ten minutes to show
// whether it is.
func (o options) work(ctx context.Context, stdout io.Writer) error {
	var rooms []soak.Room
	finish := func() error { return nil }
	if o.impl == "" {
		var err error
		if rooms, finish, err = soak.SMPs(); err != nil {
			return err
		}
	} else if impl, ok := impls.Find(o.impl); ok && impl.Ours != nil {
		rooms = []soak.Room{{Name: impl.Name, Allocator: impl.Ours().Allocator}}
	} else {
		return fmt.Errorf("-soak: -impl must name one allocator of ours, not %q", o.impl)
	}
	s := soak.Options{For: o.soak, Goroutines: 64 / len(rooms), Every: min(o.soak/10, time.Second), Reports: 60, FailOneIn: 4}
	if o.soak >= 10*time.Minute {
		s.MaxSlope = 0.001
	}
	r, err := soak.Run(ctx, rooms, s, stdout)
	if err := errors.Join(err, finish()); err != nil {
		return err
	}
	for i, c := range r.Rooms {
		fmt.Fprintf(stdout, "%s: %d operations, %d refused\n", rooms[i].Name, c.Ops, c.Refused)
	}
	fmt.Fprintf(stdout, "%s; at most %.1f MiB, growing by %v, and what is committed by %v\n", r.Failures(), float64(r.PeakRSS)/(1<<20), r.Resident, r.Committed)
	return nil
}

// hold does what -containers says.
func (o options) hold(ctx context.Context, stdout, stderr io.Writer) error {
	if o.list {
		containers.List(stdout)
		return nil
	}
	impl, err := whole(o.impl)
	if err != nil {
		return fmt.Errorf("-impl: %w", err)
	}
	task, err := whole(o.workload)
	if err != nil {
		return fmt.Errorf("-workload: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	r, err := containers.Plan{
		Task: task.MatchString, Impl: impl.MatchString, Count: o.count, Timeout: o.timeout, Short: o.short,
		Self: func(ctx context.Context, order containers.Order) *exec.Cmd {
			return exec.CommandContext(ctx, self, containerWord, order.String())
		},
	}.Run(ctx, stderr)
	if err != nil {
		return err
	}
	r.Machine, r.Go = measure.Machine(), runtime.Version()
	return r.WriteText(stdout)
}

// write shows the report.
func write(r *report.Report, o options, stdout, stderr io.Writer) error {
	if o.compare {
		_, err := io.WriteString(stdout, r.Benchstat())
		return err
	}
	if err := r.WriteText(stdout); err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o777); err != nil {
		return err
	}
	for name, writer := range map[string]func(io.Writer) error{"bench.json": r.WriteJSON, "bench.html": r.WriteHTML} {
		f, err := os.Create(filepath.Join(o.out, name))
		if err != nil {
			return err
		}
		if err := errors.Join(writer(f), f.Close()); err != nil {
			return err
		}
		fmt.Fprintln(stderr, "wrote", f.Name())
	}
	return nil
}

// measure measures what the options say, or only lists it.
func (o options) measure(ctx context.Context, stdout, stderr io.Writer) (*report.Report, error) {
	dir, err := os.MkdirTemp("", "allod-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r := &report.Report{
		Started: time.Now().UTC().Format(time.RFC3339), Machine: measure.Machine(), Go: runtime.Version(),
		Threads: o.threads, Count: o.count, Budget: o.budget.String(),
	}
	if err := o.choose(ctx, r, dir, stderr); err != nil {
		return nil, err
	}
	if o.list {
		for _, t := range r.Targets {
			fmt.Fprintf(stdout, "%-18s %-6s %s\n", t.Name, t.Group, t.About)
		}
		for _, a := range r.Absent {
			fmt.Fprintf(stdout, "%-18s absent: %s\n", a.Name, a.Why)
		}
		for _, w := range r.Workloads {
			fmt.Fprintf(stdout, "%-18s %s\n", w.Name, w.About)
		}
		return nil, nil
	}
	if err := spec.WriteData(dir, r.Workloads); err != nil {
		return nil, err
	}
	plan := run.Plan{Targets: r.Targets, Workloads: r.Workloads, Count: o.count, Threads: o.threads,
		Budget: o.budget, Timeout: o.timeout, Data: dir}
	r.Samples, r.Failures, err = plan.Run(ctx, stderr)
	return r, err
}

// choose fills in what there is to measure, and what is not here.
func (o options) choose(ctx context.Context, r *report.Report, dir string, stderr io.Writer) error {
	impl, err := whole(o.impl)
	if err != nil {
		return fmt.Errorf("-impl: %w", err)
	}
	workload, err := whole(o.workload)
	if err != nil {
		return fmt.Errorf("-workload: %w", err)
	}
	traces, err := spec.Traces(o.traces, o.untouched)
	if err != nil {
		return err
	}
	for _, w := range append(spec.Workloads(o.threads), traces...) {
		if workload.MatchString(w.Name) {
			r.Workloads = append(r.Workloads, w)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, t := range goTargets(impls.All, self) {
		if impl.MatchString(t.Name) {
			r.Targets = append(r.Targets, t)
		}
	}
	if !impls.HaveCgo && impl.MatchString("cgo-malloc") {
		r.Absent = append(r.Absent, native.Absent{Name: "cgo-malloc", Why: "this program was built without cgo"})
	}
	fmt.Fprintln(stderr, "building the peers ...")
	if impl.MatchString(impls.GoArena.Name) {
		arenas := filepath.Join(dir, "bench-arenas")
		if err := buildArenas(ctx, arenas); err != nil {
			r.Absent = append(r.Absent, native.Absent{Name: impls.GoArena.Name, Why: err.Error()})
		} else {
			r.Targets = append(r.Targets, goTargets([]impls.Impl{impls.GoArena}, arenas)...)
		}
	}
	programs, absent, err := native.Build(ctx, dir, impl.MatchString)
	if err != nil {
		return err
	}
	for _, p := range programs {
		r.Targets = append(r.Targets, run.Target{Name: p.Name, Group: p.Group, About: p.About, Kinds: p.Kinds, Command: p.Command})
	}
	r.Absent = append(r.Absent, absent...)
	if len(r.Targets) == 0 || len(r.Workloads) == 0 {
		return errors.New("nothing matches -impl and -workload; -list shows what there is")
	}
	return nil
}

func whole(pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		pattern = ".*"
	}
	return regexp.Compile("^(?:" + pattern + ")$")
}

// goTargets returns how binary, which is this program, measures what is in it.
func goTargets(all []impls.Impl, binary string) (targets []run.Target) {
	for _, i := range all {
		targets = append(targets, run.Target{
			Name: i.Name, Group: i.Group, About: i.About, Kinds: i.Kinds,
			Command: func(ctx context.Context, o spec.Order) *exec.Cmd {
				return exec.CommandContext(ctx, binary, workerWord, o.String())
			},
		})
	}
	return targets
}

// buildArenas builds this program once more, with the experiment that brings
// the package arena.
func buildArenas(ctx context.Context, binary string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/allod-dev/allod/bench")
	cmd.Env = append(os.Environ(), "GOEXPERIMENT=arenas")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("this program does not build with GOEXPERIMENT=arenas: %w: %.200s", err, out)
	}
	return nil
}
