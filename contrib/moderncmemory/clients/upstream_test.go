package clients_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/allod-dev/allod/internal/tools/upstream"
)

// TestUpstream runs the tests of SQLite and QuickJS on allod.
func TestUpstream(t *testing.T) {
	if !upstream.Enabled() {
		t.Skip("takes minutes: run make clients")
	}
	for _, path := range []string{"modernc.org/sqlite", "modernc.org/quickjs"} {
		t.Run(filepath.Base(path), func(t *testing.T) {
			m, err := upstream.Copy(t.TempDir(), path)
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range []error{
				m.Replace("github.com/allod-dev/allod", filepath.Join("..", "..", "..")),
				m.Replace("modernc.org/memory", ".."),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			// The first runs itself under the race detector, the second hangs on the
			// original as well.
			out, err := m.Test(t.Context(), "-short", "-count=1", "-vet=off", "-timeout=30m",
				"-skip=TestConcurrentGoroutines|TestRegisteredFunctions", ".")
			t.Log(out)
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestUpstreamOriginal builds the same work on the original memory package, and
// compares results, processor time and memory.
func TestUpstreamOriginal(t *testing.T) {
	if !upstream.Enabled() {
		t.Skip("takes minutes: run make clients")
	}
	dir := t.TempDir()
	ours, original := filepath.Join(dir, "ours"), filepath.Join(dir, "original")
	modfile := filepath.Join(dir, "original.mod")
	root, err := filepath.Abs(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	copyFile(t, modfile, "go.mod")
	copyFile(t, filepath.Join(dir, "original.sum"), "go.sum")
	goes(t, "mod", "edit", "-dropreplace=modernc.org/memory", "-replace=github.com/allod-dev/allod="+root, modfile)
	goes(t, "build", "-mod=mod", "-modfile="+modfile, "-o", original, "./workload/program")
	goes(t, "build", "-o", ours, "./workload/program")
	for _, work := range []string{"sqlite", "quickjs"} {
		first, second := workOf(t, original, work), workOf(t, ours, work)
		for range 7 {
			first.again(t)
			second.again(t)
		}
		if first.result != second.result {
			t.Errorf("%s: %s on the original, %s here", work, first.result, second.result)
		}
		t.Logf("%s on the original: %v; here: %v", work, first, second)
		t.Logf("%s has %.2f of the time, and %.2f of the memory; %.2f without the program's file", work,
			second.seconds()/first.seconds(), second.kib/first.kib, second.own/first.own)
		if work == "sqlite" && second.kib > 0.75*first.kib {
			t.Errorf("SQLite has %.2f of the memory, want 0.75 at most", second.kib/first.kib)
		}
	}
}

// A measured is a program that does the same work again and again.
type measured struct {
	program, work string
	result        string
	times         int
	kib, own      float64   // mean of the peaks, and without what is of the program's file
	parts         []float64 // seconds of a processor for each part of the work, at least
}

func workOf(t *testing.T, program, work string) *measured {
	m := &measured{program: program, work: work}
	m.again(t)
	return m
}

// again does the work once more. Of each part the least time counts: what else the
// machine has to do makes all of the work longer, but seldom each of its parts.
func (m *measured) again(t *testing.T) {
	t.Helper()
	out, err := exec.Command(m.program, m.work).Output()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(lines) != 3 {
		t.Fatalf("%s: %v: %s", m.work, err, out)
	}
	m.result = lines[0]
	var kib, own float64
	if _, err := fmt.Sscan(lines[1], &kib, &own); err != nil {
		t.Fatalf("%s: %v: %s", m.work, err, out)
	}
	m.times++
	m.kib += (kib - m.kib) / float64(m.times)
	m.own += (own - m.own) / float64(m.times)
	for i, field := range strings.Fields(lines[2]) {
		seconds, err := strconv.ParseFloat(field, 64)
		if err != nil {
			t.Fatalf("%s: %v: %s", m.work, err, out)
		}
		if i == len(m.parts) {
			m.parts = append(m.parts, seconds)
		}
		m.parts[i] = min(m.parts[i], seconds)
	}
}

func (m *measured) seconds() (sum float64) {
	for _, s := range m.parts {
		sum += s
	}
	return sum
}

func (m *measured) String() string {
	return fmt.Sprintf("%.3f s of a processor, %.1f MiB, %.1f MiB without the program's file", m.seconds(), m.kib/1024, m.own/1024)
}

func copyFile(t *testing.T, to, from string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o666); err != nil {
		t.Fatal(err)
	}
}

// goes runs the go command, without cgo: with it, heap has C in it, the original has
// not, and the C linker leaves a file of which megabytes more are in memory.
func goes(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
