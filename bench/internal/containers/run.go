package containers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/allod-dev/allod/bench/internal/native"
	"github.com/allod-dev/allod/bench/internal/spec"
)

// A Plan is what to measure.
type Plan struct {
	// Task and Impl say what is wanted, by name.
	Task, Impl func(name string) bool
	// Count is how many processes there are for each implementation.
	Count int
	// Timeout is what a process may take.
	Timeout time.Duration
	// Self is the command that has Work do what an order says.
	Self func(context.Context, Order) *exec.Cmd
	// Short makes everything small, for tests.
	Short bool
}

// zigTasks are the tasks that a program in Zig does, too.
var zigTasks = map[string]struct{ name, about string }{
	"map":         {"zig-autohashmap", "std.AutoHashMap of Zig over std.heap.page_allocator"},
	"list-append": {"zig-arraylist", "std.ArrayList of Zig over std.heap.page_allocator"},
}

// A target is an implementation of one task, and the way to start it.
type target struct {
	impl
	command func(context.Context) *exec.Cmd
}

// Run measures. All implementations of a task have a process before any has the
// next, each time in another order.
func (p Plan) Run(ctx context.Context, progress io.Writer) (*Report, error) {
	r := new(Report)
	targets := map[string][]target{}
	dir, err := os.MkdirTemp("", "allod-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	zig := ""
	for _, t := range Tasks {
		if !p.Task(t.Name) {
			continue
		}
		r.Tasks = append(r.Tasks, t.Name)
		for _, i := range t.impls {
			if p.Impl(i.name) {
				targets[t.Name] = append(targets[t.Name], target{i, func(ctx context.Context) *exec.Cmd {
					return p.Self(ctx, Order{t.Name, i.name, p.Short})
				}})
			}
		}
		z, ok := zigTasks[t.Name]
		if !ok || !p.Impl(z.name) {
			continue
		}
		if zig == "" {
			if zig, err = native.BuildContainers(ctx, dir); err != nil {
				r.Absent = append(r.Absent, native.Absent{Name: z.name, Why: err.Error()})
				zig = "-"
			}
		}
		if zig != "-" {
			n := "5000000"
			if t.Name == "list-append" {
				n = "10000000"
			}
			if p.Short {
				n = "2000"
			}
			targets[t.Name] = append(targets[t.Name], target{impl{name: z.name, group: spec.Zig, about: z.about}, func(ctx context.Context) *exec.Cmd {
				return exec.CommandContext(ctx, zig, t.Name, n)
			}})
		}
	}
	if len(targets) == 0 {
		return nil, errors.New("nothing matches -impl and -workload; -containers -list shows what there is")
	}
	order := rand.New(rand.NewPCG(1, 2))
	for i := range p.Count {
		for _, name := range r.Tasks {
			all := slices.Clone(targets[name])
			order.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
			start := time.Now()
			for _, t := range all {
				s, err := p.one(ctx, t)
				if ctx.Err() != nil {
					return r, ctx.Err()
				}
				if err != nil {
					r.Failures = append(r.Failures, &spec.Error{Impl: t.name, Workload: name, Text: err.Error()})
					continue
				}
				s.Task, s.Impl = name, t.name
				r.Samples = append(r.Samples, s)
			}
			fmt.Fprintf(progress, "%d of %d: %-15s %v\n", i+1, p.Count, name, time.Since(start).Round(time.Second/10))
		}
	}
	return r, nil
}

// one runs one process.
func (p Plan) one(ctx context.Context, t target) (s Sample, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	cmd := t.command(ctx)
	// Settings of the collector are not the caller's.
	cmd.Env = append(os.Environ(), "GOGC=100", "GOMEMLIMIT=off")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return s, fmt.Errorf("not done after %v", p.Timeout)
	}
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	if err != nil {
		said, _, _ := bytes.Cut(bytes.TrimSpace(complaints.Bytes()), []byte("\n"))
		return s, errors.New(err.Error() + ": " + string(said))
	}
	return s, nil
}
