package allocatortest

import (
	"flag"
	"runtime/debug"
	"testing"

	"github.com/allod-dev/allod/mem"
)

// Fuzz is a fuzz target for an allocator, with seeds and all: it plays programs
// of operations on new allocators, as [Play] does, and where one of them does
// something else than the model it prints the few calls that show it.
//
//	func FuzzRing(f *testing.F) {
//		allocatortest.Fuzz(f, func(t *testing.T) mem.Allocator {
//			return NewRing(allocatortest.New(t))
//		})
//	}
//
// go test plays the seeds, and go test -fuzz=FuzzRing looks for more. The
// factory is as for [Run], and is called several times with one t if there is
// something to print.
func Fuzz(f *testing.F, factory func(t *testing.T) mem.Allocator) {
	f.Helper()
	f.Add([]byte{})
	f.Add([]byte{0, 9, 0, 8, 0, 250, 3, 200, 2, 4, 4, 4, 1, 6, 255, 4, 0, 10, 5, 1, 3, 6, 6, 1, 3, 0, 3, 1, 7, 23})
	for seed := range uint64(4) {
		f.Add(randomProgram(seed, 200<<seed))
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		fuzzOne(t, program, func() mem.Allocator { return factory(t) })
	})
}

// fuzzOne plays a program, and explains it if it fails.
func fuzzOne(tb TB, program []byte, factory func() mem.Allocator) {
	tb.Helper()
	tracer := NewTracer(factory())
	q := &quiet{}
	m := &model{a: tracer, program: program, tb: q}
	caught(q, m.play)
	found := q.failures()
	if len(found) == 0 {
		return
	}
	for _, s := range found {
		fail(tb, "%s", s)
	}
	if fuzzing() {
		return // the go command makes the program smaller, in its own way
	}
	short := tracer.Trace().Shrink(func(t Trace) bool { return !t.Plays(factory()) })
	again := &quiet{}
	caught(again, func() { short.Replay(again, factory()) })
	if said := again.failures(); len(said) > 0 {
		fail(tb, "%s\nafter no more than\n%s", said[0], short)
	} else {
		fail(tb, "not seen without the contents that the program had, in\n%s", short)
	}
}

// caught calls f and makes a panic a failure.
func caught(q *quiet, f func()) {
	defer func() {
		if r := recover(); r != nil {
			q.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	f()
}

// fuzzing tells whether the process looks for new inputs.
func fuzzing() bool {
	f := flag.Lookup("test.fuzzworker")
	return f != nil && f.Value.String() == "true"
}
