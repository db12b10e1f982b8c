package generic

import (
	"github.com/allod-dev/allod/internal/invariant"
	"github.com/allod-dev/allod/mem"
)

// Lists have their nodes in blocks: the first of one node, for the many lists
// that stay that short, then larger ones, up to some four KiB. Blocks of nodes of
// 16, 24 and 32 bytes end up with the same size, which is just below 4 KiB, also
// with what the Go heap adds. Allocators cut such blocks out of pages without a
// rest. With a rest behind some of them, small as it may be, a processor that reads
// ahead starts anew, and to visit the elements takes a third more; with half of the
// size it takes a quarter more. To add an element is to take a free node, and to
// remove one to put it back, which is done in a handful of instructions and looks at
// nothing but the node.
//
// The free nodes are linked, the last one to become free first: it is the one
// that is in the processor's cache. Those of a new block are linked in order, so
// that elements added one after the other lie so. Which nodes are free is told
// by nothing else: a block goes back to the allocator with the last element of
// its list, but for the newest one, which the next elements will have, or when
// ShrinkAndFree has looked at all of them.
//
// A node that is free has a zero element.

// A nodeBlock is the head of a block of nodes, which follow it.
type nodeBlock[N any] struct {
	next *nodeBlock[N] // of all blocks, in a circle: the oldest one of the newest

	// Of the newest block these are of all.
	free, last *N // nodes without an element, and the last of them, if there are some
	len        uint8
	from       origin
}

// Blocks are of six types, so that the collector sees what is in them.
type (
	nodeBlock1[N any] struct {
		nodeBlock[N]
		nodes [1]N
	}
	nodeBlock6[N any] struct {
		nodeBlock[N]
		nodes [6]N
	}
	nodeBlock30[N any] struct {
		nodeBlock[N]
		nodes [30]N
	}
	nodeBlock126[N any] struct {
		nodeBlock[N]
		nodes [126]N
	}
	nodeBlock168[N any] struct {
		nodeBlock[N]
		nodes [168]N
	}
	nodeBlock252[N any] struct {
		nodeBlock[N]
		nodes [252]N
	}
)

// A nodes is what a list has of its nodes.
type nodes[N any] struct {
	newest *nodeBlock[N] // nil if there is no block
}

// origin returns where the blocks are from, 0 if there are none.
func (s *nodes[N]) origin() origin {
	if s.newest == nil {
		return 0
	}
	return s.newest.from
}

// take returns a node that is free, of which the first word is to be set, or nil
// if there is none.
func (s *nodes[N]) take() *N {
	b := s.newest
	if b == nil || b.free == nil {
		return nil
	}
	n := b.free
	b.free = *linkOf(n)
	return n
}

// put makes n free.
func (s *nodes[N]) put(n *N) {
	b := s.newest
	if b.free == nil {
		b.last = n
	}
	*linkOf(n) = b.free
	b.free = n
}

// join makes the blocks of o, which are from the same allocator, those of s.
func (s *nodes[N]) join(o *nodes[N]) {
	b, c := s.newest, o.newest
	o.newest = nil
	if b == nil || c == nil {
		if b == nil {
			s.newest = c
		}
		return
	}
	b.next, c.next = c.next, b.next
	if c.free != nil {
		if b.free == nil {
			b.last = c.last
		} else {
			*linkOf(c.last) = b.free
		}
		b.free = c.free
		c.free, c.last = nil, nil
	}
}

// keepOne gives back all blocks but the newest. No node has an element.
func (s *nodes[N]) keepOne(a mem.Allocator) {
	b := s.newest
	if b.next == b {
		return // its nodes are free, in whatever order
	}
	for at := b.next; at != b; {
		next := at.next
		at.destroy(a)
		at = next
	}
	b.next, b.free = b, nil
	s.putAll(b.all())
}

// close gives back all blocks.
func (s *nodes[N]) close(a mem.Allocator) {
	if b := s.newest; b != nil {
		for at := b.next; at != b; {
			next := at.next
			at.destroy(a)
			at = next
		}
		s.newest = nil
		b.destroy(a)
	}
}

// shrink gives back all blocks of which no node has an element.
func (s *nodes[N]) shrink(a mem.Allocator) {
	b := s.newest
	if b == nil {
		return
	}
	// A free node links to itself, for as long as this takes: that tells it from
	// all others.
	for n := b.free; n != nil; {
		next := *linkOf(n)
		*linkOf(n) = n
		n = next
	}
	isFree := func(n *N) bool { return *linkOf(n) == n }
	old := b.next
	b.next = nil // the circle is a chain from the oldest one on
	from := b.from
	s.newest = nil
	var free, last *N
	for at := old; at != nil; {
		next := at.next
		all := at.all()
		used := 0
		for i := range all {
			if !isFree(&all[i]) {
				used++
			}
		}
		if used == 0 {
			at.destroy(a)
			at = next
			continue
		}
		for i := range all {
			if n := &all[i]; isFree(n) {
				*linkOf(n) = nil
				if last == nil {
					free = n
				} else {
					*linkOf(last) = n
				}
				last = n
			}
		}
		at.free, at.last, at.next = nil, nil, at
		if s.newest != nil {
			at.next, s.newest.next = s.newest.next, at
		}
		s.newest = at
		at = next
	}
	if s.newest != nil {
		s.newest.from, s.newest.free, s.newest.last = from, free, last
	}
}

