package report

import (
	"fmt"
	"slices"

	"github.com/allod-dev/allod/bench/internal/native"
)

// A goal says how one of our allocators should compare with a peer: the ratio
// of what both take is at most must, and better at most aim. 0 is no demand.
type goal struct {
	workloads  []string
	ours, peer string
	what       measured
	must, aim  float64
}

// measured is what is compared.
type measured string

const (
	byTime measured = "time"
	byRSS  measured = "peak RSS"
	// byLive compares memory with what is live, not with a peer.
	byLive measured = "RSS/live"
	// byHandful is byLive less 4 MiB.
	byHandful measured = "(RSS-4M)/live"
	// bySpeedup is how much less than on one thread all threads get done, for
	// each: 1 is perfect. The peer is the workload on one thread.
	bySpeedup measured = "slower than alone"
)

var (
	pairs   = []string{"pair-16", "pair-64"}
	nodes   = []string{"list", "tree-16", "tree-20"}
	threads = []string{"threads-16", "threads-mixed"}
	passing = []string{"handover", "pipeline"}
)

// goals is what allod wants of itself.
var goals = []goal{
	{pairs, "smp", "zig-smp", byTime, 1.1, 0.85},
	{pairs, "smp", "glibc", byTime, 0.9, 0},
	{pairs, "smp", plainGo, byTime, 0.45, 0.30},
	{pairs, "smp", "cgo-malloc", byTime, 0.15, 0},
	{pairs, "smp-cache", "zig-smp", byTime, 0.80, 0},
	{pairs, "smp-cache", "tcmalloc", byTime, 0, 1.0},
	{[]string{"random-32"}, "smp", "zig-smp", byTime, 0.50, 0},
	{[]string{"random-32"}, "smp", "mimalloc", byTime, 0, 1.2},
	{[]string{"mixed"}, "smp", "zig-smp", byTime, 1.0, 0.8},
	{[]string{"mixed"}, "smp", plainGo, byTime, 0.10, 0},
	{[]string{"mixed"}, "smp", "glibc", byTime, 0.35, 0},
	{[]string{"mixed"}, "smp", "tcmalloc", byTime, 0, 1.1},
	{nodes, "smp", "zig-smp", byTime, 0.90, 0},
	{nodes, "smp", plainGo, byTime, 0.40, 0},
	{nodes, "smp", "tcmalloc", byTime, 0, 1.0},
	{threads, "smp", "zig-smp", byTime, 1.0, 0},
	{threads, "smp", plainGo, byTime, 0.15, 0},
	{threads, "smp", "mimalloc", byTime, 0, 1.0},
	{[]string{"threads-16"}, "smp", "pair-16", bySpeedup, 2 / 1.8, 0},
	{[]string{"threads-mixed"}, "smp", "mixed", bySpeedup, 2 / 1.8, 0},
	{passing, "smp", "zig-smp", byTime, 1.0, 0.6},
	{passing, "smp", plainGo, byTime, 0.25, 0},
	{passing, "smp", "mimalloc", byTime, 0, 1.0},
	{passing, "smp", "", byHandful, 1.5, 0},
	{[]string{"block-4K"}, "smp", "zig-smp", byTime, 1.0, 0},
	{[]string{"block-4K"}, "smp", "jemalloc", byTime, 0, 1.2},
	{[]string{"block-1M"}, "smp", "zig-smp", byTime, 0.05, 0},
	{[]string{"block-1M"}, "smp", "modernc", byTime, 0, 1.5},
	{[]string{MeanName}, "smp", "modernc", byTime, 0.6, 0},
	{[]string{MeanName}, "smp", "glibc", byTime, 0.9, 0},
	{[]string{MeanName}, "smp", "mimalloc", byTime, 0, 1.15},
	{[]string{MeanName}, "smp", "", byLive, 1.35, 1.15},
	{[]string{"vector"}, "page", plainGo, byTime, 0.50, 0},
	{[]string{"vector"}, "page", plainGo, byRSS, 0.25, 0},
	{[]string{"vector"}, "page", "zig-page", byTime, 0, 1.0},
	{[]string{"vector"}, "smp", plainGo, byTime, 0.50, 0},
	{[]string{"vector"}, "smp", plainGo, byRSS, 0.25, 0},
	{[]string{"vector"}, "smp", "zig-page", byTime, 0, 1.0},
	{[]string{"phase-64", "phase-hot-64"}, "arena", "zig-arena", byTime, 0.45, 0.25},
	{pairs, "pool", "zig-pool", byTime, 2.5, 1.5},
	{[]string{"deep-64"}, "debug", "zig-debug", byTime, 0.1, 0},
	{[]string{"deep-64"}, "debug", "zig-debug-16", byTime, 0.1, 0},
}

