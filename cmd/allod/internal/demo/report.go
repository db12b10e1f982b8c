package demo

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/allod-dev/allod/cmd/allod/internal/exit"
	"github.com/allod-dev/allod/cmd/allod/internal/say"
)

// A Report is all that the demo found.
type Report struct {
	Root       string  `json:"root"`
	Scale      float64 `json:"scale"`
	Documents  int     `json:"documents"`
	Bytes      int64   `json:"bytes"`
	Go         string  `json:"go"`
	System     string  `json:"system"`
	Processors int     `json:"processors"`
	// Delay is what 1 in 1,000 moments would wait for a processor, or longer, if
	// nothing of ours was running.
	Delay    time.Duration `json:"delay_ns"`
	Variants []*Result     `json:"variants"`
	Limited  *LimitResult  `json:"limited"`
	Mistakes []*Mistake    `json:"mistakes"`
	Failed   []string      `json:"failed_checks"`
}

// Plain Go, which everything is compared with, and the best that allod has.
func (r *Report) plain() *Result { return r.Variants[0] }
func (r *Report) best() *Result  { return r.Variants[len(r.Variants)-1] }

// limit returns a limit that the index will hardly fit in: 64 MiB for the source
// tree of Go.
func (r *Report) limit() int64 {
	const usual = 64 << 20
	return round(min(usual, max(r.best().OffHeap/3, 1)))
}

// round makes a size easier to read, and no larger.
func round(n int64) int64 {
	for _, unit := range []int64{1 << 20, 1 << 10} {
		if n >= unit {
			return n - n%unit
		}
	}
	return n
}

// limited runs the build within a limit that the index does not fit in. How
// little that is cannot be known: an arena has room to spare.
func (r *Report) limited(run func(limit int64) (*LimitResult, error)) (err error) {
	for limit := r.limit(); limit > 0; limit = round(limit / 2) {
		if r.Limited, err = run(limit); err != nil || r.Limited.ExitCode != exit.OK {
			return err
		}
	}
	return nil
}

// measureMachine finds out what latency the machine has by itself, in so much
// time.
func (r *Report) measureMachine(d time.Duration) {
	r.Delay = delay(stalls(d), d*time.Duration(runtime.GOMAXPROCS(0)), 0.999)
	time.Sleep(min(rest, d))
}

// measureAlike makes the latencies of every variant those of all its requests if hardly
// any of one were undisturbed. Where one shows what the machine did and another does
// not, they cannot be compared.
func (r *Report) measureAlike() {
	const fewest = 0.25
	if slices.ContainsFunc(r.Variants, func(v *Result) bool { return v.Undisturbed < fewest }) {
		for _, v := range r.Variants {
			v.Latencies, v.Undisturbed = v.OfAll, 1
		}
	}
}

// check lists what is wrong, if anything is.
func (r *Report) check() {
	r.Failed = []string{}
	fail := func(ok bool, format string, args ...any) {
		if !ok {
			r.Failed = append(r.Failed, fmt.Sprintf(format, args...))
		}
	}
	first := r.plain()
	for _, v := range r.Variants {
		fail(v.Answers == first.Answers, "%s answers otherwise than %s", v.Title, first.Title)
		fail(v.Words == first.Words && v.Postings == first.Postings,
			"%s has %d words and %d postings, %s %d and %d",
			v.Title, v.Words, v.Postings, first.Title, first.Words, first.Postings)
		fail(v.Lost == 0, "%s lost %d bytes", v.Title, v.Lost)
	}
	l := r.Limited
	fail(l.ExitCode == exit.OutOfMemory, "with a limit of %s the exit code was %d, not %d",
		say.Size(l.Limit), l.ExitCode, exit.OutOfMemory)
	fail(l.Intact, "running out of memory damaged the index")
	for _, m := range r.Mistakes {
		fail(m.Found || !m.Able, "the mistake of examples/%s was not found", m.Name)
	}
	fail(l.Lost == 0, "after running out of memory %d bytes were lost", l.Lost)
}

// introduction says what is about to happen.
func (r *Report) introduction(load time.Duration) string {
	return fmt.Sprintf("A full-text index over %s: %s, %s, built %d ways, each in a process "+
		"of its own and with the same memory. This takes %s.",
		r.Root, say.Plural(r.Documents, "file"), say.Size(r.Bytes), len(variants), r.about(load))
}

