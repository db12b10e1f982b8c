package demo

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
	"time"

	"github.com/allod-dev/allod/cmd/allod/internal/say"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// writeHTML writes the report as one page that needs nothing else: the charts
// are drawn into it, and no script runs.
func (r *Report) writeHTML(w io.Writer) error {
	return page.Execute(w, map[string]any{
		"Report":    r,
		"Bytes":     say.Size(r.Bytes),
		"Documents": say.Plural(r.Documents, "file"),
		"Words":     say.Plural(r.plain().Words, "word"),
		"Postings":  say.Plural(r.plain().Postings, "posting"),
		"Sentences": r.sentences(),
		"Legend":    r.legend(),
		"Bars":      r.barCharts(),
		"Curve":     r.curve(),
		"Table":     r.cells(),
		"Mistakes":  r.Mistakes,
	})
}

// cells returns the table, headers first.
func (r *Report) cells() [][]string {
	head := []string{""}
	for _, v := range r.Variants {
		head = append(head, v.Title)
	}
	cells := [][]string{head}
	for _, row := range rows {
		line := []string{row.full}
		for _, v := range r.Variants {
			line = append(line, row.value(v))
		}
		cells = append(cells, line)
	}
	return cells
}

// A barChart compares one figure of all variants.
type barChart struct {
	ID, Title, Note string
	Height          int
	Bars            []barOf
}

type barOf struct {
	Variant      string // its name, for the style
	Title, Value string
	Y            int
	Width        float64 // of barWidth
	ValueX       float64
}

const (
	barStep   = 26 // from one bar to the next
	barLeft   = 84 // where bars begin
	barWidth  = 206
	barMargin = 6 // between a bar and its value
)

// barCharts returns the figures worth a picture.
func (r *Report) barCharts() []barChart {
	charts := []struct {
		title, note string
		value       func(*Result) float64
		text        func(*Result) string
	}{
		{"The slowest 1 in 1,000 requests", "Latency under load, 99.9th percentile. Shorter is better.",
			func(v *Result) float64 { return float64(v.Latency(0.999)) },
			func(v *Result) string { return say.Duration(v.Latency(0.999)) }},
		{"Full collection, index live", fmt.Sprintf("Time of runtime.GC(), the shortest of %d. Shorter is better.", fullGCs),
			func(v *Result) float64 { return float64(v.FullGC) },
			func(v *Result) string { return say.Duration(v.FullGC) }},
		{"CPU time spent collecting", "While building and serving, not on idle processors. Shorter is better.",
			func(v *Result) float64 { return v.GCCPU },
			func(v *Result) string { return say.Duration(seconds(v.GCCPU)) }},
		{"Peak memory", "Resident set size of the process. Shorter is better.",
			func(v *Result) float64 { return float64(v.PeakRSS) },
			func(v *Result) string { return say.Size(v.PeakRSS) }},
		{"Building the index", "Reading, tokenising, indexing. Shorter is better.",
			func(v *Result) float64 { return float64(v.Build) },
			func(v *Result) string { return say.Duration(v.Build) }},
		{"Queries per second", "As fast as the processors go. Longer is better.",
			func(v *Result) float64 { return v.PerSecond },
			func(v *Result) string { return say.Count(int(v.PerSecond)) }},
	}
	var out []barChart
	for i, c := range charts {
		chart := barChart{ID: fmt.Sprintf("bars%d", i), Title: c.title, Note: c.note, Height: barStep * len(r.Variants)}
		most := 0.0
		for _, v := range r.Variants {
			most = max(most, c.value(v))
		}
		for k, v := range r.Variants {
			width := 1.0
			if most > 0 {
				width = max(width, barWidth*c.value(v)/most)
			}
			chart.Bars = append(chart.Bars, barOf{v.Variant, v.Title, c.text(v), k * barStep, width, barLeft + width + barMargin})
		}
		out = append(out, chart)
	}
	return out
}

// A curveChart draws latency over the share of requests, both on scales that
// show the slow end.
type curveChart struct {
	Lines  []line
	XTicks []tick
	YTicks []tick
	// The plot lies between these; labels lie outside.
	Left, Right, Top, Bottom float64
}

type line struct {
	Variant, Title string
	Points         string // as the attribute of a polyline
	EndX, EndY     float64
	Words          string // the same for those who do not see it
}

type tick struct {
	At    float64
	Label string
}

const labelHeight = 17 // labels at the line ends keep this far apart

func (r *Report) curve() curveChart {
	c := curveChart{Left: 64, Right: 600, Top: 12, Bottom: 300}
	low, high := math.Inf(1), 0.0
	for _, v := range r.Variants {
		for _, p := range v.Latencies {
			t := max(float64(p.Latency), 1000)
			low, high = min(low, t), max(high, t)
		}
	}
	// Whole decades around all points.
	low, high = math.Floor(math.Log10(low)), math.Ceil(math.Log10(high)+1e-9)
	last := nines(quantiles[len(quantiles)-2]) + 0.6
	x := func(q float64) float64 {
		return c.Left + (c.Right-c.Left)*(min(nines(q), last)-nines(0.5))/(last-nines(0.5))
	}
	y := func(d time.Duration) float64 {
		return c.Bottom - (c.Bottom-c.Top)*(math.Log10(max(float64(d), 1000))-low)/(high-low)
	}
	for e := low; e <= high; e++ {
		d := time.Duration(math.Pow(10, e))
		c.YTicks = append(c.YTicks, tick{y(d), tickDuration(d)})
	}
	for _, t := range []struct {
		q     float64
		label string
	}{{0.5, "half"}, {0.9, "1 in 10"}, {0.99, "1 in 100"}, {0.999, "1 in 1,000"}, {1, "slowest"}} {
		c.XTicks = append(c.XTicks, tick{x(t.q), t.label})
	}
	for _, v := range r.Variants {
		l := line{Variant: v.Variant, Title: v.Title}
		var points, words []string
		for _, p := range v.Latencies {
			l.EndX, l.EndY = x(p.Q), y(p.Latency)
			points = append(points, fmt.Sprintf("%.1f,%.1f", l.EndX, l.EndY))
			words = append(words, fmt.Sprintf("%g %%: %s", 100*p.Q, say.Duration(p.Latency)))
		}
		l.Points, l.Words = strings.Join(points, " "), strings.Join(words, "; ")
		c.Lines = append(c.Lines, l)
	}
	c.spreadLabels()
	return c
}

// spreadLabels moves the labels at the line ends apart where they would overlap.
func (c *curveChart) spreadLabels() {
	for range len(c.Lines) * len(c.Lines) {
		for i := range c.Lines {
			for k := range c.Lines[:i] {
				a, b := &c.Lines[i].EndY, &c.Lines[k].EndY
				if *a < *b {
					a, b = b, a
				}
				if overlap := labelHeight - (*a - *b); overlap > 0 {
					*a += overlap / 2
					*b -= overlap / 2
				}
			}
		}
	}
}

// nines says how far a quantile is out: 1 for 0.9, 2 for 0.99.
func nines(q float64) float64 { return -math.Log10(1 - q) }

// tickDuration writes a power of ten.
func tickDuration(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%d s", d/time.Second)
	case d >= time.Millisecond:
		return fmt.Sprintf("%d ms", d/time.Millisecond)
	}
	return fmt.Sprintf("%d µs", d/time.Microsecond)
}
