package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/allod-dev/allod/testing/alloctrace"
)

// The tests run this binary as the program, which runs itself to measure.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && (os.Args[1] == workerWord || os.Args[1] == containerWord) {
		main()
	}
	os.Exit(m.Run())
}

// nginx returns a folder with one trace.
func nginx(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile("testdata/traces/nginx.mtrace.gz")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "nginx.mtrace.gz"), text, 0o666); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestBench(t *testing.T) {
	out := t.TempDir()
	var stdout, stderr bytes.Buffer
	args := []string{"-impl=smp|new|floor", "-workload=pair-16|mixed|trace-nginx|handover", "-count=2", "-budget=1ms", "-out", out, "-traces", nginx(t)}
	if err := bench(t.Context(), args, &stdout, &stderr); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	for _, want := range []string{"pair-16:", "mixed:", "trace-nginx:", "handover:", "smp", "×new", "Goals"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in\n%s", want, stdout.String())
		}
	}
	if strings.Contains(stdout.String(), "failed:") {
		t.Error(stdout.String())
	}
	if _, err := os.Stat(filepath.Join(out, "bench.html")); err != nil {
		t.Error(err)
	}
	first := stdout.String()
	stdout.Reset()
	if err := bench(t.Context(), []string{"-from", filepath.Join(out, "bench.json"), "-out", out}, &stdout, &stderr); err != nil || stdout.String() != first {
		t.Errorf("%v: the raw figures give\n%s\nwant\n%s", err, stdout.String(), first)
	}
	stdout.Reset()
	if err := bench(t.Context(), []string{"-from", filepath.Join(out, "bench.json"), "-compare"}, &stdout, &stderr); err != nil ||
		strings.Count(stdout.String(), "BenchmarkAlloc/workload=pair-16/impl=smp ") != 2 {
		t.Errorf("%v\n%s", err, stdout.String())
	}
}

func TestContainers(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if err := bench(t.Context(), []string{"-containers", "-short", "-count=1", "-impl=[^z].*"}, &stdout, &stderr); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	for _, want := range []string{"hashmap-huge ", "tidwall-g ", "container/heap ", "mutex+lru ", "Goals", "string-map "} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in\n%s", want, stdout.String())
		}
	}
	if strings.Contains(stdout.String(), "failed:") {
		t.Error(stdout.String())
	}
	stdout.Reset()
	if err := bench(t.Context(), []string{"-containers", "-list"}, &stdout, &stderr); err != nil || !strings.Contains(stdout.String(), "generic.Cache") {
		t.Errorf("%v\n%s", err, stdout.String())
	}
}

func TestList(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if err := bench(t.Context(), []string{"-list", "-impl=smp|pool", "-untouched", "-traces", nginx(t)}, &stdout, &stderr); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"heap.Pool", "tree-20", "trace-nginx ", "trace-nginx-untouched"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in\n%s", want, stdout.String())
		}
	}
}

func TestUsage(t *testing.T) {
	traces := nginx(t)
	for want, args := range map[string][]string{
		"nothing matches": {"-impl=none"},
		"-impl":           {"-impl=("},
		"-workload":       {"-workload=("},
		"-count":          {"-count=0"},
		"unknown":         {"all"},
		"not defined":     {"-fast"},
		"is about":        {"-short"},
		"no such file":    {"-from=absent"},
		"-soak":           {"-soak=1s", "-impl=new"},
	} {
		var stdout, stderr bytes.Buffer
		if err := bench(t.Context(), append([]string{"-traces", traces}, args...), &stdout, &stderr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestSoak(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if err := bench(t.Context(), []string{"-soak=300ms", "-impl=smp"}, &stdout, &stderr); err != nil || !strings.Contains(stdout.String(), "smp: ") {
		t.Errorf("%v\n%s", err, stdout.String())
	}
}

// Every trace here can be read, and they are not too large to be in a repository.
func TestTraces(t *testing.T) {
	files, err := filepath.Glob("testdata/traces/*.mtrace.gz")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d traces, %v", len(files), err)
	}
	sum := int64(0)
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		sum += info.Size()
		if testing.Short() {
			continue
		}
		if _, err := alloctrace.ReadFile(file); err != nil {
			t.Error(err)
		}
	}
	if sum > 3_000_000 {
		t.Errorf("%d bytes", sum)
	}
}
