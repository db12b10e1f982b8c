package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/allod-dev/allod/cmd/allod/internal/replay"
	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/alloctrace"
)

// program is a program that lets itself be recorded, and ends as args say.
func program(args []string) int {
	if len(args) > 0 && args[0] == "never" {
		return 0
	}
	a, stop, err := alloctrace.FromEnv(heap.GC{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var kept [][]int64
	for i := range 1000 {
		kept = append(kept, mem.Must(mem.AllocUninit[int64](a, i%100+1)))
		if i%3 == 0 {
			mem.Free(a, kept[0])
			kept = kept[1:]
		}
	}
	if len(args) > 0 && args[0] == "crash" {
		// Unless what is recorded has been written meanwhile, this has no end.
		for name := os.Getenv("ALLOD_TEST_TRACE"); ; time.Sleep(time.Millisecond) {
			if t, _ := alloctrace.ReadFile(name); t != nil && len(t.Ops) == 1334 {
				return 7
			}
		}
	}
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// record runs allod record on program.
func record(t *testing.T, out string, args ...string) (stderr string, code int) {
	t.Helper()
	t.Setenv("ALLOD_TEST_AS_PROGRAM", "") // not the command itself
	env, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	line := []string{"record", "-o", out}
	if len(args) > 0 && args[0] == "--force" {
		line, args = append(line, args[0]), args[1:]
	}
	line = append(append(line, "--", "env", "ALLOD_TEST_AS_PROGRAM=1", env), args...)
	_, stderr, code = allod(t, line...)
	return stderr, code
}

func TestRecordAndReplay(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.mtrace.gz")
	if stderr, code := record(t, file); code != 0 || !strings.Contains(stderr, "1,334 operations by 1 thread") {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	html := filepath.Join(dir, "x.html")
	stdout, stderr, code := allod(t, "replay", "--check", "--html", html, file)
	if code != 0 || stderr != "" || !strings.Contains(stdout, "were checked") {
		t.Fatalf("exit code %d, %s%s", code, stdout, stderr)
	}
	if page, err := os.ReadFile(html); err != nil || strings.Count(string(page), "<rect") != len(replay.Allocators()) {
		t.Errorf("%s: %v, %s", html, err, page)
	}
	for _, name := range replay.Allocators() {
		if !strings.Contains(stdout, "│ "+name+" ") {
			t.Errorf("no %s in\n%s", name, stdout)
		}
	}
	stdout, stderr, code = allod(t, "replay", "--json", "--threads", "--passes=1", "--allocator=gc,page", file)
	var r replay.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != 0 || stderr != "" {
		t.Fatalf("exit code %d, %v, %s", code, err, stderr)
	}
	if len(r.Results) != 2 || r.Summary.Ops != 1334 || r.Results[1].Allocator != "page" || r.Results[1].Touching <= 0 {
		t.Errorf("%+v", r)
	}
	if stderr, code := record(t, file); code != 2 || !strings.Contains(stderr, "exists; --force replaces it") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if stderr, code := record(t, file, "--force"); code != 0 || !strings.Contains(stderr, "1,334 operations") {
		t.Errorf("--force: exit code %d, %s", code, stderr)
	}
}

func TestRecordNothing(t *testing.T) {
	dir := t.TempDir()
	if stderr, code := record(t, filepath.Join(dir, "a"), "never"); code != 1 || !strings.Contains(stderr, "FromEnv") {
		t.Errorf("never: exit code %d, %s", code, stderr)
	}
}

// What a program did that crashes is in the trace, which is as good as any other.
func TestRecordCrash(t *testing.T) {
	file := filepath.Join(t.TempDir(), "b")
	t.Setenv("ALLOD_TEST_TRACE", file)
	stderr, code := record(t, file, "crash")
	if code != 7 || !strings.Contains(stderr, "1,334 operations") || !strings.Contains(stderr, "ended before") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	trace, err := alloctrace.ReadFile(file)
	if err != nil || !trace.Header.Truncated || trace.Summary.Ops != 1334 {
		t.Fatalf("%v, %+v", err, trace)
	}
	var cut bytes.Buffer // as if this command had been killed, too
	w := alloctrace.NewWriter(&cut, alloctrace.Header{})
	w.Free(w.Alloc(100, 0, false), 100)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, cut.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := allod(t, "replay", "--allocator=gc", "--passes=1", file)
	if code != 0 || !strings.Contains(stdout, "2 operations") || !strings.Contains(stdout, "the end is missing") {
		t.Errorf("replay: exit code %d, %s%s", code, stdout, stderr)
	}
}

func TestReplayExitCodes(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "empty.mtrace.gz")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := alloctrace.NewWriter(f, alloctrace.Header{}).Close(); err != nil {
		t.Fatal(err)
	}
	huge := filepath.Join(dir, "huge.mtrace.gz")
	h, err := os.Create(huge)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	w := alloctrace.NewWriter(h, alloctrace.Header{})
	w.Alloc(math.MaxInt, 0, false)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no trace":      {[]string{"replay"}, 2, "one trace"},
		"absent":        {[]string{"replay", filepath.Join(dir, "x")}, 1, "no such file"},
		"no file":       {[]string{"replay", "--allocator=gc", "main.go"}, 1, "not a valid trace"},
		"no operations": {[]string{"replay", "--allocator=gc", file}, 1, "no operation"},
		"out of memory": {[]string{"replay", "--allocator=page", huge}, 3, "operation 0"},
		"in a child":    {[]string{"replay", "--allocator=page,gc", huge}, 3, "operation 0"},
		"allocator":     {[]string{"replay", "--allocator=malloc", file}, 2, "malloc"},
		"no workload":   {[]string{"replay", "workload:dance"}, 1, "dance"},
		"html":          {[]string{"replay", "--html", filepath.Join(dir, "no", "x.html"), file}, 2, "x.html"},
		"for":           {[]string{"replay", "--for=-1s", file}, 2, "--for"},
		"passes":        {[]string{"replay", "--passes=0", file}, 2, "--passes"},
		"unknown flag":  {[]string{"replay", "--fast", file}, 2, "--fast"},
		"record what":   {[]string{"record", "-o", "x"}, 2, "no program"},
		"record where":  {[]string{"record", "--", "true"}, 2, "--output"},
		"record absent": {[]string{"record", "-o", filepath.Join(dir, "y"), "--", filepath.Join(dir, "z")}, 1, "no such file"},
		"record folder": {[]string{"record", "-o", filepath.Join(dir, "no", "y"), "--", "true"}, 2, "no such file"},
		"record to one": {[]string{"record", "-o", dir, "--", "true"}, 2, "is a folder"},
		"record option": {[]string{"record", "-o", filepath.Join(dir, "y"), "sh", "-c", "exit 9"}, 9, "recorded nothing"},
		"record flag":   {[]string{"record", "--fast"}, 2, "--fast"},
	} {
		stdout, stderr, code := allod(t, test.args...)
		if code != test.code || !strings.Contains(stderr, test.want) || stdout != "" {
			t.Errorf("%s: exit code %d, want %d and %q\n%s%s", name, code, test.code, test.want, stdout, stderr)
		}
	}
}
