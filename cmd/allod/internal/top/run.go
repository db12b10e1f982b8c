package top

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// Options are the settings of allod top.
type Options struct {
	Page     *url.URL
	Interval time.Duration
	Count    int    // updates; 0: until it is ended, on a terminal, and else one
	Sort     string // of Orders()
	Reverse  bool
	Stacks   int // how many are shown
	Once     bool
	JSON     bool
}

// Run is allod top. It takes the terminal over if stdout is one, and writes lines
// otherwise.
func Run(ctx context.Context, o Options, stdout io.Writer) error {
	c := newClient(o.Page)
	first, err := c.snapshot(ctx, o.Stacks)
	if err != nil {
		return err
	}
	f, ok := stdout.(*os.File)
	onTerminal := ok && term.IsTerminal(int(f.Fd())) && term.IsTerminal(int(os.Stdin.Fd()))
	if o.Once {
		o.Count = 1
	}
	if onTerminal && !o.JSON && o.Count == 0 {
		return live(ctx, c, o, first, f)
	}
	return o.write(ctx, c, first, stdout)
}

// plainColumns is how long lines are where there is no terminal to ask.
const plainColumns = 120

// write writes updates one after the other.
func (o Options) write(ctx context.Context, c *client, s *Snapshot, stdout io.Writer) error {
	width := plainColumns
	if f, ok := stdout.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			width = columns
		}
	}
	tick := time.NewTicker(o.Interval)
	defer tick.Stop()
	var w watch
	for n := 1; ; n++ {
		if err := o.writeOne(&w, s, stdout, width); err != nil {
			return err
		}
		if n >= max(o.Count, 1) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		var err error
		if s, err = c.snapshot(ctx, o.Stacks); err != nil {
			return err
		}
	}
}

// writeOne writes one update: a line of JSON, or tables with an empty line after
// them.
func (o Options) writeOne(w *watch, s *Snapshot, stdout io.Writer, width int) error {
	if o.JSON {
		return json.NewEncoder(stdout).Encode(s)
	}
	w.see(s)
	rows := []string{fmt.Sprintf("%s  %s", s.Stats.Time.Local().Format(time.TimeOnly), w.summary()), ""}
	rows = append(rows, w.table(o.Sort, o.Reverse, width)...)
	if len(w.lines) == 0 {
		rows = append(rows, noNames)
	}
	if o.Stacks > 0 {
		rows = append(append(rows, ""), w.stacks(width)...)
	}
	_, err := fmt.Fprintln(stdout, strings.Join(rows, "\n")+"\n")
	return err
}

const noNames = "No allocator has a name: heap.Named gives it one."
