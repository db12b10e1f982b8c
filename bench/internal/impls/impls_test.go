package impls_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/allod-dev/allod/bench/internal/impls"
	"github.com/allod-dev/allod/bench/internal/load"
	"github.com/allod-dev/allod/bench/internal/spec"
	"github.com/allod-dev/allod/testing/alloctrace"
)

// small returns a job of the kind that is soon done.
func small(t *testing.T, kind spec.Kind) *load.Job {
	t.Helper()
	j := &load.Job{Workload: spec.Workload{Kind: kind, N: 1000}, Threads: 2, Sizes: spec.MixedSizes()}
	switch kind {
	case spec.Pair, spec.Threads:
		j.Size = 16
	case spec.Random:
		for i := range 1000 {
			j.Order = append(j.Order, uint32((i*7)%1000))
		}
	case spec.Tree:
		j.Size, j.N = 6, 127
	case spec.Block, spec.Touched:
		j.Size, j.N = 1<<16, 10
	case spec.Trace:
		trace, err := alloctrace.ReadFile("../../testdata/traces/nginx.mtrace.gz")
		if err != nil {
			t.Fatal(err)
		}
		j.Ops = spec.Ops(trace)[:5000]
	}
	return j
}

// Everything does what it is listed for; the loops verify what is in memory.
func TestKinds(t *testing.T) {
	for _, i := range impls.All {
		for _, kind := range i.Kinds {
			t.Run(i.Name+"/"+string(kind), func(t *testing.T) {
				rig := i.Open(small(t, kind))
				samples := 0
				for range 2 {
					if ops, took := rig.Round(1000, func() { samples++ }); ops < 100 || took.Wall <= 0 {
						t.Errorf("%d operations in %v", ops, took)
					}
				}
				if kind == spec.Trace && samples < 100 {
					t.Errorf("memory was looked at %d times", samples)
				}
				rig.Close()
			})
		}
	}
}

// What writes to memory that it was given back is found out.
func TestCorrupt(t *testing.T) {
	smp, _ := impls.Find("smp")
	job := small(t, spec.Mixed)
	rig := smp.Open(job)
	defer func() {
		if got, _ := recover().(string); !strings.Contains(got, "in memory where") {
			t.Errorf("recovered %q", got)
		}
	}()
	rig.Round(1000, nil)
	w := load.NewWindow(1, 0, job.Sizes)
	var b [16]byte
	w.Slots[0].Put(addressOf(&b), 16)
	b[0]++
	w.Slots[0].Verify()
}

func TestNames(t *testing.T) {
	var names []string
	for _, i := range impls.All {
		if slices.Contains(names, i.Name) || i.About == "" || len(i.Kinds) == 0 {
			t.Errorf("%+v", i)
		}
		names = append(names, i.Name)
	}
	if _, ok := impls.Find("absent"); ok {
		t.Error("found what is not there")
	}
}
