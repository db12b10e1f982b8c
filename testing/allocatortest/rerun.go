package allocatortest

import (
	"cmp"
	"flag"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/allod-dev/allod/heap"
)

// The flags with which a test binary runs what failed, and nothing else, again.
// Every failure that depends on more than the name of its test prints them.
const (
	failFlag = "allod.fail"
	seedFlag = "allod.seed"
)

// debugFlag is another: it shows that a heap.Debug reports nothing of a program,
// the suite, and allocators that are right.
const debugFlag = "allod.debug"

func init() {
	define(failFlag, "the only `request` that allocatortest's checks make fail, as their failures print it")
	define(seedFlag, "the only `seed` that allocatortest's random programs run with, as their failures print it")
	define(debugFlag, "anything: allocatortest's contract suite puts a heap.Debug over each allocator")
}

// define adds a flag, unless the program has one of that name, as with a copy of
// this package under another path. They then share it.
func define(name, usage string) {
	if flag.Lookup(name) == nil {
		flag.String(name, "", usage)
	}
}

// given returns what the flag of that name was set to.
func given(name string) string { return flag.Lookup(name).Value.String() }

// fail fails tb. Whatever this package finds it says by way of fail or failWith,
// so that each failure ends with the line that runs its test again.
func fail(tb TB, format string, args ...any) {
	tb.Helper()
	failWith(tb, "", "", format, args...)
}

// failWith is fail for what happens again if a flag has that value; if that is
// empty, no flag is needed.
func failWith(tb TB, name, value, format string, args ...any) {
	tb.Helper()
	tb.Errorf("%s%s", strings.TrimSuffix(fmt.Sprintf(format, args...), "\n"), rerun(tb, name, value))
}

// rerun returns a line that tells how to run tb again, with that flag set and the
// others as they are. It is nothing if tb has no name of a test, as those of some
// frameworks are sentences, or if the go command looks for inputs of a fuzz test:
// it then says under which name it keeps one.
func rerun(tb TB, name, value string) string {
	named, ok := tb.(interface{ Name() string })
	if !ok || !testName.MatchString(named.Name()) || fuzzing() {
		return ""
	}
	return command(named.Name()) + flags(name, value)
}

// command returns the line that runs the tests and benchmarks of these names.
func command(names ...string) string {
	var tests, benchmarks []string
	for _, name := range names {
		parts := strings.Split(name, "/")
		for i, p := range parts {
			parts[i] = "^" + regexp.QuoteMeta(p) + "$"
		}
		list := &tests
		if strings.HasPrefix(name, "Benchmark") {
			list = &benchmarks
		}
		*list = append(*list, strings.Join(parts, "/"))
	}
	line := "\nto run only this: go test -run " + quote(cmp.Or(strings.Join(tests, "|"), "^$"))
	if len(benchmarks) > 0 {
		line += " -bench " + quote(strings.Join(benchmarks, "|"))
	}
	return line
}

// flags returns the flags that are set, as the command line has them, with that
// value for the one of that name if the value is not empty.
func flags(name, value string) (all string) {
	for _, f := range [...]string{failFlag, seedFlag, debugFlag} {
		v := given(f)
		if f == name && value != "" {
			v = value
		}
		if v != "" {
			all += " -" + f + "=" + quote(v)
		}
	}
	return all
}

// rerunStacks is rerun for what was found when the tests were over, by the stacks
// of those who did it. It is nothing if one is not of a test.
func rerunStacks(stacks []heap.Stack) string {
	var names []string
	for _, s := range stacks {
		name := testOf(s)
		if name == "" {
			return ""
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return command(names...) + flags("", "")
}

// testOf returns the name of the test, or benchmark, that a stack is of, or "".
// What has such a name elsewhere than in a file of tests is a helper of them, and
// no line runs TestMain only.
func testOf(s heap.Stack) (name string) {
	frames := runtime.CallersFrames(s)
	for more := len(s) > 0; more; {
		var f runtime.Frame
		f, more = frames.Next()
		_, function, _ := strings.Cut(f.Function[strings.LastIndexByte(f.Function, '/')+1:], ".")
		function, _, _ = strings.Cut(function, ".")
		if testName.MatchString(function) && function != "TestMain" && strings.HasSuffix(f.File, "_test.go") {
			name = function // the last one called all others
		}
	}
	return name
}

var testName = regexp.MustCompile(`^(Test|Fuzz|Benchmark)[\pL\pN_]*(/|$)`)

// plain matches what means nothing else to a shell.
var plain = regexp.MustCompile(`^[\w+,:.-]+$`)

// quote returns s as one word of a shell.
func quote(s string) string {
	if plain.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
