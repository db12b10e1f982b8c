package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/allod-dev/allod/cmd/allod/internal/bench"
)

func TestBench(t *testing.T) {
	file, html := filepath.Join(t.TempDir(), "x.mtrace.gz"), filepath.Join(t.TempDir(), "bench.html")
	if stderr, code := record(t, file); code != 0 {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	args := []string{"bench", "--count=1", "--for=1ms", "--allocator=gc,smp", "--html", html, "handover", file}
	stdout, stderr, code := allod(t, args...)
	if code != 0 || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	for _, want := range []string{"handover: one thread makes 64 objects", "\nx: 1,334 operations", "│ gc ", "│ smp ", "│ 1.00 │"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	if strings.ContainsAny(stdout, "\r\x1b") {
		t.Errorf("control characters, and this is no terminal: %q", stdout)
	}
	if page, err := os.ReadFile(html); err != nil || strings.Count(string(page), "<rect") != 4 || !strings.Contains(string(page), "</html>") {
		t.Errorf("%s: %v, %s", html, err, page)
	}
}

func TestBenchJSON(t *testing.T) {
	stdout, stderr, code := allod(t, "bench", "--json", "--count=2", "--for=1ms", "--allocator=smp", "--threads", "handover")
	var r bench.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != 0 || stderr != "" {
		t.Fatalf("exit code %d, %v, %s", code, err, stderr)
	}
	if len(r.Traces) != 1 || len(r.Traces[0].Results) != 1 || !r.Threads {
		t.Fatalf("%+v", r)
	}
	x := r.Traces[0].Results[0]
	if x.Allocator != "smp" || len(x.Samples) != 2 || x.Took <= 0 || x.Least > x.Took || x.Most < x.Took {
		t.Errorf("%+v", x)
	}
}

func TestBenchList(t *testing.T) {
	stdout, stderr, code := allod(t, "bench", "--list")
	if code != 0 || stderr != "" || !strings.Contains(stdout, "mixed") || !strings.Contains(stdout, "smp-hardened") {
		t.Errorf("exit code %d, %q\n%s", code, stderr, stdout)
	}
}

func TestBenchExitCodes(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.mtrace.gz")
	if err := os.WriteFile(broken, []byte("no trace"), 0o666); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"workload":     {[]string{"bench", "dance"}, 2, `no workload "dance"`},
		"allocator":    {[]string{"bench", "--allocator=malloc"}, 2, "malloc"},
		"count":        {[]string{"bench", "--count=0"}, 2, "--count"},
		"for":          {[]string{"bench", "--for=-1s"}, 2, "--for"},
		"unknown flag": {[]string{"bench", "--fast"}, 2, "--fast"},
		"html":         {[]string{"bench", "--html", filepath.Join(dir, "no", "x.html"), "pairs"}, 2, "x.html"},
		"absent":       {[]string{"bench", filepath.Join(dir, "absent.mtrace.gz")}, 1, "no such file"},
		"broken":       {[]string{"bench", "--count=1", broken}, 1, "not a valid trace"},
	} {
		stdout, stderr, code := allod(t, test.args...)
		if code != test.code || !strings.Contains(stderr, test.want) || stdout != "" || !strings.HasPrefix(stderr, "allod bench: ") {
			t.Errorf("%s: exit code %d, want %d and %q\n%s%s", name, code, test.code, test.want, stdout, stderr)
		}
	}
}
