package vm

import (
	"errors"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/race"
)

// ErrLimit says that the [Governor] does not grant so much memory.
var ErrLimit = errors.New("vm: limit reached")

// A Governor watches over how much memory is committed: in the hands of callers,
// who may touch all of it. Its functions are called by any goroutine, which may
// hold locks of its callers: they must not take memory or give it back.
type Governor struct {
	Limit   atomic.Int64 // most bytes that may be committed
	Moved   func()       // called after [Committed] changed
	Refused func()       // called after more was refused
}

var (
	governor  atomic.Pointer[Governor]
	mapped    atomic.Int64 // bytes in the hands of callers
	committed atomic.Int64 // mapped, without what was discharged
	onGoHeap  atomic.Int64 // what of committed is Go's memory
)

// The counters do not order goroutines in the eyes of the race detector.

// Govern makes g the governor, unless there is one. It returns false then.
func Govern(g *Governor) bool {
	race.Disable()
	defer race.Enable()
	return governor.CompareAndSwap(nil, g)
}

// Ungovern ends the reign of g, if it is the governor.
func Ungovern(g *Governor) {
	race.Disable()
	governor.CompareAndSwap(g, nil)
	race.Enable()
}

// Committed returns how many bytes are committed, and how many of these are on
// the Go heap, where the Go runtime counts them.
func Committed() (all, goHeap int) {
	race.Disable()
	defer race.Enable()
	return asInt(committed.Load()), asInt(onGoHeap.Load())
}

// Charge counts n more bytes as committed, or fails with [ErrLimit]. Ranges are
// charged as they are mapped; this is for those who use again what they have
// discharged, and for memory that comes from elsewhere.
func Charge(n int) error {
	if n < 0 {
		panic("vm: Charge: negative size")
	}
	return charge(n, 0, 0)
}

// Discharge counts n bytes less as committed: for those who keep a range whose
// memory they have given back.
func Discharge(n int) {
	if n < 0 {
		panic("vm: Discharge: negative size")
	}
	_ = charge(-n, 0, 0)
}

// take counts n bytes that are to be mapped, or fails with [ErrLimit].
func take(n int, goHeap bool) error {
	if goHeap {
		return charge(n, n, n)
	}
	return charge(n, 0, n)
}

// give counts n bytes that are mapped no more, or were not after all.
func give(n int, goHeap bool) { _ = take(-n, goHeap) }

// charge adds to what is committed, what of it is on the Go heap, and what is
// mapped. It is not instrumented: who comes here need not come after Govern.
//
//go:norace
func charge(n, goHeap, mappedToo int) error {
	race.Disable()
	g := governor.Load()
	now := committed.Add(int64(n))
	refused := g != nil && n > 0 && now > g.Limit.Load()
	if refused {
		committed.Add(-int64(n))
	} else {
		if goHeap != 0 {
			onGoHeap.Add(int64(goHeap))
		}
		if mappedToo != 0 {
			mapped.Add(int64(mappedToo))
		}
	}
	race.Enable()
	switch {
	case g == nil || n == 0:
	case refused:
		g.Refused()
		return ErrLimit
	default:
		g.Moved()
	}
	return nil
}