// about says how long the demo takes: the load, and building and loading the
// index, all variants together, at a few megabytes per second.
func (r *Report) about(load time.Duration) string {
	const bytesPerSecond = 4e6
	switch s := float64(len(variants))*load.Seconds() + float64(r.Bytes)/bytesPerSecond; {
	case s < 10:
		return "some seconds"
	case s < 40:
		return "less than a minute"
	case s < 90:
		return "about a minute"
	}
	return "some minutes"
}

// A row of the table: its name below the row before, and by itself.
type row struct {
	name, full string
	value      func(*Result) string
}

var rows = []row{
	{"build", "build", func(r *Result) string { return say.Duration(r.Build) }},
	{"queries per second", "queries per second", func(r *Result) string { return say.Count(int(r.PerSecond)) }},
	{"latency under load, p50", "latency under load, p50", func(r *Result) string { return say.Duration(r.Latency(0.5)) }},
	{"  p99", "latency under load, p99", func(r *Result) string { return say.Duration(r.Latency(0.99)) }},
	{"  p99.9", "latency under load, p99.9", func(r *Result) string { return say.Duration(r.Latency(0.999)) }},
	{"peak memory (RSS)", "peak memory (RSS)", func(r *Result) string { return say.Size(r.PeakRSS) }},
	{"  of it off the Go heap", "memory off the Go heap", func(r *Result) string { return say.Size(r.OffHeap) }},
	{"live Go heap objects", "live Go heap objects", func(r *Result) string { return say.Count(r.Objects) }},
	{"collections", "collections", func(r *Result) string { return say.Count(r.Cycles) }},
	{"  CPU time", "CPU time of all collections", func(r *Result) string { return say.Duration(seconds(r.GCCPU)) }},
	{"full collection", "full collection with the index live", func(r *Result) string { return say.Duration(r.FullGC) }},
	{"teardown", "teardown", func(r *Result) string { return say.Duration(r.Teardown) }},
}