// A Check is a goal with what was measured.
type Check struct {
	Workload, Ours, Peer string
	What                 string
	Ratio                float64 // of medians
	OfMinima, OfCPU      float64 // of the fastest processes, and of processor time; 0 where there is none
	Must, Aim            float64
	Absent               bool // the peer, so that nothing was measured
}

// Verdict says whether the goal is reached.
func (c Check) Verdict() string {
	switch {
	case c.Absent:
		return "no peer"
	case c.Aim > 0 && c.Ratio <= c.Aim:
		return "aim"
	case c.Must > 0 && c.Ratio <= c.Must:
		return "must"
	case c.Must > 0:
		return "missed"
	}
	return "aim missed"
}

var goalColumns = []string{"", "ours", "against", "of", "ratio", "fastest", "CPU", "must", "aim", ""}

func (c Check) cells() []string {
	at := func(v float64) string {
		if v == 0 {
			return ""
		}
		return Number(v)
	}
	ratio := ""
	if !c.Absent {
		ratio = Number(c.Ratio)
	}
	return []string{c.Workload, c.Ours, c.Peer, c.What, ratio, at(c.OfMinima), at(c.OfCPU), at(c.Must), at(c.Aim), c.Verdict()}
}

// Goals returns those that can be checked, and those that could be if a peer were
// not absent.
func (r *Report) Goals(tables []Table) (checks []Check) {
	for _, g := range goals {
		absent := slices.ContainsFunc(r.Absent, func(a native.Absent) bool { return a.Name == g.peer })
		for _, name := range g.workloads {
			t, ok := find(tables, name)
			if !ok {
				continue
			}
			ours, ok := t.Row(g.ours)
			if !ok {
				continue
			}
			c := Check{Workload: name, Ours: g.ours, Peer: g.peer, What: string(g.what), Must: g.must, Aim: g.aim}
			if c.Absent = absent; absent || g.compare(tables, t, ours, &c) {
				checks = append(checks, c)
			}
		}
	}
	return checks
}

// compare fills in the ratios, and reports false if there is nothing to compare
// with.
func (g goal) compare(tables []Table, t Table, ours Row, c *Check) bool {
	peer, ok := t.Row(g.peer)
	switch g.what {
	case byLive:
		c.Ratio = ours.RSSToLive
		return ours.RSSToLive > 0
	case byHandful:
		if c.Ratio = ours.RSSToLive; t.Live > 0 {
			c.Ratio = max(ours.RSSToLive-float64(4<<20)/float64(t.Live), 0)
		}
		return t.Live > 0
	case bySpeedup:
		alone, found := find(tables, g.peer)
		if !found {
			return false
		}
		if peer, ok = alone.Row(g.ours); !ok {
			return false
		}
		c.ratios(ours, peer)
		return true
	case byRSS:
		if !ok || peer.PeakRSS == 0 {
			return false
		}
		c.Ratio = ours.PeakRSS / peer.PeakRSS
		return true
	}
	if !ok {
		return false
	}
	c.ratios(ours, peer)
	return true
}

// ratios compares the times of two rows.
func (c *Check) ratios(ours, peer Row) {
	c.Ratio, c.OfMinima = ours.Median/peer.Median, ours.Min/peer.Min
	if peer.CPU > 0 {
		c.OfCPU = ours.CPU / peer.CPU
	}
}

// Benchstat returns the samples in the format that benchstat reads.
func (r *Report) Benchstat() string {
	out := fmt.Sprintf("goos: linux\npkg: github.com/allod-dev/allod/bench\ncpu: %s\n", r.Machine)
	live := map[string]int{}
	for _, w := range r.Workloads {
		live[w.Name] = w.Live
	}
	for _, s := range r.Samples {
		out += fmt.Sprintf("BenchmarkAlloc/workload=%s/impl=%s %d %.4f ns/op", s.Workload, s.Impl, s.Ops, s.NsPerOp)
		if n := live[s.Workload]; n > 0 && s.PeakRSS > 0 {
			out += fmt.Sprintf(" %.4f RSS/live", float64(s.Growth())/float64(n))
		}
		out += "\n"
	}
	return out
}
