package heap

import (
	"fmt"
	"os"
	"runtime"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/stack"
)

// A debugLife outlives its Debug, to tell if nobody closed that.
type debugLife struct {
	closed atomic.Bool
	id     uint64
	made   stack.ID
}

// watch gives d its number, and makes the collector tell when d is gone without
// having been closed. The memory of its blocks stays as it is: somebody may use
// them still, and when the collector finds out is chance.
func (d *Debug) watch() {
	d.id = debugs.number()
	var pcs [16]uintptr
	d.life = &debugLife{id: d.id, made: debugStacks().Intern(pcs[:stack.Callers(2, pcs[:])])}
	runtime.AddCleanup(d, (*debugLife).end, d.life)
}

// close ends the watch.
func (l *debugLife) close() {
	race.Disable()
	l.closed.Store(true)
	race.Enable()
}

// end is called after the Debug is gone.
func (l *debugLife) end() {
	if l.closed.Load() {
		return
	}
	// One write, so that it is not mixed with other output.
	fmt.Fprintf(os.Stderr, "heap: Debug %d: nobody can close it any more; made by\n%s\n", l.id, indented(debugStack(l.made).Program()))
}
