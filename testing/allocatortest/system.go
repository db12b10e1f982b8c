package allocatortest

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"github.com/allod-dev/allod/internal/vm"
	"github.com/allod-dev/allod/mem"
)

// CheckSystemFailures calls fn again and again, and makes each request that the
// allocators of this module make of the operating system in it fail in turn: to
// map and unmap memory, to move, lock or protect it, with each error that the
// system is known to give, once, and from then on. It returns in how many calls
// of fn a request failed. It is for programs that take memory from [heap.Page]
// and what stands on it by themselves, rather than from an allocator that they
// are given.
//
// fn must succeed when no request fails, make the same ones in every call, and
// give back all that it takes in any case. What fails tb is
//
//   - an error that wraps neither what the system said nor [mem.ErrOutOfMemory];
//   - memory that stays mapped;
//   - panics and misuse.
//
// fn may return nil: some requests are wishes, and others are made up for. The
// failures are those of the whole process, so nothing else may take memory from
// the system meanwhile: such a test must not run in parallel with others.
func CheckSystemFailures(tb TB, fn func() error) int {
	tb.Helper()
	c := &systemChecker{tb: tb, fn: fn}
	if text := given(failFlag); text != "" {
		f, err := parseSystemFailure(text)
		if err != nil {
			fail(tb, "allocatortest: %v", err)
			return 0
		}
		c.run(systemFailure{})
		c.run(f)
		return c.injected
	}
	return c.check()
}

// systemFailure says which request fails, and how.
type systemFailure struct {
	at      int // the number of the request from 1 on; 0: none
	errno   error
	onwards bool // and all later ones
}

func (f systemFailure) String() string {
	switch {
	case f.at == 0:
		return "no request failed"
	case f.onwards:
		return fmt.Sprintf("request %d of the system failed with %q, and so did all later ones", f.at, f.errno)
	}
	return fmt.Sprintf("request %d of the system failed with %q", f.at, f.errno)
}

// systemPrefix is how a system failure begins in -allod.fail: "system17:2+" is
// request 17, the third of the errors, and all later requests.
const systemPrefix = "system"

func (f systemFailure) flag() string {
	if f.at == 0 {
		return ""
	}
	s := fmt.Sprintf("%s%d", systemPrefix, f.at)
	for i, e := range systemErrors() {
		if e == f.errno {
			s += ":" + strconv.Itoa(i)
		}
	}
	if f.onwards {
		s += "+"
	}
	return s
}

// parseSystemFailure is the inverse of flag.
func parseSystemFailure(text string) (f systemFailure, err error) {
	bad := fmt.Errorf("-%s=%s: want the number of a request and of an error, like system17:2 or system17:2+", failFlag, text)
	s, ok := strings.CutPrefix(text, systemPrefix)
	s, f.onwards = strings.CutSuffix(s, "+")
	at, number, pair := strings.Cut(s, ":")
	if !ok || !pair {
		return f, bad
	}
	errno, err := strconv.Atoi(number)
	all := systemErrors()
	if err != nil || errno < 0 || errno >= len(all) {
		return f, bad
	}
	f.errno = all[errno]
	if f.at, err = strconv.Atoi(at); err != nil || f.at < 1 {
		return f, bad
	}
	return f, nil
}

// systemErrors returns what the system is known to answer.
func systemErrors() []error {
	var all []error
	for _, e := range vm.Errors() {
		if e != vm.ErrTooLarge && e != vm.ErrUnsupported {
			all = append(all, e)
		}
	}
	return all
}

// systemChecker makes the requests of one function fail.
type systemChecker struct {
	tb       TB
	fn       func() error
	warm     bool // fn was called before: what is made once is there
	injected int
	failures int
}

func (c *systemChecker) check() int {
	c.tb.Helper()
	// The first call makes what is made once, and the second shows whether memory
	// stays mapped although nothing fails.
	c.run(systemFailure{})
	c.run(systemFailure{})
	if c.failures > 0 {
		return 0
	}
	for _, errno := range systemErrors() {
		for _, onwards := range []bool{false, true} {
			for at := 1; ; at++ {
				if reached := c.run(systemFailure{at, errno, onwards}); !reached {
					break
				}
				if c.failures >= maxErrors {
					fail(c.tb, "allocatortest: too many failures, giving up")
					return c.injected
				}
			}
		}
	}
	c.tb.Logf("allocatortest: %d failures of the system injected", c.injected)
	return c.injected
}

// run calls fn with a failure, and tells whether the request was made.
func (c *systemChecker) run(f systemFailure) (reached bool) {
	c.tb.Helper()
	before := vm.ReadStats().Mapped
	in := &systemInjector{f: f}
	var err error
	undo := vm.Inject(in.call)
	found := watch(func() {
		defer func() {
			if r := recover(); r != nil {
				c.fail(f, in, "panic: %v\n%s", r, debug.Stack())
			}
		}()
		err = c.fn()
	})
	undo()
	for _, m := range found {
		c.fail(f, in, "misuse reported: %s\n%s", line(m), describe(m))
	}
	if in.seen >= f.at && f.at > 0 {
		reached = true
		c.injected++
	}
	switch {
	case err == nil:
	case !reached:
		c.fail(f, in, "error %v, want success", err)
	case !errors.Is(err, f.errno) && !errors.Is(err, mem.ErrOutOfMemory):
		c.fail(f, in, "error %q wraps neither that nor mem.ErrOutOfMemory", err)
	}
	if left := vm.ReadStats().Mapped - before; left > 0 && c.warm {
		c.fail(f, in, "%d bytes are still mapped", left)
	}
	c.warm = true
	return reached
}

func (c *systemChecker) fail(f systemFailure, in *systemInjector, format string, args ...any) {
	c.tb.Helper()
	c.failures++
	what := f.String()
	if in.kind != "" {
		what += " (" + in.kind + ")"
	}
	failWith(c.tb, failFlag, f.flag(), "allocatortest: %s: %s", what, fmt.Sprintf(format, args...))
}

// systemInjector counts requests, and makes them fail.
type systemInjector struct {
	f systemFailure

	mu   sync.Mutex
	seen int
	kind string // of the first request that failed
}

func (in *systemInjector) call(kind vm.Call) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.seen++
	if in.f.at == 0 || in.seen < in.f.at || in.seen > in.f.at && !in.f.onwards {
		return nil
	}
	if in.kind == "" {
		in.kind = kind.String()
	}
	return in.f.errno
}
