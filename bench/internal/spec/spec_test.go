package spec_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/allod-dev/allod/bench/internal/spec"
)

func TestData(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile("../../testdata/traces/nginx.mtrace.gz")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "nginx.mtrace.gz"), text, 0o666); err != nil {
		t.Fatal(err)
	}
	traces, err := spec.Traces(dir, true)
	if err != nil || len(traces) != 2 || traces[1].Name != "trace-nginx-untouched" || !traces[1].Untouched {
		t.Fatalf("%v, %v", traces, err)
	}
	nginx := traces[0]
	if err := spec.WriteData(dir, []spec.Workload{nginx}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(spec.TraceFile(dir, nginx.File))
	if err != nil {
		t.Fatal(err)
	}
	ops := spec.View[spec.Op](b)
	if len(ops) != nginx.N || ops[0].Kind != spec.OpAlloc && ops[0].Kind != spec.OpZero {
		t.Errorf("%d operations, want %d; %+v", len(ops), nginx.N, ops[0])
	}
	live, most := 0, 0
	for _, op := range ops {
		live += int(op.Size) - int(op.Old)
		most = max(most, live)
	}
	if most != nginx.Live {
		t.Errorf("%d bytes live at most, want %d", most, nginx.Live)
	}
	b, err = os.ReadFile(filepath.Join(dir, spec.OrderFile))
	if err != nil {
		t.Fatal(err)
	}
	order := slices.Clone(spec.View[uint32](b))
	slices.Sort(order)
	for i, v := range order {
		if v != uint32(i) {
			t.Fatalf("the order of Random has not every number once: %d at %d", v, i)
		}
	}
}

func TestSizes(t *testing.T) {
	for _, s := range []struct {
		sizes     []uint32
		low, high uint32
	}{{spec.MixedSizes(), 8, 4096}, {spec.HandoverSizes(), 16, 512}} {
		if len(s.sizes) != spec.TableSize || slices.Min(s.sizes) != s.low || slices.Max(s.sizes) != s.high {
			t.Errorf("%d sizes from %d to %d, want %d to %d", len(s.sizes), slices.Min(s.sizes), slices.Max(s.sizes), s.low, s.high)
		}
	}
}

func TestTracesErrors(t *testing.T) {
	dir := t.TempDir()
	if traces, err := spec.Traces(dir, false); err != nil || len(traces) != 0 {
		t.Errorf("%v, %v", traces, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x.mtrace.gz"), []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := spec.Traces(dir, false); err == nil {
		t.Error("a file that is no trace was accepted")
	}
}
