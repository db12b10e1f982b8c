package heap

import (
	"sync"
	"sync/atomic"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/stack"
	"github.com/allod-dev/allod/mem"
)

// debugTable knows the blocks of a Debug: the live ones, those in quarantine,
// those that a call is at work on, and the last ones that went back to the child.
// It is safe for concurrent use.
type debugTable struct {
	closed atomic.Bool

	mu     sync.Mutex               // guards the rest
	chunks []*[debugChunk]debugNode // node 0 is no node
	nodes  int32                    // nodes ever used, with node 0
	unused int32                    // nodes to use again, linked by next
	index  debugIndex               // of all nodes in use but the lifted ones, and of vacant ones
	lifted int32                    // nodes inside a Resize or Remap, linked by next

	oldest, newest int32 // quarantine
	kept           int   // blocks in quarantine
	keptBytes      int   // what they cost

	bytes      int    // live, as asked for, with those that calls reserved
	peak       int    // the most that bytes was
	blocks     int    // live
	guarded    int    // of these
	peakBlocks int    // the most that blocks was
	births     uint64 // blocks served so far
	frees      uint64

	gone     []debugRemains // the last blocks that went back, a ring
	goner    int            // where in it the next one goes; len(gone): the first, or more room is made
	remember int            // the most that gone may have

	usual  bool                  // there are usual blocks, see debug_usual.go
	left   uint32                // where in vacant the last one went
	vacant [debugVacancies]int32 // nodes, or 0, see debug_vacant.go

	unchecked int32 // calls since the last check
}

// Nodes lie in chunks that never move, are found by number, and are used again,
// so that in a steady state nothing is allocated.
//
// While a node is busy it belongs to one call, which may look at the block and
// change the node without the lock. Resize and Remap lift their node out of the
// index before the child is asked, since the child may serve what they give up to
// another goroutine before they are back.
//
// A block costs one round of the lock to be served and two to be freed: one to
// look whether it may be, and one in which it enters quarantine and another
// block leaves it. A usual one costs one.
//
// The lock is hidden from the race detector, which would otherwise see every two
// allocations ordered by it and miss races of the program. What the lock guards
// is hidden as well: nothing here is instrumented, and there is no copy, append
// or map, whose insides are.

const debugChunk = 128

func (t *debugTable) lock() {
	race.Disable()
	t.mu.Lock()
}

//go:norace
func (t *debugTable) unlock() {
	if invariant.Enabled {
		t.check()
	}
	t.mu.Unlock()
	race.Enable()
}

// debugRefusal says why admission of a block was refused.
type debugRefusal uint8

const (
	debugClosed debugRefusal = iota + 1
	debugLimit
)

// isClosed tells whether Close was called.
//
//go:norace
func (t *debugTable) isClosed() bool {
	race.Disable()
	closed := t.closed.Load()
	race.Enable()
	return closed
}

// reserve takes size bytes if they are within limit, and tells why not.
//
//go:norace
func (t *debugTable) reserve(size, limit int) (no debugRefusal) {
	if t.isClosed() {
		return debugClosed
	}
	t.lock()
	defer t.unlock()
	if size > limit-t.bytes {
		return debugLimit
	}
	t.book(size)
	return 0
}

// book counts size bytes more, which may be negative.
//
//go:norace
func (t *debugTable) book(size int) {
	t.bytes += size
	t.peak = max(t.peak, t.bytes)
}

// release undoes reserve.
//
//go:norace
func (t *debugTable) release(size int) {
	t.lock()
	defer t.unlock()
	t.bytes -= size
}

// admit adds k, whose bytes are reserved if there is a limit, as a busy block. If
// it overlaps another it returns that one, and does not add it. The table is
// locked.
//
//go:norace
func (t *debugTable) admit(k *debugBlock, limit int) (other *debugBlock) {
	if !k.flags.guarded() { // places overlap nothing
		if j := t.overlapping(address(k.base), len(k.base), 0); j != 0 {
			return t.copy(j)
		}
	}
	if limit == 0 {
		t.book(k.size)
	}
	t.enter()
	k.at = t.take()
	k.node, k.birth = t.node(k.at), t.births
	k.node.store(k)
	k.node.set(debugBusy)
	t.insert(k.at)
	if k.flags.guarded() {
		t.guarded++
	}
	return nil
}

// enter counts a block that is served.
//
//go:norace
func (t *debugTable) enter() {
	t.births++
	t.blocks++
	t.peakBlocks = max(t.peakBlocks, t.blocks)
}

// leave counts a block of size bytes that is freed.
//
//go:norace
func (t *debugTable) leave(size int) {
	t.bytes -= size
	t.blocks--
	t.frees++
}

// copy returns what node i says.
//
//go:norace
func (t *debugTable) copy(i int32) *debugBlock {
	k := new(debugBlock)
	t.node(i).load(k, i)
	return k
}

