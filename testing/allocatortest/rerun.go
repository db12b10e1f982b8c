package allocatortest

import (
	"flag"
	"fmt"
	"regexp"
	"strings"
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
	parts := strings.Split(named.Name(), "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	line := "\nto run only this: go test -run "
	if strings.HasPrefix(named.Name(), "Benchmark") {
		line += "'^$' -bench "
	}
	line += quote(strings.Join(parts, "/"))
	for _, f := range [...]string{failFlag, seedFlag, debugFlag} {
		v := given(f)
		if f == name && value != "" {
			v = value
		}
		if v != "" {
			line += " -" + f + "=" + quote(v)
		}
	}
	return line
}

var testName = regexp.MustCompile(`^(Test|Fuzz|Benchmark)\w*(/|$)`)

// plain matches what means nothing else to a shell.
var plain = regexp.MustCompile(`^[\w+,:.-]+$`)

// quote returns s as one word of a shell.
func quote(s string) string {
	if plain.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
