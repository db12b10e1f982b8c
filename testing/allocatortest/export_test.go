package allocatortest

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/allod-dev/allod/mem"
)

// Recorder stands for a test and writes down what the suite finds.
type Recorder struct {
	mu       sync.Mutex
	name     string
	failures *[]string
	cleanups []func()
	failed   bool
}

func NewRecorder() *Recorder { return NewRecorderNamed("TestRecorded") }

// NewRecorderNamed returns a recorder that stands for the test of that name.
func NewRecorderNamed(name string) *Recorder { return &Recorder{name: name, failures: new([]string)} }

// PlanFlag reads a plan as -allod.fail has it, and writes it again.
func PlanFlag(s string) (flag, words string, err error) {
	p, err := parsePlan(s)
	return p.flag(), p.String(), err
}

func (r *Recorder) Name() string        { return r.name }
func (r *Recorder) Helper()             {}
func (r *Recorder) Logf(string, ...any) {}
func (r *Recorder) Skip(...any)         { runtime.Goexit() }
func (r *Recorder) Cleanup(f func())    { r.cleanups = append(r.cleanups, f) }
func (r *Recorder) Failed() bool        { r.mu.Lock(); defer r.mu.Unlock(); return r.failed }
func (r *Recorder) FailNow()            { runtime.Goexit() }
func (r *Recorder) Errorf(f string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = true
	*r.failures = append(*r.failures, r.name+": "+fmt.Sprintf(f, args...))
}

func (r *Recorder) run(name string, f func(harness)) {
	sub := &Recorder{name: r.name + "/" + name, failures: r.failures}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if v := recover(); v != nil {
				sub.Errorf("panic: %v\n%s", v, debug.Stack())
			}
		}()
		defer sub.Finish()
		f(sub)
	}()
	<-done
}

// Finish runs the cleanups, the last one first.
func (r *Recorder) Finish() {
	for len(r.cleanups) > 0 {
		f := r.cleanups[len(r.cleanups)-1]
		r.cleanups = r.cleanups[:len(r.cleanups)-1]
		f()
	}
}

// Failures returns what was found, each with the name of the part that found it.
func (r *Recorder) Failures() []string { return *r.failures }

// RunPart runs one part of the contract suite on a recorder and returns what it
// found.
func RunPart(clause, name string, p Promises, factory func(tb TB) mem.Allocator) ([]string, error) {
	for _, c := range clauses {
		for _, part := range c.parts {
			if c.name == clause && part.name == name {
				r := NewRecorder()
				r.run(name, func(h harness) {
					part.test(h, p.withDefaults(), func(h harness) mem.Allocator { return factory(h) })
				})
				return r.Failures(), nil
			}
		}
	}
	return nil, fmt.Errorf("there is no %s/%s", clause, name)
}

// Parts calls yield with the name of every part of the suite.
func Parts(yield func(clause, name string) bool) {
	for _, c := range clauses {
		for _, part := range c.parts {
			if !yield(c.name, part.name) {
				return
			}
		}
	}
}

// SetHammerRounds changes how long the suite looks for memory that is cleared
// as bytes, and returns the way back.
func SetHammerRounds(n int) func() {
	before := hammerRounds
	hammerRounds = n
	return func() { hammerRounds = before }
}

// VerifyTestMainTo is VerifyTestMain that prints to w.
func VerifyTestMainTo(w io.Writer, m interface{ Run() int }, opts ...VerifyOption) {
	verifyMain(w, m, opts...)
}

// PlayFuzz is what Fuzz does with one program.
func PlayFuzz(tb TB, program []byte, factory func() mem.Allocator) { fuzzOne(tb, program, factory) }

// RandomProgram returns a program of that seed.
func RandomProgram(seed uint64, length int) []byte { return randomProgram(seed, length) }
