package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/allod-dev/allod/cmd/allod/internal/exit"
)

// Both programs are found out, at the lines that they are about.
func TestMistakes(t *testing.T) {
	r := new(Report)
	if err := r.mistakes(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(r.Mistakes) != 2 {
		t.Fatalf("%d programs", len(r.Mistakes))
	}
	for i, want := range []struct {
		name, report string
		lines        []string // the code that the sentence must name, in this order
		stacks       []string // the same for the report
	}{
		{"forgotten", "leaked 1 block of 9 bytes\nallocated by", []string{"mem.Concat"}, nil},
		{"tooearly", "use after free at byte 0 of a block of 9 bytes\nread by", []string{"range hello", "mem.Free", "mem.Concat"}, []string{"freed by", "allocated by"}},
	} {
		m := r.Mistakes[i]
		if !m.Able {
			t.Logf("%s cannot be found here: %s", m.Name, m.Sentence)
			continue
		}
		if m.Name != want.name || !m.Found || !strings.HasPrefix(m.Report, want.report) {
			t.Errorf("%+v", m)
		}
		sentence, report := m.Sentence, m.Report
		for _, code := range want.lines {
			before, _, _ := strings.Cut(m.Source, code)
			line := fmt.Sprintf("%s.go:%d", m.Name, 1+strings.Count(before, "\n"))
			var ok, there bool
			if _, sentence, ok = strings.Cut(sentence, line); !ok {
				t.Errorf("%q does not name %s, or in another order", m.Sentence, line)
			}
			if _, report, there = strings.Cut(report, "examples/"+m.Name+"/"+line); !there {
				t.Errorf("%q does not name %s, or in another order", m.Report, line)
			}
		}
		for _, part := range want.stacks {
			if !strings.Contains(m.Report, part) {
				t.Errorf("%q does not say %q", m.Report, part)
			}
		}
		if n := strings.Count(m.Source, "\n"); n > 26 {
			t.Errorf("%s has %d lines: too many for a glance", m.Name, n)
		}
	}
}

// A mistake is shown with its program and its report, in the terminal and on the
// page, and one that is not found fails the check.
func TestMistakesShown(t *testing.T) {
	r := new(Report)
	if err := r.mistakes(context.Background()); err != nil {
		t.Fatal(err)
	}
	var terminal bytes.Buffer
	for _, m := range r.Mistakes {
		if err := m.write(&terminal, 80); err != nil {
			t.Error(err)
		}
	}
	var html bytes.Buffer
	l := &LimitResult{Limit: 1, Error: "no", Intact: true, ExitCode: exit.OutOfMemory}
	result := &Result{Answers: "1", OffHeap: 9, Latencies: []Quantile{{Q: 0.5, Latency: 1000}, {Q: 0.999, Latency: 2000}}}
	full := &Report{Variants: []*Result{result, result}, Limited: l}
	full.Mistakes = r.Mistakes
	if err := full.writeHTML(&html); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"func Greet(", "mem.Free(d, hello)", "allocated by"} {
		if n := strings.Count(terminal.String(), want); n < 2 && r.Mistakes[1].Able {
			t.Errorf("the terminal shows %q %d times:\n%s", want, n, terminal.String())
		}
		if n := strings.Count(html.String(), want); n < 2 && r.Mistakes[1].Able {
			t.Errorf("the page shows %q %d times", want, n)
		}
	}
	if strings.Contains(terminal.String(), "\t") {
		t.Error("a tab has another width in each terminal")
	}

	full.Mistakes = []*Mistake{{Name: "forgotten", Able: true}, {Name: "tooearly"}}
	if full.check(); len(full.Failed) != 1 || !strings.Contains(full.Failed[0], "examples/forgotten was not found") {
		t.Errorf("checks that failed: %q", full.Failed)
	}
}

func TestMistakeNotFound(t *testing.T) {
	m := &Mistake{Name: "tooearly"}
	m.explain(nil)
	if m.Found || !strings.Contains(m.Sentence, "is not found on") {
		t.Errorf("%+v", m)
	}
	m.explain(errors.New("something else"))
	if m.Found {
		t.Errorf("%+v", m)
	}
}

func TestRunMistakeErrors(t *testing.T) {
	var out bytes.Buffer
	if err := RunMistake("none", &out); err == nil || out.Len() > 0 {
		t.Errorf("RunMistake(none) = %v, %q", err, out.String())
	}
	if err := RunMistake("forgotten", &out); err != nil {
		t.Fatal(err)
	}
	if m := new(Mistake); json.Unmarshal(out.Bytes(), m) != nil || !m.Found {
		t.Errorf("%q", out.String())
	}
}
