package allocatortest

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/allod-dev/allod/heap"
)

// VerifyNone fails tb for every block that is live in one of the allocators, and
// for every byte that was written where none may be. Let it be the last thing a
// test does before it closes them:
//
//	d := heap.NewDebug(heap.Page{}, heap.DebugOptions{})
//	defer d.Close()
//	defer allocatortest.VerifyNone(t, d)
//
// It closes nothing, and looks at these allocators only, so that tests in
// parallel do not disturb each other; what [New] returns needs none.
func VerifyNone(tb TB, debugs ...*heap.Debug) {
	tb.Helper()
	if len(debugs) == 0 {
		fail(tb, "allocatortest: VerifyNone: no allocator to look at")
	}
	for _, d := range debugs {
		for _, m := range d.Check() {
			fail(tb, "allocatortest: %s\n%s", line(m), describe(m))
		}
		if leaks := d.Leaks(); leaks != nil {
			leaks.Op = ""
			fail(tb, "allocatortest: %v", leaks)
		}
	}
}

// VerifyTestMain runs the tests of a package and then looks at every
// [heap.Debug] of the process that was not closed: if a block is live in one of
// them, or was written where it may not be, that is printed and the process ends
// with code 1, although all tests passed. It finds what a program keeps in
// variables of its packages, and so no test can look for. If the stacks tell which
// tests did it, the last line runs these again:
//
//	func TestMain(m *testing.M) { allocatortest.VerifyTestMain(m) }
//
// If a test failed it does not look. It does not return, since it calls os.Exit
// with the code, unless [Cleanup] says otherwise.
func VerifyTestMain(m interface{ Run() int }, opts ...VerifyOption) {
	verifyMain(os.Stderr, m, opts...)
}

// A VerifyOption changes what [VerifyTestMain] does.
type VerifyOption func(*verifier)

// Cleanup has fn called with the exit code at the very end, instead of os.Exit.
func Cleanup(fn func(exitCode int)) VerifyOption {
	return func(v *verifier) { v.exit = fn }
}

// IgnoreCurrent overlooks the blocks that are live now.
func IgnoreCurrent() VerifyOption {
	now := make(map[*heap.Debug]heap.DebugSnapshot)
	for _, d := range heap.OpenDebugs() {
		now[d] = d.Snapshot()
	}
	return func(v *verifier) { v.since = now }
}

// IgnoreTopFunction overlooks blocks that were allocated by the function of that
// full name, like "example.com/index.newCache".
func IgnoreTopFunction(name string) VerifyOption {
	return func(v *verifier) { v.top = append(v.top, name) }
}

// IgnoreAnyFunction overlooks blocks that were allocated by the function of that
// full name, or by one that it called.
func IgnoreAnyFunction(name string) VerifyOption {
	return func(v *verifier) { v.any = append(v.any, name) }
}

// verifier is what the options of VerifyTestMain add up to.
type verifier struct {
	exit     func(int)
	since    map[*heap.Debug]heap.DebugSnapshot
	top, any []string
}

func verifyMain(w io.Writer, m interface{ Run() int }, opts ...VerifyOption) {
	v := verifier{exit: os.Exit}
	for _, o := range opts {
		o(&v)
	}
	code := m.Run()
	if code == 0 {
		if found, again := v.look(); found != "" {
			fmt.Fprintf(w, "allocatortest: all tests passed, but\n%s%s\n", strings.TrimSuffix(found, "\n"), again)
			code = 1
		}
	}
	v.exit(code)
}

// look returns what there is to say of all open Debugs, and the line that runs the
// tests that did it again.
func (v *verifier) look() (found, again string) {
	var (
		b      strings.Builder
		stacks []heap.Stack
	)
	for _, d := range heap.OpenDebugs() {
		for _, m := range d.Check() {
			b.WriteString(line(m) + "\n" + describe(m) + "\n")
			stacks = append(stacks, m.Alloc)
			if len(m.Free) > 0 {
				stacks = append(stacks, m.Free)
			}
		}
		if leaks := v.sift(d.LeaksSince(v.since[d])); leaks != nil {
			leaks.Op = ""
			fmt.Fprintln(&b, leaks)
			if len(leaks.Groups) == 0 {
				stacks = append(stacks, nil)
			}
			for _, g := range leaks.Groups {
				stacks = append(stacks, g.Stack)
			}
		}
	}
	return b.String(), rerunStacks(stacks)
}

// sift takes out of e what is to be overlooked.
func (v *verifier) sift(e *heap.LeakError) *heap.LeakError {
	if e == nil {
		return nil
	}
	kept := e.Groups[:0]
	for _, g := range e.Groups {
		if v.overlooks(g.Stack) {
			e.Blocks -= g.Blocks
			e.Bytes -= g.Bytes
		} else {
			kept = append(kept, g)
		}
	}
	if e.Groups = kept; e.Blocks == 0 {
		return nil
	}
	return e
}

func (v *verifier) overlooks(s heap.Stack) bool {
	if len(v.top)+len(v.any) == 0 || len(s) == 0 {
		return false
	}
	top := true
	frames := runtime.CallersFrames(s.Program())
	for {
		f, more := frames.Next()
		for _, name := range v.top {
			if top && f.Function == name {
				return true
			}
		}
		for _, name := range v.any {
			if f.Function == name {
				return true
			}
		}
		top = false
		if !more {
			return false
		}
	}
}
