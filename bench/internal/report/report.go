// Package report shows what was measured: as tables, as a page, as JSON, and as
// input of benchstat.
package report

import (
	"cmp"
	"encoding/json"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/allod-dev/allod/bench/internal/native"
	"github.com/allod-dev/allod/bench/internal/run"
	"github.com/allod-dev/allod/bench/internal/spec"
)

// A Report is everything that was measured, and what on.
type Report struct {
	Started   string          `json:"started"`
	Machine   string          `json:"machine"`
	Go        string          `json:"go"`
	Threads   int             `json:"threads"`
	Count     int             `json:"count"`
	Budget    string          `json:"budget"`
	Workloads []spec.Workload `json:"workloads"`
	Targets   []run.Target    `json:"targets"`
	Absent    []native.Absent `json:"absent"`
	Failures  []*spec.Error   `json:"failures"`
	Samples   []spec.Sample   `json:"samples"`
}

// WriteJSON writes all of it.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "\t")
	return e.Encode(r)
}

// ReadJSON reads what WriteJSON wrote.
func ReadJSON(in io.Reader) (*Report, error) {
	r := new(Report)
	return r, json.NewDecoder(in).Decode(r)
}

// A Row is what one implementation showed in one workload.
type Row struct {
	Impl             string
	Group            spec.Group
	Median, Min, Max float64 // ns for an operation
	CPU, MinCPU      float64 // ns of processor time for an operation: median, least
	PeakRSS          float64 // bytes, median
	RSSToLive        float64 // growth over what is live, median; 0 if that says nothing
	GCCPU            float64 // median share
	Cycles           float64 // median
	OtherCPU         float64 // median
	ToBest, ToNew    float64 // of the medians; ToNew is 0 if new was not measured
}

// A Table is one workload.
type Table struct {
	spec.Workload
	Rows []Row // fastest first
}

// Row returns that of an implementation.
func (t Table) Row(impl string) (Row, bool) {
	i := slices.IndexFunc(t.Rows, func(r Row) bool { return r.Impl == impl })
	if i < 0 {
		return Row{}, false
	}
	return t.Rows[i], true
}

// plainGo is the implementation that ratios refer to.
const plainGo = "new"

// Tables returns the tables of all workloads, and of the mean of all traces if
// there are several.
func (r *Report) Tables() []Table {
	var all, traces []Table
	for _, w := range r.Workloads {
		t := Table{Workload: w}
		for _, target := range r.Targets {
			var samples []spec.Sample
			for _, s := range r.Samples {
				if s.Impl == target.Name && s.Workload == w.Name {
					samples = append(samples, s)
				}
			}
			if len(samples) > 0 {
				t.Rows = append(t.Rows, newRow(target, w, samples))
			}
		}
		t.relate()
		all = append(all, t)
		if w.Kind == spec.Trace && !w.Untouched {
			traces = append(traces, t)
		}
	}
	if len(traces) > 1 {
		all = append(all, mean(traces))
	}
	return all
}

func newRow(t run.Target, w spec.Workload, samples []spec.Sample) Row {
	of := func(value func(spec.Sample) float64) []float64 {
		var s []float64
		for _, v := range samples {
			s = append(s, value(v))
		}
		slices.Sort(s)
		return s
	}
	ns := of(func(s spec.Sample) float64 { return s.NsPerOp })
	cpu := of(func(s spec.Sample) float64 { return s.CPUPerOp })
	row := Row{
		Impl: t.Name, Group: t.Group, Median: median(ns), Min: ns[0], Max: ns[len(ns)-1],
		CPU: median(cpu), MinCPU: cpu[0],
		PeakRSS:  median(of(func(s spec.Sample) float64 { return float64(s.PeakRSS) })),
		GCCPU:    median(of(func(s spec.Sample) float64 { return s.GCCPU })),
		Cycles:   median(of(func(s spec.Sample) float64 { return float64(s.Cycles) })),
		OtherCPU: median(of(func(s spec.Sample) float64 { return s.OtherCPU })),
	}
	if w.Live > 0 {
		row.RSSToLive = median(of(func(s spec.Sample) float64 { return float64(s.Growth()) })) / float64(w.Live)
	}
	return row
}

// relate sorts the rows and fills in the ratios.
func (t *Table) relate() {
	slices.SortFunc(t.Rows, func(a, b Row) int { return cmp.Compare(a.Median, b.Median) })
	best := 0.0
	for _, r := range t.Rows {
		if r.Group != spec.Floor {
			best = r.Median
			break
		}
	}
	plain, _ := t.Row(plainGo)
	for i := range t.Rows {
		r := &t.Rows[i]
		if best > 0 {
			r.ToBest = r.Median / best
		}
		if plain.Median > 0 {
			r.ToNew = r.Median / plain.Median
		}
	}
}

// MeanName is the name of the table of the mean of all traces.
const MeanName = "traces"

// mean returns the geometric means over all traces, of what did all of them.
func mean(traces []Table) Table {
	out := Table{Workload: spec.Workload{Name: MeanName, Kind: spec.Trace, About: "geometric means of the traces above, of those that did all"}}
	for _, first := range traces[0].Rows {
		row := Row{Impl: first.Impl, Group: first.Group}
		var logs [7]float64
		whole := true
		for _, t := range traces {
			r, ok := t.Row(first.Impl)
			if !ok {
				whole = false
				break
			}
			for i, v := range []float64{r.Median, r.Min, r.Max, r.PeakRSS, r.RSSToLive, r.CPU, r.MinCPU} {
				logs[i] += math.Log(max(v, 1e-9)) / float64(len(traces))
			}
			row.GCCPU += r.GCCPU / float64(len(traces))
			row.Cycles += r.Cycles
			row.OtherCPU += r.OtherCPU / float64(len(traces))
		}
		if !whole {
			continue
		}
		row.Median, row.Min, row.Max = math.Exp(logs[0]), math.Exp(logs[1]), math.Exp(logs[2])
		row.PeakRSS, row.RSSToLive = math.Exp(logs[3]), math.Exp(logs[4])
		row.CPU, row.MinCPU = math.Exp(logs[5]), math.Exp(logs[6])
		out.Rows = append(out.Rows, row)
	}
	out.relate()
	return out
}

// median returns that of sorted numbers.
func median(s []float64) float64 {
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// find returns the named table.
func find(tables []Table, name string) (Table, bool) {
	i := slices.IndexFunc(tables, func(t Table) bool { return t.Name == name })
	if i < 0 {
		return Table{}, false
	}
	return tables[i], true
}

// absent says what is not here, the reasons first.
func (r *Report) absent() []string {
	var out []string
	for _, a := range r.Absent {
		out = append(out, a.Name+": "+strings.TrimSpace(a.Why))
	}
	return out
}
