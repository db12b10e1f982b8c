package run_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allod-dev/allod/bench/internal/run"
	"github.com/allod-dev/allod/bench/internal/spec"
)

// The tests run this binary as the process that measures.
func TestMain(m *testing.M) {
	switch os.Getenv("BENCH_TEST_PROCESS") {
	case "good":
		json.NewEncoder(os.Stdout).Encode(spec.Sample{NsPerOp: 7})
		os.Exit(0)
	case "bad":
		os.Stderr.WriteString("memory is broken\nand more\n")
		os.Exit(2)
	case "slow":
		time.Sleep(time.Minute)
	}
	os.Exit(m.Run())
}

func target(name, does string, log *[]string) run.Target {
	return run.Target{Name: name, Kinds: []spec.Kind{spec.Pair}, Command: func(ctx context.Context, o spec.Order) *exec.Cmd {
		*log = append(*log, o.Impl)
		return exec.CommandContext(ctx, "env", "BENCH_TEST_PROCESS="+does, os.Args[0])
	}}
}

func TestRun(t *testing.T) {
	var log []string
	p := run.Plan{
		Targets:   []run.Target{target("a", "good", &log), target("b", "good", &log), target("c", "bad", &log)},
		Workloads: []spec.Workload{{Name: "x", Kind: spec.Pair}, {Name: "y", Kind: spec.List}},
		Count:     3, Threads: 1, Budget: time.Millisecond, Timeout: time.Minute,
	}
	if n := p.Processes(); n != 9 {
		t.Errorf("%d processes", n)
	}
	var progress bytes.Buffer
	samples, failures, err := p.Run(t.Context(), &progress)
	if err != nil || len(samples) != 6 || len(failures) != 1 || !strings.Contains(failures[0].Error(), "x over c: exit status 2: memory is broken") {
		t.Fatalf("%v, %v, %v", samples, failures, err)
	}
	for _, s := range samples {
		if s.Workload != "x" || s.NsPerOp != 7 {
			t.Errorf("%+v", s)
		}
	}
	// Each has had its turn before any has its next; what failed has no other.
	first := slices.Sorted(slices.Values(log[:3]))
	if !slices.Equal(first, []string{"a", "b", "c"}) || len(log) != 7 {
		t.Errorf("in the order %v", log)
	}
	if !strings.Contains(progress.String(), "9 of 9 processes") {
		t.Errorf("%s", progress.String())
	}
}

func TestTimeout(t *testing.T) {
	var log []string
	p := run.Plan{Targets: []run.Target{target("a", "slow", &log)}, Workloads: []spec.Workload{{Name: "x", Kind: spec.Pair}},
		Count: 1, Threads: 1, Timeout: 50 * time.Millisecond}
	_, failures, err := p.Run(t.Context(), &bytes.Buffer{})
	if err != nil || len(failures) != 1 || !strings.Contains(failures[0].Text, "not done after") {
		t.Errorf("%v, %v", failures, err)
	}
}

func TestCancel(t *testing.T) {
	var log []string
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := run.Plan{Targets: []run.Target{target("a", "good", &log)}, Workloads: []spec.Workload{{Name: "x", Kind: spec.Pair}},
		Count: 1, Threads: 1, Timeout: time.Minute}
	if _, _, err := p.Run(ctx, &bytes.Buffer{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
