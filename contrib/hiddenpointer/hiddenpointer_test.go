package hiddenpointer_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/go/analysis/analysistest"

	"github.com/allod-dev/allod/contrib/hiddenpointer"
)

// What is hidden is reported where it is, and nothing else.
func TestAnalyzer(t *testing.T) {
	download := exec.Command("go", "mod", "download") // which the run below does not
	download.Dir = "testdata"
	if out, err := download.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	analysistest.Run(t, analysistest.TestData(), hiddenpointer.Analyzer, "./a", "./elsewhere")
}

// The command is a tool of go vet.
func TestVet(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the command")
	}
	tool := filepath.Join(t.TempDir(), "hiddenpointer")
	if out, err := exec.Command("go", "build", "-o", tool, "./cmd/hiddenpointer").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	vet := exec.Command("go", "vet", "-vettool="+tool, "./...")
	vet.Dir = "testdata"
	vet.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	out, err := vet.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "a.go:30:") || strings.Contains(string(out), "elsewhere.go") {
		t.Errorf("%v\n%s", err, out)
	}
}
