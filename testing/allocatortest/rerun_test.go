package allocatortest_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/mem"
	"github.com/allod-dev/allod/testing/allocatortest"
)

// setFlag sets a flag for the rest of a test.
func setFlag(t *testing.T, name, value string) {
	t.Helper()
	before := flag.Lookup(name).Value.String()
	if err := flag.Set(name, value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { flag.Set(name, before) })
}

func TestPlanFlag(t *testing.T) {
	for _, tt := range []struct{ flag, words string }{
		{"none", "no request failed"},
		{"none-noresize", "no request failed, but Resize and Remap refused"},
		{"17", "Alloc number 17 failed"},
		{"17+", "Alloc number 17 failed, and all later ones"},
		{"17,23", "Alloc number 17 failed, and number 23"},
		{"1-noresize", "Alloc number 1 failed, and Resize and Remap refused"},
		{"remap2+", "Remap number 2 failed, and all later ones"},
		{"resize3", "Resize number 3 failed"},
		{"seed9", "requests failed by chance, of seed 9"},
	} {
		if got, words, err := allocatortest.PlanFlag(tt.flag); err != nil || got != tt.flag || words != tt.words {
			t.Errorf("%s: read as %s (%s), %v", tt.flag, got, words, err)
		}
	}
	for _, bad := range []string{"", "0", "x", "-1", "3,2", "3,3", "1+,2", "seed", "seed-1", "remap", "17 ", "1,2+"} {
		if got, _, err := allocatortest.PlanFlag(bad); err == nil {
			t.Errorf("%q is read as %s, want an error", bad, got)
		}
	}
}

// forgetful has four requests for memory, and leaks when the third fails.
func forgetful(a mem.Allocator) error {
	var held [4][]byte
	for i := range held {
		b, err := mem.Alloc[byte](a, 8+i)
		if err != nil {
			if i != 2 {
				for _, h := range held[:i] {
					mem.Free(a, h)
				}
			}
			return err
		}
		held[i] = b
	}
	for _, h := range held {
		mem.Free(a, h)
	}
	return nil
}

func TestRerunLine(t *testing.T) {
	r := allocatortest.NewRecorderNamed("TestIndex/two words")
	allocatortest.CheckAllFailures(r, forgetful)
	f := r.Failures()
	if len(f) != 2 {
		t.Fatalf("found %q", f)
	}
	for i, flag := range []string{"3", "3+"} {
		if line := "go test -run '^TestIndex$/^two words$' -allod.fail=" + flag; !strings.HasSuffix(f[i], line) {
			t.Errorf("failure %q does not end with %q", f[i], line)
		}
	}
}

func TestFailFlag(t *testing.T) {
	runs := 0
	count := func(a mem.Allocator) error { runs++; return forgetful(a) }
	for _, tt := range []struct {
		flag     string
		injected int
		failures int
	}{{"3", 1, 1}, {"3+", 1, 1}, {"2", 1, 0}, {"99", 0, 0}, {"none", 0, 0}, {"seed5", 1, 0}} {
		setFlag(t, "allod.fail", tt.flag)
		r := allocatortest.NewRecorderNamed("TestX")
		runs = 0
		n := allocatortest.CheckAllFailures(r, count)
		if f := r.Failures(); n != tt.injected || len(f) != tt.failures && tt.flag != "seed5" || runs != 2+n {
			t.Errorf("-allod.fail=%s: %d injected in %d runs, found %q", tt.flag, n, runs, f)
		}
	}
	setFlag(t, "allod.fail", "many")
	r := allocatortest.NewRecorder()
	allocatortest.CheckAllFailures(r, forgetful)
	want(t, r, "-allod.fail=many: want the number of a request")
}

// TestRerun fails in a child, takes the line that it prints, and runs it.
func TestRerun(t *testing.T) {
	const name = "ALLOCATORTEST_RERUN"
	if os.Getenv(name) != "" {
		t.Run("in part", func(t *testing.T) { allocatortest.CheckAllFailures(t, forgetful) })
		return
	}
	first := runFailing(t, name, "-test.run=^TestRerun$")
	line := regexp.MustCompile(`go test -run '(.*)' (-allod.fail=3)\n`).FindStringSubmatch(first)
	if line == nil {
		t.Fatalf("no line to run again:\n%s", first)
	}
	again := runFailing(t, name, "-test.run="+line[1], line[2])
	if n := strings.Count(again, "number 3 failed"); n != 1 || strings.Contains(again, "all later ones") {
		t.Errorf("not only what failed was run again:\n%s", again)
	}
}

// runFailing runs a test that fails, which a variable of the environment tells to,
// in a child, and returns what it prints.
func runFailing(t *testing.T, variable string, args ...string) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(exe, append(args, "-test.v")...)
	cmd.Env = append(os.Environ(), variable+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("%v: the test passed:\n%s", args, out)
	}
	return string(out)
}

// What is found at the end is said to be of the line that made the allocator.
func TestFailureLine(t *testing.T) {
	const name = "ALLOCATORTEST_LINE"
	_, _, line, _ := runtime.Caller(0)
	if os.Getenv(name) != "" {
		a := allocatortest.New(t) // 2 lines further
		b := mem.Must(mem.Alloc[byte](a, 10))
		mem.Free(a, mem.Must(mem.Alloc[byte](a, 20)))
		*(*byte)(unsafe.Add(unsafe.Pointer(&b[0]), 10))++
		return
	}
	out := runFailing(t, name, "-test.run=^TestFailureLine$")
	for _, want := range []string{"allocatortest: leaked 1 block of 10 bytes", "allocatortest: the end of the test: write past the end: 10 bytes"} {
		if want = fmt.Sprintf("rerun_test.go:%d: %s", line+2, want); !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
