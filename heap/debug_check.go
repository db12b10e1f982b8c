package heap

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/race"
)

// Check looks at the zones of every live block, the contents of every block in
// quarantine, and the pointers in local blocks, and returns what is wrong with
// them, at most MaxReports, or nil. Blocks that another call is at work on are
// left out. What it returns is not reported, and is found once.
func (d *Debug) Check() []*Misuse {
	const op = "heap: Debug.Check"
	var all []*Misuse
	var room [hiddenMost]hiddenPointer
	for i := int32(1); ; i++ {
		var k debugBlock
		h, hidden := d.next(i, &k, room[:0])
		if h == nil && len(hidden) == 0 {
			break
		}
		i = k.at
		if h != nil {
			all = append(all, d.damages(op, k.addr(), k.size, &k, h)...)
		}
		if m := d.reveal(op, &k, hidden); m != nil {
			d.table.tell(&k)
			m.Here = trimmed(callers(1))
			all = append(all, m)
		}
		all = all[:min(len(all), d.o.MaxReports)]
	}
	return all
}

// next returns in k the next block from node i on that is damaged, or may hide
// pointers, and what there is of both, or nothing.
//
//go:norace
func (d *Debug) next(i int32, k *debugBlock, room []hiddenPointer) (h *damage, hidden []hiddenPointer) {
	for d.table.visit(i, debugLive, k) {
		if h, hidden = d.seen(k, room); h != nil || len(hidden) > 0 {
			break
		}
		i = k.at + 1
	}
	return h, hidden
}

// seen is next of one block. It unlocks the table, even if the block's memory is
// gone.
//
//go:norace
func (d *Debug) seen(k *debugBlock, room []hiddenPointer) (h *damage, hidden []hiddenPointer) {
	defer d.table.unlock()
	if k.state != debugLive {
		d.unpoison(k)
		h = d.autopsy(k)
		d.poison(k)
		return h, nil
	}
	h = d.inspect(k)
	if d.mayHide(k) {
		hidden = d.hidden(k, room)
	}
	return h, hidden
}

// Leaks returns the blocks that are live as Close would report them, or nil.
func (d *Debug) Leaks() *LeakError { return d.leaks("heap: Debug.Leaks", 0, debugGroups) }

// A DebugSnapshot is a moment in the life of a [Debug].
type DebugSnapshot struct{ births uint64 }

// Snapshot returns the present moment, for LeaksSince.
func (d *Debug) Snapshot() DebugSnapshot { return DebugSnapshot{d.Stats().Allocs} }

// LeaksSince returns the blocks that were allocated after s and are live, or
// nil.
func (d *Debug) LeaksSince(s DebugSnapshot) *LeakError {
	return d.leaks("heap: Debug.LeaksSince", s.births, debugGroups)
}

// Close ends the Debug. It checks all blocks, as [Debug.Check] does, and reports
// what it finds; gives what is in quarantine back to the child; and returns a
// [*LeakError] if blocks are live, which it hands to OnLeak as well, so that a
// bare
//
//	defer d.Close()
//
// tells of them. The blocks that leaked stay as they are. Every later Free,
// Resize and Remap is reported as [UseAfterClose], and Alloc returns
// [mem.ErrClosed]. Close of a Debug that is closed returns nil.
func (d *Debug) Close() error {
	const op = "heap: Debug.Close"
	if d.child == nil || !d.table.shut() {
		return nil
	}
	debugs.remove(d)
	d.life.close()
	found := d.Check()
	for _, m := range found {
		m.Op = op
	}
	leaks := d.leaks(op, 0, debugGroups)
	// A handler that panics hears of all there is all the same.
	defer d.deliverAll(found)
	if leaks != nil {
		defer d.leaked(leaks)
	}
	d.flush()
	if leaks != nil {
		return leaks
	}
	return nil
}

// leaked hands e to OnLeak.
func (d *Debug) leaked(e *LeakError) {
	if d.o.OnLeak != nil {
		d.o.OnLeak(e)
	} else {
		printLeak(os.Stderr, e)
	}
}

// printLeak writes e in one piece, so that it is not mixed with other output.
func printLeak(w io.Writer, e *LeakError) {
	var b bytes.Buffer
	fmt.Fprintln(&b, e)
	w.Write(b.Bytes()) // there is nobody to tell of an error
}

// tick counts a call, and makes every CheckEvery-th check all blocks.
func (d *Debug) tick() {
	if d.o.CheckEvery != 0 {
		d.deliverAll(d.tock())
	}
}

// tock is tick if CheckEvery is not 0, and returns what is to be reported.
func (d *Debug) tock() []*Misuse {
	if hiddenAdd(&d.calls)%uint64(d.o.CheckEvery) != 0 {
		return nil
	}
	return d.Check()
}

// hiddenAdd adds 1 to n and does not order the goroutines that do so in the race
// detector's eyes.
func hiddenAdd(n *atomic.Uint64) uint64 {
	race.Disable()
	defer race.Enable()
	return n.Add(1)
}
