package containers

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/allod-dev/allod/bench/internal/native"
	"github.com/allod-dev/allod/bench/internal/report"
	"github.com/allod-dev/allod/bench/internal/spec"
)

// A Report is everything that was measured.
type Report struct {
	Machine  string          `json:"machine"`
	Go       string          `json:"go"`
	Tasks    []string        `json:"tasks"`
	Absent   []native.Absent `json:"absent"`
	Failures []*spec.Error   `json:"failures"`
	Samples  []Sample        `json:"samples"`
}

// stats are those of one figure over all processes.
type stats struct {
	median, least, leastCPU float64
	unit                    string
}

func (r *Report) stats(task, impl, figure string) (s stats, ok bool) {
	var values []float64
	s.least, s.leastCPU = math.Inf(1), math.Inf(1)
	for _, sample := range r.Samples {
		f, ok := sample.Figures[figure]
		if sample.Task != task || sample.Impl != impl || !ok {
			continue
		}
		values = append(values, f.Value)
		s.least, s.leastCPU, s.unit = min(s.least, f.Value), min(s.leastCPU, f.CPU), f.Unit
	}
	if len(values) == 0 {
		return s, false
	}
	slices.Sort(values)
	s.median = (values[(len(values)-1)/2] + values[len(values)/2]) / 2
	return s, true
}

// List writes what there is.
func List(w io.Writer) {
	for _, t := range Tasks {
		fmt.Fprintf(w, "%-15s %s\n", t.Name, t.About)
		for _, i := range t.impls {
			fmt.Fprintf(w, "    %-20s %-6s %s\n", i.name, i.group, i.about)
		}
	}
}

// WriteText writes tables of all tasks, and one of goals.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s\nmedians over processes; in brackets the least processor time. No unit: ns for an operation.\n", r.Machine, r.Go)
	for _, name := range r.Tasks {
		t, ok := findTask(name)
		if !ok {
			continue
		}
		fmt.Fprintf(&b, "\n%s: %s\n", t.Name, t.About)
		names := make([]string, 0, len(t.impls)+1)
		for _, i := range t.impls {
			names = append(names, i.name)
		}
		if z, ok := zigTasks[name]; ok {
			names = append(names, z.name)
		}
		var rows [][]string
		for _, impl := range names {
			row := []string{impl}
			some := false
			for _, figure := range t.Figures {
				s, ok := r.stats(name, impl, figure)
				some = some || ok
				row = append(row, s.String())
			}
			if some {
				rows = append(rows, row)
			}
		}
		b.WriteString(report.Render(append([]string{""}, t.Figures...), rows))
	}
	if checks := r.checks(); len(checks) > 0 {
		b.WriteString("\nGoals: ratios of medians; beside them those of the least, and of the least processor time\n")
		var rows [][]string
		for _, c := range checks {
			rows = append(rows, c.cells())
		}
		b.WriteString(report.Render([]string{"", "figure", "ours", "against", "ratio", "least", "CPU", "must", "aim", ""}, rows))
	}
	for _, a := range r.Absent {
		fmt.Fprintf(&b, "\nabsent here: %s: %s", a.Name, strings.TrimSpace(a.Why))
	}
	for _, f := range r.Failures {
		fmt.Fprintf(&b, "\nfailed: %v", f)
	}
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// String returns the text of a cell of a table.
func (s stats) String() string {
	text := report.Number(s.median)
	if s.unit == "" {
		return ""
	}
	if s.leastCPU > 0 {
		text += " (" + report.Number(s.leastCPU) + ")"
	}
	if s.unit != "ns" {
		text += " " + s.unit
	}
	return text
}

func (c check) cells() []string {
	at := func(v float64) string {
		if v == 0 {
			return ""
		}
		return report.Number(v)
	}
	unit := ""
	if c.isMost {
		unit = " " + c.unit
	}
	cells := []string{c.task, c.figure, c.ours, c.peer, report.Number(c.ratio) + unit, at(c.ofLeast), "", at(c.must), at(c.aim), c.verdict()}
	if c.hasCPU {
		cells[6] = at(c.ofCPU)
	}
	return cells
}
