// Package pprof asks go tool pprof what it makes of a profile. It is for tests.
package pprof

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A T is a test, a *testing.T above all, which users of the module need not link.
type T interface {
	Helper()
	TempDir() string
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Text returns what go tool pprof prints of a profile, told so. The test fails
// if the tool cannot read the profile, and is skipped if there is no go command.
func Text(t T, profile []byte, args ...string) string {
	t.Helper()
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skipf("SKIPPED: no go command here: %v", err)
	}
	file := filepath.Join(t.TempDir(), "profile")
	if err := os.WriteFile(file, profile, 0o600); err != nil {
		t.Fatalf("%v", err)
	}
	cmd := exec.Command(tool, append(append([]string{"tool", "pprof"}, args...), file)...)
	// The tool is of this machine, whatever the test was built for.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(s string) bool {
		name, _, _ := strings.Cut(s, "=")
		return slices.Contains([]string{"GOARCH", "GOOS", "GOFLAGS", "GOEXPERIMENT", "CGO_ENABLED"}, name)
	})
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go tool pprof: %v\n%s", err, out)
	}
	return string(out)
}
