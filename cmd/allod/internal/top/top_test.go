package top

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/allod-dev/allod/heap/heaphttp"
)

func TestParseURL(t *testing.T) {
	for s, want := range map[string]string{
		"localhost:6060":                   "http://localhost:6060/debug/allod/",
		":6060":                            "http://localhost:6060/debug/allod/",
		"db7":                              "http://db7/debug/allod/",
		"db7/":                             "http://db7/debug/allod/",
		"https://db7/internal/allod":       "https://db7/internal/allod/",
		"http://db7/debug/allod/?every=50": "http://db7/debug/allod/",
		"[::1]:6060":                       "http://[::1]:6060/debug/allod/",
	} {
		if u, err := ParseURL(s); err != nil || u.String() != want {
			t.Errorf("ParseURL(%q) = %v, %v, want %s", s, u, err, want)
		}
	}
	for _, s := range []string{"", "http://", "ftp://db7/", "http://[::1", "db7:0", "db7:70000", "a b", "http://%zz/"} {
		if u, err := ParseURL(s); err == nil {
			t.Errorf("ParseURL(%q) = %v", s, u)
		}
	}
}

// snapshotOf returns what a program says that holds so many bytes.
func snapshotOf(second int, bytes int64) *Snapshot {
	at := time.Unix(int64(second), 0)
	return &Snapshot{
		Stats: &heaphttp.Stats{
			Time:    at,
			Process: heaphttp.Process{Program: "shop\x1b[2J", PID: 7, Go: "go1.26"},
			Memory:  heaphttp.Memory{OffHeap: bytes, Budget: &heaphttp.Budget{Total: 1 << 30}},
			Allocators: []heaphttp.Allocator{
				{Name: "cache", Bytes: bytes, TotalBytes: 2 * bytes, TotalBlocks: bytes, Failures: 1},
				{Name: "cache/índice", Bytes: 10, TotalBytes: 10},
				{Name: "queue\r\x07", Bytes: bytes / 2, Committed: 4 * bytes, Fragmentation: 0.5},
			},
		},
		Leaks: &heaphttp.Leaks{Sources: []string{"cache"}, Sites: []heaphttp.Site{{
			Allocator: "cache", Blocks: 2, Bytes: bytes, Grown: -5,
			Stack: slices.Repeat([]heaphttp.Frame{{Function: "main.\x1b]0;x", File: "/src/main.go", Line: 3}}, 9),
		}}, MoreSites: 1, MoreBytes: 4},
	}
}

// What is only watched was asked for by nobody who is counted, and what lies
// elsewhere is not a part of what is committed.
func TestUnused(t *testing.T) {
	s := snapshotOf(100, 1000)
	s.Stats.Allocators = []heaphttp.Allocator{
		{Name: "used", TotalBlocks: 1, Bytes: 100, Committed: 200, Fragmentation: 0.5},
		{Name: "watched", Committed: 200},
		{Name: "elsewhere", TotalBlocks: 1, Bytes: 300, Committed: 200},
	}
	var w watch
	w.see(s)
	rows := w.table(byName, false, 200)
	if !strings.HasSuffix(rows[1], " 50 %") || !strings.HasSuffix(rows[2], " –") || !strings.HasSuffix(rows[3], " –") {
		t.Errorf("%q", rows)
	}
}

func TestWatch(t *testing.T) {
	var w watch
	w.see(snapshotOf(100, 1000))
	if l := w.lines[0]; l.timed || l.grown != 0 {
		t.Errorf("%+v", l)
	}
	w.see(snapshotOf(102, 4000))
	if l := w.lines[0]; !l.timed || l.grown != 3000 || l.perSec != 3000 || l.calls != 1500 {
		t.Errorf("%+v", l)
	}
	again := snapshotOf(104, 500)
	again.Stats.Process.PID = 8
	w.see(again)
	if l := w.lines[0]; l.timed || l.grown != 0 {
		t.Errorf("after the program was started anew: %+v", l)
	}
	for _, order := range Orders() {
		if got := w.sorted(order, false); len(got) != 3 {
			t.Errorf("by %s: %d lines", order, len(got))
		}
	}
	if got := w.sorted("bytes", true); got[0].Name != "cache/índice" {
		t.Errorf("by bytes, reversed: %s first", got[0].Name)
	}
}
