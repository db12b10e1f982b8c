// Package worker is what a process does that measures one workload over one
// implementation.
package worker

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/allod-dev/allod/bench/internal/impls"
	"github.com/allod-dev/allod/bench/internal/load"
	"github.com/allod-dev/allod/bench/internal/measure"
	"github.com/allod-dev/allod/bench/internal/spec"
)

// Run does what the order, in JSON, says and writes a sample.
func Run(order string, w io.Writer) error {
	var o spec.Order
	if err := json.Unmarshal([]byte(order), &o); err != nil {
		return err
	}
	s, err := Measure(o)
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(s)
}

// Measure does what the order says, in this process.
func Measure(o spec.Order) (spec.Sample, error) {
	impl, ok := impls.Find(o.Impl)
	if !ok {
		return spec.Sample{}, fmt.Errorf("no implementation %q in this build", o.Impl)
	}
	job, err := newJob(o)
	if err != nil {
		return spec.Sample{}, err
	}
	s := spec.Sample{Impl: o.Impl, Workload: o.Workload.Name, Library: runtime.Version()}
	rig := impl.Open(job)
	defer rig.Close()

	// Memory: of the first round, and what the timed ones may add.
	runtime.GC()
	debug.FreeOSMemory()
	measure.ResetPeak()
	s.BaseRSS = measure.RSS()
	var sampled int64
	n := job.N
	rig.Round(n, func() { sampled = max(sampled, measure.RSS()) })

	budget := time.Duration(o.Budget) * time.Millisecond
	if !o.Workload.Fixed {
		n = calibrate(rig, n, budget)
	}
	gc, cpu, start := measure.ReadCollector(), measure.CPU(), time.Now()
	var took load.Took
	for s.Rounds < minRounds || time.Since(start) < budget {
		ops, t := rig.Round(n, nil)
		s.Ops += ops
		took.Wall += t.Wall
		took.CPU += t.CPU
		s.Rounds++
	}
	s.NsPerOp = float64(took.Wall) / float64(s.Ops)
	s.CPUPerOp = float64(took.CPU) / float64(s.Ops*o.Workload.Kind.Shares(o.Threads))
	gcAfter, cpuAfter := measure.ReadCollector(), measure.CPU()
	s.Cycles = gcAfter.Cycles - gc.Cycles
	if cpuAfter > cpu {
		s.GCCPU = max(float64(gcAfter.CPU-gc.CPU)/float64(cpuAfter-cpu), 0)
	}
	if s.PeakRSS = measure.PeakRSS(); sampled > 0 {
		s.PeakRSS = sampled
	}
	return s, nil
}

// minRounds is how many timed rounds there are at least: the first of them
// shows what reuse of memory costs.
const minRounds = 2

// calibrate returns how many operations a round should have to take a quarter
// of the budget.
func calibrate(rig load.Rig, n int, budget time.Duration) int {
	for {
		ops, took := rig.Round(n, nil)
		if enough := budget / 16; took.Wall < enough && n < 1<<30 {
			n *= 2
			continue
		}
		return max(int(float64(ops)*float64(budget/4)/float64(max(took.Wall, 1))), 1)
	}
}

// newJob gets the data of the workload.
func newJob(o spec.Order) (*load.Job, error) {
	j := &load.Job{Workload: o.Workload, Threads: o.Threads}
	var err error
	switch o.Workload.Kind {
	case spec.Mixed, spec.Windows:
		j.Sizes, err = table[uint32](filepath.Join(o.Data, spec.SizesFile))
	case spec.Handover:
		j.Sizes, err = table[uint32](filepath.Join(o.Data, spec.HandoverFile))
	case spec.Random:
		j.Order, err = table[uint32](filepath.Join(o.Data, spec.OrderFile))
	case spec.Trace:
		j.Ops, err = table[spec.Op](spec.TraceFile(o.Data, o.Workload.File))
	}
	return j, err
}

func table[T uint32 | spec.Op](file string) ([]T, error) {
	b, err := measure.File(file)
	if err != nil {
		return nil, err
	}
	return spec.View[T](b), nil
}
