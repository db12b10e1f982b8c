package generic_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/allod-dev/allod/internal/race"
)

// What programs call in their inner loops is inlined: a call costs as much as
// all that such a method does. What the compiler lets an inlined function cost
// is its own affair; that of another release than these may decide otherwise.
func TestInlined(t *testing.T) {
	if v := runtime.Version(); !strings.HasPrefix(v, "go1.26") && !strings.HasPrefix(v, "go1.27") {
		t.Skipf("nobody has looked at what %s inlines", v)
	}
	if race.Enabled {
		t.Skip("the compiler is asked without the race detector, elsewhere")
	}
	const dir = "./testdata/inlined"
	source, err := os.ReadFile(dir + "/main.go")
	if err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-gcflags=-m", "-o", os.DevNull, dir)
	out, err := build.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("there is no go command here")
	}
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	call := regexp.MustCompile(`^\t(?:[a-z]|mem)\.(\w+)\(.*\)( // in place)?$`)
	calls := 0
	for i, line := range strings.Split(string(source), "\n") {
		m := call.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		calls++
		inlined := regexp.MustCompile(fmt.Sprintf(`main\.go:%d:\d+: inlining call to \w+\.(.*\)\.)?%s\n`, i+1, m[1]))
		if !inlined.Match(out) {
			t.Errorf("main.go:%d: %s is not inlined", i+1, strings.TrimSpace(line))
		}
		whole := regexp.MustCompile(fmt.Sprintf(`main\.go:%d:\d+: inlining call to .*\.(func)?\d+\n`, i+1))
		if m[2] != "" && !whole.Match(out) {
			t.Errorf("main.go:%d: what %s passes on is not inlined", i+1, m[1])
		}
	}
	if calls < 50 {
		t.Errorf("%d calls were looked at: the program is not as expected", calls)
	}
}
