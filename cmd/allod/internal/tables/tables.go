// Package tables writes what was measured as tables, for a terminal or a
// browser.
package tables

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/allod-dev/allod/cmd/allod/internal/say"
)

// A Page is some tables with what there is to say about them.
type Page struct {
	Title  string
	Lead   string // below the title
	Tables []Table
	Notes  string // at the end: what the columns mean
}

// A Table compares allocators, one a row.
type Table struct {
	Title, About string
	Head         []string // of the first column, too
	Rows         []Row
	Unit         string // of Bar
}

// A Row is what was measured of one.
type Row struct {
	Cells []string
	Bar   float64 // the figure that is drawn, if it is more than 0
}

const textColumns = 80

// WriteText writes the page for a terminal.
func (p *Page) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", say.Wrap(p.Lead, textColumns))
	for i := range p.Tables {
		t := &p.Tables[i]
		b.WriteByte('\n')
		if t.Title != "" {
			fmt.Fprintf(&b, "%s\n", say.Wrap(t.Title+": "+t.About, textColumns))
		}
		b.WriteString(t.text() + "\n")
	}
	fmt.Fprintf(&b, "\n%s\n", say.Wrap(p.Notes, textColumns))
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *Table) text() string {
	out := table.NewWriter()
	out.SetStyle(table.StyleLight)
	out.Style().Format.Header = text.FormatDefault
	row := func(cells []string) (r table.Row) {
		for _, c := range cells {
			r = append(r, c)
		}
		return r
	}
	out.AppendHeader(row(t.Head))
	var right []table.ColumnConfig
	for column := 2; column <= len(t.Head); column++ {
		right = append(right, table.ColumnConfig{Number: column, Align: text.AlignRight})
	}
	out.SetColumnConfigs(right)
	for _, r := range t.Rows {
		out.AppendRow(row(r.Cells))
	}
	return out.Render()
}

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{"bars": bars}).Parse(pageText))

// WriteHTML writes the page for a browser: one file that needs nothing else, with
// bars drawn into it and no script.
func (p *Page) WriteHTML(w io.Writer) error { return page.Execute(w, p) }

// A chart is the rows of a table that have something to draw.
type chart struct {
	Height int
	Bars   []bar
}

type bar struct {
	Name, Value   string
	Y             int
	Width, ValueX float64
}

const (
	barStep = 26  // from one bar to the next
	barLeft = 110 // where bars begin
	barMost = 260 // width of the longest
	barGap  = 6   // before the value
)

func bars(t Table) (c chart) {
	most := 0.0
	for _, r := range t.Rows {
		most = max(most, r.Bar)
	}
	for _, r := range t.Rows {
		if r.Bar > 0 {
			width := max(barMost*r.Bar/most, 1)
			c.Bars = append(c.Bars, bar{r.Cells[0], say.Digits(r.Bar) + " " + t.Unit, barStep * len(c.Bars), width, barLeft + width + barGap})
		}
	}
	c.Height = barStep * len(c.Bars)
	return c
}
