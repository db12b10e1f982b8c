package heap

import "github.com/allod-dev/allod/mem"

// A PromotedArena is an [ArenaState] with its child: an allocator. It holds
// nothing of its own. Any number of them may exist and be copied; all act on
// the state. The zero PromotedArena serves nothing; call [ArenaState.Promote].
type PromotedArena struct {
	// State is where it allocates.
	State *ArenaState
	child mem.Allocator
}

var _ mem.Allocator = PromotedArena{}

// Promote returns the allocator that allocates in s out of child. It panics if
// child is nil.
func (s *ArenaState) Promote(child mem.Allocator) PromotedArena {
	mustChild("heap: ArenaState.Promote", child)
	return PromotedArena{s, child}
}

// Alloc implements [mem.Allocator].
func (p PromotedArena) Alloc(size int, l mem.Layout) ([]byte, error) {
	if p.unusable() {
		return nil, zeroValue("heap: PromotedArena.Alloc", "ArenaState.Promote")
	}
	return p.State.Alloc(p.child, size, l)
}

// Resize implements [mem.Allocator].
func (p PromotedArena) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	if p.unusable() {
		_ = zeroValue("heap: PromotedArena.Resize", "ArenaState.Promote")
		return b, false
	}
	return p.State.Resize(p.child, b, l, size)
}

// Remap implements [mem.Allocator].
func (p PromotedArena) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	if p.unusable() {
		_ = zeroValue("heap: PromotedArena.Remap", "ArenaState.Promote")
		return b, false
	}
	return p.State.Remap(p.child, b, l, size)
}

// Free implements [mem.Allocator].
func (p PromotedArena) Free(b []byte, l mem.Layout) {
	if p.unusable() {
		_ = zeroValue("heap: PromotedArena.Free", "ArenaState.Promote")
		return
	}
	p.State.Free(p.child, b, l)
}

// Pointers implements [mem.Allocator]: the answer of the child.
func (p PromotedArena) Pointers() mem.Pointers {
	if p.unusable() {
		return mem.PlainOnly
	}
	return p.child.Pointers()
}

// unusable tells whether p did not come from Promote.
func (p PromotedArena) unusable() bool { return p.State == nil || p.child == nil }
