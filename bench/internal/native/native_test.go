package native

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/allod-dev/allod/bench/internal/spec"
)

// The loops in C do every kind of workload, and verify what is in memory.
func TestC(t *testing.T) {
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skip("no C compiler")
	}
	dir := t.TempDir()
	programs, absent, err := Build(t.Context(), dir, func(name string) bool { return name == "glibc" })
	if err != nil {
		t.Fatal(err)
	}
	if len(programs) == 0 {
		t.Skip(absent)
	}
	trace := spec.Workload{Kind: spec.Trace, File: "../../testdata/traces/nginx.mtrace.gz"}
	if err := spec.WriteData(dir, []spec.Workload{trace}); err != nil {
		t.Fatal(err)
	}
	for _, w := range append(spec.Workloads(2), trace) {
		switch {
		case w.Kind == spec.Phase:
			continue
		case w.Kind == spec.Random:
		case w.Kind == spec.List, w.Kind == spec.Vector:
			w.N = 1000
		case w.Kind == spec.Tree:
			w.Size, w.N = 6, 127
		}
		out, err := programs[0].Command(t.Context(), spec.Order{Workload: w, Data: dir, Threads: 2, Budget: 1}).Output()
		var s spec.Sample
		if err == nil {
			err = json.Unmarshal(out, &s)
		}
		if err != nil || s.NsPerOp <= 0 || s.Rounds < 2 || s.PeakRSS < s.BaseRSS/2 || !strings.Contains(s.Library, "libc") {
			t.Errorf("%s: %v, %s", w, err, out)
		}
	}
}

func TestAbsent(t *testing.T) {
	t.Setenv("CC", filepath.Join(t.TempDir(), "nothing"))
	t.Setenv("PATH", "")
	programs, absent, err := Build(t.Context(), t.TempDir(), func(string) bool { return true })
	if err != nil || len(programs) != 0 || len(absent) != len(libraries)+len(variants) {
		t.Errorf("%v, %v, %v", programs, absent, err)
	}
	for _, a := range absent {
		if a.Name == "" || a.Why == "" {
			t.Errorf("%+v", a)
		}
	}
}

// An allocator that is not linked is not measured under its name.
func TestWrongLibrary(t *testing.T) {
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skip("no C compiler")
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(sourceDir)); err != nil {
		t.Fatal(err)
	}
	err := buildC(t.Context(), dir, Program{file: filepath.Join(dir, "x"), variant: "-"}, []string{""}, "mimalloc")
	if err == nil || !strings.Contains(err.Error(), "malloc is in") {
		t.Error(err)
	}
}

// The program for containers does every task.
func TestContainers(t *testing.T) {
	file, err := BuildContainers(t.Context(), t.TempDir())
	if err != nil {
		t.Skip(err)
	}
	for _, task := range []string{"map", "list-append"} {
		out, err := exec.CommandContext(t.Context(), file, task, "2000").Output()
		var s struct {
			Figures map[string]struct{ Value float64 }
		}
		if err == nil {
			err = json.Unmarshal(out, &s)
		}
		if err != nil || s.Figures["peak"].Value <= 0 {
			t.Errorf("%s: %v: %s", task, err, out)
		}
	}
}