// write writes the table and what it says, for a terminal of so many columns.
func (r *Report) write(w io.Writer, columns int) error {
	t := table.NewWriter()
	t.SetStyle(table.StyleRounded)
	t.Style().Format.Header = text.FormatDefault
	head := table.Row{""}
	var config []table.ColumnConfig
	for i, v := range r.Variants {
		head = append(head, v.Title)
		config = append(config, table.ColumnConfig{Number: i + 2, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.AppendHeader(head)
	t.SetColumnConfigs(config)
	for _, row := range rows {
		cells := table.Row{row.name}
		for _, v := range r.Variants {
			cells = append(cells, row.value(v))
		}
		t.AppendRow(cells)
	}
	if _, err := fmt.Fprintln(w, t.Render()); err != nil {
		return err
	}
	for _, p := range append(r.legend(), r.sentences()...) {
		if _, err := fmt.Fprintf(w, "\n%s\n", say.Wrap(p, min(columns, maxColumns))); err != nil {
			return err
		}
	}
	for _, m := range r.Mistakes {
		if err := m.write(w, min(columns, maxColumns)); err != nil {
			return err
		}
	}
	for _, f := range r.Failed {
		fmt.Fprintf(w, "\nCHECK FAILED: %s.\n", f)
	}
	return nil
}

// legend says what the columns are and what is fair about them.
func (r *Report) legend() []string {
	p := r.plain()
	return []string{
		fmt.Sprintf("plain Go keeps a map[string]*[]posting. arena is the same index in one heap.Arena "+
			"over heap.Page; + scratch also tokenises files and answers queries in arenas that are "+
			"reset. All get the memory that plain Go took, %s: GOGC=400 through GOMEMLIMIT, the "+
			"arenas through a limit that is lowered by what they take, at which alone they collect.",
			say.Size(p.PeakRSS)),
		fmt.Sprintf("Load: %s requests arrive per second at random, a quarter of what plain Go can "+
			"serve; each is JSON in, a phrase or a prefix, JSON out, %s of Go heap in plain Go. "+
			"Latency counts from arrival, and is that of %s.", say.Count(int(p.Rate)), say.Size(int64(p.PerRequest)), r.measured()),
		"Teardown is giving the index back to the system: plain Go has to collect, and returns all " +
			"that is free (debug.FreeOSMemory); an arena returns its memory as it is closed. CPU time " +
			"of collections is without what they did on processors that were idle.",
	}
}

// measured says of which requests the latencies are.
func (r *Report) measured() string {
	if !slices.ContainsFunc(r.Variants, (*Result).leftOut) {
		return "all requests"
	}
	var shares []string
	for _, v := range r.Variants {
		shares = append(shares, fmt.Sprintf("%.0f %%", 100*v.Undisturbed))
	}
	last := len(shares) - 1
	return fmt.Sprintf("requests that met no wait for a processor of %s or longer: %s and %s of all",
		say.Duration(disturbance), strings.Join(shares[:last], ", "), shares[last])
}

// A variant that gets less of the processors than this shares them.
const alone = 0.85

// warning says whether other programs disturbed the measurement, or nothing.
func (r *Report) warning() string {
	var disturbed []string
	for _, v := range r.Variants {
		if v.Got > 0 && v.Got < alone {
			disturbed = append(disturbed, fmt.Sprintf("%s got %.0f %%", v.Title, 100*v.Got))
		}
	}
	if len(disturbed) == 0 {
		return ""
	}
	return "Other programs were busy meanwhile: of the processors, " + strings.Join(disturbed, ", ") +
		". Times and latencies are theirs, too; run it again when they are quiet."
}

// sentences says what a newcomer should see.
func (r *Report) sentences() []string {
	p, b := r.plain(), r.best()
	slow, fast := p.Latency(0.999), b.Latency(0.999)
	s := []string{
		fmt.Sprintf("The slowest 1 in 1,000 requests took %s or more in plain Go, and %s with the "+
			"index off the Go heap: %s.%s", say.Duration(slow), say.Duration(fast),
			compare(float64(slow), float64(fast), "shorter", "longer"), r.ownDelay(fast)),
		fmt.Sprintf("A full collection with the index live took %s, as the collector has to visit "+
			"%s objects; off the Go heap they are %s, and it took %s: %s.",
			say.Duration(p.FullGC), say.Count(p.Objects), say.Count(b.Objects), say.Duration(b.FullGC),
			compare(float64(p.FullGC), float64(b.FullGC), "shorter", "longer")),
		fmt.Sprintf("In all, collecting took %s of CPU time in plain Go and %s off the Go heap.",
			say.Duration(seconds(p.GCCPU)), say.Duration(seconds(b.GCCPU))),
	}
	if l := r.Limited; l.Error != "" {
		s = append(s, fmt.Sprintf("Memory can run out, and that is an error like any other: with "+
			"--limit %s the build stops %s (%s%s), the index of the files before is "+
			"%s, %s are lost, and the exit code is %d.", say.FlagSize(l.Limit), l.where(),
			say.Pick(l.File == "", "", l.File+": "), l.Error, say.Pick(l.Intact, "intact", "DAMAGED"), say.Plural(l.Lost, "byte"), l.ExitCode))
	}
	if len(r.Failed) == 0 {
		s = append(s, fmt.Sprintf("All variants gave the same answers (%s), and the "+
			"arenas gave every byte back.", p.Answers))
	}
	if w := r.warning(); w != "" {
		s = append(s, w)
	}
	return s
}

// ownDelay says what part of a latency the machine has, if that is a large one, and
// requests that it held up are among those measured.
func (r *Report) ownDelay(latency time.Duration) string {
	const large = 4
	if r.Delay < latency/large || r.Delay == 0 || slices.ContainsFunc(r.Variants, (*Result).leftOut) {
		return ""
	}
	return fmt.Sprintf(" This machine, with nothing of the demo running, has 1 in 1,000 wait %s or more "+
		"for a processor, which is part of both.", say.Duration(r.Delay))
}

// compare says how a, the measure of plain Go, relates to b.
func compare(a, b float64, less, more string) string {
	switch {
	case b <= 0 || a <= 0:
		return "too little to compare"
	case a/b >= 1.05:
		return fmt.Sprintf("%s times %s", ratio(a/b), less)
	case b/a >= 1.05:
		return fmt.Sprintf("%s times %s", ratio(b/a), more)
	}
	return "about the same"
}

func ratio(x float64) string {
	if x < 10 {
		return fmt.Sprintf("%.1f", x)
	}
	return say.Count(int(x + 0.5))
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
