package allocatortest_test

import (
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/allod-dev/allod/heap"
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

// rerunnable wants each failure of a Recorder to end with the line, and the only
// one, that runs its test again.
func rerunnable(t *testing.T, failures []string) {
	t.Helper()
	for _, f := range failures {
		name, _, _ := strings.Cut(f, ": ")
		line := "\nto run only this: go test -run '^" + strings.ReplaceAll(name, "/", "$/^") + "$'"
		if _, flags, ok := strings.Cut(f, line); !ok || strings.Contains(flags, "\n") || strings.Count(f, "to run only this") != 1 {
			t.Errorf("failure %q does not end with %q", f, line)
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

// A failure of each kind of check, by the function that takes the test.
var failing = map[string]func(tb *allocatortest.Recorder){
	"New": func(tb *allocatortest.Recorder) {
		a := allocatortest.New(tb)
		b := mem.Must(a.Alloc(8, word))
		a.Free(b, mem.Layout{})
		a.Alloc(7, mem.Layout{Kind: mem.Local, Type: mem.TypeFor[*int]()})
		*at(b, 8) = 1
		a.Check()
		*at(b, 8) = 2
		tb.Finish()
	},
	"VerifyNone": func(tb *allocatortest.Recorder) {
		d := heap.NewDebug(heap.GC{}, heap.DebugOptions{OnLeak: func(*heap.LeakError) {}})
		defer d.Close()
		*at(mem.Must(d.Alloc(8, word)), -1) = 1
		allocatortest.VerifyNone(tb, d)
		allocatortest.VerifyNone(tb)
	},
	"ExpectMisuse": func(tb *allocatortest.Recorder) {
		allocatortest.ExpectMisuse(tb, heap.DoubleFree, func() { panic(&heap.Misuse{Kind: heap.Overflow}) })
	},
	"NoMisuse": func(tb *allocatortest.Recorder) {
		allocatortest.NoMisuse(tb, func() { panic(&heap.Misuse{Kind: heap.Overflow}) })
	},
	"ExpectFault": func(tb *allocatortest.Recorder) { allocatortest.ExpectFault(tb, heap.UseAfterFree, func() {}) },
	"ExpectLeaks": func(tb *allocatortest.Recorder) {
		allocatortest.ExpectLeaks(tb, 2, func(a mem.Allocator) { leakOne(a); *at(mem.Must(a.Alloc(8, word)), 8) = 1 })
		allocatortest.ExpectLeaks(tb, 1, func(a mem.Allocator) { leakTwo(a) })
		allocatortest.ExpectLeaks(tb, 1, func(mem.Allocator) {})
	},
	"CheckAllFailures": func(tb *allocatortest.Recorder) {
		allocatortest.CheckAllFailures(tb, forgetful)
		allocatortest.CheckAllFailures(tb, func(mem.Allocator) error { return nil })
	},
	"CheckFailures": func(tb *allocatortest.Recorder) {
		allocatortest.CheckFailures(tb, allocatortest.FailureOptions{Pairs: true}, func(a mem.Allocator) error {
			for range 20 { // too many failures
				a.Alloc(8, word)
			}
			return nil
		})
	},
	"CheckUnchanged": func(tb *allocatortest.Recorder) {
		allocatortest.CheckUnchanged(tb, allocatortest.Operation[int]{
			Setup: func(mem.Allocator) (int, error) { return 0, errors.New("no") },
		})
	},
	"CheckFills": func(tb *allocatortest.Recorder) {
		allocatortest.CheckFills(tb, func(a mem.Allocator) (int, error) { return sumOf(a, 10, 9) })
		allocatortest.CheckFills(tb, func(mem.Allocator) (int, error) { return 0, errors.New("no") })
		allocatortest.CheckFills(tb, func(a mem.Allocator) (int, error) { leakOne(a); return 0, nil })
	},
	"CheckSystemFailures": func(tb *allocatortest.Recorder) {
		allocatortest.CheckSystemFailures(tb, func() error { return errors.New("no") })
		allocatortest.CheckSystemFailures(tb, func() error {
			b, err := heap.Page{}.Alloc(8, word)
			if err != nil {
				return errors.New("no")
			}
			heap.Page{}.Free(b, word)
			return nil
		})
	},
	"Play": func(tb *allocatortest.Recorder) {
		allocatortest.Play(tb, broken(), allocatortest.RandomProgram(1, 1000))
	},
	"Replay": func(tb *allocatortest.Recorder) {
		call := allocatortest.Call{Method: "Alloc", Size: 64, Layout: word, OK: true}
		other := call
		call.Block, other.Block, other.Size = 1, 2, 32
		allocatortest.Trace{call, other}.Replay(tb, broken())
	},
	"NewShadow": func(tb *allocatortest.Recorder) {
		s := allocatortest.NewShadow(tb, broken(), nil)
		mem.Must(s.Alloc(64, word))
		mem.Must(s.Alloc(32, word))
	},
	"Fuzz": func(tb *allocatortest.Recorder) {
		allocatortest.PlayFuzz(tb, allocatortest.RandomProgram(1, 1000), broken)
	},
	"RunWith": nil, // TestMutants looks at all of its failures
	"Run":     nil,
}

// broken returns an allocator whose second block is part of the first, if it is
// smaller.
func broken() mem.Allocator { return &overlapping{honest: newHonest(0), n: 3} }

func TestEveryFailureTellsHowToRunIt(t *testing.T) {
	for name, check := range failing {
		if check == nil {
			continue
		}
		r := allocatortest.NewRecorderNamed("TestOther/two words")
		check(r)
		if len(r.Failures()) == 0 {
			t.Errorf("%s: no failure", name)
		}
		rerunnable(t, r.Failures())
	}
	for name := range takesTest(t) {
		if _, ok := failing[name]; !ok {
			t.Errorf("%s takes a test, and how it fails it is not looked at", name)
		}
	}
}

// takesTest returns the names of the exported functions that have a test as their
// first parameter.
func takesTest(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !fn.Name.IsExported() || len(fn.Type.Params.List) == 0 {
				continue
			}
			switch types.ExprString(fn.Type.Params.List[0].Type) {
			case "TB", "*testing.T", "*testing.F":
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}

func TestRerunLine(t *testing.T) {
	const before = "\nto run only this: go test "
	for _, tt := range []struct{ name, line string }{
		{"TestIndex", "-run '^TestIndex$'"},
		{"TestIndex/two_words/x+(1)", `-run '^TestIndex$/^two_words$/^x\+\(1\)$'`},
		{"TestIndex/isn't", `-run '^TestIndex$/^isn'\''t$'`},
		{"FuzzRing/seed#1", "-run '^FuzzRing$/^seed#1$'"},
		{"BenchmarkRing/size=8", "-run '^$' -bench '^BenchmarkRing$/^size=8$'"},
		{"TestÜber/x", "-run '^TestÜber$/^x$'"},
		{"", ""},
		{"Index adds words", ""}, // as of other frameworks
		{"Test index", ""},
	} {
		r := allocatortest.NewRecorderNamed(tt.name)
		allocatortest.ExpectFault(r, heap.Overflow, func() {})
		if _, line, _ := strings.Cut(r.Failures()[0], before); line != tt.line {
			t.Errorf("of %s: %q, want %q", tt.name, line, tt.line)
		}
	}
	r := allocatortest.NewRecorderNamed("TestIndex")
	allocatortest.CheckAllFailures(r, forgetful)
	f := r.Failures()
	if len(f) != 2 {
		t.Fatalf("found %q", f)
	}
	for i, flag := range []string{"3", "3+"} {
		if line := before + "-run '^TestIndex$' -allod.fail=" + flag; !strings.HasSuffix(f[i], line) {
			t.Errorf("failure %q does not end with %q", f[i], line)
		}
	}
	setFlag(t, "allod.seed", "7") // which what failed may depend on
	setFlag(t, "allod.debug", "all of it")
	r = allocatortest.NewRecorderNamed("TestIndex")
	allocatortest.ExpectFault(r, heap.Overflow, func() {})
	if line := before + "-run '^TestIndex$' -allod.seed=7 -allod.debug='all of it'"; !strings.HasSuffix(r.Failures()[0], line) {
		t.Errorf("failure %q does not end with %q", r.Failures()[0], line)
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

// TestRerun fails in a child, takes the lines that it prints, and runs them.
func TestRerun(t *testing.T) {
	const name = "ALLOCATORTEST_RERUN"
	if os.Getenv(name) != "" {
		t.Run("in part", func(t *testing.T) { allocatortest.CheckAllFailures(t, forgetful) })
		for _, part := range []string{"leak", "leak's $HOME \\ (a|b)/[c\x01]/ü #1", "leaks"} {
			t.Run(part, func(t *testing.T) { leakOne(allocatortest.New(t)) })
		}
		return
	}
	first := runFailing(t, name, "-test.run=^TestRerun$")
	lines := regexp.MustCompile(`go test( .*)\n`).FindAllStringSubmatch(first, -1)
	if len(lines) != 5 {
		t.Fatalf("%d lines to run again, want 5:\n%s", len(lines), first)
	}
	for i, line := range lines {
		// A shell takes the line apart.
		words, err := exec.Command("sh", "-c", `printf '%s\n'`+strings.ReplaceAll(line[1], " -run ", " -test.run ")).Output()
		if err != nil {
			t.Skip(err)
		}
		again := runFailing(t, name, strings.Split(strings.TrimSpace(string(words)), "\n")...)
		if n := strings.Count(again, "to run only this"); n != 1 || !strings.Contains(again, line[1]) {
			t.Errorf("%d failures of%s, want this one:\n%s", n, line[1], again)
		}
		if i == 0 && !strings.Contains(again, "number 3 failed") {
			t.Errorf("another failure than the third one:\n%s", again)
		}
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
