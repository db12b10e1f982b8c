package heap

import (
	"sync"

	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/mem"
)

// blockTable knows the live blocks of a Validation, in the order of their
// addresses, and the last ones that died. It is safe for concurrent use.
type blockTable struct {
	mu    sync.Mutex
	nodes []blockNode // nodes[0] is no node
	root  int32       // treap of the live blocks
	free  int32       // nodes to use again, linked by left
	lifts int32       // blocks that are inside a Remap, linked by left
	live  int         // blocks in the treap or lifted
	bytes int         // in these
	busy  uintptr     // address of the last block that a Resize or Remap was called for
	rival trail       // the stack of that call
	dead  [256]uintptr
	deads int // blocks that died; the last is in dead[(deads-1)%256]
}

// A treap (Seidel, Aragon: Randomized Search Trees, 1996) finds the neighbours
// of a block, which a hash table does not, and in which an overlap shows: live
// blocks are disjoint, so a new one that overlaps any overlaps one next to it.
// Nodes refer to each other by index and are used again, so that in a steady
// state nothing is allocated.
//
// The lock is hidden from the race detector, which would otherwise see every
// two allocations ordered by it and miss races of the program. The detector
// must then not see the memory that the lock guards either: what touches it is
// compiled without instrumentation, and uses no map, append or copy, whose
// insides are instrumented.
//
// A node holds the block as a slice, which keeps one on the Go heap from being
// collected, and its address from being used again, while it is thought live.
// A dead block is a bare address: the memory may be gone.

// block is what is known of a live block.
type block struct {
	b     []byte
	align mem.Alignment
	kind  mem.Kind
	typ   mem.Type
}

type blockNode struct {
	block
	left, right int32
	rank        uint32 // no child has a higher one
	busy        bool   // inside a Resize
}

// finding is what is wrong with a block that a caller passed; the zero finding
// is nothing.
type finding struct {
	kind  MisuseKind
	other Stack // of the call that has the block, if that is known
}

func (t *blockTable) lock() {
	race.Disable()
	t.mu.Lock()
}

//go:norace
func (t *blockTable) unlock() {
	if invariant.Enabled {
		t.check()
	}
	t.mu.Unlock()
	race.Enable()
}

// admit adds k. If it overlaps a live block, it returns that one and does not.
//
//go:norace
func (t *blockTable) admit(k block) (other block) {
	t.lock()
	defer t.unlock()
	return t.add(t.node(k))
}

// take removes the block b, unless something is wrong with it.
//
//go:norace
func (t *blockTable) take(b []byte, l mem.Layout) (k block, f finding) {
	t.lock()
	defer t.unlock()
	i, f := t.look(b, l)
	if i != 0 {
		k = t.nodes[i].block
	}
	if f.kind == 0 {
		t.remove(i)
		t.bury(k.b)
		t.release(i)
	}
	return k, f
}

// hold marks the block b as being resized to size, unless something is wrong
// with it.
//
//go:norace
func (t *blockTable) hold(b []byte, l mem.Layout, size int) (k block, f finding) {
	t.lock()
	defer t.unlock()
	i, f := t.look(b, l)
	if i == 0 {
		return k, f
	}
	n := &t.nodes[i]
	k = n.block
	if f.kind == 0 {
		n.busy, t.busy = true, address(b)
		t.rival.sign()
		if size < len(b) {
			n.b = b[:size:size]
			t.bytes -= len(b) - size
		}
	}
	return k, f
}

// settle ends hold, with the block as b now is. If that overlaps another block,
// it returns that one.
//
//go:norace
func (t *blockTable) settle(b []byte) (other block) {
	t.lock()
	defer t.unlock()
	i := t.find(address(b))
	if i == 0 {
		return other // Reset came in between
	}
	n := &t.nodes[i]
	n.busy = false
	if j := t.after(address(b)); j != 0 && address(t.nodes[j].b)-address(b) < uintptr(len(b)) {
		return t.nodes[j].block
	}
	t.bytes += len(b) - len(n.b)
	n.b = b
	return other
}

// lift takes the block b out for a Remap, unless something is wrong with it.
//
//go:norace
func (t *blockTable) lift(b []byte, l mem.Layout) (k block, f finding) {
	t.lock()
	defer t.unlock()
	i, f := t.look(b, l)
	if i != 0 {
		k = t.nodes[i].block
	}
	if f.kind == 0 {
		t.busy = address(b)
		t.rival.sign()
		t.remove(i)
		t.nodes[i].left = t.lifts
		t.lifts = i
		t.live++
		t.bytes += len(b)
	}
	return k, f
}

