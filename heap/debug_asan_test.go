package heap_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/rt"
)

// Under the address sanitizer a read of a freed block is reported by that: a
// small program is built for it, which is the same whatever this build is.
func TestDebugAddressSanitizer(t *testing.T) {
	if testing.Short() || race.Enabled || invariant.Enabled || !rt.Linked || runtime.GOOS != "linux" || runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("it builds a program, in the builds without tags only")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	program := filepath.Join(t.TempDir(), "asan")
	build := exec.CommandContext(ctx, "go", "build", "-asan", "-o", program, "./testdata/asan")
	build.Env = append(os.Environ(), "GOEXPERIMENT=")
	build.WaitDelay = time.Second
	if out, err := build.CombinedOutput(); err != nil {
		// A broken program is an error, whatever sanitizer there is or is not.
		if strings.Contains(string(out), "testdata/asan/main.go:") {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Skipf("go build -asan does not work here, or takes long: %v\n%s", err, out)
	}
	run := exec.CommandContext(ctx, program)
	run.Env = append(os.Environ(), "ASAN_OPTIONS=")
	out, err := run.CombinedOutput()
	text := string(out)
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("the program ended with %v:\n%s", err, text)
	}
	if before, after, _ := strings.Cut(text, "nothing wrong so far"); strings.Contains(before, "AddressSanitizer:") ||
		!strings.Contains(after, "AddressSanitizer: use-after-poison") {
		t.Errorf("%v\n%s", err, text)
	}
}
