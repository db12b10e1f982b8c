package heap

import "github.com/allod-dev/allod/mem"

// Hybrid joins two allocators: blocks of types with Go pointers come from the
// collected heap, all others from the child. Want it where a program's data is
// mostly plain bytes that had better be off the Go heap, and a few types beside
// it hold strings, maps or pointers: one allocator then serves both, and none of
// them needs a promise.
//
// Free gives a block back to the part that its type belongs to; what that part
// does is its own affair. Blocks live as long as that part says: those with
// pointers, as long as anything refers to them.
//
// A Hybrid is safe for concurrent use if its parts are, and [GC] is. It must not
// be copied. The zero Hybrid has no child; call [NewHybrid].
//
// It answers [mem.Scanned] and so sends local blocks where it sends managed
// ones. What the child promised, by [mem.NoGoPointers] for instance, is not
// asked for.
type Hybrid struct {
	copies  noCopy
	child   mem.Allocator // blocks of types without pointers
	managed mem.Allocator // blocks of types with them; answers Scanned
}

var _ mem.Allocator = (*Hybrid)(nil)

// The Type routes, on the way down and on the way back, because it is all that
// both share: Free ignores the Kind, and the collected heap cannot tell whether
// an address is its own. A caller that lies about the type does no damage that
// it could not have done to one of the parts: the collected heap takes back
// whatever it is given and does nothing to it, and a child that is not C finds a
// foreign block by its address.
//
// Local blocks in the child were rejected, although the child could serve them:
// whoever asks for one may store a pointer to a managed block of this Hybrid in
// it, which is kept alive by the pointer alone (clause 7 of the contract).
//
// There is no Unwrap. It would show one of two parts, and what this part says of
// a block (Owns, UsableSize) is wrong for those of the other.

// NewHybrid returns an allocator that serves blocks of types with pointers from
// [GC] and all others from child.
func NewHybrid(child mem.Allocator) *Hybrid {
	mustChild("heap: NewHybrid", child)
	return &Hybrid{child: child, managed: GC{}}
}

// NewHybridWith is [NewHybrid] with managed in the place of GC: an Arena over
// GC, say, or a [CappedGC]. It panics unless managed answers [mem.Scanned].
func NewHybridWith(child, managed mem.Allocator) *Hybrid {
	mustChild("heap: NewHybridWith", child)
	mustChild("heap: NewHybridWith", managed)
	if p := managed.Pointers(); p != mem.Scanned {
		panic("heap: NewHybridWith: managed answers " + p.String() + ", not scanned")
	}
	return &Hybrid{child: child, managed: managed}
}

// Alloc implements [mem.Allocator].
func (h *Hybrid) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("heap: Hybrid.Alloc", size)
	h.copies.check("heap: Hybrid.Alloc")
	if h.child == nil {
		return nil, zeroValue("heap: Hybrid.Alloc", "NewHybrid")
	}
	if l.Kind != mem.Plain && l.Type == (mem.Type{}) {
		return h.managed.Alloc(size, l) // which knows what to say to that
	}
	part, l := h.route(l)
	return part.Alloc(size, l)
}

// Resize implements [mem.Allocator].
func (h *Hybrid) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: Hybrid.Resize", size)
	if h.child == nil {
		zeroValue("heap: Hybrid.Resize", "NewHybrid")
		return b, false
	}
	part, l := h.route(l)
	return part.Resize(b, l, size)
}

// Remap implements [mem.Allocator].
func (h *Hybrid) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: Hybrid.Remap", size)
	if h.child == nil {
		zeroValue("heap: Hybrid.Remap", "NewHybrid")
		return b, false
	}
	part, l := h.route(l)
	return part.Remap(b, l, size)
}

// Free implements [mem.Allocator].
func (h *Hybrid) Free(b []byte, l mem.Layout) {
	if h.child == nil {
		zeroValue("heap: Hybrid.Free", "NewHybrid")
		return
	}
	part, l := h.route(l)
	part.Free(b, l)
}

// Pointers returns [mem.Scanned].
func (h *Hybrid) Pointers() mem.Pointers {
	if h.child == nil {
		return mem.PlainOnly
	}
	return mem.Scanned
}

// Trim implements [mem.Trimmer] with what both parts can give back.
func (h *Hybrid) Trim() int {
	if h.child == nil {
		return 0
	}
	return mem.Trim(h.child) + mem.Trim(h.managed)
}

// GoodSize implements [mem.GoodSizer] with the answer of the part that would
// serve the block.
func (h *Hybrid) GoodSize(size int, l mem.Layout) int {
	if h.child == nil {
		return size
	}
	part, l := h.route(l)
	return mem.GoodSize(part, size, l)
}

// route returns the part that serves blocks of layout l, and the layout to ask
// it with. In a block that is not plain although its type has no pointers the
// collector has nothing to see, so any child may serve it, zeroed.
func (h *Hybrid) route(l mem.Layout) (mem.Allocator, mem.Layout) {
	if l.Type.HasPointers() {
		return h.managed, l
	}
	if l.Kind != mem.Plain {
		l.Kind, l.Zero = mem.Plain, true
	}
	return h.child, l
}
