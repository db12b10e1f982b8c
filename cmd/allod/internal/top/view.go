package top

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/mattn/go-runewidth"

	"github.com/allod-dev/allod/cmd/allod/internal/say"
	"github.com/allod-dev/allod/heap/heaphttp"
)

// A line is a name of the program's with what it holds.
type line struct {
	*heaphttp.Allocator
	grown  int64   // live bytes, since the first look
	perSec float64 // bytes allocated, since the last look
	calls  float64 // blocks allocated, likewise
	timed  bool    // there was a look before, so that perSec and calls are known
}

// A column is one figure of a line.
type column struct {
	name   string // as the flag --sort has it
	title  string
	order  func(a, b line) int
	show   func(line) string
	weight int // the greater, the longer it stays on a narrow screen
}

func by[T cmp.Ordered](of func(line) T) func(a, b line) int {
	return func(a, b line) int { return cmp.Compare(of(b), of(a)) } // most first
}

func bytesOf(of func(line) int64) func(line) string {
	return func(l line) string { return say.Size(of(l)) }
}

func unlessFirst(show func(line) string) func(line) string {
	return func(l line) string {
		if !l.timed {
			return "–"
		}
		return show(l)
	}
}

// ifKnown is for what follows from the footprint, which not every name has.
func ifKnown(show func(line) string) func(line) string {
	return func(l line) string {
		if l.Committed == 0 {
			return "–"
		}
		return show(l)
	}
}

// ifUsed is ifKnown for what compares that with what was asked for: of what is only
// watched nobody knows, nor of a name some of whose blocks lie elsewhere.
func ifUsed(show func(line) string) func(line) string {
	return ifKnown(func(l line) string {
		if l.TotalBlocks == 0 || l.Bytes > l.Committed {
			return "–"
		}
		return show(l)
	})
}

var columns = []column{
	{"bytes", "LIVE", by(func(l line) int64 { return l.Bytes }), bytesOf(func(l line) int64 { return l.Bytes }), 9},
	{"grown", "GROWN", by(func(l line) int64 { return l.grown }), func(l line) string { return signed(l.grown) }, 7},
	{"blocks", "BLOCKS", by(func(l line) int64 { return l.Blocks }), func(l line) string { return say.Count(l.Blocks) }, 8},
	{"peak", "PEAK", by(func(l line) int64 { return l.PeakBytes }), bytesOf(func(l line) int64 { return l.PeakBytes }), 5},
	{"rate", "ALLOC/S", by(func(l line) float64 { return l.perSec }), unlessFirst(func(l line) string { return say.Size(int64(l.perSec)) }), 6},
	{"calls", "CALLS/S", by(func(l line) float64 { return l.calls }), unlessFirst(func(l line) string { return say.Count(int64(l.calls)) }), 3},
	{"failures", "FAILED", by(func(l line) int64 { return l.Failures }), func(l line) string { return say.Count(l.Failures) }, 4},
	{"committed", "COMMITTED", by(func(l line) int64 { return l.Committed }), ifKnown(func(l line) string { return say.Size(l.Committed) }), 2},
	{"waste", "UNUSED", by(func(l line) float64 { return l.Fragmentation }), ifUsed(func(l line) string { return fmt.Sprintf("%.0f %%", 100*l.Fragmentation) }), 1},
}

// byName sorts as the page does: what is below a name follows it.
const byName = "name"

// Orders returns what lines can be sorted by.
func Orders() []string {
	names := []string{byName}
	for _, c := range columns {
		names = append(names, c.name)
	}
	return names
}

func signed(n int64) string {
	switch {
	case n < 0:
		return "−" + say.Size(-n)
	case n > 0:
		return "+" + say.Size(n)
	}
	return "0"
}

// A watch remembers what it takes to tell how things change.
type watch struct {
	first map[string]int64 // live bytes of each name when it was first seen
	last  *heaphttp.Stats
	now   *Snapshot
	lines []line // of now, by name
}

// see takes a new snapshot in.
func (w *watch) see(s *Snapshot) {
	if w.now != nil && (s.Stats.Process.PID != w.now.Stats.Process.PID || !s.Stats.Process.Started.Equal(w.now.Stats.Process.Started)) {
		*w = watch{} // the program was started anew
	}
	if w.now != nil {
		w.last = w.now.Stats
	}
	if w.first == nil {
		w.first = map[string]int64{}
	}
	before := map[string]*heaphttp.Allocator{}
	seconds := 0.0
	if w.last != nil {
		seconds = s.Stats.Time.Sub(w.last.Time).Seconds()
		for i := range w.last.Allocators {
			before[w.last.Allocators[i].Name] = &w.last.Allocators[i]
		}
	}
	w.now, w.lines = s, nil
	for i := range s.Stats.Allocators {
		a := &s.Stats.Allocators[i]
		if _, seen := w.first[a.Name]; !seen {
			w.first[a.Name] = a.Bytes
		}
		l := line{Allocator: a, grown: a.Bytes - w.first[a.Name]}
		if old := before[a.Name]; old != nil && seconds > 0 {
			l.timed = true
			l.perSec = max(float64(a.TotalBytes-old.TotalBytes), 0) / seconds
			l.calls = max(float64(a.TotalBlocks-old.TotalBlocks), 0) / seconds
		}
		w.lines = append(w.lines, l)
	}
}

