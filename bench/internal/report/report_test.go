package report_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/allod-dev/allod/bench/internal/native"
	"github.com/allod-dev/allod/bench/internal/report"
	"github.com/allod-dev/allod/bench/internal/run"
	"github.com/allod-dev/allod/bench/internal/spec"
)

// made returns a report of numbers that are easy to check.
func made() *report.Report {
	sample := func(workload, impl string, ns ...float64) (s []spec.Sample) {
		for i, v := range ns {
			s = append(s, spec.Sample{Impl: impl, Workload: workload, NsPerOp: v, CPUPerOp: v, Ops: 100, PeakRSS: int64(30+i) << 20, BaseRSS: 10 << 20, Cycles: uint64(i)})
		}
		return s
	}
	r := &report.Report{
		Machine: "abacus", Go: "go1", Count: 3,
		Workloads: []spec.Workload{
			{Name: "pair-16", Kind: spec.Pair, About: "pairs"},
			{Name: "trace-a", Kind: spec.Trace, Live: 10 << 20}, {Name: "trace-b", Kind: spec.Trace, Live: 20 << 20},
		},
		Targets: []run.Target{{Name: "new", Group: spec.Go}, {Name: "smp", Group: spec.Ours}, {Name: "floor", Group: spec.Floor}, {Name: "zig-smp", Group: spec.Zig}},
		Absent:  []native.Absent{{Name: "tcmalloc", Why: "<not here>"}, {Name: "glibc", Why: "musl"}},
	}
	for _, s := range [][]spec.Sample{
		sample("pair-16", "new", 30, 10, 20), sample("pair-16", "smp", 8, 9, 10), sample("pair-16", "floor", 1, 1, 1), sample("pair-16", "zig-smp", 10, 10, 10),
		sample("trace-a", "new", 100, 100), sample("trace-b", "new", 400, 400),
		sample("trace-a", "smp", 10), sample("trace-b", "smp", 40), sample("trace-a", "zig-smp", 10),
	} {
		r.Samples = append(r.Samples, s...)
	}
	r.Failures = append(r.Failures, &spec.Error{Impl: "zig-smp", Workload: "trace-b", Text: "it broke"})
	return r
}

func TestTables(t *testing.T) {
	tables := made().Tables()
	if len(tables) != 4 || tables[3].Name != report.MeanName {
		t.Fatalf("%d tables", len(tables))
	}
	var order []string
	for _, row := range tables[0].Rows {
		order = append(order, row.Impl)
	}
	if diff := cmp.Diff([]string{"floor", "smp", "zig-smp", "new"}, order); diff != "" {
		t.Error(diff)
	}
	plain, _ := tables[0].Row("new")
	smp, _ := tables[0].Row("smp")
	if plain.Median != 20 || plain.Min != 10 || plain.Max != 30 || plain.ToNew != 1 || plain.ToBest != 20.0/9 || smp.ToBest != 1 || smp.ToNew != 9.0/20 {
		t.Errorf("%+v\n%+v", plain, smp)
	}
	if plain.RSSToLive != 0 || plain.Cycles != 1 {
		t.Errorf("%+v", plain)
	}
	a, _ := tables[1].Row("new")
	if a.RSSToLive != 2.05 {
		t.Errorf("RSS/live %v, want the median of 20 and 21 MiB over 10", a.RSSToLive)
	}
	mean, _ := tables[3].Row("new")
	if _, partial := tables[3].Row("zig-smp"); partial || math.Abs(mean.Median-200) > 1e-9 {
		t.Errorf("%+v", tables[3])
	}
}

func TestGoals(t *testing.T) {
	verdicts := map[string]string{}
	r := made()
	for _, c := range r.Goals(r.Tables()) {
		verdicts[c.Workload+" "+c.Ours+" "+c.Peer] = c.Verdict()
	}
	want := map[string]string{"pair-16 smp zig-smp": "must", "pair-16 smp new": "must", "pair-16 smp glibc": "no peer", "traces smp glibc": "no peer", "traces smp ": "missed"}
	if diff := cmp.Diff(want, verdicts); diff != "" {
		t.Error(diff)
	}
}

// Every figure that allod is to reach is judged where everything is there to judge
// it by.
func TestGoalsAreJudged(t *testing.T) {
	r := &report.Report{Workloads: spec.Workloads(2)}
	peers := []string{"smp", "smp-cache", "pool", "arena", "page", "debug", "new", "cgo-malloc", "modernc", "glibc", "mimalloc", "jemalloc", "tcmalloc",
		"zig-smp", "zig-arena", "zig-pool", "zig-page", "zig-debug", "zig-debug-16"}
	for _, trace := range []string{"trace-a", "trace-b"} {
		r.Workloads = append(r.Workloads, spec.Workload{Name: trace, Kind: spec.Trace, Live: 1 << 20})
	}
	for _, p := range peers {
		r.Targets = append(r.Targets, run.Target{Name: p})
		for _, w := range r.Workloads {
			r.Samples = append(r.Samples, spec.Sample{Impl: p, Workload: w.Name, NsPerOp: 1, CPUPerOp: 1, PeakRSS: 20 << 20, BaseRSS: 1 << 20})
		}
	}
	judged := map[string]bool{}
	for _, c := range r.Goals(r.Tables()) {
		for limit, v := range map[string]float64{"must": c.Must, "aim": c.Aim} {
			if v > 0 {
				judged[fmt.Sprintf("%s %s/%s %s %s %.2f", c.Workload, c.Ours, c.Peer, c.What, limit, v)] = true
			}
		}
	}
	for _, want := range figures(t) {
		if !judged[want] {
			t.Errorf("not judged: %s", want)
		}
		delete(judged, want)
	}
	for more := range judged {
		t.Errorf("judged, but not wanted: %s", more)
	}
}

// figures returns the lines of the file that says what is to be reached.
func figures(t *testing.T) (lines []string) {
	text, err := os.ReadFile("testdata/figures")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestWriters(t *testing.T) {
	r := made()
	var text, page, raw bytes.Buffer
	for _, err := range []error{r.WriteText(&text), r.WriteHTML(&page), r.WriteJSON(&raw)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"pair-16: pairs", "20.0", "10.0–30.0", "absent here: tcmalloc: <not here>", "failed: trace-b over zig-smp: it broke", "geometric"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	for _, want := range []string{"<h2>pair-16</h2>", "<svg", "&lt;not here&gt;", "</html>"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("no %q in the page", want)
		}
	}
	for _, no := range []string{"<script", "http://", "https://", "NaN", "ZgotmplZ"} {
		if strings.Contains(page.String(), no) {
			t.Errorf("%q is in the page", no)
		}
	}
	again, err := report.ReadJSON(&raw)
	if err != nil || len(again.Samples) != len(r.Samples) || again.Benchstat() != r.Benchstat() {
		t.Error(err)
	}
	if line := "BenchmarkAlloc/workload=pair-16/impl=new 100 30.0000 ns/op\n"; !strings.Contains(r.Benchstat(), line) {
		t.Errorf("no %q in\n%s", line, r.Benchstat())
	}
}