// putAll makes the nodes of a block free, the first one first.
func (s *nodes[N]) putAll(all []N) {
	for i := range all {
		s.put(&all[len(all)-1-i])
	}
}

// count returns how many nodes there are and how many of them are free, and false
// if there are more than most.
func (s *nodes[N]) count(most int) (all, free int, ok bool) {
	b := s.newest
	if b == nil {
		return 0, 0, true
	}
	all = int(b.len)
	for at := b.next; at != b; at = at.next {
		if all += int(at.len); all > most {
			return all, 0, false
		}
	}
	for n := b.free; n != nil && free <= all; n = *linkOf(n) {
		free++
		invariant.Check(*linkOf(n) != nil || b.last == n, "generic: nodes of a list: the last free one is lost")
	}
	return all, free, true
}

// growNodes gets a block of nodes, of which none is free, for a list of Ts.
func growNodes[T, N any](s *nodes[N], a mem.Allocator, method string) error {
	s.origin().check(a, method)
	if hasPointers[T]() {
		if err := mayHold[T](a); err != nil {
			return err
		}
	}
	b, err := newNodes(a, s.newest)
	if err != nil {
		return err
	}
	b.from, b.next = originOf(a), b
	if s.newest != nil {
		b.next, s.newest.next = s.newest.next, b
	}
	s.newest = b
	s.putAll(b.all())
	return nil
}

// newNodes returns a block for a list whose newest one is before.
func newNodes[N any](a mem.Allocator, before *nodeBlock[N]) (*nodeBlock[N], error) {
	switch size := sizeOf[N](); {
	case before == nil || size > 512:
		return nodesIn[nodeBlock1[N], N](a, 1)
	case before.len == 1 || size > 128:
		return nodesIn[nodeBlock6[N], N](a, 6)
	case before.len == 6 || size > 32:
		return nodesIn[nodeBlock30[N], N](a, 30)
	case before.len == 30 || size > 24:
		return nodesIn[nodeBlock126[N], N](a, 126)
	case size > 16:
		return nodesIn[nodeBlock168[N], N](a, 168)
	default:
		return nodesIn[nodeBlock252[N], N](a, 252)
	}
}

// nodesIn returns a block of type B, of n nodes.
func nodesIn[B, N any, P headed[B, N]](a mem.Allocator, n uint8) (*nodeBlock[N], error) {
	s, err := allocNodes[B](a, 1)
	if err != nil {
		return nil, err
	}
	b := P(&s[0]).head()
	b.len = n
	return b, nil
}

// headed is a pointer to a block B.
type headed[B, N any] interface {
	*B
	head() *nodeBlock[N]
}

func (b *nodeBlock[N]) head() *nodeBlock[N] { return b }

// all returns the nodes of the block.
func (b *nodeBlock[N]) all() []N {
	switch b.len {
	case 1:
		return nodesBehind[nodeBlock1[N]](b).nodes[:]
	case 6:
		return nodesBehind[nodeBlock6[N]](b).nodes[:]
	case 30:
		return nodesBehind[nodeBlock30[N]](b).nodes[:]
	case 126:
		return nodesBehind[nodeBlock126[N]](b).nodes[:]
	case 168:
		return nodesBehind[nodeBlock168[N]](b).nodes[:]
	}
	return nodesBehind[nodeBlock252[N]](b).nodes[:]
}

// destroy gives the block back, without pointers to what may be gone.
func (b *nodeBlock[N]) destroy(a mem.Allocator) {
	clear(b.all())
	b.next, b.free, b.last = nil, nil, nil
	switch b.len {
	case 1:
		mem.Destroy(a, nodesBehind[nodeBlock1[N]](b))
	case 6:
		mem.Destroy(a, nodesBehind[nodeBlock6[N]](b))
	case 30:
		mem.Destroy(a, nodesBehind[nodeBlock30[N]](b))
	case 126:
		mem.Destroy(a, nodesBehind[nodeBlock126[N]](b))
	case 168:
		mem.Destroy(a, nodesBehind[nodeBlock168[N]](b))
	default:
		mem.Destroy(a, nodesBehind[nodeBlock252[N]](b))
	}
}