// hold makes the block b busy and lifts it out of the index, or tells what is
// wrong with b. A grow above 0 is reserved within limit; if that
// is refused, the block is not touched. It is expected front bytes after the
// start of length bytes; k becomes what there is.
//
//go:norace
func (t *debugTable) hold(b []byte, l mem.Layout, front uint32, length int, k *debugBlock, grow, limit int, here stack.ID) (f debugFinding, no debugRefusal) {
	t.lock()
	defer t.unlock()
	f = t.look(b, l, front, length, k)
	if f.kind != 0 {
		return f, 0
	}
	if grow > 0 {
		if limit > 0 && grow > limit-t.bytes {
			return f, debugLimit
		}
		t.book(grow)
	}
	k.node.seize(here)
	t.remove(k.at)
	k.node.next, t.lifted = t.lifted, k.at
	return f, 0
}

// land ends hold of a block, which is now as k says. If it overlaps another, it
// returns that one, and the block is forgotten. Bytes of the sizes before and
// after are accounted for; reserved tells how many hold reserved.
//
//go:norace
func (t *debugTable) land(k *debugBlock, reserved int) (other *debugBlock) {
	t.lock()
	defer t.unlock()
	n := k.node
	for link := &t.lifted; *link != 0; link = &t.node(*link).next {
		if *link == k.at {
			*link = n.next
			break
		}
	}
	t.book(k.size - n.size - max(reserved, 0))
	if k.addr() != n.addr() {
		t.bury(n.addr(), n.size, n.alloc, 0)
	}
	if j := t.overlapping(address(k.base), len(k.base), 0); j != 0 {
		t.bytes -= k.size
		t.blocks--
		t.discard(k.at)
		return t.copy(j)
	}
	n.store(k)
	n.set(debugLive)
	t.insert(k.at)
	return nil
}

// debugFate is what becomes of a block that was freed.
type debugFate uint8

const (
	debugUndecided  debugFate = iota
	debugForgotten            // the child is to have it
	debugKept                 // it is in quarantine
	debugSuperseded           // and another is not any more
	debugCrowded              // and still there are too many
)

// die ends the life of a block as k says. It goes into quarantine if that is
// meant to keep it, and is forgotten otherwise, and if the table was closed. If
// the quarantine holds more than so many blocks and bytes then, the oldest comes
// back in out. The table is locked.
//
//go:norace
func (t *debugTable) die(k *debugBlock, keep bool, blocks, bytes int, out *debugBlock) debugFate {
	t.leave(k.size)
	if k.flags.guarded() {
		t.guarded--
	}
	if !keep || t.closed.Load() {
		t.remove(k.at)
		t.bury(k.addr(), k.size, k.alloc, k.free)
		t.discard(k.at)
		return debugForgotten
	}
	if k.flags.sealed() {
		k.node.flags |= debugSealed
	}
	return t.rest(k.node, k.at, k.free, k.cost(), blocks, bytes, out)
}

// rest puts node i into quarantine, where it takes cost bytes. The rest is as for
// die.
//
//go:norace
func (t *debugTable) rest(n *debugNode, i int32, free stack.ID, cost, blocks, bytes int, out *debugBlock) debugFate {
	n.when = uint64(free)
	n.set(debugDead)
	if t.newest == 0 {
		t.oldest = i
	} else {
		t.node(t.newest).setAfter(i)
	}
	t.newest = i
	t.kept++
	t.keptBytes += cost
	switch {
	case !t.expel(blocks, bytes, out):
		return debugKept
	case t.kept > blocks || t.keptBytes > bytes:
		return debugCrowded
	}
	return debugSuperseded
}

// evict takes the oldest block out of quarantine, unless that holds no more than
// it may.
//
//go:norace
func (t *debugTable) evict(blocks, bytes int, k *debugBlock) bool {
	t.lock()
	defer t.unlock()
	return t.expel(blocks, bytes, k)
}

// expel is evict with the lock held.
//
//go:norace
func (t *debugTable) expel(blocks, bytes int, k *debugBlock) bool {
	if t.kept <= blocks && t.keptBytes <= bytes {
		return false
	}
	i := t.oldest
	n := t.node(i)
	n.load(k, i)
	t.oldest = n.after()
	if t.oldest == 0 {
		t.newest = 0
	}
	t.kept--
	t.keptBytes -= k.cost()
	t.bury(k.addr(), k.size, k.alloc, k.free)
	if t.usual && n.flags == debugUsual {
		t.vacate(n, i)
	} else {
		t.remove(i)
		t.discard(i)
	}
	return true
}

// shut marks the table as closed, and tells whether it was not.
//
//go:norace
func (t *debugTable) shut() bool {
	t.lock()
	defer t.unlock()
	return !t.closed.Swap(true)
}

// visit returns in k the first block from node i on whose state is least or more,
// with the table locked; false and unlocked if there is none. The caller calls
// unlock when it is through with the block. From debugLive on, it belongs to no
// call.
//
//go:norace
func (t *debugTable) visit(i int32, least debugState, k *debugBlock) bool {
	t.lock()
	for ; i < t.nodes; i++ {
		if n := t.node(i); n.is() >= least {
			n.load(k, i)
			return true
		}
	}
	t.unlock()
	return false
}

