package heap

import "github.com/allod-dev/allod/internal/invariant"

// check derives the totals anew and looks for every node in the index. In a large
// table it does so once in as many calls as there are nodes, so that n calls
// cost O(n log n) in all.
//
//go:norace
func (t *debugTable) check() {
	if t.unchecked++; t.nodes > 64 && t.unchecked < t.nodes {
		return
	}
	t.unchecked = 0
	lifted := 0
	for i := t.lifted; i != 0; i = t.node(i).next {
		lifted++
	}
	blocks, kept, indexed, vacant := 0, 0, 0, 0
	for _, i := range t.vacant { // before any of them is given up below
		if i != 0 {
			vacant--
		}
	}
	for i := int32(1); i < t.nodes; i++ {
		n := t.node(i)
		switch n.is() {
		case debugUnused:
			continue
		case debugVacant:
			vacant++
			if j, _ := t.exact(n.from, n.length()); j != i || t.vacant[n.when] != i {
				invariant.Check(false, "heap: Debug: %d bytes at %#x are vacant, and not where they should be", n.length(), n.from)
			}
			if j := t.overlapping(n.from, n.length(), i); j != 0 {
				invariant.Check(false, "heap: Debug: %d bytes at %#x are vacant, but for %d at %#x", n.length(), n.from, t.node(j).length(), t.node(j).from)
			}
			continue
		case debugDead:
			kept++
		default:
			blocks++
		}
		if j, _ := t.exact(n.from, n.length()); j == i {
			indexed++
			if j := t.overlapping(n.from, n.length(), i); j != 0 {
				invariant.Check(false, "heap: Debug: %d bytes at %#x overlap %d at %#x", n.length(), n.from, t.node(j).length(), t.node(j).from)
			}
		}
	}
	if blocks != t.blocks || kept != t.kept || indexed+lifted != blocks+kept {
		invariant.Check(false, "heap: Debug: %d live blocks and %d in quarantine, counted %d and %d, %d indexed and %d lifted",
			blocks, kept, t.blocks, t.kept, indexed, lifted)
	}
	if vacant != 0 {
		invariant.Check(false, "heap: Debug: %d more are vacant than the ring has, or have bytes in common", vacant)
	}
	small := 0
	for _, n := range t.index.small {
		small += int(n)
	}
	if want := int(t.index.tiers[0] + t.index.tiers[1]); small != want {
		invariant.Check(false, "heap: Debug: %d small blocks in regions, %d in tiers", small, want)
	}
	n := 0
	for i := t.oldest; i != 0; i = t.node(i).after() {
		n++
	}
	if n != t.kept {
		invariant.Check(false, "heap: Debug: %d in the quarantine's list, counted %d", n, t.kept)
	}
}
