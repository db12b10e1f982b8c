package demo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/allod-dev/allod/cmd/allod/internal/exit"
	"github.com/allod-dev/allod/cmd/allod/internal/outfile"
)

func TestChecksFail(t *testing.T) {
	ok := func() *Report {
		l := &LimitResult{Limit: 1, Error: "no", Intact: true, ExitCode: exit.OutOfMemory}
		return &Report{Variants: []*Result{{Answers: "1", OffHeap: 9}, {Answers: "1", OffHeap: 9}}, Limited: l}
	}
	r := ok()
	if r.check(); len(r.Failed) != 0 {
		t.Fatalf("checks failed: %q", r.Failed)
	}
	for name, spoil := range map[string]func(*Report){
		"answers":  func(r *Report) { r.Variants[1].Answers = "2" },
		"words":    func(r *Report) { r.Variants[1].Words = 1 },
		"leak":     func(r *Report) { r.Variants[1].Lost = 1 },
		"code":     func(r *Report) { r.Limited.ExitCode = 0 },
		"damage":   func(r *Report) { r.Limited.Intact = false },
		"lost":     func(r *Report) { r.Limited.Lost = 1 },
		"postings": func(r *Report) { r.Variants[0].Postings = 1 },
	} {
		r := ok()
		spoil(r)
		var out bytes.Buffer
		if r.check(); len(r.Failed) != 1 {
			t.Errorf("%s: %q", name, r.Failed)
		}
		if err := r.write(&out, 80); err != nil || !strings.Contains(out.String(), "CHECK FAILED") {
			t.Errorf("%s: %v\n%s", name, err, &out)
		}
	}
}

// The old page stays until there is a new one.
func TestPageFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "x.html")
	if err := os.WriteFile(name, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	holds := func(want string) {
		t.Helper()
		got, err := os.ReadFile(name)
		entries, _ := os.ReadDir(dir)
		if err != nil || string(got) != want || len(entries) != 1 {
			t.Errorf("%q, %v, beside %v; want only %q", got, err, entries, want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	o := Options{Root: smallCorpus(t, 3).root, Scale: 1, Load: time.Millisecond, HTML: name}
	if err := Run(ctx, o, io.Discard, os.Stderr); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	holds("old")

	p, err := outfile.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.WriteString("new"); err != nil {
		t.Error(err)
	}
	if err := p.Keep(); err != nil {
		t.Error(err)
	}
	p.Discard()
	holds("new")

	p, err = outfile.Create(os.DevNull) // replaced by nothing
	if err != nil {
		t.Fatal(err)
	}
	if p.Name() != os.DevNull {
		t.Errorf("writing to %s", p.Name())
	}
	if err := p.Keep(); err != nil {
		t.Error(err)
	}
}

func TestWarning(t *testing.T) {
	r := &Report{Variants: []*Result{{Title: "a", Got: 0.97}, {Title: "b"}}}
	if w := r.warning(); w != "" {
		t.Errorf("a quiet machine: %q", w)
	}
	r.Variants[1].Got = 0.5
	if w := r.warning(); !strings.Contains(w, "b got 50 %") || strings.Contains(w, "a got") {
		t.Errorf("a busy machine: %q", w)
	}
}

// What the machine makes everybody wait is told where it is much of what is shown.
func TestOwnDelay(t *testing.T) {
	r := &Report{Delay: 2 * time.Millisecond}
	if s := r.ownDelay(9 * time.Millisecond); s != "" {
		t.Errorf("2 of 9 ms: %q", s)
	}
	if s := r.ownDelay(3 * time.Millisecond); !strings.Contains(s, "2.00 ms") {
		t.Errorf("2 of 3 ms: %q", s)
	}
	r.Variants = []*Result{{Undisturbed: 1}, {Undisturbed: 0.9}}
	if s := r.ownDelay(3 * time.Millisecond); s != "" {
		t.Errorf("where what the machine held up is left out: %q", s)
	}
	if s := new(Report).ownDelay(0); s != "" {
		t.Errorf("nothing: %q", s)
	}
}

// Collecting on idle processors takes nothing from anybody.
func TestGCCPU(t *testing.T) {
	for range 3 {
		runtime.GC()
	}
	gc, idle, all := gcCPU(), readMetric("/cpu/classes/gc/mark/idle:cpu-seconds"), readMetric("/cpu/classes/gc/total:cpu-seconds")
	if gc <= 0 || gc+idle > all*1.001 {
		t.Errorf("%g s of collecting, %g s of it idle, are counted as %g s", all, idle, gc)
	}
}

func TestMeasured(t *testing.T) {
	r := &Report{Variants: []*Result{{Undisturbed: 1}, {Undisturbed: 1}, {Undisturbed: 1}}}
	if s := r.measured(); s != "all requests" {
		t.Errorf("none was left out: %q", s)
	}
	r.Variants[1].Undisturbed = 0.654
	if s := r.measured(); !strings.HasSuffix(s, "1.00 ms or longer: 100 %, 65 % and 100 % of all") {
		t.Errorf("some were left out: %q", s)
	}
}

// One variant is not compared with what machines hide of another.
func TestMeasureAlike(t *testing.T) {
	of := func(share float64) *Result {
		return &Result{Undisturbed: share, Latencies: []Quantile{{0.5, 1}}, OfAll: []Quantile{{0.5, 2}}}
	}
	for _, test := range []struct {
		shares []float64
		want   time.Duration
	}{
		{[]float64{1, 1}, 1},
		{[]float64{0.9, 0.3}, 1},
		{[]float64{0.9, 0.2}, 2},
		{[]float64{0, 1}, 2},
	} {
		r := &Report{Variants: []*Result{of(test.shares[0]), of(test.shares[1])}}
		r.measureAlike()
		for i, v := range r.Variants {
			share := test.shares[i]
			if test.want == 2 {
				share = 1
			}
			if got := v.Latency(0.5); got != test.want || v.Undisturbed != share {
				t.Errorf("of %v undisturbed, number %d has %d, of a share of %g", test.shares, i, got, v.Undisturbed)
			}
		}
	}
}
