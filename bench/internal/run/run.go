// Package run starts the processes that measure, one at a time, in an order in
// which noise hits all alike.
package run

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

	"github.com/allod-dev/allod/bench/internal/measure"
	"github.com/allod-dev/allod/bench/internal/spec"
)

// A Target is an implementation with a way to measure it.
type Target struct {
	Name    string                                      `json:"name"`
	Group   spec.Group                                  `json:"group"`
	About   string                                      `json:"about"`
	Kinds   []spec.Kind                                 `json:"-"`
	Command func(context.Context, spec.Order) *exec.Cmd `json:"-"`
}

// Serves says whether the workload is for it.
func (t Target) Serves(w spec.Workload) bool { return slices.Contains(t.Kinds, w.Kind) }

// A Plan is what to measure.
type Plan struct {
	Targets   []Target
	Workloads []spec.Workload
	Count     int // processes for each
	Threads   int
	Budget    time.Duration // of the timed rounds of a process
	Timeout   time.Duration // of a whole process
	Data      string        // folder with the files of the package spec
}

// Processes returns how many there will be.
func (p Plan) Processes() int {
	n := 0
	for _, w := range p.Workloads {
		for _, t := range p.Targets {
			if t.Serves(w) {
				n += p.Count
			}
		}
	}
	return n
}

// Run measures. All implementations have a process of a workload before any has
// the next, each time in another order. What fails once is not tried again.
func (p Plan) Run(ctx context.Context, progress io.Writer) (samples []spec.Sample, failures []*spec.Error, err error) {
	order := rand.New(rand.NewPCG(1, 2))
	failed := map[string]bool{}
	total, done, start := p.Processes(), 0, time.Now()
	for i := range p.Count {
		for _, w := range p.Workloads {
			targets := slices.Clone(p.Targets)
			order.Shuffle(len(targets), func(i, k int) { targets[i], targets[k] = targets[k], targets[i] })
			for _, t := range targets {
				if !t.Serves(w) {
					continue
				}
				done++
				key := w.Name + "\x00" + t.Name
				if failed[key] {
					continue
				}
				s, err := p.one(ctx, t, w)
				if ctx.Err() != nil {
					return samples, failures, ctx.Err()
				}
				if err != nil {
					failed[key] = true
					failures = append(failures, &spec.Error{Impl: t.Name, Workload: w.Name, Text: err.Error()})
					continue
				}
				samples = append(samples, s)
			}
			left := time.Duration(float64(time.Since(start)) / float64(done) * float64(total-done))
			fmt.Fprintf(progress, "%d of %d: %-20s %4d of %d processes, about %v left\n", i+1, p.Count, w.Name, done, total, left.Round(time.Second))
		}
	}
	return samples, failures, nil
}

// one runs one process.
func (p Plan) one(ctx context.Context, t Target, w spec.Workload) (s spec.Sample, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	cmd := t.Command(ctx, spec.Order{Impl: t.Name, Workload: w, Data: p.Data, Threads: p.Threads, Budget: int(p.Budget / time.Millisecond)})
	// Settings of the collector are not the caller's.
	cmd.Env = append(os.Environ(), "GOGC=100", "GOMEMLIMIT=off", fmt.Sprintf("GOMAXPROCS=%d", p.Threads))
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	busy, start := measure.Busy(), time.Now()
	out, err := cmd.Output()
	wall, others := time.Since(start), measure.Busy()-busy
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
	s.Impl, s.Workload = t.Name, w.Name
	if busy > 0 {
		used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		s.OtherCPU = max(float64(others-used)/float64(wall), 0)
	}
	return s, nil
}
