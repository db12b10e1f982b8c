package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// columns are the headers of a table of a workload.
var columns = []string{"", "ns/op", "min–max", "CPU ns", "×best", "×new", "peak RSS", "RSS/live", "GC CPU", "GCs", "others"}

// cells returns a row as text, in the order of columns.
func (r Row) cells() []string {
	c := []string{r.Impl, Number(r.Median), Number(r.Min) + "–" + Number(r.Max), Number(r.CPU), Number(r.ToBest), "", "", "", "", "",
		percent(r.OtherCPU)}
	if r.ToNew > 0 {
		c[5] = Number(r.ToNew)
	}
	if r.PeakRSS > 0 {
		c[6] = fmt.Sprintf("%.1f MiB", r.PeakRSS/(1<<20))
	}
	if r.RSSToLive > 0 {
		c[7] = Number(r.RSSToLive)
	}
	if r.Cycles > 0 {
		c[8], c[9] = percent(r.GCCPU), fmt.Sprintf("%.0f", r.Cycles)
	}
	return c
}

// Number writes three digits that count.
func Number(v float64) string {
	switch {
	case v >= 100_000:
		return fmt.Sprintf("%.3g", v)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func percent(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }

// WriteText writes all tables.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, %d processors used, %d processes for each row, %s each\n", r.Machine, r.Go, r.Threads, r.Count, r.Budget)
	tables := r.Tables()
	for _, t := range tables {
		fmt.Fprintf(&b, "\n%s: %s\n", t.Name, t.About)
		var rows [][]string
		for _, row := range t.Rows {
			rows = append(rows, row.cells())
		}
		b.WriteString(Render(columns, rows))
	}
	if checks := r.Goals(tables); len(checks) > 0 {
		b.WriteString("\nGoals: ratios of medians; beside them those of the fastest processes, and of processor time\n")
		var rows [][]string
		for _, c := range checks {
			rows = append(rows, c.cells())
		}
		b.WriteString(Render(goalColumns, rows))
	}
	for _, line := range r.absent() {
		fmt.Fprintf(&b, "\nabsent here: %s", line)
	}
	for _, f := range r.Failures {
		fmt.Fprintf(&b, "\nfailed: %v", f)
	}
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// Render draws a table whose first column is text and whose others are numbers.
func Render(head []string, rows [][]string) string {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.Style().Options = table.OptionsNoBordersAndSeparators
	var configs []table.ColumnConfig
	for i := 2; i <= len(head); i++ {
		configs = append(configs, table.ColumnConfig{Number: i, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(configs)
	t.AppendHeader(row(head))
	for _, r := range rows {
		t.AppendRow(row(r))
	}
	return t.Render() + "\n"
}

func row(cells []string) table.Row {
	var out table.Row
	for _, c := range cells {
		out = append(out, c)
	}
	return out
}
