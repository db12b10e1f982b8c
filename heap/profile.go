package heap

import (
	"io"

	"github.com/allod-dev/allod/mem"
)

// Profile wraps an allocator and finds out who allocates, at a price that a
// program in production can pay: as Go's own profile of the heap does, it takes
// the stack of one block in so many bytes, and says of each stack how much all
// of its blocks must be. Memory off the Go heap is not in Go's profile; this is
// the profile that it is in. [Profile.WriteProfile] writes it for go tool pprof.
// Around an [SMP] it adds about a tenth to the time of Alloc and Free, more than
// half of which is the second call; an SMP that profiles itself adds about a
// hundredth: see SMPOptions.ProfileRate.
//
// Memory comes from the child, to which every operation is passed unchanged.
// Free is the child's. Blocks live as long as the child says, and a child that
// frees many at once, as an Arena does, is not noticed: the blocks stay in the
// profile. For an arena, wrap the child that it takes its chunks from.
//
// A Profile is safe for concurrent use if its child is; writing it always is. It
// must not be copied. The zero Profile has no child; call [NewProfile].
//
// The figures are estimates: of a stack with n blocks in the sample the error is
// about one in the square root of n. They do not lean to either side. A block
// that grows or shrinks counts as one freed and another allocated.
type Profile struct {
	copies noCopy
	child  mem.Allocator
	marks  profileMarks // where the blocks of the sample may be
	sample sampler
	next   countdowns // to the next block that is taken into the sample
}

var _ mem.Allocator = (*Profile)(nil)

// Most calls must cost next to nothing, so neither Alloc nor Free may look at
// what other goroutines change. Alloc counts bytes down to the next sample, in a
// place that it hardly shares; see [countdowns]. Free reads one bit of a
// table that is hashed by address, nearly always 0; only if it is not, the lock is
// taken to look. What is left is mostly the second call through an interface,
// which a wrapper cannot do without; see [SMPOptions.ProfileRate].

// ProfileOptions are the settings of [NewProfileWith].
type ProfileOptions struct {
	// Rate is how many bytes there are, on average, to a block in the sample.
	// 0 means 512 KiB, as in Go; with 1 every block is in it. More than 64 MiB
	// is 64 MiB. To tell that a block is in the sample takes some 150 to 300 bytes
	// of the Go heap.
	Rate int

	// StackDepth is how many calls of a stack are kept. 0 means 32, and more
	// than 64 is 64.
	StackDepth int
}

// NewProfile returns child with a sample of its blocks profiled.
func NewProfile(child mem.Allocator) *Profile {
	mustChild("heap: NewProfile", child)
	return NewProfileWith(child, ProfileOptions{})
}

// NewProfileWith is [NewProfile] with options. It panics if one is negative.
func NewProfileWith(child mem.Allocator, o ProfileOptions) *Profile {
	mustChild("heap: NewProfileWith", child)
	if o.Rate < 0 || o.StackDepth < 0 {
		panic("heap: NewProfileWith: negative option")
	}
	p := &Profile{child: child, sample: newSampler(o.Rate, o.StackDepth)}
	p.marks.now.Store(newProfileTable(profileTableMin))
	p.sample.marks = &p.marks
	return p
}

// The methods are not inlined: their callers are told by their distance.

// Alloc implements [mem.Allocator].
//
//go:noinline
func (p *Profile) Alloc(size int, l mem.Layout) ([]byte, error) {
	mem.CheckSize("heap: Profile.Alloc", size)
	p.copies.check("heap: Profile.Alloc")
	next := p.next.mine()
	if next.passes(size) { // which no zero Profile lets it
		return p.child.Alloc(size, l)
	}
	return p.alloc(size, l, next)
}

// alloc is Alloc for a block that may be in the sample.
//
//go:noinline
func (p *Profile) alloc(size int, l mem.Layout, next *countdown) ([]byte, error) {
	if p.child == nil {
		return nil, zeroValue("heap: Profile.Alloc", "NewProfile")
	}
	b, err := p.child.Alloc(size, l)
	if next.ends(&p.sample, size) && err == nil {
		p.sample.add(b, 1/p.sample.probability(size), 3)
	}
	return b, err
}

// Resize implements [mem.Allocator].
//
//go:noinline
func (p *Profile) Resize(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: Profile.Resize", size)
	if p.child == nil {
		zeroValue("heap: Profile.Resize", "NewProfile")
		return b, false
	}
	return p.resize(b, l, size, mem.Allocator.Resize)
}

// Remap implements [mem.Allocator].
//
//go:noinline
func (p *Profile) Remap(b []byte, l mem.Layout, size int) ([]byte, bool) {
	mem.CheckSize("heap: Profile.Remap", size)
	if p.child == nil {
		zeroValue("heap: Profile.Remap", "NewProfile")
		return b, false
	}
	return p.resize(b, l, size, mem.Allocator.Remap)
}

//go:noinline
func (p *Profile) resize(b []byte, l mem.Layout, size int, how changer) ([]byte, bool) {
	var was sampled
	in := false
	if p.marks.some(b) {
		was, in = p.sample.take(b)
	}
	r, ok := how(p.child, b, l, size)
	switch {
	case !ok && in:
		p.sample.putBack(b, was)
	case ok && p.next.mine().chooses(&p.sample, size):
		p.sample.add(r, 1/p.sample.probability(size), 3)
	}
	return r, ok
}

// Free implements [mem.Allocator].
func (p *Profile) Free(b []byte, l mem.Layout) {
	if p.marks.some(b) { // or it is the zero Profile
		p.free(b, l)
		return
	}
	p.child.Free(b, l)
}

// free is Free for a block that may be in the sample.
//
//go:noinline
func (p *Profile) free(b []byte, l mem.Layout) {
	if p.child == nil {
		zeroValue("heap: Profile.Free", "NewProfile")
		return
	}
	was, in := p.sample.take(b)
	if !freeTo(p.child, b, l) && in {
		p.sample.putBack(b, was)
	}
}

// Pointers returns the child's answer.
func (p *Profile) Pointers() mem.Pointers {
	if p.child == nil {
		return mem.PlainOnly
	}
	return p.child.Pointers()
}

// Unwrap returns the child.
func (p *Profile) Unwrap() mem.Allocator { return p.child }

// Sites returns, by stack, what was allocated and what of it is live, most live
// bytes first.
func (p *Profile) Sites() []ProfileSite {
	if p.child == nil {
		return nil
	}
	return p.sample.list()
}

// WriteProfile writes, by stack, how many blocks and bytes were allocated and
// how many of them are live, as a profile for go tool pprof, with the sample
// types of Go's own profile of the heap. Live bytes are shown unless told
// otherwise.
func (p *Profile) WriteProfile(w io.Writer) error { return writeSites(w, p.Sites()) }