// sorted returns the lines in an order of Orders.
func (w *watch) sorted(order string, reverse bool) []line {
	all := slices.Clone(w.lines)
	for _, c := range columns {
		if c.name == order {
			slices.SortStableFunc(all, c.order)
		}
	}
	if reverse {
		slices.Reverse(all)
	}
	return all
}

// summary says whose memory it is, and how much in all.
func (w *watch) summary() string {
	s := w.now.Stats
	text := fmt.Sprintf("%s, process %d, %s: %s off the Go heap, %s for Go",
		clean(s.Process.Program), s.Process.PID, clean(s.Process.Go), say.Size(s.Memory.OffHeap), say.Size(s.Memory.GoTotal))
	if s.Memory.GoLimit > 0 {
		text += " of " + say.Size(s.Memory.GoLimit)
	}
	if b := s.Memory.Budget; b != nil {
		text += fmt.Sprintf("; budget of %s", say.Size(b.Total))
		if b.Refused > 0 {
			text += fmt.Sprintf(", %s refused", say.Count(b.Refused))
		}
	}
	return text
}

// table returns the lines as text of at most so many columns, headings first.
func (w *watch) table(order string, reverse bool, width int) (rows []string) {
	all := w.sorted(order, reverse)
	names := []string{"NAME"}
	for _, l := range all {
		names = append(names, label(l.Name, order == byName && !reverse))
	}
	shown := slices.Clone(columns)
	cells := func() (cells [][]string, total int) {
		for _, c := range shown {
			cell := []string{mark(c.title, c.name == order, reverse)}
			wide := runewidth.StringWidth(cell[0])
			for _, l := range all {
				cell = append(cell, c.show(l))
				wide = max(wide, runewidth.StringWidth(cell[len(cell)-1]))
			}
			for i := range cell {
				cell[i] = runewidth.FillLeft(cell[i], wide+2)
			}
			cells = append(cells, cell)
			total += wide + 2
		}
		return cells, total
	}
	const nameLeast = 16
	figures, total := cells()
	for total+nameLeast > width && len(shown) > 1 {
		least := 0
		for i, c := range shown {
			if c.weight < shown[least].weight {
				least = i
			}
		}
		shown = slices.Delete(shown, least, least+1)
		figures, total = cells()
	}
	room := 4
	for _, name := range names {
		room = max(room, runewidth.StringWidth(name))
	}
	room = max(min(room, width-total), 1)
	for i, name := range names {
		row := runewidth.FillRight(runewidth.Truncate(name, room, "…"), room)
		for _, cell := range figures {
			row += cell[i]
		}
		rows = append(rows, row)
	}
	return rows
}

// mark shows what lines are sorted by.
func mark(title string, this, reverse bool) string {
	if !this {
		return title
	}
	return say.Pick(reverse, "▲", "▼") + title
}

// label returns how a name is shown: as a branch of a tree, or whole.
func label(name string, tree bool) string {
	name = clean(name)
	if !tree {
		return name
	}
	depth := strings.Count(name, "/")
	return strings.Repeat("  ", depth) + name[strings.LastIndexByte(name, '/')+1:]
}

// stacks returns the stacks that hold the most as text.
func (w *watch) stacks(width int) (rows []string) {
	leaks := w.now.Leaks
	if leaks == nil {
		return nil
	}
	if len(leaks.Sites) == 0 {
		return []string{say.Pick(len(leaks.Sources) == 0,
			"No stacks are known: there is no heap.Profile or heap.Debug below a name, nor an SMP with a ProfileRate.",
			"Nothing is live of which the stack is known.")}
	}
	for _, s := range leaks.Sites {
		rows = append(rows, fmt.Sprintf("%s in %s of %s, %s since %s", say.Size(s.Bytes), say.Plural(s.Blocks, "block"), clean(s.Allocator),
			signed(s.Grown), leaks.Since.Local().Format(time.TimeOnly)))
		for i, f := range s.Stack {
			if i == framesMost {
				rows = append(rows, fmt.Sprintf("    and %d more", len(s.Stack)-i))
				break
			}
			rows = append(rows, fmt.Sprintf("    %s  %s:%d", clean(f.Function), clean(path.Base(f.File)), f.Line))
		}
	}
	if leaks.MoreSites > 0 {
		rows = append(rows, fmt.Sprintf("%s in %s more", say.Size(leaks.MoreBytes), say.Plural(leaks.MoreSites, "stack")))
	}
	for i := range rows {
		rows[i] = runewidth.Truncate(rows[i], max(width, 1), "…")
	}
	return rows
}

// framesMost is how many calls of a stack are shown.
const framesMost = 6

// clean returns s with nothing in it that a terminal would obey: it is what
// another program says of itself.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
