package allocatortest

import (
	"fmt"
	"sync"

	"github.com/allod-dev/allod/heap"
	"github.com/allod-dev/allod/internal/addrmap"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// A table knows the blocks of an [Allocator] by their address.
//
// Under the race detector its lock must not order the program's goroutines: a
// test would then miss the races that it is there to find. So the lock is taken
// out of the detector's sight, and whatever touches what it guards is not
// instrumented. Methods that do are short, and neither copy nor append slices.
type table struct {
	mu    sync.Mutex
	live  addrmap.Map[*record]
	dead  [1024]*record // the blocks that died last
	next  int           // the oldest of these
	stats Stats
}

// record is what is known of a block. While the block is live it belongs to the
// goroutine that holds the block, and does not change.
type record struct {
	block  []byte // nil once it is dead
	layout mem.Layout
	addr   uintptr
	size   int
	alloc  heap.Stack
	free   heap.Stack // once it is dead
}

func (t *table) lock() {
	race.Disable()
	t.mu.Lock()
}

func (t *table) unlock() {
	t.mu.Unlock()
	race.Enable()
}

// add makes r known, and returns what was known of its address before.
//
//go:norace
func (t *table) add(r *record) (before *record) {
	t.lock()
	before, _ = t.live.Get(r.addr)
	t.live.Put(r.addr, r)
	if before != nil {
		t.stats.change(-1, -before.size)
	}
	t.stats.change(1, r.size)
	t.unlock()
	return before
}

// take forgets the block b of that layout and returns what was known, or says
// what is wrong with it. Where that is a matter of another block, it returns
// this one's record.
//
//go:norace
func (t *table) take(b []byte, l mem.Layout) (*record, heap.MisuseKind) {
	t.lock()
	r, kind := t.judge(b, l)
	if kind == 0 {
		t.live.Delete(r.addr)
		t.stats.change(-1, -r.size)
	}
	t.unlock()
	return r, kind
}

//go:norace
func (t *table) judge(b []byte, l mem.Layout) (*record, heap.MisuseKind) {
	addr := address(b)
	r, ok := t.live.Get(addr)
	switch {
	case !ok:
		return t.stranger(addr, len(b))
	case r.size != len(b):
		return r, heap.SizeMismatch
	case r.layout.Align != l.Align:
		return r, heap.AlignMismatch
	case r.layout.Type != l.Type:
		return r, heap.TypeMismatch
	}
	return r, 0
}

// stranger tells what is at addr, where no live block starts.
//
//go:norace
func (t *table) stranger(addr uintptr, size int) (*record, heap.MisuseKind) {
	s := &search{addr: addr}
	if t.live.All(s.visit); s.found != nil {
		return s.found, heap.InteriorFree
	}
	for i := range t.dead { // the newest first
		r := t.dead[(t.next-1-i+2*len(t.dead))%len(t.dead)]
		if r != nil && r.addr == addr && r.size == size {
			return r, heap.DoubleFree
		}
	}
	return nil, heap.ForeignFree
}

// owns tells whether addr is in a live block.
//
//go:norace
func (t *table) owns(addr uintptr) bool {
	t.lock()
	_, ok := t.live.Get(addr)
	if !ok {
		s := &search{addr: addr}
		t.live.All(s.visit)
		ok = s.found != nil
	}
	t.unlock()
	return ok
}

// A search looks for the block around addr. Its method is not a function
// literal, since these cannot be kept from being instrumented.
type search struct {
	addr  uintptr
	found *record
}

//go:norace
func (s *search) visit(start uintptr, r *record) bool {
	if s.addr-start < uintptr(r.size) {
		s.found = r
	}
	return s.found == nil
}

// bury remembers r, whose block is dead.
//
//go:norace
func (t *table) bury(r *record, free heap.Stack) {
	r.block, r.free = nil, free
	t.lock()
	t.dead[t.next] = r
	t.next = (t.next + 1) % len(t.dead)
	t.stats.Frees++
	t.unlock()
}

// count adds one to a counter of stats.
//
//go:norace
func (t *table) count(counter *uint64) {
	t.lock()
	*counter++
	t.unlock()
}

//go:norace
func (t *table) snapshot() Stats {
	t.lock()
	s := t.stats
	t.unlock()
	return s
}

// records returns all live blocks.
//
//go:norace
func (t *table) records() []*record {
	t.lock()
	l := &listing{all: make([]*record, t.live.Len())}
	t.live.All(l.visit)
	t.unlock()
	return l.all
}

type listing struct {
	all []*record
	n   int
}

//go:norace
func (l *listing) visit(_ uintptr, r *record) bool {
	l.all[l.n] = r
	l.n++
	return true
}

//go:norace
func (s *Stats) change(blocks, bytes int) {
	s.Blocks += blocks
	s.Bytes += bytes
	s.PeakBlocks = max(s.PeakBlocks, s.Blocks)
	s.PeakBytes = max(s.PeakBytes, s.Bytes)
}

// hint says what is wrong with a call for b, of which kind the misuse is.
func hint(kind heap.MisuseKind, r *record, b []byte, l mem.Layout) string {
	switch kind {
	case heap.SizeMismatch:
		return fmt.Sprintf("the block has %d bytes", r.size)
	case heap.AlignMismatch:
		return fmt.Sprintf("it was asked for with alignment %v, not %v", r.layout.Align, l.Align)
	case heap.TypeMismatch:
		return fmt.Sprintf("it was asked for as %v, not %v", r.layout.Type, l.Type)
	case heap.InteriorFree:
		return fmt.Sprintf("%d bytes into a block of %d", address(b)-r.addr, r.size)
	case heap.DoubleFree:
		return "the block is free already"
	}
	return "the block did not come from here; append may have moved it to the Go heap"
}