// land ends lift with the block where it is now. If that overlaps a live block,
// it returns that one, and k is forgotten.
//
//go:norace
func (t *blockTable) land(k, to block) (other block) {
	t.lock()
	defer t.unlock()
	for link := &t.lifts; *link != 0; link = &t.nodes[*link].left {
		i := *link
		if address(t.nodes[i].b) != address(k.b) {
			continue
		}
		*link = t.nodes[i].left
		t.live--
		t.bytes -= len(k.b)
		t.release(i)
		if address(to.b) != address(k.b) {
			t.bury(k.b)
		}
		return t.add(t.node(to))
	}
	return other // Reset came in between
}

//go:norace
func (t *blockTable) size() (blocks, bytes int) {
	t.lock()
	defer t.unlock()
	return t.live, t.bytes
}

//go:norace
func (t *blockTable) reset() {
	t.lock()
	defer t.unlock()
	t.nodes, t.root, t.free, t.lifts = nil, 0, 0, 0
	t.live, t.bytes, t.deads = 0, 0, 0
	t.dead = [len(t.dead)]uintptr{}
}

// The rest is called with the lock held.

// look finds the node of b and what is wrong with b, if anything. The node is
// also returned if b is wrong about it, or inside it.
//
//go:norace
func (t *blockTable) look(b []byte, l mem.Layout) (int32, finding) {
	addr := address(b)
	i := t.upTo(addr)
	if i == 0 || addr-address(t.nodes[i].b) >= uintptr(len(t.nodes[i].b)) {
		return 0, t.found(t.missing(addr), addr)
	}
	n := &t.nodes[i]
	switch {
	case addr != address(n.b):
		return i, finding{kind: InteriorFree}
	case n.busy:
		return i, t.found(ConcurrentUse, addr)
	case len(b) != len(n.b):
		return i, finding{kind: SizeMismatch}
	case l.Align != n.align:
		return i, finding{kind: AlignMismatch}
	case !sameShape(l.Type, n.typ):
		return i, finding{kind: TypeMismatch}
	}
	return i, finding{}
}

// found returns the finding of that kind about a block at addr.
//
//go:norace
func (t *blockTable) found(kind MisuseKind, addr uintptr) (f finding) {
	f.kind = kind
	if kind == ConcurrentUse && addr == t.busy {
		f.other = t.rival.signed()
	}
	return f
}

// missing says what it means that no live block is at addr.
//
//go:norace
func (t *blockTable) missing(addr uintptr) MisuseKind {
	for i := t.lifts; i != 0; i = t.nodes[i].left {
		if address(t.nodes[i].b) == addr {
			return ConcurrentUse
		}
	}
	for i := 0; i < min(t.deads, len(t.dead)); i++ {
		if t.dead[i] == addr {
			return DoubleFree
		}
	}
	return ForeignFree
}

// bury remembers that b died.
//
//go:norace
func (t *blockTable) bury(b []byte) {
	t.dead[t.deads%len(t.dead)] = address(b)
	t.deads++
}

// node returns the index of a node for k.
//
//go:norace
func (t *blockTable) node(k block) int32 {
	i := t.free
	if i == 0 {
		t.grow()
		i = t.free
	}
	n := &t.nodes[i]
	t.free = n.left
	*n = blockNode{block: k, rank: uint32(mix64(uint64(address(k.b))))}
	return i
}

// release keeps node i for later.
//
//go:norace
func (t *blockTable) release(i int32) {
	t.nodes[i] = blockNode{left: t.free}
	t.free = i
}

// grow doubles the number of nodes.
//
//go:norace
func (t *blockTable) grow() {
	old := t.nodes
	t.nodes = make([]blockNode, max(16, 2*len(old)))
	//lint:ignore S1001 copy is instrumented
	for i := range old {
		t.nodes[i] = old[i]
	}
	for i := len(t.nodes) - 1; i >= max(1, len(old)); i-- {
		t.release(int32(i))
	}
}

