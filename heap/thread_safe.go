package heap

import (
	"sync"

	"github.com/allod-dev/allod/mem"
)

// ThreadSafe wraps an allocator that is made for one goroutine at a time and
// makes it safe for many, with one lock around every call. Want it where an
// Arena or a buffer is shared now and then; where many goroutines allocate all
// the time, want an allocator that was built for them.
//
// Memory comes from the child, to which every operation is passed unchanged.
// Free is the child's. Blocks live as long as the child says.
//
// A ThreadSafe is safe for concurrent use, as long as nobody uses its child past
// it; [ThreadSafe.Do] is the way to call what the child has beyond the methods
// of an allocator. It must not be copied. The zero ThreadSafe has no child; call
// [NewThreadSafe].
//
// A child reports misuse from inside the lock: a handler set with [OnMisuse]
// that calls the ThreadSafe then waits for ever.
//
// The lock orders those who take it, also in the eyes of the race detector. A
// race of the program's own may go unseen if its two sides happen to allocate
// in between.
type ThreadSafe struct {
	copies   noCopy
	mu       sync.Mutex
	child    mem.Allocator // used under mu
	pointers mem.Pointers  // the child's answer, which never changes
	below    mem.Allocator // for Unwrap; nil if there is nothing to find
}

var _ mem.Allocator = (*ThreadSafe)(nil)

// Other allocators hide their synchronisation from the race detector, so that
// it does not hide races of the program. Here that is impossible. What the lock
// guards is the state of a child that knows nothing of locks: plain fields on
// the Go heap, which two goroutines write in turn. Without the edges between
// unlocking and locking the detector would report every one of these writes. A
// lock that is seen and orders too much was chosen over one that is hidden and
// cries wolf: the first may miss a race, and only in a run where the lock did
// order its two sides; the second makes the detector useless.

// NewThreadSafe returns child with a lock around every call.
func NewThreadSafe(child mem.Allocator) *ThreadSafe {
	mustChild("heap: NewThreadSafe", child)
	t := &ThreadSafe{child: child, pointers: child.Pointers()}
	if o, ok := mem.As[mem.Owner](child); ok {
		t.below = &lockedOwner{t, t, o}
	}
	return t
}

// Alloc implements [mem.Allocator].
func (t *ThreadSafe) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("heap: ThreadSafe.Alloc", size)
	t.copies.check("heap: ThreadSafe.Alloc")
	if t.child == nil {
		return nil, zeroValue("heap: ThreadSafe.Alloc", "NewThreadSafe")
	}
	t.mu.Lock()
	defer t.mu.Unlock() // also if the child panics
	return t.child.Alloc(size, l)
}

// Resize implements [mem.Allocator].
func (t *ThreadSafe) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: ThreadSafe.Resize", size)
	if t.child == nil {
		zeroValue("heap: ThreadSafe.Resize", "NewThreadSafe")
		return b, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.child.Resize(b, l, size)
}

// Remap implements [mem.Allocator].
func (t *ThreadSafe) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: ThreadSafe.Remap", size)
	if t.child == nil {
		zeroValue("heap: ThreadSafe.Remap", "NewThreadSafe")
		return b, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.child.Remap(b, l, size)
}

// Free implements [mem.Allocator].
func (t *ThreadSafe) Free(b []byte, l mem.Layout) {
	if t.child == nil {
		zeroValue("heap: ThreadSafe.Free", "NewThreadSafe")
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.child.Free(b, l)
}

// Pointers returns the child's answer. It takes no lock.
func (t *ThreadSafe) Pointers() mem.Pointers { return t.pointers }

// Do calls fn while no other goroutine is inside the child. It is for what a
// child has beyond the methods of an allocator, such as the Reset of an Arena,
// and for several calls that belong together. Inside, fn uses the child; a call
// to the ThreadSafe itself would wait for ever.
func (t *ThreadSafe) Do(fn func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fn()
}

// Trim implements [mem.Trimmer] with the child's answer.
func (t *ThreadSafe) Trim() int {
	if t.child == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return mem.Trim(t.child)
}

// GoodSize implements [mem.GoodSizer] with the child's answer.
func (t *ThreadSafe) GoodSize(size int, l mem.Layout) int {
	if t.child == nil {
		return size
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return mem.GoodSize(t.child, size, l)
}

// UsableSize implements [mem.UsableSizer] with the child's answer, or the
// length of b if the child has none.
func (t *ThreadSafe) UsableSize(b []byte) int {
	if t.child == nil {
		return len(b)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if u, ok := mem.As[mem.UsableSizer](t.child); ok {
		return u.UsableSize(b)
	}
	return len(b)
}

// Unwrap does not return the child, whose abilities would then be found with
// [mem.As] and be used without the lock. It returns an allocator with those
// abilities that ThreadSafe cannot have for every child, each under the lock.
func (t *ThreadSafe) Unwrap() mem.Allocator { return t.below }

// lockedOwner adds Owns, which ThreadSafe itself must not claim: a child that
// cannot tell has no answer that would be safe. Its embedded allocator is the
// ThreadSafe, all of whose five methods are right.
type lockedOwner struct {
	mem.Allocator
	t     *ThreadSafe
	owner mem.Owner // child's
}

func (o *lockedOwner) Owns(b []byte) bool {
	o.t.mu.Lock()
	defer o.t.mu.Unlock()
	return o.owner.Owns(b)
}
