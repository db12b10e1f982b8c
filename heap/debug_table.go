package heap

import (
	"math/bits"
	"sync"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/stack"
	"github.com/allod-dev/allod/mem"
)

// debugTable knows the blocks of a Debug: the live ones and those in quarantine
// in the order of their addresses, those that a call is at work on, and the last
// ones that went back to the child. It is safe for concurrent use.
type debugTable struct {
	mu     sync.Mutex
	chunks []*[debugChunk]debugNode // node 0 is no node
	nodes  int32                    // nodes ever used, with node 0
	unused int32                    // nodes to use again, linked by next
	root   int32                    // treap of all nodes but the lifted ones
	lifted int32                    // nodes inside a Resize or Remap, linked by next

	oldest, newest int32 // quarantine, linked by next
	kept           int   // blocks in quarantine
	keptBytes      int   // what they cost

	blocks, bytes int    // live, as asked for
	guarded       int    // of blocks
	peak          int    // the most that bytes was
	peakBlocks    int    // the most that blocks was
	births        uint64 // blocks served so far
	frees         uint64
	closed        bool

	gone  [debugGone]debugRemains // the last blocks that went back
	goner int                     // how many ever did
}

// A treap (Seidel, Aragon: Randomized Search Trees, 1996) finds the neighbours
// of a block, and with them blocks that a child serves twice, and the block that
// a pointer leads into. Nodes lie in chunks that never move, are found by index,
// and are used again, so that in a steady state nothing is allocated. They hold
// the child's blocks as slices: the collector must neither take nor reuse memory
// that is thought live, or in quarantine, even if the program forgot it.
//
// While a node is busy it belongs to one call, which may look at the block and
// change the node without the lock. Resize and Remap lift their node out of the
// tree before the child is asked, since the child may serve what they give up to
// another goroutine before they are back.
//
// The lock is hidden from the race detector, which would otherwise see every two
// allocations ordered by it and miss races of the program. What the lock guards
// is hidden as well: nothing here is instrumented, and there is no copy, append
// or map, whose insides are.

const (
	debugChunk = 128
	debugGone  = 512
)

// A debugNode is what is known of a block.
type debugNode struct {
	base   []byte // the child's block
	size   int    // bytes that were asked for
	typ    mem.Type
	birth  uint64 // births at the time
	front  uint32 // where the block starts in base
	alloc  stack.ID
	free   stack.ID
	left   int32
	right  int32
	next   int32
	rank   uint32 // no child has a higher one
	align  mem.Alignment
	kind   mem.Kind
	state  debugState
	scans  bool // memory that the collector sees as typed
	opaque bool // neither zones nor fills, because the element size does not fit

	guarded bool // base is pages of debugPlaces, not of the child
	sealed  bool // freed and inaccessible
}

type debugState uint8

const (
	debugBusy debugState = iota // belongs to a call
	debugLive
	debugDead // in quarantine
)

// debugRemains is what is remembered of a block that went back to the child.
type debugRemains struct {
	addr        uintptr
	size        int
	alloc, free stack.ID
}

// block returns the bytes that the program has.
//
//go:norace
func (n *debugNode) block() []byte {
	return n.base[n.front : int(n.front)+n.size : int(n.front)+n.size]
}

//go:norace
func (n *debugNode) addr() uintptr { return address(n.base) + uintptr(n.front) }

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

// reserve takes size bytes if they are within limit, and tells why not. A limit
// of 0 is none.
//
//go:norace
func (t *debugTable) reserve(size, limit int) (no debugRefusal) {
	t.lock()
	defer t.unlock()
	switch {
	case t.closed:
		return debugClosed
	case limit > 0 && size > limit-t.bytes:
		return debugLimit
	case size > maxBytes-t.bytes:
		return debugLimit // only a child that serves the same memory again gets here
	}
	t.bytes += size
	t.peak = max(t.peak, t.bytes)
	return 0
}

