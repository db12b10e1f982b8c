package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/term"

	"github.com/allod-dev/allod/cmd/allod/internal/exit"
	"github.com/allod-dev/allod/cmd/allod/internal/outfile"
	"github.com/allod-dev/allod/cmd/allod/internal/say"
	"github.com/allod-dev/allod/cmd/allod/internal/shown"
)

// Options say what the demo runs on and where its results go.
type Options struct {
	Root  string        // the folder to index
	Scale float64       // documents per file of the folder
	Load  time.Duration // how long each variant serves
	Limit int64         // with a limit only the limited build runs; 0: everything
	JSON  bool
	HTML  string // file to write the page to
}

// Run runs the demo and writes what it found to stdout. Progress goes to stderr
// if that is a terminal.
func Run(ctx context.Context, o Options, stdout io.Writer, stderr *os.File) error {
	root, err := filepath.Abs(o.Root)
	if err != nil {
		return exit.UsageError(err)
	}
	o.Root = root
	c, err := openCorpus(o.Root, o.Scale)
	if err != nil {
		return err
	}
	bar := shown.NewBar(stderr)
	defer bar.Finish()
	if o.Limit > 0 {
		return runLimited(c, o, bar, stdout)
	}

	var page *outfile.File
	if o.HTML != "" { // before the work: a wrong name should not cost a minute
		if page, err = outfile.Create(o.HTML); err != nil {
			return exit.UsageError(err)
		}
		defer page.Discard()
	}
	report, err := measure(ctx, c, o, bar, stdout)
	if err != nil {
		return err
	}
	bar.Finish()
	if o.JSON {
		err = writeJSON(stdout, report)
	} else {
		err = report.write(stdout, width(stdout))
	}
	if page != nil {
		if err = errors.Join(err, report.writeHTML(page)); err == nil {
			err = page.Keep()
		}
		if err == nil && !o.JSON {
			fmt.Fprintf(stdout, "\nThe charts are in %s.\n", o.HTML)
		}
	}
	if err == nil && len(report.Failed) > 0 {
		err = exit.Error(exit.Failed, errors.New(say.Plural(len(report.Failed), "check")+" failed"))
	}
	return err
}

// measure runs every variant, and the limited build, each in a process of its
// own.
func measure(ctx context.Context, c *corpus, o Options, bar *shown.Bar, stdout io.Writer) (*Report, error) {
	r := &Report{
		Root: o.Root, Scale: o.Scale, Documents: len(c.docs),
		Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, Processors: runtime.GOMAXPROCS(0),
	}
	var err error
	if r.Bytes, err = c.warm(bar.Stage("reading")); err != nil {
		return nil, err
	}
	if !o.JSON {
		bar.Clear()
		fmt.Fprintf(stdout, "%s\n\n", say.Wrap(r.introduction(o.Load), min(width(stdout), maxColumns)))
	}
	r.measureMachine(min(o.Load, time.Second))
	s := spec{Root: o.Root, Scale: o.Scale, Load: o.Load}
	for _, v := range variants {
		s.Variant = v.name
		result, err := inProcess(ctx, s, bar.Share(v.title))
		if err != nil {
			return nil, err
		}
		r.Variants = append(r.Variants, result)
		if s.Budget == 0 { // the first sets the terms for the others
			s.Budget, s.Requests, s.Rate = result.PeakRSS, result.Requests, result.Rate
		}
	}
	r.measureAlike()
	bar.Share("with a limit")(0)
	err = r.limited(func(limit int64) (*LimitResult, error) { return limitInProcess(ctx, o, limit) })
	if err != nil {
		return nil, err
	}
	if err := r.mistakes(ctx); err != nil {
		return nil, err
	}
	r.check()
	return r, nil
}

// runLimited is the demo with --limit.
func runLimited(c *corpus, o Options, bar *shown.Bar, stdout io.Writer) error {
	r, err := buildWithin(c, o.Limit, bar.Stage("indexing"))
	bar.Finish()
	if err != nil {
		return err
	}
	r.ExitCode = exit.Code(r.failure())
	if o.JSON {
		err = writeJSON(stdout, r)
	} else if r.ExitCode == exit.OK {
		_, err = fmt.Fprintln(stdout, r)
	}
	return errors.Join(err, r.failure())
}

func writeJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(v)
}

// maxColumns is how long a line of text may be: more is hard to read.
const maxColumns = 80

// width returns the columns of the terminal that w is, or maxColumns.
func width(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			return columns
		}
	}
	return maxColumns
}
