package heap

import (
	"sync/atomic"

	"github.com/allod-dev/allod/internal/race"
	"github.com/allod-dev/allod/internal/stack"
	"github.com/allod-dev/allod/mem"
)

// A debugBlock is what is known of a block, as calls have it.
type debugBlock struct {
	base  []byte // the child's block, or pages of debugPlaces
	size  int    // bytes that were asked for
	typ   mem.Type
	birth uint64 // births at the time
	front uint32 // where the block starts in base
	alloc stack.ID
	free  stack.ID
	align mem.Alignment
	kind  mem.Kind
	flags debugFlags
	state debugState
	rival stack.ID // busy: the stack of the call that it belongs to

	at   int32 // where the table has it
	node *debugNode
}

// A debugNode is a debugBlock as the table keeps it: in few bytes, and with
// links. Its first word keeps the child's block alive, where that is on the Go
// heap: the collector must neither take nor reuse memory that is thought live,
// or in quarantine, even if the program forgot it.
type debugNode struct {
	base  *byte   // nil if the block is not ours any more
	from  uintptr // its address
	size  int
	typ   mem.Type
	when  uint64 // live: birth; in quarantine: free, and the next in quarantine; taken: see seize; vacant: where in the ring
	front uint32
	back  uint32 // bytes behind the block
	alloc stack.ID
	next  int32  // in the chain of its granule, or of nodes not in use, or lifted
	state uint32 // a debugState
	align mem.Alignment
	kind  mem.Kind
	flags debugFlags
}

type debugState uint8

const (
	debugUnused debugState = iota
	debugVacant            // see debug_vacant.go
	debugBusy              // belongs to a call
	debugLive
	debugDead // in quarantine
)

type debugFlags uint8

const (
	debugScans   debugFlags = 1 << iota // memory that the collector sees as typed
	debugOpaque                         // neither zones nor fills, because the element size does not fit
	debugGuarded                        // base is pages of debugPlaces
	debugSealed                         // freed and inaccessible
	debugTold                           // its pointers were reported
	debugUsual                          // see debug_usual.go; no other is set
)

func (f debugFlags) scans() bool   { return f&debugScans != 0 }
func (f debugFlags) opaque() bool  { return f&debugOpaque != 0 }
func (f debugFlags) guarded() bool { return f&debugGuarded != 0 }
func (f debugFlags) sealed() bool  { return f&debugSealed != 0 }
func (f debugFlags) told() bool    { return f&debugTold != 0 }

// block returns the bytes that the program has.
//
//go:norace
func (k *debugBlock) block() []byte {
	return k.base[k.front : int(k.front)+k.size : int(k.front)+k.size]
}

//go:norace
func (k *debugBlock) addr() uintptr { return address(k.base) + uintptr(k.front) }

//go:norace
func (n *debugNode) addr() uintptr { return n.from + uintptr(n.front) }

// length is that of the child's block.
//
//go:norace
func (n *debugNode) length() int { return int(n.front) + n.size + int(n.back) }

//go:norace
func (n *debugNode) is() debugState { return debugState(atomic.LoadUint32(&n.state)) }

// set is called with the table's lock held.
//
//go:norace
func (n *debugNode) set(s debugState) { n.state = uint32(s) }

// publish ends the admission of a block: it is live. That is all that happens to
// a node without the lock.
//
//go:norace
func (n *debugNode) publish() {
	race.Disable()
	atomic.StoreUint32(&n.state, uint32(debugLive))
	race.Enable()
}

// load returns in k what n says.
//
//go:norace
func (n *debugNode) load(k *debugBlock, at int32) {
	k.base = bytesFrom(n.base, n.length())
	k.size, k.typ, k.front, k.alloc = n.size, n.typ, n.front, n.alloc
	k.align, k.kind, k.flags, k.state = n.align, n.kind, n.flags, n.is()
	k.birth, k.free, k.rival = n.when, 0, 0
	switch {
	case k.state == debugDead:
		k.birth, k.free = 0, n.free()
	case n.when&debugSeized != 0:
		k.birth, k.rival = 0, stack.ID(n.when)
	}
	k.at, k.node = at, n
}

// store makes n say what k says, apart from its state and its links.
//
//go:norace
func (n *debugNode) store(k *debugBlock) {
	n.base, n.from = firstOf(k.base), address(k.base)
	n.size, n.typ, n.front, n.alloc = k.size, k.typ, k.front, k.alloc
	n.back = uint32(len(k.base) - int(k.front) - k.size)
	n.align, n.kind, n.when = k.align, k.kind, k.birth
	n.flags = k.flags &^ debugUsual
	if n.flags == 0 && k.kind == mem.Plain && len(k.base) <= usualMost && n.front == usual && n.back == usual {
		n.flags = debugUsual
	}
}

// seize makes a live node busy, for a call with that stack. The caller knows its
// birth, and stores it with the rest.
//
//go:norace
func (n *debugNode) seize(here stack.ID) {
	n.when = debugSeized | uint64(here)
	n.set(debugBusy)
}

const debugSeized = 1 << 63 // more births than there will be

// free and after are of nodes in quarantine.
//
//go:norace
func (n *debugNode) free() stack.ID { return stack.ID(n.when) }

//go:norace
func (n *debugNode) after() int32 { return int32(n.when >> 32) }

//go:norace
func (n *debugNode) setAfter(i int32) { n.when = uint64(uint32(i))<<32 | n.when&0xFFFFFFFF }

// layout is that of the request to the child.
func (k *debugBlock) layout() mem.Layout {
	return mem.Layout{Align: k.align, Kind: k.kind, Type: k.typ}
}