// add puts node i into the treap, unless it overlaps a block there: then it
// returns that one and releases the node.
//
//go:norace
func (t *blockTable) add(i int32) (other block) {
	n := &t.nodes[i]
	addr := address(n.b)
	if j := t.upTo(addr); j != 0 && addr-address(t.nodes[j].b) < uintptr(len(t.nodes[j].b)) {
		t.release(i)
		return t.nodes[j].block
	}
	if j := t.after(addr); j != 0 && address(t.nodes[j].b)-addr < uintptr(len(n.b)) {
		t.release(i)
		return t.nodes[j].block
	}
	t.live++
	t.bytes += len(n.b)

	link := &t.root
	for *link != 0 && t.nodes[*link].rank >= n.rank {
		link = t.step(*link, addr)
	}
	// The subtree here goes below n, split by n's address.
	at := *link
	*link = i
	left, right := &n.left, &n.right
	for at != 0 {
		if k := &t.nodes[at]; address(k.b) < addr {
			*left, left = at, &k.right
			at = k.right
		} else {
			*right, right = at, &k.left
			at = k.left
		}
	}
	*left, *right = 0, 0
	return other
}

// remove takes node i out of the treap.
//
//go:norace
func (t *blockTable) remove(i int32) {
	n := &t.nodes[i]
	t.live--
	t.bytes -= len(n.b)
	link := &t.root
	for *link != i {
		link = t.step(*link, address(n.b))
	}
	left, right := n.left, n.right
	for left != 0 && right != 0 {
		if t.nodes[left].rank >= t.nodes[right].rank {
			*link, link = left, &t.nodes[left].right
			left = *link
		} else {
			*link, link = right, &t.nodes[right].left
			right = *link
		}
	}
	*link = left | right
	n.left, n.right = 0, 0
}

// step returns the link that leads from node i towards addr.
//
//go:norace
func (t *blockTable) step(i int32, addr uintptr) *int32 {
	if addr < address(t.nodes[i].b) {
		return &t.nodes[i].left
	}
	return &t.nodes[i].right
}

// find returns the node at addr.
//
//go:norace
func (t *blockTable) find(addr uintptr) int32 {
	if i := t.upTo(addr); i != 0 && address(t.nodes[i].b) == addr {
		return i
	}
	return 0
}

// upTo returns the last node at or before addr.
//
//go:norace
func (t *blockTable) upTo(addr uintptr) (best int32) {
	for i := t.root; i != 0; {
		if n := &t.nodes[i]; address(n.b) <= addr {
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
func (t *blockTable) after(addr uintptr) (best int32) {
	for i := t.root; i != 0; {
		if n := &t.nodes[i]; address(n.b) > addr {
			best, i = i, n.left
		} else {
			i = n.right
		}
	}
	return best
}

// check derives the totals anew and looks at the order of the nodes. In a large
// table it does so now and then only.
//
//go:norace
func (t *blockTable) check() {
	if t.live > 64 && t.deads%64 != 0 {
		return
	}
	blocks, bytes := t.checkTree(t.root, 0, ^uintptr(0))
	for i := t.lifts; i != 0; i = t.nodes[i].left {
		blocks++
		bytes += len(t.nodes[i].b)
	}
	if blocks != t.live || bytes != t.bytes {
		invariant.Check(false, "heap: Validation: %d blocks of %d bytes, counted %d of %d", blocks, bytes, t.live, t.bytes)
	}
}

// checkTree checks that all blocks below i are within low and high.
//
//go:norace
func (t *blockTable) checkTree(i int32, low, high uintptr) (blocks, bytes int) {
	if i == 0 {
		return 0, 0
	}
	n := &t.nodes[i]
	from := address(n.b)
	to := from + uintptr(len(n.b))
	if from < low || to > high {
		invariant.Check(false, "heap: Validation: block %#x..%#x outside %#x..%#x", from, to, low, high)
	}
	if n.rank < t.nodes[n.left].rank || n.rank < t.nodes[n.right].rank {
		invariant.Check(false, "heap: Validation: rank of %#x is less than below", from)
	}
	lb, ln := t.checkTree(n.left, low, from)
	rb, rn := t.checkTree(n.right, to, high)
	return lb + 1 + rb, ln + len(n.b) + rn
}

// sameShape tells whether a block of type a may be given back as one of type b:
// if they are the same, or one is converted to the other without a change in
// what the collector and the program see.
func sameShape(a, b mem.Type) bool {
	if a == b {
		return true
	}
	x, y := a.Reflect(), b.Reflect()
	return x != nil && y != nil &&
		x.Kind() == y.Kind() && x.Size() == y.Size() && x.Align() == y.Align() && x.ConvertibleTo(y)
}
