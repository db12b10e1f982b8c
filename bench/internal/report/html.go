package report

import (
	_ "embed"
	"html/template"
	"io"
	"math"

	"github.com/allod-dev/allod/bench/internal/spec"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// WriteHTML writes the report as one page that needs nothing else: charts are
// drawn into it, and no script runs.
func (r *Report) WriteHTML(w io.Writer) error {
	tables := r.Tables()
	var sections []section
	for _, t := range tables {
		sections = append(sections, newSection(t))
	}
	var checks [][]string
	for _, c := range r.Goals(tables) {
		checks = append(checks, c.cells())
	}
	return page.Execute(w, map[string]any{
		"Report": r, "Sections": sections, "Columns": columns, "Absent": r.absent(),
		"GoalColumns": goalColumns, "Goals": checks, "Groups": []spec.Group{spec.Ours, spec.Go, spec.C, spec.Zig, spec.Floor},
	})
}

// A section is a workload on the page.
type section struct {
	Table
	Cells  [][]string
	Time   plot
	Memory plot
}

// A plot draws a mark for each implementation, on a logarithmic scale: ratios
// are what counts, and they look the same everywhere.
type plot struct {
	Title  string
	Height int
	Marks  []mark
	Ticks  []tick
}

type mark struct {
	Impl, Value       string
	Group             spec.Group
	Y                 int
	X, Low, High, End float64 // End is where the value is written
}

type tick struct {
	X     float64
	Label string
}

const (
	plotLeft, plotRight = 130, 520
	rowHeight           = 18
)

func newSection(t Table) section {
	s := section{Table: t}
	var time, memory []mark
	for _, r := range t.Rows {
		s.Cells = append(s.Cells, r.cells())
		time = append(time, mark{Impl: r.Impl, Group: r.Group, Value: Number(r.Median), X: r.Median, Low: r.Min, High: r.Max})
		if r.RSSToLive > 0 {
			memory = append(memory, mark{Impl: r.Impl, Group: r.Group, Value: Number(r.RSSToLive), X: r.RSSToLive, Low: r.RSSToLive, High: r.RSSToLive})
		}
	}
	s.Time = newPlot("ns for an operation: median, and from fastest to slowest process", time)
	s.Memory = newPlot("memory taken, over the most bytes live", memory)
	return s
}

// newPlot moves the marks, which carry values, to where they are drawn.
func newPlot(title string, marks []mark) plot {
	p := plot{Title: title, Height: rowHeight*(len(marks)+1) + 6, Marks: marks}
	if len(marks) == 0 {
		return p
	}
	low, high := math.Inf(1), 0.0
	for _, m := range marks {
		low, high = min(low, m.Low), max(high, m.High)
	}
	from, to := math.Floor(math.Log10(max(low, 1e-3))), math.Ceil(math.Log10(max(high, 1e-3)))
	to = max(to, from+1)
	x := func(v float64) float64 {
		return plotLeft + (plotRight-plotLeft)*(math.Log10(max(v, 1e-3))-from)/(to-from)
	}
	for e := from; e <= to; e++ {
		p.Ticks = append(p.Ticks, tick{x(math.Pow(10, e)), Number(math.Pow(10, e))})
	}
	for i := range p.Marks {
		m := &p.Marks[i]
		m.X, m.Low, m.High = x(m.X), x(m.Low), x(m.High)
		m.Y, m.End = rowHeight*i+rowHeight, m.High+8
	}
	return p
}