const maxBytes = 1<<(bits.UintSize-1) - 1

// release undoes reserve.
//
//go:norace
func (t *debugTable) release(size int) {
	t.lock()
	defer t.unlock()
	t.bytes -= size
}

// admit adds n, whose bytes are reserved, as a busy block. If it overlaps another
// it returns that one, and does not add it.
//
//go:norace
func (t *debugTable) admit(n *debugNode) (i int32, other debugNode) {
	t.lock()
	defer t.unlock()
	i = t.take()
	at := t.node(i)
	*at = *n
	at.state = debugBusy
	at.rank = uint32(mix64(uint64(address(n.base))))
	if other, ok := t.add(i); !ok {
		t.discard(i)
		return 0, other
	}
	t.births++
	at.birth = t.births
	t.blocks++
	t.peakBlocks = max(t.peakBlocks, t.blocks)
	if n.guarded {
		t.guarded++
	}
	return i, other
}

// publish ends the admission of a block: it is live.
//
//go:norace
func (t *debugTable) publish(i int32) {
	t.lock()
	defer t.unlock()
	t.node(i).state = debugLive
}

// hold makes the block b busy, and lifts it out of the tree if lift is set, or
// tells what is wrong with b. A grow above 0 is reserved within limit; if that
// is refused, the block is not touched.
//
//go:norace
func (t *debugTable) hold(b []byte, l mem.Layout, lift bool, grow, limit int) (i int32, k debugNode, f debugFinding, no debugRefusal) {
	t.lock()
	defer t.unlock()
	i, k, f = t.look(b, l)
	if f.kind != 0 {
		return 0, k, f, 0
	}
	if grow > 0 {
		if limit > 0 && grow > limit-t.bytes || grow > maxBytes-t.bytes {
			return 0, k, f, debugLimit
		}
		t.bytes += grow
		t.peak = max(t.peak, t.bytes)
	}
	n := t.node(i)
	n.state = debugBusy
	if lift {
		t.remove(i)
		n.next, t.lifted = t.lifted, i
	}
	return i, k, f, 0
}

// land ends hold of a lifted block, which is now as n says. If it overlaps
// another, it returns that one, and the block is forgotten. Bytes of the sizes
// before and after are accounted for; reserved tells how many hold reserved.
//
//go:norace
func (t *debugTable) land(i int32, n *debugNode, reserved int) (other debugNode) {
	t.lock()
	defer t.unlock()
	at := t.node(i)
	for link := &t.lifted; *link != 0; link = &t.node(*link).next {
		if *link == i {
			*link = at.next
			break
		}
	}
	t.bytes += n.size - at.size - max(reserved, 0)
	if n.addr() != at.addr() {
		t.bury(at)
	}
	*at = *n
	at.state, at.next = debugLive, 0
	at.rank = uint32(mix64(uint64(address(n.base))))
	if other, ok := t.add(i); !ok {
		t.bytes -= at.size
		t.blocks--
		t.discard(i)
		return other
	}
	return debugNode{}
}

// die ends hold for a block that was freed as k says. It goes into quarantine if that is
// meant to keep it, and is forgotten otherwise, and if the table was closed.
//
//go:norace
func (t *debugTable) die(i int32, k *debugNode, keep bool) (kept bool) {
	t.lock()
	defer t.unlock()
	n := t.node(i)
	n.free, n.sealed = k.free, k.sealed
	if n.guarded {
		t.guarded--
	}
	t.bytes -= n.size
	t.blocks--
	t.frees++
	if !keep || t.closed {
		t.remove(i)
		t.bury(n)
		t.discard(i)
		return false
	}
	n.state, n.next = debugDead, 0
	if t.newest == 0 {
		t.oldest = i
	} else {
		t.node(t.newest).next = i
	}
	t.newest = i
	t.kept++
	t.keptBytes += n.cost()
	return true
}

