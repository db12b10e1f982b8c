package heap

import "github.com/allod-dev/allod/mem"

// A child often serves next what it got last. So the node of a usual block that
// goes back to it stays in the index for a while, as vacant, and says that no other
// block has bytes of its place. If the next block has that place, nothing need be
// looked for around it, and no node taken out of the index and put in. Whatever else
// has bytes of the place ends that.
//
// Of the vacant nodes there is a ring, in which the oldest makes way. They keep no
// memory of the child alive.

const debugVacancies = 256 // the most nodes that are vacant

// vacate makes node i, of a usual block that goes back to the child, vacant: it
// stays in the index, and so says that no other block has bytes of its place.
//
//go:norace
func (t *debugTable) vacate(n *debugNode, i int32) {
	at := (t.left + 1) % debugVacancies
	if old := t.vacant[at]; old != 0 {
		t.forgo(old)
	}
	t.vacant[at], t.left = i, at
	n.base, n.typ, n.when = nil, mem.Type{}, uint64(at)
	n.set(debugVacant)
}

// place returns the vacant node, of the tier of blocks of that length, whose place
// begins at from, or 0.
//
//go:norace
func (t *debugTable) place(from uintptr, length int) (int32, *debugNode) {
	i := t.vacant[t.left]
	var n *debugNode
	if i != 0 {
		n = t.node(i) // most often
	}
	if i == 0 || n.from != from {
		i, n = t.exact(from, length)
	}
	if i == 0 || n.is() != debugVacant || tierOf(n.length()) != tierOf(length) {
		return 0, nil
	}
	return i, n
}

// occupy makes a vacant node one that is not. If it was the last one, that before
// it is now.
//
//go:norace
func (t *debugTable) occupy(n *debugNode) {
	at := uint32(n.when) % debugVacancies
	t.vacant[at] = 0
	if at == t.left {
		t.left = (at - 1) % debugVacancies
	}
}

// forgo makes the vacant node i one to use again.
//
//go:norace
func (t *debugTable) forgo(i int32) {
	t.occupy(t.node(i))
	t.remove(i)
	t.discard(i)
}
