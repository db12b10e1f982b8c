package clients_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
		var seconds, kib, own [2]float64
		var results [2]string
		const rounds = 5
		for range rounds {
			for i, program := range []string{original, ours} {
				out, err := exec.Command(program, work).Output()
				if err != nil {
					t.Fatalf("%s: %v: %s", work, err, out)
				}
				result, numbers, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
				var s, k, o float64
				if _, err := fmt.Sscan(numbers, &s, &k, &o); err != nil {
					t.Fatalf("%s: %v: %s", work, err, out)
				}
				results[i], kib[i], own[i] = result, kib[i]+k/rounds, own[i]+o/rounds
				if seconds[i] == 0 || s < seconds[i] {
					seconds[i] = s
				}
			}
		}
		if results[0] != results[1] {
			t.Errorf("%s: %s on the original, %s here", work, results[0], results[1])
		}
		for i, where := range []string{"on the original", "here"} {
			t.Logf("%s %s: %.2f s of a processor, %.1f MiB, %.1f MiB without the program's file", work, where, seconds[i], kib[i]/1024, own[i]/1024)
		}
	}
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

// goes runs the go command.
func goes(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