// evict takes the oldest block out of quarantine, unless that holds no more than
// it may.
//
//go:norace
func (t *debugTable) evict(blocks, bytes int) (k debugNode, ok bool) {
	t.lock()
	defer t.unlock()
	if t.kept <= blocks && t.keptBytes <= bytes {
		return k, false
	}
	i := t.oldest
	n := t.node(i)
	k = *n
	t.oldest = n.next
	if t.oldest == 0 {
		t.newest = 0
	}
	t.kept--
	t.keptBytes -= k.cost()
	t.remove(i)
	t.bury(n)
	t.discard(i)
	return k, true
}

// shut marks the table as closed, and tells whether it was not.
//
//go:norace
func (t *debugTable) shut() bool {
	t.lock()
	defer t.unlock()
	was := t.closed
	t.closed = true
	return !was
}

// visit returns the first node from i on that belongs to no call, with the
// table locked; 0 and unlocked if there is none. The caller calls unlock when it
// is through with the node.
//
//go:norace
func (t *debugTable) visit(i int32) int32 {
	t.lock()
	for ; i < t.nodes; i++ {
		if n := t.node(i); n.base != nil && n.state != debugBusy {
			return i
		}
	}
	t.unlock()
	return 0
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

// starts returns the live block that starts at addr.
//
//go:norace
func (t *debugTable) starts(addr uintptr) (k debugNode, ok bool) {
	t.lock()
	defer t.unlock()
	if i := t.around(addr); i != 0 {
		if n := t.node(i); n.state == debugLive && n.addr() == addr {
			return *n, true
		}
	}
	return k, false
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
	return n.state != debugDead && addr-n.addr() < uintptr(n.size)
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
func (t *debugTable) look(b []byte, l mem.Layout) (i int32, k debugNode, f debugFinding) {
	addr := address(b)
	i = t.around(addr)
	if i == 0 {
		k, f = t.missing(addr)
		return 0, k, f
	}
	n := t.node(i)
	k = *n
	switch {
	case t.closed:
		f.kind = UseAfterClose
	case addr != n.addr():
		f = debugFinding{InteriorFree, int(addr - n.addr())}
	case n.state == debugDead:
		f.kind = DoubleFree
	case n.state == debugBusy:
		f.kind = ConcurrentUse
	case len(b) != n.size:
		f.kind = SizeMismatch
	case l.Align != n.align:
		f.kind = AlignMismatch
	case !sameShape(l.Type, n.typ):
		f.kind = TypeMismatch
	}
	return i, k, f
}

// missing says what it means that no block is at addr.
//
//go:norace
func (t *debugTable) missing(addr uintptr) (k debugNode, f debugFinding) {
	for i := t.lifted; i != 0; i = t.node(i).next {
		if n := t.node(i); n.addr() == addr {
			return *n, debugFinding{kind: ConcurrentUse}
		}
	}
	for i := 1; i <= min(t.goner, debugGone); i++ {
		if r := &t.gone[(t.goner-i)%debugGone]; r.addr == addr {
			k.alloc, k.free, k.size = r.alloc, r.free, r.size
			return k, debugFinding{kind: DoubleFree}
		}
	}
	if t.closed {
		return k, debugFinding{kind: UseAfterClose}
	}
	return k, debugFinding{kind: ForeignFree}
}

// bury remembers n, which goes back to the child.
//
//go:norace
func (t *debugTable) bury(n *debugNode) {
	t.gone[t.goner%debugGone] = debugRemains{n.addr(), n.size, n.alloc, n.free}
	t.goner++
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
	*t.node(i) = debugNode{next: t.unused}
	t.unused = i
}

// around returns the node whose memory addr is in.
//
//go:norace
func (t *debugTable) around(addr uintptr) int32 {
	i := t.upTo(addr)
	if i == 0 || addr-address(t.node(i).base) >= uintptr(len(t.node(i).base)) {
		return 0
	}
	return i
}

// upTo returns the last node at or before addr.
//
//go:norace
func (t *debugTable) upTo(addr uintptr) (best int32) {
	for i := t.root; i != 0; {
		if n := t.node(i); address(n.base) <= addr {
			best, i = i, n.right
		} else {
			i = n.left
		}
	}
	return best
}

// after returns the first node after addr.
//
//go:norace
func (t *debugTable) after(addr uintptr) (best int32) {
	for i := t.root; i != 0; {
		if n := t.node(i); address(n.base) > addr {
			best, i = i, n.left
		} else {
			i = n.right
		}
	}
	return best
}

// add puts node i into the tree, unless it overlaps one there, which it returns.
//
//go:norace
func (t *debugTable) add(i int32) (other debugNode, ok bool) {
	n := t.node(i)
	addr := address(n.base)
	if j := t.around(addr); j != 0 {
		return *t.node(j), false
	}
	if j := t.after(addr); j != 0 && address(t.node(j).base)-addr < uintptr(len(n.base)) {
		return *t.node(j), false
	}
	link := &t.root
	for *link != 0 && t.node(*link).rank >= n.rank {
		link = t.step(*link, addr)
	}
	// The subtree here goes below n, split by n's address.
	at := *link
	*link = i
	left, right := &n.left, &n.right
	for at != 0 {
		if k := t.node(at); address(k.base) < addr {
			*left, left = at, &k.right
			at = k.right
		} else {
			*right, right = at, &k.left
			at = k.left
		}
	}
	*left, *right = 0, 0
	return other, true
}

// remove takes node i out of the tree.
//
//go:norace
func (t *debugTable) remove(i int32) {
	n := t.node(i)
	link := &t.root
	for *link != i {
		link = t.step(*link, address(n.base))
	}
	left, right := n.left, n.right
	for left != 0 && right != 0 {
		if t.node(left).rank >= t.node(right).rank {
			*link, link = left, &t.node(left).right
			left = *link
		} else {
			*link, link = right, &t.node(right).left
			right = *link
		}
	}
	*link = left | right
	n.left, n.right = 0, 0
}

// step returns the link that leads from node i towards addr.
//
//go:norace
func (t *debugTable) step(i int32, addr uintptr) *int32 {
	n := t.node(i)
	if addr < address(n.base) {
		return &n.left
	}
	return &n.right
}

// check derives the totals anew and looks at the order of the nodes. In a large
// table it does so now and then only.
//
//go:norace
func (t *debugTable) check() {
	if t.blocks+t.kept > 64 && (t.births+t.frees)%64 != 0 {
		return
	}
	blocks, kept := t.checkTree(t.root, 0, ^uintptr(0))
	for i := t.lifted; i != 0; i = t.node(i).next {
		blocks++
	}
	if blocks != t.blocks || kept != t.kept {
		invariant.Check(false, "heap: Debug: %d live blocks and %d in quarantine, counted %d and %d", blocks, kept, t.blocks, t.kept)
	}
	n := 0
	for i := t.oldest; i != 0; i = t.node(i).next {
		n++
	}
	if n != t.kept {
		invariant.Check(false, "heap: Debug: %d in the quarantine's list, counted %d", n, t.kept)
	}
}

//go:norace
func (t *debugTable) checkTree(i int32, low, high uintptr) (blocks, kept int) {
	if i == 0 {
		return 0, 0
	}
	n := t.node(i)
	from := address(n.base)
	to := from + uintptr(len(n.base))
	if from < low || to > high {
		invariant.Check(false, "heap: Debug: block %#x..%#x outside %#x..%#x", from, to, low, high)
	}
	lb, lk := t.checkTree(n.left, low, from)
	rb, rk := t.checkTree(n.right, to, high)
	if n.state == debugDead {
		return lb + rb, lk + 1 + rk
	}
	return lb + 1 + rb, lk + rk
}
