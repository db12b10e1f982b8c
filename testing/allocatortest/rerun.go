package allocatortest

import (
	"flag"
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

// rerun returns a line that tells how to run tb again with that flag, or no flag
// if its name is empty. It is nothing if the test does not tell its own name.
func rerun(tb TB, name, value string) string {
	named, ok := tb.(interface{ Name() string })
	if !ok || named.Name() == "" {
		return ""
	}
	parts := strings.Split(named.Name(), "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	line := "\nto run only this: go test -run '" + strings.Join(parts, "/") + "'"
	if name != "" {
		line += " -" + name + "=" + value
	}
	return line
}
