//go:build !js && !wasip1

package top

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/mattn/go-runewidth"

	"github.com/allod-dev/allod/cmd/allod/internal/say"
)

// live shows updates in place, until the user or ctx ends it.
func live(ctx context.Context, c *client, o Options, first *Snapshot, terminal *os.File) error {
	if o.Stacks == 0 {
		o.Stacks = stacksLive
	}
	s := &screen{ctx: ctx, client: c, o: o, interval: o.Interval}
	s.watch.see(first)
	_, err := tea.NewProgram(s, tea.WithContext(ctx), tea.WithOutput(terminal), tea.WithoutSignalHandler()).Run()
	if ctx.Err() != nil { // it has put the terminal back
		return ctx.Err()
	}
	return err
}

const stacksLive = 20

// A screen is what the terminal shows.
type screen struct {
	ctx      context.Context
	client   *client
	o        Options
	interval time.Duration

	watch         watch
	failed        error // of the last look
	asking        bool  // an answer is on its way
	paused        bool
	stacks, help  bool // shown instead of the table
	top           int  // the first row that is shown
	width, height int
	turn          int // of the clock: what an older one says is void
}

// update is an answer of the page.
type update struct {
	s   *Snapshot
	err error
}

// tick says that it is time to look again.
type tick int

// Init implements [tea.Model].
func (s *screen) Init() tea.Cmd { return s.wait() }

func (s *screen) wait() tea.Cmd {
	s.turn++
	turn := s.turn
	return tea.Tick(s.interval, func(time.Time) tea.Msg { return tick(turn) })
}

// look asks the page, unless an answer is on its way.
func (s *screen) look() tea.Cmd {
	if s.asking {
		return nil
	}
	s.asking = true
	return func() tea.Msg {
		x, err := s.client.snapshot(s.ctx, s.o.Stacks)
		return update{x, err}
	}
}

// Update implements [tea.Model].
func (s *screen) Update(m tea.Msg) (tea.Model, tea.Cmd) {
	switch m := m.(type) {
	case tea.WindowSizeMsg:
		s.width, s.height = m.Width, m.Height
	case tick:
		if int(m) != s.turn {
			return s, nil
		}
		if s.paused {
			return s, s.wait()
		}
		return s, tea.Batch(s.look(), s.wait())
	case update:
		s.asking, s.failed = false, m.err
		if m.err == nil {
			s.watch.see(m.s)
		}
	case tea.KeyPressMsg:
		return s, s.key(m.String())
	}
	return s, nil
}

// keys says what can be pressed.
const keys = `q, Ctrl-C    quit
s, Tab       stacks that hold the most, or allocators
space        pause, go on
Enter        look now
+, -         look more often, less often
n            sort by name, as a tree
b g k p      sort by live bytes, growth, blocks, peak
a c f        sort by bytes allocated a second, calls a second, failures
m u          sort by committed bytes, share unused
r            turn the order around
arrows, PgUp, PgDn, Home, End   scroll
h, ?         this help`

var orderKeys = map[string]string{
	"n": byName, "b": "bytes", "g": "grown", "k": "blocks", "p": "peak",
	"a": "rate", "c": "calls", "f": "failures", "m": "committed", "u": "waste",
}

const (
	intervalLeast = 100 * time.Millisecond
	intervalMost  = time.Minute
)

func (s *screen) key(k string) tea.Cmd {
	if order, ok := orderKeys[k]; ok {
		s.o.Sort, s.o.Reverse, s.top, s.stacks, s.help = order, false, 0, false, false
		return nil
	}
	page := max(s.height-headRows-footRows, 1)
	switch k {
	case "q", "ctrl+c", "ctrl+d":
		return tea.Quit
	case "esc":
		s.help = false
	case "h", "?":
		s.help, s.top = !s.help, 0
	case "s", "tab":
		s.stacks, s.help, s.top = !s.stacks, false, 0
	case "r":
		s.o.Reverse = !s.o.Reverse
	case "space":
		s.paused = !s.paused
	case "enter":
		return s.look()
	case "+", "=":
		s.interval = max(s.interval/2, intervalLeast)
		return s.wait()
	case "-":
		s.interval = min(s.interval*2, intervalMost)
		return s.wait()
	case "down":
		s.top++
	case "up":
		s.top--
	case "pgdown":
		s.top += page
	case "pgup":
		s.top -= page
	case "home":
		s.top = 0
	case "end":
		s.top = 1 << 30
	}
	return nil
}

// The rows that do not scroll.
const (
	headRows = 2 // summary, headings
	footRows = 1
)

// View implements [tea.Model].
func (s *screen) View() tea.View {
	v := tea.NewView(s.text())
	v.AltScreen = true
	v.WindowTitle = "allod top " + s.client.page.Host
	return v
}

// text returns the screen, and nothing wider or higher than that.
func (s *screen) text() string {
	if s.width <= 0 || s.height <= 0 {
		return ""
	}
	heading, rows := "", []string(nil)
	switch {
	case s.help:
		heading, rows = "KEYS", strings.Split(keys, "\n")
	case s.stacks:
		heading, rows = "STACKS THAT HOLD THE MOST", s.watch.stacks(s.width)
	default:
		rows = s.watch.table(s.o.Sort, s.o.Reverse, s.width)
		heading, rows = rows[0], rows[1:]
		if len(rows) == 0 {
			rows = []string{noNames}
		}
	}
	room := max(s.height-headRows-footRows, 0)
	s.top = max(min(s.top, len(rows)-room), 0)
	body := rows[s.top:min(len(rows), s.top+room)]
	fit := func(row string) string { return runewidth.Truncate(row, s.width, "…") }
	bar := func(row string) string { return reverse + runewidth.FillRight(fit(row), s.width) + plain }

	var b strings.Builder
	b.WriteString(fit(s.watch.summary()))
	if s.height > 1 {
		b.WriteString("\n" + bar(heading))
	}
	for _, row := range body {
		b.WriteString("\n" + fit(row))
	}
	if s.height > headRows {
		b.WriteString(strings.Repeat("\n", room-len(body)) + "\n" + bar(s.foot(len(rows), room)))
	}
	return b.String()
}

const reverse, plain = "\x1b[7m", "\x1b[0m"

// foot is the last row: what goes on.
func (s *screen) foot(rows, room int) string {
	at := s.watch.now.Stats.Time.Local().Format(time.TimeOnly)
	text := fmt.Sprintf("%s, every %v", at, s.interval)
	if s.paused {
		text = at + ", paused"
	}
	if s.failed != nil {
		text = fmt.Sprintf("as of %s: %v", at, s.failed)
	}
	if rows > room {
		text += fmt.Sprintf("; rows %d to %d of %s", s.top+1, min(rows, s.top+room), say.Count(rows))
	}
	return text + "   h help  s stacks  q quit"
}