// tell notes that the pointers of the block of k were reported, if it is there
// still.
//
//go:norace
func (t *debugTable) tell(k *debugBlock) {
	t.lock()
	defer t.unlock()
	if k.node.is() == debugLive && k.node.when == k.birth {
		k.node.flags |= debugTold
	}
}

// count returns the totals.
//
//go:norace
func (t *debugTable) count(s *DebugStats) {
	t.lock()
	defer t.unlock()
	s.Blocks, s.Bytes = t.blocks, t.bytes
	s.PeakBlocks, s.PeakBytes = t.peakBlocks, t.peak
	s.Quarantined, s.QuarantinedBytes = t.kept, t.keptBytes
	s.Allocs, s.Frees, s.Guarded = t.births, t.frees, t.guarded
}

// starts returns in k the live block that starts at addr.
//
//go:norace
func (t *debugTable) starts(addr uintptr, k *debugBlock) bool {
	t.lock()
	defer t.unlock()
	if i := t.around(addr); i != 0 {
		if n := t.node(i); n.is() == debugLive && n.addr() == addr {
			n.load(k, i)
			return true
		}
	}
	return false
}

// owns tells whether addr is in a live block.
//
//go:norace
func (t *debugTable) owns(addr uintptr) bool {
	t.lock()
	defer t.unlock()
	i := t.around(addr)
	if i == 0 {
		return false
	}
	n := t.node(i)
	return n.is() != debugDead && addr-n.addr() < uintptr(n.size)
}

// debugFinding is what is wrong with a block that a caller passed.
type debugFinding struct {
	kind MisuseKind
	at   int // where the pointer leads, counted from the start of the block
}

// The rest is called with the lock held.

// look finds the live block b, or what is wrong with b; then k is the block that
// it may be about, of which k.size may be 0.
//
//go:norace
func (t *debugTable) look(b []byte, l mem.Layout, front uint32, length int, k *debugBlock) (f debugFinding) {
	addr := address(b)
	i, n := t.exact(addr-uintptr(front), length)
	if i == 0 || n.addr() != addr || n.is() == debugVacant {
		if i = t.around(addr); i == 0 {
			return t.missing(addr, k)
		}
		n = t.node(i)
	}
	n.load(k, i)
	switch {
	case t.closed.Load():
		f.kind = UseAfterClose
	case addr != n.addr():
		f = debugFinding{InteriorFree, int(addr - n.addr())}
	case k.state == debugDead:
		f.kind = DoubleFree
	case k.state == debugBusy:
		f.kind = ConcurrentUse
	case len(b) != n.size:
		f.kind = SizeMismatch
	case l.Align != n.align:
		f.kind = AlignMismatch
	case l.Type != n.typ && !sameShape(l.Type, n.typ):
		f.kind = TypeMismatch
	}
	return f
}

// missing says what it means that no block is at addr.
//
//go:norace
func (t *debugTable) missing(addr uintptr, k *debugBlock) debugFinding {
	*k = debugBlock{}
	for i := t.lifted; i != 0; i = t.node(i).next {
		if n := t.node(i); n.addr() == addr {
			n.load(k, i)
			return debugFinding{kind: ConcurrentUse}
		}
	}
	for n, i := len(t.gone), t.goner; n > 0; n-- {
		if i == 0 {
			i = len(t.gone)
		}
		i--
		if r := &t.gone[i]; r.addr == addr {
			k.alloc, k.free, k.size = r.alloc, r.free, r.size
			return debugFinding{kind: DoubleFree}
		}
	}
	if t.closed.Load() {
		return debugFinding{kind: UseAfterClose}
	}
	return debugFinding{kind: ForeignFree}
}

//go:norace
func (t *debugTable) node(i int32) *debugNode {
	return &t.chunks[uint32(i)/debugChunk][uint32(i)%debugChunk]
}

// take returns the index of an unused node.
//
//go:norace
func (t *debugTable) take() int32 {
	if i := t.unused; i != 0 {
		t.unused = t.node(i).next
		return i
	}
	if t.nodes == 0 {
		t.nodes = 1
	}
	if int(t.nodes) >= len(t.chunks)*debugChunk || len(t.chunks) == 0 {
		t.grow()
	}
	t.nodes++
	return t.nodes - 1
}

// grow adds a chunk of nodes.
//
//go:norace
func (t *debugTable) grow() {
	if n := len(t.chunks); n == cap(t.chunks) {
		chunks := make([]*[debugChunk]debugNode, n, max(8, 2*n))
		//lint:ignore S1001 copy is instrumented
		for i := range t.chunks {
			chunks[i] = t.chunks[i]
		}
		t.chunks = chunks
	}
	n := len(t.chunks)
	t.chunks = t.chunks[:n+1]
	t.chunks[n] = new([debugChunk]debugNode)
}

// discard makes node i one to use again.
//
//go:norace
func (t *debugTable) discard(i int32) {
	n := t.node(i)
	n.base, n.from, n.typ = nil, 0, mem.Type{}
	n.size, n.front, n.back = 0, 0, 0
	n.set(debugUnused)
	n.next, t.unused = t.unused, i
}
