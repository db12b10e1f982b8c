package load_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// calls are those of adapters that remain calls: they do more than the compiler
// inlines, or are calls of C, which take forty times as long.
var calls = map[string][]string{
	"ours":         {"ResizeAs"},
	"mcache":       {"ResizeAs"},
	"moderncmutex": {"Alloc", "Free", "FreeAs"},
	"cgomalloc":    {"Free", "ResizeAs", "FreeAs"},
}

// The loops call nothing of an adapter, which would count as the allocator's time,
// and which allocators in C and Zig do not have. What the compiler inlines is its own
// affair; that of another release than these may decide otherwise.
func TestInlined(t *testing.T) {
	if v := runtime.Version(); !strings.HasPrefix(v, "go1.26") && !strings.HasPrefix(v, "go1.27") {
		t.Skipf("nobody has looked at what %s inlines", v)
	}
	out, err := exec.Command("go", "build", "-gcflags=-m", "./...").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	call := regexp.MustCompile(`\bh(?:\.p?\w+)?\.(New\w+|Free\w*|Alloc\w*|ZeroAs|ResizeAs|Destroy)\(`)
	files, err := filepath.Glob("*/loops.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := filepath.Dir(file)
		if !strings.Contains(string(out), "/"+file+":") && !strings.Contains(string(out), "\n"+file+":") {
			t.Logf("%s is not in this build", name)
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		looked := 0
		for i, line := range strings.Split(string(source), "\n") {
			m := call.FindStringSubmatch(line)
			if m == nil || slices.Contains(calls[name], m[1]) {
				continue
			}
			looked++
			inlined := regexp.MustCompile(fmt.Sprintf(`%s:%d:\d+: inlining call to .*%s(\[.*\])?\n`, regexp.QuoteMeta(file), i+1, m[1]))
			if !inlined.Match(out) {
				t.Errorf("%s:%d: %s is not inlined", file, i+1, strings.TrimSpace(line))
			}
		}
		if looked < 9 {
			t.Errorf("%s: %d calls were looked at: the loops are not as expected", file, looked)
		}
	}
}
