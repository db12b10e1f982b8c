//go:build !js && !wasip1

package top

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/mattn/go-runewidth"
)

func newScreen(second int, bytes int64) *screen {
	u, _ := ParseURL("localhost:6060")
	s := &screen{ctx: nil, client: newClient(u), o: Options{Sort: byName}, interval: time.Second}
	s.watch.see(snapshotOf(second, bytes))
	return s
}

// Whatever is shown and however large the terminal is, it fits, and nothing that
// the program says of itself reaches the terminal as a command.
func TestScreenFits(t *testing.T) {
	s := newScreen(1, 123_456)
	for _, keys := range [][]string{{}, {"b"}, {"u", "r"}, {"s"}, {"s", "end"}, {"h"}, {"esc", "n", "end"}, {"space"}} {
		for _, k := range keys {
			s.key(k)
		}
		for _, size := range [][2]int{{200, 60}, {80, 24}, {40, 5}, {20, 3}, {5, 2}, {1, 1}, {0, 0}} {
			s.Update(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
			text := strings.NewReplacer(reverse, "", plain, "").Replace(s.text())
			rows := strings.Split(text, "\n")
			if len(rows) > max(size[1], 1) {
				t.Errorf("%v after %q: %d rows", size, keys, len(rows))
			}
			for _, row := range rows {
				if n := runewidth.StringWidth(row); n > size[0] {
					t.Errorf("%v after %q: %d columns: %s", size, keys, n, row)
				}
				if strings.ContainsAny(row, "\x1b\r\x07") {
					t.Errorf("%v after %q: %q", size, keys, row)
				}
			}
		}
	}
}

func TestScreenKeys(t *testing.T) {
	s := newScreen(1, 1000)
	s.Update(tea.WindowSizeMsg{Width: 120, Height: 24})
	shows := func(want string) {
		t.Helper()
		if !strings.Contains(s.text(), want) {
			t.Errorf("no %q in\n%s", want, s.text())
		}
	}
	for key, order := range orderKeys {
		if s.key(key); s.o.Sort != order || !slices.Contains(Orders(), order) {
			t.Errorf("%s: sorted by %s", key, s.o.Sort)
		}
	}
	s.key("b")
	shows("▼LIVE")
	s.key("r")
	shows("▲LIVE")
	s.key("s")
	shows("main.go:3")
	s.key("h")
	shows("this help")
	s.key("tab")
	s.key("space")
	shows("paused")
	if s.Update(tick(s.turn)); s.asking {
		t.Error("it asks while it is paused")
	}
	s.key("space")
	s.key("+")
	shows("every 500ms")
	for range 20 {
		s.key("-")
	}
	shows("every " + intervalMost.String())
	if cmd := s.key("q"); cmd == nil || fmt.Sprintf("%T", cmd()) != "tea.QuitMsg" {
		t.Error("q does not quit")
	}
}

// What is known stays while there is no answer, and says how old it is.
func TestScreenUnreachable(t *testing.T) {
	s := newScreen(1, 1000)
	s.Update(tea.WindowSizeMsg{Width: 120, Height: 24})
	s.asking = true
	s.Update(update{nil, errors.New("nothing listens")})
	if text := s.text(); !strings.Contains(text, "nothing listens") || !strings.Contains(text, "cache") || s.asking {
		t.Errorf("%s", text)
	}
	s.Update(update{snapshotOf(3, 2000), nil})
	if text := s.text(); strings.Contains(text, "nothing listens") || !strings.Contains(text, "1.95 KiB") {
		t.Errorf("%s", text)
	}
}
